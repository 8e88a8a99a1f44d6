"""SSVAE against the reference implementation; golden values by tests/golden/zoo/make_ssvae.py."""

import functools
import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from pv_vae_jax.core import trees
from pv_vae_jax.models import streaming
from pv_vae_jax.zoo import checkpoints, registry, shortcuts, ssvae, ssvae_layers, torch_weights
from tests.golden.zoo import rule
from tests.zoo import golden as files

FIELDS = {"channels": 4, "stem": 4, "widths": (8, 16, 32, 64, 64)}
CLIPS = {1: 1, 5: 1, 9: 1, 17: 2}  # frames: batch
LENGTHS = [1, 17, *(pytest.param(frames, marks=pytest.mark.slow) for frames in (5, 9))]
SIZE, STEP = (32, 48), 3


@pytest.fixture(scope="module")
def golden():
    return files.read("ssvae")


@pytest.fixture(scope="module")
def tensors(golden):
    """The reference's state dict, weights by rule.py."""
    return files.state(golden, "tensors")


@pytest.fixture(scope="module")
def vae(tensors, tmp_path_factory):
    """Loaded from a file with the parts of training that a published one may hold."""
    surplus = {"loss.logvar": np.zeros(1), "mask_token": np.zeros((1, 4, 1, 1, 1))}
    path = tmp_path_factory.mktemp("ssvae") / "reduced.safetensors"
    safetensors.numpy.save_file(tensors | surplus, path)
    return registry.from_reference("ssvae", path, **FIELDS)


@pytest.fixture(scope="module")
def decode(vae):
    return files.decoder(vae)


@functools.cache
def clip(frames):
    return rule.clip(frames, frames, *SIZE, CLIPS[frames])


@functools.cache
def latents(frames):
    return rule.normal(100 + frames, CLIPS[frames], 1 + frames // 4, 2, 3, 4)


def moments(vae, video):
    posterior = vae.posterior(video)
    return np.concatenate([posterior.mean, posterior.logvar], axis=-1)


def seen(video):
    return video[:, :, ::STEP, ::STEP]


def close(x, y, most=1e-4):
    assert x.shape == y.shape
    np.testing.assert_allclose(x, y, rtol=0, atol=most)


def same_across_shapes(part, whole):
    close(part, whole[:, : part.shape[1]], 2e-5 * np.abs(whole).max())


@pytest.mark.parametrize("frames", LENGTHS)
def test_moments_equal_the_reference(vae, golden, frames):
    assert golden[f"moments/{frames}"].std() > 0.3
    close(moments(vae, clip(frames)), golden[f"moments/{frames}"])


@pytest.mark.parametrize("frames", LENGTHS)
def test_decode_equals_the_reference(decode, golden, frames):
    assert golden[f"video/{frames}"].std() > 0.5
    close(seen(decode(latents(frames))), golden[f"video/{frames}"])


def test_a_file_in_the_names_of_the_reference_gives_its_reconstruction(vae, decode, golden):
    mean = vae.posterior(clip(17)).mean
    np.testing.assert_array_equal(vae.encode(clip(17)), mean)  # no statistics of this width
    close(seen(decode(mean)), golden["again/17"])


def test_a_lightning_file_holds_the_model_in_its_state_dict(tensors):
    tree = {"epoch": 3, "state_dict": tensors, "optimizer_states": [{"state": {}}]}
    assert checkpoints.unwrapped(tree).keys() == tensors.keys()


def test_full_model_has_the_published_number_of_parameters():
    about = registry.describe("ssvae")
    assert (str(about.spec), about.parameters) == ("t4s16c48", 315_177_859)


def test_full_model_has_the_published_statistics():
    known = registry.BASELINES["ssvae"]
    assert len(known.mean) == len(known.std) == 48
    assert (known.mean[0], known.mean[20], known.mean[47]) == (
        -0.1962890625,
        0.2236328125,
        -0.74609375,
    )
    assert (known.std[0], known.std[20], known.std[47]) == (0.69140625, 1.1328125, 1.4140625)


def test_every_tensor_of_a_layout_is_used_once(golden):
    published = json.loads(str(golden["published"]))
    known = registry.BASELINES["ssvae"]
    shapes = trees.flatten(registry.shapes(registry.build("ssvae")))
    leaves = {path: leaf.shape for path, leaf in shapes.items()}
    entries = list(known.layouts["official"](known.fields))
    assert {e.key: list(e.shape(leaves)) for e in entries} == published
    assert len(entries) == len(published) == 277
    used = [path for entry in entries for path in entry.paths]
    assert sorted(used) == sorted(leaves)


def test_weights_survive_the_way_to_the_reference_and_back(vae, tensors):
    leaves = {path: np.asarray(leaf) for path, leaf in trees.flatten(vae.params).items()}
    theirs = torch_weights.theirs_of(ssvae.official(FIELDS), leaves)
    assert theirs.keys() == tensors.keys()
    for name, tensor in theirs.items():
        np.testing.assert_array_equal(tensor, tensors[name])
    shapes = {path: leaf.shape for path, leaf in leaves.items()}
    ours = torch_weights.ours_of(ssvae.official(FIELDS), theirs, shapes)
    assert ours.keys() == leaves.keys()
    for path, leaf in ours.items():
        np.testing.assert_array_equal(leaf, leaves[path])


@pytest.mark.parametrize("groups", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_prefix_has_the_latents_and_the_frames_of_the_whole_and_an_image_is_latent_0(
    vae, decode, groups
):
    frames = 1 + 4 * (groups - 1)
    same_across_shapes(moments(vae, clip(17)[:1, :frames]), moments(vae, clip(17))[:1])
    same_across_shapes(decode(latents(17)[:1, :groups]), decode(latents(17))[:1])


def test_the_future_changes_no_bit_of_the_past(vae, decode):
    video, z = clip(17).copy(), latents(17).copy()
    before = moments(vae, video), decode(z)
    video[:, 5:] *= -1
    z[:, 2:] *= -1
    after = moments(vae, video), decode(z)
    for x, y, past in zip(before, after, (2, 5), strict=True):
        np.testing.assert_array_equal(x[:, :past], y[:, :past])
        assert np.abs(x - y)[:, past:].max() > 1e-2


def chunks(x, *sizes):
    return np.split(x, np.cumsum(sizes)[:-1], axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("plan", [(1, 4, 4, 4, 4), (5, 8, 4)], ids=str)
def test_a_stream_equals_the_whole_clip(vae, decode, plan):
    parts = streaming.encode_stream(vae.module, vae.params, chunks(clip(17), *plan))
    mean = np.concatenate([part.mean for part in parts], axis=1)
    same_across_shapes(mean, vae.posterior(clip(17)).mean)
    groups = [-(-frames // 4) for frames in plan]
    parts = list(streaming.decode_stream(vae.module, vae.params, chunks(latents(17), *groups)))
    assert tuple(part.shape[1] for part in parts) == plan
    same_across_shapes(np.concatenate(parts, axis=1), decode(latents(17)))


def test_the_encoder_has_a_second_attention_behind_its_middle(vae):
    silent = dict(vae.params["encoder"]["last_attention"])
    silent["out"] = jax.tree.map(jnp.zeros_like, silent["out"])
    encoder = vae.params["encoder"] | {"last_attention": silent}
    without = registry.VideoVAE(
        vae.module, vae.params | {"encoder": encoder}, vae.mean, vae.std, vae.config
    )
    assert np.abs(moments(vae, clip(1)) - moments(without, clip(1))).max() > 0.05
    assert "last_attention" not in vae.params["decoder"]


def arange(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


average = jax.jit(shortcuts.average, static_argnums=(1, 2))
duplicate = jax.jit(shortcuts.duplicate, static_argnums=(1, 2, 3))


@pytest.mark.parametrize("time, features", [(1, 8), (2, 8), (2, 4)])  # 2C, 2C, C, as published
def test_average_groups_channels_slowest_then_time_row_column(time, features):
    x = arange(2, 3, 4, 6, 4)
    padded = np.concatenate([np.zeros_like(x[:, :1]), x], axis=1) if time == 2 else x
    y = np.asarray(average(x, features, (time, 2)))
    assert y.shape == (2, padded.shape[1] // time, 2, 3, features)
    for b, t, h, w in np.ndindex(*y.shape[:4]):
        places = itertools.product(range(4), range(time), (0, 1), (0, 1))
        line = [padded[b, time * t + i, 2 * h + j, 2 * w + k, c] for c, i, j, k in places]
        np.testing.assert_allclose(y[b, t, h, w], np.reshape(line, (features, -1)).mean(-1))


@pytest.mark.parametrize("time, features", [(1, 2), (2, 2), (2, 4)])  # C/2, C/2, C, as published
def test_duplicate_spreads_channels_slowest_then_time_row_column(time, features):
    x = arange(2, 3, 2, 3, 4)
    y = np.asarray(duplicate(x, features, (time, 2), False))
    assert y.shape == (2, 3 * time, 4, 6, features)
    for b, t, h, w in np.ndindex(*x.shape[:4]):
        line = [c for c in x[b, t, h, w] for _ in range(features * time * 4 // 4)]
        places = itertools.product(range(features), range(time), (0, 1), (0, 1))
        for value, (o, i, j, k) in zip(line, places, strict=True):
            assert y[b, time * t + i, 2 * h + j, 2 * w + k, o] == value
    first = np.asarray(duplicate(x, features, (time, 2), True))
    np.testing.assert_array_equal(first, y[:, time - 1 :])


@pytest.mark.parametrize("time", (1, 2))
def test_down_stands_on_copies_in_time_and_on_zeros_behind_in_space(time):
    x = rule.normal(0, 1, 5, 4, 6, 4)
    layer = ssvae_layers.Down(8, time)
    kernel, bias = rule.normal(1, 2 * time - 1, 3, 3, 4, 8), rule.normal(2, 8)
    y = jax.jit(layer.apply)({"params": {"conv": {"kernel": kernel, "bias": bias}}}, x)
    padded = np.pad(x, [(0, 0), (0, 0), (0, 1), (0, 1), (0, 0)])
    padded = np.concatenate([padded[:, :1]] * (2 * time - 2) + [padded], axis=1)
    wanted = np.array(average(x, 8, (time, 2)))
    for b, t, h, w in np.ndindex(*wanted.shape[:4]):
        window = padded[b, time * t :, 2 * h :, 2 * w :][: 2 * time - 1, :3, :3]
        wanted[b, t, h, w] += np.tensordot(window, kernel, 4) + bias
    assert y.shape == wanted.shape == (1, 1 + 4 // time, 2, 3, 8)
    close(y, wanted)


def test_the_shortcut_of_down_stands_on_a_zero_frame():
    ones = np.ones((1, 3, 2, 2, 4), np.float32)
    both = average(ones, 4, (2, 2))
    np.testing.assert_array_equal(both[0, :, 0, 0, 0], [0.5, 1.0])
    later = average(ones[:, :2], 4, (2, 2))
    np.testing.assert_array_equal(later[0, :, 0, 0, 0], [1.0])


@pytest.mark.parametrize("time", (1, 2))
def test_up_repeats_each_frame_but_the_first(time):
    x = rule.normal(0, 1, 3, 2, 3, 4)
    layer = ssvae_layers.Up(4, time)
    kernel = np.zeros((3, 3, 3, 4, 4), np.float32)
    kernel[2, 1, 1] = np.eye(4)  # the frame itself
    y = jax.jit(layer.apply)(
        {"params": {"conv": {"kernel": kernel, "bias": np.zeros(4, np.float32)}}}, x
    )
    frames = [0, 1, 2] if time == 1 else [0, 1, 1, 2, 2]
    wanted = x[:, frames].repeat(2, axis=2).repeat(2, axis=3)
    close(y - duplicate(x, 4, (time, 2), True), wanted, 1e-6)


@pytest.mark.slow
def test_bfloat16_gives_float32_video_to_its_precision(vae, decode):
    module = registry.build("ssvae", **FIELDS, dtype="bfloat16")
    half = jax.jit(module.apply)({"params": vae.params}, clip(1))
    exact = decode(vae.posterior(clip(1)).mean)
    assert half.dtype == np.float32
    assert 1e-4 < np.sqrt(np.square(half - exact).mean() / np.square(exact).mean()) < 0.1


@pytest.mark.parametrize("remat, blocks", [("none", 0), ("block", 5 * 3 + 2 + 5 * 4 + 2)])
def test_each_residual_block_is_rematerialised_where_asked(vae, remat, blocks):
    module = registry.build("ssvae", **FIELDS, remat=remat)
    program = jax.make_jaxpr(module.apply)({"params": vae.params}, clip(1))
    assert sum(eqn.primitive.name in ("remat2", "checkpoint") for eqn in program.eqns) == blocks


@pytest.mark.slow
def test_rematerialised_blocks_have_the_same_gradients(vae):
    def gradient(remat):
        module = registry.build("ssvae", **FIELDS, remat=remat)

        def loss(params):
            return jnp.square(module.apply({"params": params}, clip(5)) - clip(5)).mean()

        return trees.flatten(jax.jit(jax.grad(loss))(vae.params))

    none, block = gradient("none"), gradient("block")
    for path, leaf in none.items():
        close(block[path], leaf, 1e-5 * max(1, np.abs(leaf).max()))


@pytest.mark.parametrize(
    "video, sentence",
    [
        (np.zeros((1, 5, 24, 32, 3), np.float32), "height of a clip is a multiple of 16, got 24"),
        (np.zeros((1, 6, 32, 32, 3), np.float32), r"1 \+ 4n frames, got 6"),
    ],
    ids=["size", "length"],
)
def test_a_clip_that_does_not_fit_is_refused(vae, video, sentence):
    with pytest.raises(ValueError, match=sentence):
        vae.posterior(video)


@pytest.mark.parametrize(
    "widths, sentence",
    [((8, 16), "widths are those of 5 levels"), ((8, 16, 24, 48, 48), "from 16 to 24 channels")],
)
def test_widths_that_do_not_fit_are_refused(widths, sentence):
    with pytest.raises(ValueError, match=sentence):
        registry.build("ssvae", widths=widths)
