"""HunyuanVideo's VAE against diffusers, its checkpoint, and its traps one by one."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from pv_vae_jax.core import trees
from pv_vae_jax.evaluation import tiles
from pv_vae_jax.interface import ALL
from pv_vae_jax.zoo import checkpoints, registry
from pv_vae_jax.zoo.group_norm import GroupNorm
from pv_vae_jax.zoo.hunyuan import BASELINES
from pv_vae_jax.zoo.hunyuan_layers import Blocks, EdgeConv3D, Up, attend
from tests.golden.zoo import rule
from tests.zoo import golden as files

FIELDS = {"channels": 4, "widths": (16, 32, 48, 48), "groups": 8}
SIZES = {1: (2, 16, 24), 5: (2, 24, 16), 9: (1, 16, 24), 17: (1, 32, 48)}  # as in make_hunyuan.py
SEED = 3
TILED = {4: (1, 29, 16, 24), 16: (1, 109, 16, 16)}
LENGTHS = [1, *(pytest.param(frames, marks=pytest.mark.slow) for frames in (5, 9)), 17]


@pytest.fixture(scope="module")
def golden():
    return files.read("hunyuan")


@pytest.fixture(scope="module")
def tensors(golden):
    return files.state(golden, "tensors")


@pytest.fixture(scope="module")
def vae(tensors, tmp_path_factory):
    """Loaded from a file in the names of the reference, with the prefix of the official one."""
    path = tmp_path_factory.mktemp("hunyuan") / "pytorch_model.safetensors"
    safetensors.numpy.save_file({f"vae.{name}": leaf for name, leaf in tensors.items()}, path)
    return registry.from_reference("hunyuan", path, **FIELDS)


@pytest.fixture(scope="module")
def decode(vae):
    return files.decoder(vae)


def clip(frames):
    batch, height, width = SIZES[frames]
    return rule.clip(SEED, frames, height, width, batch)


def latents(golden, frames):
    *shape, channels = golden[f"moments_{frames}"].shape
    return rule.normal(SEED, *shape, channels // 2)


@pytest.mark.parametrize("frames", LENGTHS)
def test_moments_of_a_loaded_checkpoint_equal_the_reference(vae, golden, frames):
    posterior = vae.posterior(clip(frames))
    found = np.concatenate([posterior.mean, posterior.logvar], axis=-1)
    np.testing.assert_allclose(found, golden[f"moments_{frames}"], rtol=0, atol=3e-5)


@pytest.mark.parametrize("frames", LENGTHS)
def test_decode_of_a_loaded_checkpoint_equals_the_reference_without_its_tiles(
    decode, golden, frames
):
    every = 3 if frames > 5 else 1
    found = decode(latents(golden, frames))
    assert found.shape[1] == frames
    found = found[:, :, ::every, ::every]
    np.testing.assert_allclose(found, golden[f"video_{frames}"], rtol=0, atol=5e-5)


@pytest.mark.slow
@pytest.mark.parametrize("tile", TILED)
def test_long_clips_go_through_the_tiles_of_the_reference(vae, golden, tile):
    batch, *shape = TILED[tile]
    video = rule.clip(SEED, *shape, batch)
    latents = tiles.encode(vae, [video], tile)
    found = np.concatenate(list(tiles.decode(vae, latents, tile)), axis=1)
    assert found.shape == video.shape
    wanted = golden[f"tiled_video_{tile}"]
    inside = np.abs(wanted) < 1  # decode cuts, the reference does not
    assert inside.mean() > 0.3
    np.testing.assert_allclose(found[:, :, ::3, ::3], np.clip(wanted, -1, 1), rtol=0, atol=5e-5)


def test_full_model_has_the_published_number_of_parameters():
    described = registry.describe("hunyuan")
    assert described.parameters == 246_478_803
    assert str(described.spec) == "t4s8c16"
    shapes = registry.shapes(registry.build("hunyuan"))
    quant = trees.count(shapes["encoder"]["quant"]), trees.count(shapes["decoder"]["post_quant"])
    assert quant == (1_056, 272)
    assert trees.count(shapes["encoder"]) - quant[0] == 100_341_408
    assert trees.count(shapes["decoder"]) - quant[1] == 146_136_067


@pytest.mark.parametrize("names, fields", [("tensors", FIELDS), ("tensors_full", {})])
def test_every_tensor_of_a_layout_is_used_once(golden, names, fields):
    layouts = BASELINES["hunyuan"].layouts
    assert layouts["official"] is layouts["diffusers"]  # the names are the same
    entries = layouts["official"](registry.fields("hunyuan", **fields))
    leaves = trees.flatten(registry.shapes(registry.build("hunyuan", **fields)))
    leaves = {path: leaf.shape for path, leaf in leaves.items()}
    paths = [path for entry in entries for path in entry.paths]
    assert sorted(paths) == sorted(leaves)
    assert len(entries) == len({entry.key for entry in entries})
    found = {entry.key: list(entry.shape(leaves)) for entry in entries}
    assert found == json.loads(str(golden[names]))


def test_a_checkpoint_comes_back_bit_for_bit(vae, tensors, tmp_path):
    path = tmp_path / "again.safetensors"
    fields = registry.fields("hunyuan", **FIELDS)
    checkpoints.write(path, "official", BASELINES["hunyuan"], fields, vae.params)
    again = safetensors.numpy.load_file(path)
    assert again.keys() == tensors.keys()
    assert all(np.array_equal(again[name], leaf) for name, leaf in tensors.items())


def test_latents_are_scaled_as_published():
    mean, std = registry.statistics("hunyuan")
    np.testing.assert_allclose((2.0 - mean) / std, np.full(16, 2 * 0.476986), rtol=1e-6)


def test_a_latent_and_a_frame_depend_on_later_ones_as_the_spec_says(vae, decode, golden):
    spec = vae.module.spec
    assert not spec.encoder_causal and spec.streaming == "none" and spec.splits == ()
    video = clip(17)
    later = video.copy()
    later[:, 16] *= -1
    first = vae.posterior(video).mean[:, 0]
    assert np.abs(vae.posterior(later).mean[:, 0] - first).max() > 1e-3
    z = latents(golden, 17)
    later = z.copy()
    later[:, 4] *= -1
    assert spec.decoder_lookahead == ALL
    assert np.abs(decode(later)[:, 0] - decode(z)[:, 0]).max() > 1e-3
    for stream, chunk in ((vae.encode_stream, video), (vae.decode_stream, z)):
        with pytest.raises(ValueError, match="no exact stream"):
            next(stream([chunk]))


def convolved(x, kernel, bias, strides):
    """Equation (2) of hunyuan_layers.py in float64, tap by tap."""
    st, ss = strides
    t, h, w = -(-x.shape[1] // st), x.shape[2] // ss, x.shape[3] // ss
    x = np.pad(x.astype(np.float64), ((0, 0), (2, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    y = np.zeros((x.shape[0], t, h, w, kernel.shape[-1])) + bias
    for i, j, k in np.ndindex(3, 3, 3):
        rows, columns = slice(j, j + ss * (h - 1) + 1, ss), slice(k, k + ss * (w - 1) + 1, ss)
        y += x[:, i : i + st * (t - 1) + 1 : st, rows, columns] @ kernel[i, j, k]
    return y


def random_params(module, x, seed=0):
    shapes = jax.eval_shape(module.init, jax.random.key(0), x)["params"]
    return jax.tree.map(lambda leaf: 0.3 * rule.normal(seed, *leaf.shape), shapes)


@pytest.mark.parametrize("strides", [(1, 1), (1, 2), (2, 2)])
@pytest.mark.parametrize("frames", [1, 5])
def test_a_convolution_repeats_the_edges_in_space_and_the_first_frame(strides, frames):
    module = EdgeConv3D(4, strides)
    x = rule.normal(1, 2, frames, 4, 6, 3)
    params = random_params(module, x)
    found = module.apply({"params": params}, x)
    wanted = convolved(x, params["kernel"], params["bias"], strides)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("time", [1, 2])
@pytest.mark.parametrize("frames", [1, 3])
def test_up_is_nearest_with_the_first_frame_alone_then_a_convolution(time, frames):
    module = Up(time)
    x = rule.normal(2, 1, frames, 2, 3, 4)
    params = random_params(module, x)
    found = module.apply({"params": params}, x)
    repeated = x.repeat(2, axis=2).repeat(2, axis=3)
    repeated = np.concatenate([repeated[:, :1], repeated[:, 1:].repeat(time, axis=1)], axis=1)
    wanted = convolved(repeated, params["kernel"], params["bias"], (1, 1))
    assert found.shape == (1, 1 + (frames - 1) * time, 4, 6, 4)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


def test_the_gradient_of_up_is_that_of_nearest_then_a_convolution():
    x = rule.normal(2, 1, 3, 2, 3, 4)
    params = random_params(Up(2), x)

    def plain(params, x):
        x = jnp.repeat(jnp.repeat(jnp.repeat(x, 2, 1)[:, 1:], 2, 2), 2, 3)
        return EdgeConv3D(4).apply({"params": params}, x)

    def slopes(function):
        return jax.jit(jax.grad(lambda *args: jnp.sum(jnp.sin(function(*args))), (0, 1)))(params, x)

    found = slopes(lambda params, x: Up(2).apply({"params": params}, x))
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=0, atol=3e-5), found, slopes(plain)
    )


def attended(q, k, v, frames):
    scores = np.einsum("bqc,bkc->bqk", *map(np.float64, (q, k))) / np.sqrt(q.shape[-1])
    scores = np.where(frames[None, :, None] >= frames[None, None, :], scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v


@pytest.mark.parametrize("channels", [8, 32])
def test_a_position_sees_all_of_its_own_frame_and_of_earlier_ones_alone(channels):
    frames = np.arange(21) // 7  # 3 frames of 7: more queries than are computed at once, or fewer
    q, k, v = (rule.normal(seed, 2, 21, channels) for seed in range(3))
    found = jax.jit(attend)(q, k, v, frames)
    np.testing.assert_allclose(found, attended(q, k, v, frames), rtol=0, atol=1e-5)
    slope = jax.jit(jax.grad(lambda k: attend(q, k, v, frames)[:, :14].sum()))(jnp.asarray(k))
    assert np.all(slope[:, 14:] == 0) and np.all(np.abs(slope[:, :14]).max(axis=-1) > 1e-6)


def test_attention_never_holds_all_scores_at_once():
    n, c = 4096, 16
    shape = jax.ShapeDtypeStruct((1, n, c), jnp.float32)
    frames = jnp.arange(n) // 64
    loss = jax.grad(lambda q, k, v: attend(q, k, v, frames).sum(), (0, 1, 2))
    memory = jax.jit(loss).lower(shape, shape, shape).compile().memory_analysis()
    assert memory.temp_size_in_bytes < n * n  # of 4 n^2 for all scores in float32


@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16])
def test_group_norm_is_over_the_clip_and_neighbouring_channels_in_float32(dtype):
    x = np.asarray((rule.normal(0, 2, 3, 2, 5, 12) + 30).astype(dtype))  # far from a mean of 0
    module = GroupNorm(4)
    params = random_params(module, x)
    found = module.apply({"params": params}, x)
    groups = np.float64(x).reshape(2, -1, 4, 3)
    mean, variance = (f(groups, axis=(1, 3), keepdims=True) for f in (np.mean, np.var))
    wanted = ((groups - mean) / np.sqrt(variance + 1e-6)).reshape(x.shape)
    np.testing.assert_allclose(found, wanted * params["scale"] + params["bias"], rtol=0, atol=2e-5)


def test_group_norm_divides_by_the_root_of_variance_plus_eps():
    x = 1e-3 * rule.normal(0, 1, 1, 4, 4, 4)
    params = {"scale": np.ones(4, np.float32), "bias": np.zeros(4, np.float32)}
    found = GroupNorm(1).apply({"params": params}, x)
    wanted = (x - x.mean()) / np.sqrt(x.var() + 1e-6)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
    assert np.std(found) < 0.8


@pytest.mark.slow
def test_remat_changes_no_gradient_and_bfloat16_stays_near():
    x = 2 * rule.normal(0, 1, 2, 2, 3, 8)
    form = {"features": 16, "count": 2, "groups": 4, "attention": True}
    params = random_params(Blocks(**form, dtype="float32", remat="none"), x)

    def slope(dtype, remat):
        module = Blocks(**form, dtype=dtype, remat=remat)

        def loss(params):
            return jnp.sum(jnp.sin(module.apply({"params": params}, x).astype(jnp.float32)))

        leaves = trees.flatten(jax.jit(jax.grad(loss))(params))
        return np.concatenate([np.ravel(leaf) for leaf in leaves.values()])

    plain = slope("float32", "none")
    np.testing.assert_allclose(slope("float32", "block"), plain, rtol=0, atol=1e-4)
    again = slope("bfloat16", "block")
    assert np.linalg.norm(again - plain) < 0.1 * np.linalg.norm(plain)


@pytest.mark.slow
def test_the_model_in_bfloat16_is_near_the_reference(vae, golden):
    module = registry.build("hunyuan", **FIELDS, dtype="bfloat16", remat="block")
    apply = jax.jit(functools.partial(module.apply, method="decode_raw"))
    found = apply({"params": vae.params}, latents(golden, 5))
    assert found.dtype == jnp.float32
    wanted = golden["video_5"]
    assert 1e-4 < np.sqrt(np.mean((found - wanted) ** 2)) < 0.05 * wanted.std()


def test_fields_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="widths are 4 multiples of groups = 32"):
        registry.build("hunyuan", widths=(16, 32, 48, 48))
    with pytest.raises(ValueError, match="remat is one of none, block; got 'layers'"):
        registry.build("hunyuan", remat="layers")
