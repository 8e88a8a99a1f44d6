import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from pv_vae_jax.pretrained import i3d_network, judge, space_time


class Network(nn.Module):
    """A wide convolution, which has the form with loops on CPU."""

    @nn.compact
    def __call__(self, x):
        x = i3d_network.Unit(space_time.WIDE)(x)
        return jnp.mean(i3d_network.Unit(4, 3)(x), axis=(1, 2, 3))


@jax.jit
def prepare(video):
    return judge.resize(video.astype(jnp.float32), 32, 32)


@pytest.fixture(scope="module")
def small():
    clip = prepare(judge.waves(9))
    params = jax.jit(Network().init)(jax.random.key(0), clip)["params"]
    return judge.Judge("small", "0" * 64, "", 9, 4, Network(), params, prepare)


def test_too_few_frames_and_other_arrays_are_sentences(small):
    with pytest.raises(ValueError, match="small needs at least 9 frames of a clip, got 8"):
        small.logits(np.zeros((1, 8, 32, 32, 3), np.uint8))
    with pytest.raises(ValueError, match=r"judges videos \[B, T, H, W, 3\], got \[9, 32, 32, 3\]"):
        small.logits(np.zeros((9, 32, 32, 3), np.uint8))
    with pytest.raises(ValueError, match=r"judges uint8 or floats in \[-1, 1\], got int32"):
        small.logits(np.zeros((1, 9, 32, 32, 3), np.int32))


def test_weights_without_a_known_answer_are_not_checked(small):
    assert small.check() is False


def test_each_device_looks_at_its_own_clips(small):
    video = np.concatenate([judge.waves(9), 255 - judge.waves(9)])
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), "data")
    rows = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    placed = jax.device_put(video, rows)
    np.testing.assert_allclose(small.logits(placed), small.logits(video), rtol=1e-4)
    program = judge._apply.lower(Network(), judge._split(placed), small.params, prepare(placed))
    text = program.compile().as_text()
    assert "num_partitions=2" in text
    assert not [word for word in ("all-gather", "all-reduce", "permute") if word in text]


@pytest.mark.parametrize(("size", "result"), [(4, 2), (2, 4), (3, 3)])
def test_frames_are_resized_without_antialiasing_about_the_centres_of_pixels(size, result):
    video = np.zeros((1, 1, size, size, 1), np.float32)
    video[0, 0, :, 0] = 1
    rows = {4: [0.5, 0.0], 2: [1.0, 0.75, 0.25, 0.0], 3: [1.0, 0.0, 0.0]}[size]
    found = judge.resize(jnp.asarray(video), result, result)[0, 0, :, :, 0]
    np.testing.assert_allclose(found, [rows] * result, atol=1e-6)


def test_the_clip_of_the_known_answer_does_not_change():
    video = judge.waves(9)
    assert (video.shape, video.dtype) == ((1, 9, 96, 128, 3), np.uint8)
    assert int(video.sum(dtype=np.int64)) == 42_381_503
