"""A clip on several devices: the results and gradients of one, and no device holds the whole."""

import functools
import math
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec as P

import pv_vae_jax as pv
from pv_vae_jax.core import trees
from pv_vae_jax.layers.causal_conv import CausalConv3D
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.sharding import halo
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.sharding.split import Split
from tests import tiny
from tests.sharding import parity
from tests.sharding.parity import OPTIONS, TOLERANCE

SMALL = {"widths": (4, 6, 8), "encoder_blocks": (0, 0, 0), "decoder_blocks": (0, 0, 0)}
# (devices, (frames, height, width)): 6 groups over 4 devices are 8, of which 2 are cut off
CLIPS = {"rows": (4, (5, 64, 16)), "time": (4, (21, 16, 16))}


def mesh_of(devices: int, data: int = 1):
    return meshes.make_mesh(data=data, model=devices, devices=jax.devices()[: data * devices])


@functools.cache
def model(**fields):
    module = tiny.module(**(SMALL | fields))
    return module, tiny.params(module)


def there_and_back(module, params, video, latents):
    """Moments of a clip, another clip of latents, and a number that depends on all of both."""
    moments = module.apply({"params": params}, video, method="posterior")
    decoded = module.apply({"params": params}, latents, method="decode_raw")
    found = {"mean": moments.mean, "logvar": moments.logvar, "video": decoded}
    return sum(jnp.sum(jnp.sin(3 * leaf)) for leaf in found.values()), found


def arrays(module, clip, batch=1):
    random = np.random.default_rng(0)
    video = random.uniform(-1, 1, (batch, *clip, 3)).astype(np.float32)
    shape = (batch, *module.spec.latent_shape(*clip))
    return video, random.standard_normal(shape).astype(np.float32)


def outcome(module, params, clip, batch=1):
    """Results, gradients by parameters and by both inputs."""
    inputs = arrays(module, clip, batch)
    function = functools.partial(there_and_back, module)
    program = jax.jit(jax.value_and_grad(function, (0, 1, 2), has_aux=True))
    (_, found), gradients = program.lower(params, *inputs).compile(OPTIONS)(params, *inputs)
    return jax.device_get((found, gradients))


@functools.cache
def on_one_device(clip, batch=1, **fields):
    return outcome(*model(**fields), clip, batch)


def differences(one, many) -> list[str]:
    (found, gradients), (other, other_gradients) = one, many
    wrong = [
        name for name, leaf in found.items()
        if np.abs(other[name] - leaf).max() > TOLERANCE * np.abs(leaf).max()
    ]  # fmt: skip
    norm = float(optax.tree.norm(gradients[0]))
    names = dict(enumerate(("parameters", "pixels", "latents")))
    flat, other_flat = (
        trees.flatten({names[i]: leaf for i, leaf in enumerate(each)})
        for each in (gradients, other_gradients)
    )
    for path, leaf in flat.items():
        if not np.linalg.norm(other_flat[path] - leaf) <= parity.allowed(path, leaf, norm):
            wrong.append(path)
    return wrong


def compare(kind, devices, clip, batch=1, **fields):
    module, params = model(**fields)
    split = Split(module, mesh_of(devices, data=batch), kind)
    return differences(on_one_device(clip, batch, **fields), outcome(split, params, clip, batch))


@pytest.mark.parametrize("kind", CLIPS)
def test_a_split_clip_has_the_results_and_gradients_of_one_device(kind):
    assert not compare(kind, *CLIPS[kind])


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind, devices, clip, batch, fields",
    [
        ("rows", 2, (5, 64, 16), 1, {}),
        ("rows", 8, (5, 128, 16), 1, {}),
        ("rows", 4, (1, 64, 32), 2, {}),
        ("rows", 4, (5, 64, 16), 1, {"decoder_causal": False, "time_padding": "zeros"}),
        ("time", 2, (17, 16, 32), 1, {}),
        ("time", 8, (4 * 12 + 1, 16, 16), 1, {}),
        ("time", 4, (21, 16, 16), 2, {"time_padding": "zeros"}),
        ("time", 3, (21, 16, 16), 1, {"remat": "block", "encoder_blocks": (1, 1, 1)}),
        ("rows", 4, (5, 64, 16), 1, {"remat": "block", "decoder_blocks": (1, 1, 1)}),
        ("rows", 2, (5, 32, 32), 1, {"patch": 1, "strides": ((2, 2), (1, 2)), "head": "linear"}),
    ],
)  # fmt: skip
def test_every_split_has_the_results_and_gradients_of_one_device(
    kind, devices, clip, batch, fields
):
    assert not compare(kind, devices, clip, batch, **fields)


@pytest.mark.parametrize("kind", CLIPS)
def test_without_the_neighbour_the_comparison_fails(kind, monkeypatch):
    monkeypatch.setattr(halo, "_from_before", lambda x, axis: jnp.zeros_like(x))
    devices, clip = CLIPS[kind]
    module, params = model()
    split = Split(module, mesh_of(devices), kind)
    one, _ = on_one_device(clip)
    video, _ = arrays(module, clip)
    mean = jax.jit(lambda params, x: split.apply({"params": params}, x, method="posterior").mean)
    found = mean.lower(params, video).compile(OPTIONS)(params, video)
    wrong = np.abs(found - one["mean"]) > TOLERANCE * np.abs(one["mean"]).max()
    part = one["mean"].shape[1 if kind == "time" else 2]
    part = -(-part // devices)  # the first device has nobody before it
    wrong = np.moveaxis(wrong, 1 if kind == "time" else 2, 0)
    assert kind == "rows" or not wrong[:part].any()
    assert wrong[part:].any()


def buffers(text: str) -> list[int]:
    """Elements of every array that a compiled program makes."""
    found = re.findall(r"(?:f32|bf16)\[([\d,]+)\]", text)
    return [math.prod(map(int, dims.split(","))) for dims in found]


def gathered(text: str) -> list[int]:
    """Elements of what is whole after a collective."""
    found = re.findall(r"f32\[([\d,]+)\]\S* (?:all-gather|all-to-all)(?:-start)?\(", text)
    return [math.prod(map(int, dims.split(","))) for dims in found]


@pytest.mark.parametrize("kind, clip", [("rows", (5, 64, 16)), ("time", (61, 8, 16))])
def test_no_device_holds_a_whole_activation_of_full_resolution(kind, clip):
    module = tiny.module(**(SMALL | {"patch": 1, "widths": (8, 8, 8)}))  # t4s4
    pixel = jax.ShapeDtypeStruct((1, 1, 4, 4, 3), np.float32)
    params = jax.eval_shape(module.init, jax.random.key(0), pixel)["params"]
    split = Split(module, mesh_of(8), kind)
    video, latents = arrays(module, clip)
    video, latents = split.padded(video, "posterior"), split.padded(latents, "decode_raw")

    def loss(params, video, latents):
        moments = split.of_padded({"params": params}, video, "posterior")
        decoded = split.of_padded({"params": params}, latents, "decode_raw")
        return jnp.sum(moments.mean**2) + jnp.sum(decoded**2)

    where = meshes.replicated(split.mesh), split.sharding, split.sharding
    program = jax.jit(jax.grad(loss, (0, 1, 2)), in_shardings=where, out_shardings=where)
    text = program.lower(params, video, latents).compile(OPTIONS).as_text()
    whole = math.prod(clip) * 8
    assert max(buffers(text)) < whole
    # keys and values of the middle alone: 2 frames of 16 x 4 latents, 8 channels
    assert all(size <= 2 * 16 * 4 * 8 for size in gathered(text))
    assert bool(gathered(text)) == (kind == "rows")
    plain = jax.jit(lambda params, x: module.apply({"params": params}, x, method="posterior"))
    clip = jax.ShapeDtypeStruct((1, *clip, 3), np.float32)
    assert max(buffers(plain.lower(params, clip).compile(OPTIONS).as_text())) >= whole


@pytest.mark.parametrize("kind", CLIPS)
def test_a_loaded_model_is_split_by_its_user(kind):
    devices, clip = CLIPS[kind]
    module, params = model()
    vae = VideoVAE(module, params, np.full(4, 0.25), np.full(4, 2.0), {})
    split = pv.split(vae, kind, mesh_of(devices))
    (video, latents), (one, _) = arrays(module, clip), on_one_device(clip)
    mean = (one["mean"] - 0.25) / 2
    np.testing.assert_allclose(split.encode(video), mean, atol=1e-5 * np.abs(mean).max())
    decoded = split.decode((latents - 0.25) / 2)
    np.testing.assert_allclose(decoded, np.clip(one["video"], -1, 1), atol=1e-5)
    assert isinstance(decoded, np.ndarray) and decoded.shape == video.shape
    with pytest.raises(ValueError, match="has no stream"):
        split.encode_stream([video])


@pytest.mark.parametrize(
    "kind, method, shape, fields, sentence",
    [
        ("rows", "posterior", (1, 5, 96, 16, 3), {}, "96 rows .* over 4 .* are 64 and 128"),
        ("rows", "decode_raw", (1, 5, 6, 1, 4), {}, "6 rows of the latents .* are 4 and 8"),
        ("rows", "posterior", (1, 6, 64, 16, 3), {}, r"1 \+ 4n frames, got 6"),
        ("time", "posterior", (1, 5, 20, 16, 3), {}, "height of a clip is a multiple of 16"),
        ("time", "posterior", (1, 13, 16, 16, 3), {},
         "conv_0 reads 2 frames .* each of 4 devices has 1 of them .1 latent steps."),
        ("time", "decode_raw", (1, 8, 1, 1, 4), {"decoder_causal": False}, "looks 6 latents ahead"),
        ("channels", "decode_raw", (1, 8, 1, 1, 4), {}, "rows or time; got 'channels'"),
    ],
)  # fmt: skip
def test_a_clip_that_cannot_be_split_is_refused_with_the_numbers(
    kind, method, shape, fields, sentence
):
    module = tiny.module(**(SMALL | fields))
    clip = jax.ShapeDtypeStruct((1, 1, 16, 16, 3), np.float32)
    params = jax.eval_shape(module.init, jax.random.key(0), clip)
    with pytest.raises(ValueError, match=sentence):
        split = Split(module, mesh_of(4), kind)
        jax.eval_shape(
            functools.partial(split.apply, method=method), params, np.zeros(shape, np.float32)
        )


def test_a_part_thinner_than_a_kernel_reaches_is_refused_with_the_numbers():
    layer = CausalConv3D(2, kernel=(1, 7, 7))
    x = np.zeros((1, 1, 8, 8, 2), np.float32)
    params = layer.init(jax.random.key(0), x)

    def part(x):
        with halo.rows("model"):
            return layer.apply(params, x)

    rows = P(None, None, "model")
    with pytest.raises(ValueError, match="reads 3 rows .* each of 4 devices has 2"):
        jax.shard_map(part, mesh=mesh_of(4), in_specs=rows, out_specs=rows)(x)


def test_clips_that_do_not_divide_over_data_are_refused():
    split = Split(tiny.module(**SMALL), mesh_of(4, data=2), "rows")
    with pytest.raises(ValueError, match="3 clips do not divide over data = 2"):
        split.padded(np.zeros((3, 5, 64, 16, 3), np.float32), "posterior")


def test_a_model_that_says_nothing_of_splits_is_refused():
    with pytest.raises(ValueError, match="model cannot be split, got 'rows'; those of PV-VAE's CN"):
        Split(tiny.LinearVAE(), mesh_of(2), "rows")
    module = tiny.LinearVAE()
    params = jax.jit(module.init)(jax.random.key(0), np.zeros((1, 1, 16, 16, 3)))["params"]
    vae = VideoVAE(module, params, np.zeros(4), np.ones(4), {"name": "wan2.1"})
    with pytest.raises(ValueError, match="wan2.1: clips of this model .* tiles .pv.tile, --tile"):
        pv.split(vae, "rows", mesh_of(2))


class RunningSum(nn.Module):
    """A layer over time whose state exists only when all that is before is done."""

    @nn.compact
    def __call__(self, x):
        total = self.variable("cache", "total", jnp.zeros, ())
        total.value += x.sum()
        return x + total.value


class Summing(nn.Module):
    @nn.compact
    def __call__(self, x):
        return RunningSum(name="sum")(x)


def test_a_layer_whose_state_no_neighbour_has_is_refused_in_time():
    part = jnp.zeros((1, 4, 2, 2, 3))
    with pytest.raises(ValueError, match="keep sum/total .* in a stream"):
        halo.cache_of(Summing(), {}, part, "__call__")
