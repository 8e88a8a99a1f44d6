import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from pv_vae_jax.core import trees
from pv_vae_jax.layers.attention import FrameAttention
from pv_vae_jax.models import streaming
from pv_vae_jax.zoo import haar, registry, wf_vae, wf_vae_layers
from tests.golden.zoo import rule
from tests.zoo import golden as files

NAME = "wf_vae_l"
FIELDS = {"channels": 4, "width": 8, "encoder_energy": 6, "decoder_energy": 5}
CLIPS = {1: (2, 16, 24), 5: (2, 16, 24), 9: (1, 24, 16), 17: (1, 16, 24)}  # as in make_wf_vae.py
CLOSE = {"atol": 1e-4, "rtol": 0}


@pytest.fixture(scope="module")
def golden():
    return files.read("wf_vae")


@pytest.fixture(scope="module")
def tensors(golden):
    """All 244 of the reference, filters of wavelets included."""
    return files.state(golden, "tensors")


@pytest.fixture(scope="module")
def vae(tensors, tmp_path_factory):
    path = tmp_path_factory.mktemp("wf_vae") / "model.safetensors"
    safetensors.numpy.save_file(tensors, path)
    return registry.from_reference(NAME, path, **FIELDS)


@pytest.fixture(scope="module")
def decode(vae):
    return files.decoder(vae)


def clip(frames):
    batch, height, width = CLIPS[frames]
    return np.clip(rule.clip(frames, frames, height, width, batch), -1, 1)


def latents(frames):
    batch, height, width = CLIPS[frames]
    return rule.normal(100 + frames, batch, 1 + frames // 4, height // 8, width // 8, 4)


def stream(vae, method, whole, plan):
    """Chunks of ``plan`` lengths through the Linen cache, put together again."""
    cache, parts, start = None, [], 0
    for length in plan:
        part, cache = streaming.step(
            vae.module, method, vae.params, cache, whole[:, start : start + length]
        )
        parts.append(part)
        start += length
    return parts


@pytest.mark.parametrize("frames", CLIPS)
def test_moments_equal_the_reference(vae, golden, frames):
    posterior = vae.posterior(clip(frames))
    moments = np.concatenate([posterior.mean, posterior.logvar], axis=-1)
    np.testing.assert_allclose(moments, golden[f"moments/{frames}"], **CLOSE)


@pytest.mark.parametrize("frames", CLIPS)
def test_decode_equals_the_reference(decode, golden, frames):
    np.testing.assert_allclose(decode(latents(frames)), golden[f"video/{frames}"], **CLOSE)


def test_a_published_file_gives_the_reference_reconstruction(vae, decode, golden):
    mean = vae.posterior(clip(9)).mean
    np.testing.assert_allclose(decode(mean), golden["again/9"], **CLOSE)


def test_full_model_has_the_published_number_of_parameters(golden):
    about = registry.describe(NAME)
    published = json.loads(str(golden["published"]))
    filters = [np.prod(shape) for name, shape in published.items() if "wavelet" in name]
    frozen = 2 * 8 * 8  # the two forward wavelets of clips, which are parameters there
    assert about.parameters == 317_081_244 == 317_081_372 - frozen
    assert sum(np.prod(shape) for shape in published.values()) == about.parameters + sum(filters)
    assert (str(about.spec), about.spec.decoder_lookahead) == ("t4s8c16", 1)
    assert about.spec.encoder_causal and about.spec.streaming == "exact"


@pytest.mark.parametrize("widths", ["tensors", "published"])
def test_every_tensor_of_a_layout_is_used_once(golden, widths):
    fields = registry.fields(NAME, **(FIELDS if widths == "tensors" else {}))
    module = registry.build(NAME, **fields)
    leaves = {path: leaf.shape for path, leaf in trees.flatten(registry.shapes(module)).items()}
    entries = list(wf_vae.official(fields))
    shapes = {entry.key: list(entry.shape(leaves)) for entry in entries}
    reference = json.loads(str(golden[widths]))
    assert len(entries) == len(shapes) and len(reference) == 244
    assert shapes == {name: shape for name, shape in reference.items() if "wavelet" not in name}
    assert sorted(path for entry in entries for path in entry.paths) == sorted(leaves)


def test_a_model_goes_back_to_the_reference_unchanged(vae, tensors, tmp_path):
    registry.to_reference(tmp_path / "back.safetensors", vae, "official")
    back = safetensors.numpy.load_file(tmp_path / "back.safetensors")
    assert len(back) == len([name for name in tensors if "wavelet" not in name])
    for name, tensor in back.items():
        np.testing.assert_array_equal(tensor, tensors[name])


@pytest.mark.parametrize("plan", [(1, 8, 8), pytest.param((9, 4, 4), marks=pytest.mark.slow)])
def test_encoding_a_stream_equals_the_whole_clip(vae, plan):
    parts = stream(vae, "chunk_posterior", clip(17), plan)
    mean = np.concatenate([part.mean for part in parts], axis=1)
    np.testing.assert_allclose(mean, vae.posterior(clip(17)).mean, atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("plan", [(3, 2, 0), (1, 2, 2, 0)])
def test_decoding_a_stream_equals_the_whole_clip_and_the_tiled_reference(vae, decode, golden, plan):
    parts = stream(vae, "decode_raw", latents(17), plan)
    lengths = {(1, 2, 2, 0): [1, 6, 8, 2], (3, 2, 0): [7, 8, 2]}
    assert [part.shape[1] for part in parts] == lengths[plan]
    video = np.concatenate(parts, axis=1)
    np.testing.assert_allclose(video, decode(latents(17)), atol=2e-5)
    np.testing.assert_allclose(video[:, :, ::2, ::2], golden["tiled/17"], **CLOSE)


def test_a_stream_of_one_latent_holds_nothing_back(vae):
    module, cache = vae.module, {"decoder": {"interpolation": {"started": jnp.ones((), bool)}}}
    rest = module.apply(
        {"params": vae.params, "cache": cache},
        latents(1)[:, :0],
        method="decode_raw",
        mutable=["cache"],
    )[0]
    assert rest.shape == (2, 0, 16, 24, 3)


def test_the_encoder_is_causal(vae):
    video = clip(17)
    whole = np.asarray(vae.posterior(video).mean)
    changed = np.asarray(
        vae.posterior(np.where(np.arange(17)[:, None, None, None] < 9, video, 0)).mean
    )
    np.testing.assert_array_equal(changed[:, :3], whole[:, :3])
    assert (np.abs(changed[:, 3:] - whole[:, 3:]).max(axis=(0, 2, 3, 4)) > 1e-3).all()


def test_an_image_is_latent_0(vae, golden):
    alone = golden["moments/1"][:1, ..., :4]
    frames = np.repeat(clip(1)[:1], 17, axis=1) * np.r_[1, np.zeros(16)].reshape(-1, 1, 1, 1)
    mean = vae.posterior(frames.astype(np.float32)).mean
    np.testing.assert_allclose(mean[:, :1], alone, **CLOSE)


def test_the_decoder_looks_one_latent_ahead_and_no_further(decode):
    z = latents(17)
    whole, changed = decode(z), decode(np.where(np.arange(5)[:, None, None, None] < 3, z, 0))
    np.testing.assert_array_equal(changed[:, :7], whole[:, :7])  # latent 2 is frames 5 to 8
    assert (np.abs(changed - whole).max(axis=(0, 2, 3, 4))[7:] > 1e-3).all()


def test_sizes_that_do_not_divide_are_refused(vae):
    with pytest.raises(ValueError, match="the width of a clip is a multiple of 8, got 20"):
        vae.posterior(np.zeros((1, 1, 16, 20, 3), np.float32))


def test_the_filters_of_clips_are_the_published_ones():
    # In order: +++, sign along W, H, both; then the same with a sign along time.
    signs = [[[[1, 1], [1, 1]]], [[[1, -1], [1, -1]]], [[[1, 1], [-1, -1]]], [[[1, -1], [-1, 1]]]]
    clips = [np.concatenate([s, t * np.array(s)]) for t in (1, -1) for s in signs]
    np.testing.assert_array_equal(haar.CLIPS, 0.3536 * np.stack(clips, -1).astype(np.float32))
    frames = np.stack([signs[0], signs[2], signs[1], signs[3]], -1)  # with frames H comes first
    np.testing.assert_array_equal(haar.FRAMES, frames / 2)


def test_a_wavelet_keeps_colours_together_and_stands_on_a_copy_of_frame_0():
    x = rule.normal(1, 2, 3, 4, 6, 3)
    y = haar.Haar3D().apply({}, x)
    padded = np.concatenate([x[:, :1], x], axis=1)
    for k, (t, h, w) in enumerate(np.ndindex(2, 2, 2)):
        wanted = 0
        for i, j, l in np.ndindex(2, 2, 2):  # noqa: E741
            sign = (-1) ** (i * t + j * h + l * w)
            wanted = wanted + 0.3536 * sign * padded[:, i::2, j::2, l::2]
        np.testing.assert_allclose(y[..., 3 * k : 3 * k + 3], wanted, atol=1e-6)


def test_wavelets_come_back_but_for_the_rounded_filters():
    x = rule.normal(2, 1, 5, 4, 6, 3)
    back = haar.InverseHaar3D().apply({}, haar.Haar3D().apply({}, x))
    np.testing.assert_allclose(back, 8 * 0.3536**2 * x, atol=1e-6)  # 1.00026 x
    assert np.abs(back - x).max() > 3e-4
    back = haar.inverse(haar.transform(x, haar.FRAMES), haar.FRAMES)
    np.testing.assert_allclose(back, x, atol=1e-6)


def test_interpolation_is_linear_between_centres_and_leaves_frame_0_alone():
    x = rule.normal(3, 2, 4, 3, 5, 2)
    y = wf_vae_layers.Interpolation().apply({}, x)
    first = jax.image.resize(x[:, :1], (2, 1, 6, 10, 2), "linear")
    rest = jax.image.resize(x[:, 1:], (2, 6, 6, 10, 2), "linear")
    np.testing.assert_allclose(y, np.concatenate([first, rest], axis=1), atol=1e-6)
    ramp = np.arange(4.0).reshape(1, 4, 1, 1, 1)
    steps = wf_vae_layers.Interpolation().apply({}, ramp)[0, :, 0, 0, 0]
    np.testing.assert_array_equal(steps, [0, 1, 1.25, 1.75, 2.25, 2.75, 3])


@pytest.mark.parametrize("plan", [(1, 3, 1, 0), (2, 3, 0), (1, 0)])
def test_what_waits_in_a_stream_goes_with_what_it_is_added_to(plan):
    x = rule.normal(4, 1, sum(plan), 2, 3, 2)
    through = wf_vae_layers.Interpolation()
    whole, caches, start, parts = through.apply({}, x), [{}, {}], 0, []
    for length in plan:
        chunk = x[:, start : start + length]
        y, caches[0] = through.apply(caches[0], chunk, mutable=["cache"])
        ends = slice(max(0, 2 * start - 1), max(0, 2 * (start + length) - 1))
        low, caches[1] = wf_vae_layers.Delay().apply(caches[1], whole[:, ends], mutable=["cache"])
        np.testing.assert_allclose(y, low, atol=1e-6)
        parts.append(y)
        start += length
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-6)


def test_layer_norm_adds_its_epsilon_to_the_variance():
    x = 1e-3 * rule.normal(5, 1, 1, 2, 2, 6) + 3  # variance of the order of epsilon
    scale, bias = rule.tensor("weight", (6,)), rule.tensor("bias", (6,))
    y = wf_vae_layers.LayerNorm().apply({"params": {"scale": scale, "bias": bias}}, x)
    wide = x.astype(np.float64)
    variance = wide.var(-1, keepdims=True)
    wanted = (wide - wide.mean(-1, keepdims=True)) / np.sqrt(variance + 1e-6) * scale + bias
    np.testing.assert_allclose(y, wanted, atol=2e-3)


def test_attention_is_among_the_places_of_a_frame():
    x = rule.normal(6, 1, 2, 2, 3, 4)
    module = FrameAttention("float32", wf_vae_layers.LayerNorm)
    params = module.init(jax.random.key(0), x)["params"]
    params = {
        n: {k: rule.tensor(f"{n}.{k}", p.shape) for k, p in q.items()} for n, q in params.items()
    }
    dense = {n: p["kernel"].reshape(4, 4) for n, p in params.items() if n != "norm"}
    tokens = x.reshape(2, 6, 4)
    normed = (tokens - tokens.mean(-1, keepdims=True)) / np.sqrt(
        tokens.var(-1, keepdims=True) + 1e-6
    )
    normed = normed * params["norm"]["scale"] + params["norm"]["bias"]
    q, k, v = (normed @ dense[n] + params[n]["bias"] for n in ("query", "key", "value"))
    weights = np.exp(q @ k.transpose(0, 2, 1) / 2)
    weights = weights / weights.sum(-1, keepdims=True)
    wanted = tokens + weights @ v @ dense["out"] + params["out"]["bias"]
    y = module.apply({"params": params}, x)
    np.testing.assert_allclose(y.reshape(2, 6, 4), wanted, atol=1e-5)


def test_bfloat16_and_rematerialisation_keep_the_values(vae, golden):
    module = registry.build(NAME, **FIELDS, dtype="bfloat16", remat="block")
    program = jax.jit(lambda p, x: module.apply({"params": p}, x, method="posterior"))
    mean = program(vae.params, clip(1)).mean
    assert mean.dtype == jnp.float32
    np.testing.assert_allclose(mean, golden["moments/1"][..., :4], atol=0.05)
    with pytest.raises(ValueError, match="remat is one of none, block"):
        registry.build(NAME, remat="layers")


@pytest.mark.slow
def test_rematerialisation_keeps_the_gradients(vae):
    def gradients(remat):
        module = registry.build(NAME, **FIELDS, remat=remat)
        video = clip(5)[:1]
        loss = lambda p: jnp.square(module.apply({"params": p}, video) - video).mean()  # noqa: E731
        return trees.flatten(jax.jit(jax.grad(loss))(vae.params))

    plain, again = gradients("none"), gradients("block")
    for path, leaf in plain.items():
        assert np.abs(leaf).max() > 0
        # The bias of keys has a gradient of 0 but for rounding.
        np.testing.assert_allclose(again[path], leaf, atol=1e-4 * np.abs(leaf).max() + 1e-8)
