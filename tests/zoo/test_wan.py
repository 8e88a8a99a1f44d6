import functools
import re
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from pv_vae_jax.core import trees
from pv_vae_jax.layers.attention import FrameAttention
from pv_vae_jax.layers.blocks import RMSNorm
from pv_vae_jax.models import streaming
from pv_vae_jax.zoo import checkpoints, registry, torch_weights, wan
from pv_vae_jax.zoo.shortcuts import average, duplicate
from pv_vae_jax.zoo.wan_resample import Downsample, Upsample, patchify, unpatchify
from tests.golden.zoo import rule
from tests.zoo import golden as files

KEPT = 3  # of golden videos: every third row and column
REDUCED = {
    "wan2.1": {"encoder_widths": (8, 16, 32, 32), "decoder_widths": (8, 16, 32, 32)},
    "wan2.2": {"encoder_widths": (8, 16, 32, 32), "decoder_widths": (12, 24, 48, 48)},
}
ACROSS_SHAPES = 2e-5  # of the largest value


@functools.partial(jax.jit, static_argnums=0)
def posterior_of(module, params, video):
    return module.apply({"params": params}, video, method="posterior")


@functools.partial(jax.jit, static_argnums=0)
def decoded(module, params, latents):
    return module.apply({"params": params}, latents, method="decode_raw")


@pytest.fixture(scope="module", params=list(REDUCED))
def model(request):
    """The reduced model with the weights of the golden outputs."""
    name = request.param
    golden = files.read(name.replace(".", ""))
    shapes = {
        layout: files.shapes(golden, f"tensors_{layout}") for layout in ("diffusers", "official")
    }
    module = registry.build(name, **REDUCED[name])
    tree = registry.shapes(module)
    leaves = {p: tuple(x.shape) for p, x in trees.flatten(tree).items()}
    layouts = {
        layout: list(tensors(registry.fields(name, **REDUCED[name])))
        for layout, tensors in wan.BASELINES[name].layouts.items()
    }
    tensors = files.state(golden, "tensors_diffusers")
    ours = torch_weights.ours_of(layouts["diffusers"], tensors, leaves)
    return types.SimpleNamespace(
        name=name,
        golden=golden,
        shapes=shapes,
        module=module,
        tree=tree,
        leaves=leaves,
        layouts=layouts,
        tensors=tensors,
        params=trees.unflatten({path: jnp.asarray(leaf) for path, leaf in ours.items()}),
        size=(2 * module.spec.spatial, 3 * module.spec.spatial),
    )


def clip(model, frames, batch):
    return rule.clip(frames, frames, *model.size, batch)


def latents(model, frames, batch):
    return rule.normal(frames, batch, 1 + (frames - 1) // 4, 2, 3, model.module.spec.channels)


LONG = [pytest.param(5, 1, marks=pytest.mark.slow), pytest.param(17, 1, marks=pytest.mark.slow)]
CLIPS = pytest.mark.parametrize("frames, batch", [(1, 1), (9, 2), *LONG])


@CLIPS
def test_moments_equal_the_reference(model, frames, batch):
    found = posterior_of(model.module, model.params, clip(model, frames, batch))
    expected = model.golden[f"moments_{frames}"]
    moments = np.concatenate([found.mean, found.logvar], axis=-1)
    np.testing.assert_allclose(moments, expected, rtol=0, atol=2e-5)


@CLIPS
def test_decode_equals_the_reference_before_its_clamp(model, frames, batch):
    found = decoded(model.module, model.params, latents(model, frames, batch))
    expected = model.golden[f"decode_{frames}"]
    assert found.shape == (batch, frames, *model.size, 3) and found.dtype == jnp.float32
    np.testing.assert_allclose(found[:, :, ::KEPT, ::KEPT], expected, rtol=0, atol=5e-5)
    assert frames == 1 or np.abs(found).max() > 1.5


def test_a_file_in_the_names_of_the_reference_gives_its_reconstruction(model, tmp_path):
    path = tmp_path / "vae.safetensors"
    safetensors.numpy.save_file(model.tensors, path)
    vae = registry.from_reference(model.name, path, **REDUCED[model.name])
    assert vae.module == model.module
    mean = posterior_of(vae.module, vae.params, clip(model, 9, 2)).mean
    found = decoded(vae.module, vae.params, mean)[:, :, ::KEPT, ::KEPT]
    np.testing.assert_allclose(found, model.golden["reconstruction_9"], rtol=0, atol=1e-4)
    baseline = wan.BASELINES[model.name]
    mean, std = registry.statistics(model.name)
    np.testing.assert_allclose(mean, baseline.mean)
    np.testing.assert_allclose(std, baseline.std)
    assert not vae.mean.any() and (vae.std == 1).all()  # of this width nothing is published


@pytest.mark.parametrize("layout", ["official", "diffusers"])
def test_every_tensor_of_a_layout_is_used_once(model, layout):
    entries = model.layouts[layout]
    assert {e.key: e.shape(model.leaves) for e in entries} == model.shapes[layout]
    assert len({e.key for e in entries}) == len(entries)
    assert sorted(p for e in entries for p in e.paths) == sorted(model.leaves)


@pytest.mark.parametrize("layout", ["official", "diffusers"])
def test_weights_come_back_from_a_file_of_either_layout(model, layout, tmp_path):
    path, fields = tmp_path / "vae.safetensors", registry.fields(model.name, **REDUCED[model.name])
    checkpoints.write(path, layout, wan.BASELINES[model.name], fields, model.params)
    if layout == "diffusers":
        for key, tensor in safetensors.numpy.load_file(path).items():
            np.testing.assert_array_equal(tensor, model.tensors[key])
    again = checkpoints.read(path, model.name, fields, model.tree, wan.BASELINES)
    for name, leaf in trees.flatten(model.params).items():
        np.testing.assert_array_equal(leaf, again[name])


@pytest.mark.parametrize(
    "name, spec, count, encoder, decoder, tensors",
    [
        ("wan2.1", "t4s8c16", 126_892_531, 53_595_872 + 1_056, 73_295_331 + 272, 194),
        ("wan2.2", "t4s16c48", 704_688_668, 149_627_776 + 9_312, 555_049_228 + 2_352, 196),
    ],
)
def test_full_model_has_the_published_parameters(name, spec, count, encoder, decoder, tensors):
    module = registry.build(name)
    shapes = registry.shapes(module)
    assert (str(module.spec), trees.count(shapes)) == (spec, count)
    assert (trees.count(shapes["encoder"]), trees.count(shapes["decoder"])) == (encoder, decoder)
    for entries in wan.BASELINES[name].layouts.values():
        assert len(list(entries(registry.fields(name)))) == tensors
    baseline = wan.BASELINES[name]
    assert len(baseline.mean) == len(baseline.std) == module.spec.channels


def test_a_latent_depends_on_no_later_frame_and_a_frame_on_no_later_latent(model):
    spec = model.module.spec
    assert (spec.encoder_causal, spec.decoder_lookahead, spec.streaming) == (True, 0, "exact")
    video, z = clip(model, 9, 2), latents(model, 9, 2)
    other_video, other_z = video.copy(), z.copy()
    other_video[:, 5:] *= -1
    other_z[:, 2:] *= -1
    one, two = (posterior_of(model.module, model.params, x).mean for x in (video, other_video))
    np.testing.assert_array_equal(one[:, :2], two[:, :2])
    assert np.abs(one[:, 2] - two[:, 2]).max() > 1e-2
    one, two = (decoded(model.module, model.params, x) for x in (z, other_z))
    np.testing.assert_array_equal(one[:, :5], two[:, :5])
    assert np.abs(one[:, 5:] - two[:, 5:]).max() > 1e-2


def test_latent_0_of_a_clip_is_that_of_its_first_frame_alone(model):
    video = clip(model, 9, 2)
    whole = posterior_of(model.module, model.params, video).mean
    image = posterior_of(model.module, model.params, video[:1, :1]).mean
    np.testing.assert_allclose(image, whole[:1, :1], rtol=0, atol=ACROSS_SHAPES)


@pytest.mark.parametrize("plan", [(1, 1, 1), pytest.param((2, 1), marks=pytest.mark.slow)])
def test_a_stream_is_the_whole_clip(model, plan):
    module, params = model.module, model.params
    video, z = clip(model, 9, 2), latents(model, 9, 2)
    ends = np.cumsum((0, *plan))
    frames = [0, *(1 + 4 * (ends[1:] - 1))]
    chunks = [video[:, a:b] for a, b in zip(frames[:-1], frames[1:], strict=True)]
    found = [p.mean for p in streaming.encode_stream(module, params, chunks)]
    found = np.concatenate(found, axis=1)
    whole = posterior_of(module, params, video).mean
    np.testing.assert_allclose(found, whole, rtol=0, atol=ACROSS_SHAPES * np.abs(whole).max())
    chunks = [z[:, a:b] for a, b in zip(ends[:-1], ends[1:], strict=True)]
    found = np.concatenate(list(streaming.decode_stream(module, params, chunks)), axis=1)
    whole = decoded(module, params, z)
    np.testing.assert_allclose(found, whole, rtol=0, atol=ACROSS_SHAPES * np.abs(whole).max())


def test_a_length_or_size_that_does_not_fit_is_refused_and_no_frame_is_dropped(model):
    height, width = model.size
    for shape, sentence in [
        ((1, 16, height, width, 3), r"1 \+ 4n frames, got 16"),
        ((1, 5, height, width + 2, 3), f"width of a clip is a multiple of {height // 2}"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            posterior_of(model.module, model.params, np.zeros(shape, np.float32))


def test_fields_that_do_not_fit_are_refused_with_a_sentence():
    with pytest.raises(ValueError, match="3 strides make 4 stages, but decoder_widths has 3"):
        registry.build("wan2.1", decoder_widths=(8, 16, 32))
    x = jnp.zeros((1, 1, 2, 2, 6))
    with pytest.raises(ValueError, match="6 x 4 values to 9 channels"):
        average(x, 9, (1, 2))
    with pytest.raises(ValueError, match="6 channels to 4 x 4 values"):
        duplicate(x, 4, (1, 2), True)


@pytest.mark.parametrize("name", list(REDUCED))
def test_a_model_computes_in_bfloat16_and_answers_in_float32(name):
    module = registry.build(name, **REDUCED[name], dtype="bfloat16")
    side = module.spec.spatial
    video = jax.ShapeDtypeStruct((1, 5, side, side, 3), jnp.float32)
    params = registry.shapes(module)
    mean = jax.eval_shape(functools.partial(posterior_of, module), params, video).mean
    again = jax.eval_shape(functools.partial(decoded, module), params, mean)
    assert mean.dtype == again.dtype == jnp.float32 and again.shape == video.shape
    for function, x in ((posterior_of, video), (decoded, mean)):
        text = str(jax.make_jaxpr(functools.partial(function, module))(params, x))
        found = re.findall(r":(\w+)\[[\d,]*\] = conv_general_dilated", text)
        assert len(found) > 30 and set(found) == {"bf16"}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(REDUCED))
def test_bfloat16_is_near_float32_and_rematerialisation_changes_no_gradient(name):
    shallow = REDUCED[name] | {"encoder_blocks": 1, "decoder_blocks": 1}
    variants = [{}, {"remat": "block"}, {"dtype": "bfloat16"}]
    modules = [registry.build(name, **shallow, **fields) for fields in variants]
    params = jax.jit(functools.partial(registry.initial, modules[0]))(jax.random.key(0))
    side = modules[0].spec.spatial
    video = rule.clip(0, 5, side, side)

    def loss(params, module):
        return jnp.mean(jnp.square(module.apply({"params": params}, video) - video))

    plain, blocks, low = (
        jax.jit(jax.value_and_grad(functools.partial(loss, module=module)))(params)
        for module in modules
    )
    np.testing.assert_allclose(low[0], plain[0], rtol=0.05)
    found = trees.flatten(blocks[1])
    for path, leaf in trees.flatten(plain[1]).items():
        np.testing.assert_allclose(found[path], leaf, rtol=0, atol=1e-5 * np.abs(leaf).max() + 1e-9)


# The traps, against NumPy.


def test_the_norm_divides_by_at_least_1e_12():
    x = np.array([[3e-13, 4e-13], [3e-6, 4e-6], [0, 0]], np.float32)
    scale = np.array([1.0, 2.0], np.float32)
    expected = np.array([[0.3, 0.8], [0.6, 1.6], [0, 0]]) * 2**0.5
    found = RMSNorm().apply({"params": {"scale": scale}}, x)
    np.testing.assert_allclose(found, expected, rtol=2e-6)


def test_attention_is_over_the_positions_of_a_frame_with_query_key_value_in_this_order():
    c, x = 4, rule.normal(0, 1, 2, 2, 3, 4)
    shapes = {"attention.norm.gamma": (c, 1, 1)}
    for key, out in (("to_qkv", 3 * c), ("proj", c)):
        shapes |= {f"attention.{key}.weight": (out, c, 1, 1), f"attention.{key}.bias": (out,)}
    theirs = {key: rule.tensor(key, shape, 4.0) for key, shape in shapes.items()}
    names = ("query", "key", "value", "out")
    leaves = {f"{name}/kernel": (1, 1, 1, c, c) for name in names}
    leaves |= {f"{name}/bias": (c,) for name in names} | {"norm/scale": (c,)}
    entries = [
        torch_weights.Entry(
            e.key, tuple(p.removeprefix("encoder/mid/attention/") for p in e.paths), e.form
        )
        for e in wan.official(registry.fields("wan2.1"))
        if e.key.startswith("encoder.middle.1.")
    ]
    theirs = {k.replace("attention.", "encoder.middle.1."): v for k, v in theirs.items()}
    params = trees.unflatten(torch_weights.ours_of(entries, theirs, leaves))

    def linear(tokens, name):
        weight, bias = (theirs[f"encoder.middle.1.{name}.{part}"] for part in ("weight", "bias"))
        return tokens @ weight[:, :, 0, 0].T + bias

    tokens = x.reshape(2, 6, c)
    gamma = theirs["encoder.middle.1.norm.gamma"].reshape(c)
    normed = tokens / np.linalg.norm(tokens, axis=-1, keepdims=True) * c**0.5 * gamma
    q, k, v = np.split(linear(normed, "to_qkv"), 3, axis=-1)
    weights = np.exp(q @ k.transpose(0, 2, 1) / c**0.5)
    weights /= weights.sum(axis=-1, keepdims=True)
    expected = tokens + linear(weights @ v, "proj")
    found = FrameAttention().apply({"params": params}, x)
    np.testing.assert_allclose(found.reshape(2, 6, c), expected, rtol=0, atol=2e-5)
    assert np.abs(weights.max(axis=-1) - 1 / 6).min() > 0.05


def test_a_patch_is_read_by_channel_then_column_then_row():
    x = np.arange(2 * 4 * 6 * 3, dtype=np.float32).reshape(1, 2, 4, 6, 3)
    found = patchify(jnp.asarray(x), 2)
    assert found.shape == (1, 2, 2, 3, 12)
    for c, column, row in np.ndindex(3, 2, 2):
        np.testing.assert_array_equal(
            found[..., c * 4 + column * 2 + row], x[:, :, row::2, column::2, c]
        )
    np.testing.assert_array_equal(unpatchify(found, 2), x)


@pytest.mark.parametrize("frames", [1, 3, 2])
@pytest.mark.parametrize("strides, features", [((2, 2), 6), ((2, 2), 3), ((1, 2), 6), ((1, 1), 3)])
def test_the_straight_path_down_groups_channel_frame_row_column(frames, strides, features):
    (ft, fs), c = strides, 3
    x = np.arange(frames * 4 * 4 * c, dtype=np.float32).reshape(1, frames, 4, 4, c) ** 1.5
    before = -frames % ft
    padded = np.concatenate([np.zeros((1, before, 4, 4, c), np.float32), x], axis=1)
    count = c * ft * fs * fs // features
    out = np.zeros((1, padded.shape[1] // ft, 4 // fs, 4 // fs, features))
    for t, h, w, o in np.ndindex(out.shape[1:]):
        for i in range(o * count, (o + 1) * count):
            channel, f, row, column = np.unravel_index(i, (c, ft, fs, fs))
            out[0, t, h, w, o] += padded[0, t * ft + f, h * fs + row, w * fs + column, channel]
    found = average(jnp.asarray(x), features, strides)
    np.testing.assert_allclose(found, out / count, rtol=1e-5)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("strides, features", [((2, 2), 4), ((2, 2), 2), ((1, 2), 2)])
def test_the_straight_path_up_repeats_channels_and_keeps_frame_0_once(strides, features, first):
    (ft, fs), c = strides, 4
    x = np.arange(2 * 2 * 3 * c, dtype=np.float32).reshape(1, 2, 2, 3, c)
    repeated = np.repeat(x, features * ft * fs * fs // c, axis=-1)
    out = np.zeros((1, 2 * ft, 2 * fs, 3 * fs, features))
    for t, h, w, o in np.ndindex(out.shape[1:]):
        i = np.ravel_multi_index((o, t % ft, h % fs, w % fs), (features, ft, fs, fs))
        out[0, t, h, w, o] = repeated[0, t // ft, h // fs, w // fs, i]
    found = duplicate(jnp.asarray(x), features, strides, first)
    np.testing.assert_array_equal(found, out[:, ft - 1 :] if first else out)


def resampled(layer, x, first, cache=None):
    """A layer with random kernels; its result, kernels and cache."""
    params = layer.init(jax.random.key(0), jnp.zeros_like(x), True)["params"]
    flat = {path: rule.tensor(path, leaf.shape) for path, leaf in trees.flatten(params).items()}
    variables = {"params": trees.unflatten(flat)} | ({} if cache is None else {"cache": cache})
    y, state = layer.apply(variables, x, first, mutable=["cache"])
    return np.asarray(y), flat, state.get("cache", {})


def of_windows(x, kernel, bias):
    """A convolution over time of ``x``, which holds the frames before."""
    taps = range(len(kernel))
    windows = (sum(x[:, t + i] @ kernel[i, 0, 0] for i in taps) for t in range(x.shape[1] - 2))
    return np.stack(list(windows), axis=1) + bias


def test_down_pads_right_and_below_and_lets_frame_0_through():
    x = rule.normal(1, 1, 5, 4, 6, 2)
    in_space, flat, _ = resampled(Downsample(1), x, True)
    padded = np.pad(x, [(0, 0), (0, 0), (0, 1), (0, 1), (0, 0)])
    kernel, expected = flat["space/kernel"], np.zeros((1, 5, 2, 3, 2))
    for i, j in np.ndindex(3, 3):
        expected += padded[:, :, i : i + 4 : 2, j : j + 6 : 2] @ kernel[0, i, j]
    expected += flat["space/bias"]
    np.testing.assert_allclose(in_space, expected, rtol=0, atol=1e-5)
    found, flat, _ = resampled(Downsample(2), x, True)
    assert found.shape == (1, 3, 2, 3, 2)
    np.testing.assert_allclose(found[:, 0], expected[:, 0], rtol=0, atol=1e-5)
    later = of_windows(expected, flat["time/kernel"], flat["time/bias"])[:, ::2]
    np.testing.assert_allclose(found[:, 1:], later, rtol=0, atol=1e-5)


def test_up_in_time_interleaves_the_halves_and_does_not_see_frame_0():
    x = rule.normal(2, 1, 3, 1, 1, 2)
    found, flat, _ = resampled(Upsample(3, 2), x, True)
    rest = np.pad(x[:, 1:], [(0, 0), (2, 0), (0, 0), (0, 0), (0, 0)])
    y = of_windows(rest, flat["time/kernel"], flat["time/bias"])
    frames = [x[:, 0], y[:, 0, ..., :2], y[:, 0, ..., 2:], y[:, 1, ..., :2], y[:, 1, ..., 2:]]
    near = np.repeat(np.repeat(np.stack(frames, axis=1), 2, axis=2), 2, axis=3)
    padded = np.pad(near, [(0, 0), (0, 0), (1, 1), (1, 1), (0, 0)])
    expected = np.zeros((1, 5, 2, 2, 3)) + flat["space/bias"]
    for i, j in np.ndindex(3, 3):
        expected += padded[:, :, i : i + 2, j : j + 2] @ flat["space/kernel"][0, i, j]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    other = x.copy()
    other[:, 0] = 7
    np.testing.assert_array_equal(resampled(Upsample(3, 2), other, True)[0][:, 1:], found[:, 1:])


def test_a_first_chunk_of_one_latent_leaves_the_cache_of_the_way_up_empty():
    x, layer = rule.normal(3, 1, 4, 2, 2, 2), Upsample(3, 2)
    whole = resampled(layer, x, True)[0]
    parts, cache = [], None
    for i in range(4):
        part, _, cache = resampled(layer, x[:, i : i + 1], i == 0, cache)
        assert ("time" in cache) == (i > 0)
        parts.append(part)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=0, atol=1e-6)
