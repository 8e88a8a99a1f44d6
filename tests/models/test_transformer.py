import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.core import trees
from pv_vae_jax.costs import flops
from pv_vae_jax.interface import ALL
from pv_vae_jax.models import sizes, streaming
from pv_vae_jax.zoo import registry
from tests import tiny
from tests.sharding.parity import OPTIONS

CLIP = np.random.default_rng(0).uniform(-1, 1, (1, 13, 16, 32, 3)).astype(np.float32)
BUILD = {"transformer": tiny.transformer, "hybrid": tiny.hybrid}
models = pytest.mark.parametrize("model", BUILD)


def compiled(function):
    return jax.jit(function, compiler_options=OPTIONS)


@functools.cache
def weights(module):
    init = functools.partial(module.init, jax.random.key(1))
    params = compiled(lambda x: init(x)["params"])(CLIP[:, :5, :16, :16])
    # biases and scales that are neither 0 nor 1
    return jax.tree.map(lambda leaf: leaf + 0.1 if leaf.ndim == 1 else leaf, params)


def of(module, method, x):
    return compiled(functools.partial(module.apply, method=method))({"params": weights(module)}, x)


def gradient_of(module):
    def loss(params, clip):
        posterior = module.apply({"params": params}, clip, method="posterior")
        z = posterior.mean + 0.1 * posterior.logvar
        video = module.apply({"params": params}, z, method="decode_raw")
        return jnp.mean((video - clip) ** 2), video

    return jax.value_and_grad(loss, has_aux=True)


def test_the_largest_has_the_parameters_that_are_counted_by_hand():
    c, d, patch = 64, 2048, 16 * 16 * 3
    layer = 12 * d * d + (3 + 1 + 4 + 1) * d + 2 * d + 2 * 128  # matrices, biases, norms
    encoder = 5 * patch * d + d + 12 * layer + d + d * 2 * c + 2 * c
    decoder = c * d + d + 12 * layer + d + 5 * patch * d + 5 * patch
    module = sizes.build("pv_vae_transformer_1b")
    params = registry.shapes(module)
    counts = {branch: trees.count(params[branch]) for branch in params}
    assert counts == {"encoder": encoder, "decoder": decoder, "padding": c}
    assert trees.count(params) == 1_224_640_448
    own = 2 * patch * d + patch  # of frame 0
    assert trees.count(params) - own - c == 1_221_493_888  # as counted in torch
    assert (str(module.spec), module.spec.streaming) == ("t4s16c64", "exact")


def test_the_hybrid_is_as_large_as_the_cnn():
    found = registry.describe("pv_vae_hybrid_661m").parameters
    assert found == 656_451_020 and abs(found / 661e6 - 1) < 0.01


def cost(name, **fields):
    """FLOPs of a clip of 17 x 256 x 256, there and back."""
    module = sizes.build(name, dtype="bfloat16", **fields)
    params = {"params": registry.shapes(module)}
    inputs = {"posterior": (1, 17, 256, 256, 3), "decode_raw": (1, 5, 16, 16, 64)}
    return sum(
        flops.of(
            functools.partial(module.apply, method=method),
            params,
            jax.ShapeDtypeStruct(shape, jnp.float32),
        ).model
        for method, shape in inputs.items()
    )


def test_the_flops_of_the_largest_are_those_of_its_matrices_and_of_attention():
    tokens, d, keys = 5 * 256, 2048, 5 * 256
    blocks = 24 * tokens * (12 * d * d + 2 * keys * d)
    latents, pixels = tokens * 3 * 64 * d, 2 * 17 * 256 * 768 * d
    found = cost("pv_vae_transformer_1b", scan=True)
    assert found == 2 * (blocks + latents + pixels) == 3_442_886_049_792


@pytest.mark.slow
def test_the_transformer_costs_a_fifth_of_the_cnn_and_the_hybrid_half():
    cnn = cost("pv_vae_661m")
    assert 0.21 < cost("pv_vae_transformer_1b") / cnn < 0.22
    assert 0.48 < cost("pv_vae_hybrid_661m") / cnn < 0.50


@models
def test_every_parameter_has_a_gradient_and_the_last_layer_one_on_stills_too(model):
    module = BUILD[model]()
    params = weights(module)
    for frames in (13, 1):
        (_, video), gradient = compiled(gradient_of(module))(params, CLIP[:, :frames])
        assert video.shape == CLIP[:, :frames].shape and video.dtype == jnp.float32
        flat = trees.flatten(gradient)
        assert np.any(flat[module.last_layer]) and "decoder" in module.last_layer
        dead = {path for path, leaf in flat.items() if not np.any(leaf)}
        assert dead == {"padding/token"}  # nothing here is withheld


@models
def test_bfloat16_is_near_float32_and_gives_float32(model):
    module, low = BUILD[model](), BUILD[model](dtype="bfloat16")
    assert registry.shapes(low) == registry.shapes(module)
    params = {"params": weights(module)}
    one, other = (compiled(each.apply)(params, CLIP) for each in (module, low))
    assert other.dtype == jnp.float32
    assert 1e-4 < float(jnp.std(other - one) / jnp.std(one)) < 5e-2
    moments = jax.eval_shape(functools.partial(low.apply, method="posterior"), params, CLIP)
    assert moments.mean.dtype == moments.logvar.dtype == jnp.float32


@functools.cache
def plain(model):
    module = BUILD[model](encoder_depth=3, decoder_depth=2)
    params = weights(module)
    (_, video), gradient = compiled(gradient_of(module))(params, CLIP)
    return params, video, trees.flatten(gradient)


@pytest.mark.parametrize(
    ("model", "remat", "scan"),
    [
        ("transformer", "block", True),
        pytest.param("transformer", "block", False, marks=pytest.mark.slow),
        pytest.param("transformer", "none", True, marks=pytest.mark.slow),
        pytest.param("hybrid", "block", True, marks=pytest.mark.slow),
    ],
)
def test_no_form_changes_a_value_a_gradient_or_a_path(model, remat, scan):
    params, video, gradient = plain(model)
    module = BUILD[model](encoder_depth=3, decoder_depth=2, remat=remat, scan=scan)
    assert trees.table(registry.shapes(module)) == trees.table(params)
    (_, again), found = compiled(gradient_of(module))(params, CLIP)
    np.testing.assert_allclose(again, video, rtol=1e-5, atol=1e-5)
    for path, leaf in trees.flatten(found).items():
        whole = max(np.linalg.norm(gradient[path]), 1e-7)
        assert np.linalg.norm(leaf - gradient[path]) / whole < 1e-4, path


def test_a_loop_really_is_one_and_costs_the_flops_of_its_blocks():
    def program(**fields):
        module = tiny.transformer(encoder_depth=2, decoder_depth=2, **fields)
        return gradient_of(module), registry.shapes(module), CLIP

    def text(**fields):
        function, *arguments = program(**fields)
        return str(jax.make_jaxpr(function)(*arguments))

    assert "scan[" in text(scan=True) and "scan[" not in text()
    once, again = flops.of(*program()), flops.of(*program(remat="block"))
    assert flops.of(*program(remat="block", scan=True)) == again
    assert once.model == once.hardware == again.model
    assert 1.02 < again.hardware / again.model < 4 / 3  # most of a tiny one is patches and pixels


def test_a_scanned_model_streams():
    module, scanned = (tiny.transformer(encoder_depth=2, scan=scan) for scan in (False, True))
    chunks = [CLIP[:, :5], CLIP[:, 5:]]
    parts = [p.mean for p in streaming.encode_stream(scanned, weights(module), chunks)]
    whole = of(module, "posterior", CLIP).mean
    np.testing.assert_allclose(jnp.concatenate(parts, axis=1), whole, atol=2e-5)


@models
def test_the_memory_of_a_stream_does_not_grow(model):
    module, cache, sizes_found = BUILD[model](window=3), None, []
    for chunk in np.split(CLIP, (1, 5, 9), axis=1):
        _, cache = streaming.step(module, "chunk_posterior", weights(module), cache, chunk)
        sizes_found.append(sum(leaf.size for leaf in jax.tree.leaves(cache)))
    assert len(set(sizes_found)) == 1 and sizes_found[0] > 0


def test_a_window_of_all_groups_is_full_attention_and_a_smaller_one_is_not():
    full, four, two = (tiny.transformer(window=window) for window in (0, 4, 2))
    params = {"params": weights(full)}
    found = [
        compiled(functools.partial(module.apply, method="posterior"))(params, CLIP).mean
        for module in (full, four, two)
    ]
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    moved = np.abs(found[0] - found[2]).max(axis=(0, 2, 3, 4))
    np.testing.assert_array_equal(moved > 1e-3, [False, False, True, True])


def test_full_attention_refuses_clips_and_streams_beyond_its_length_in_a_sentence():
    module = tiny.transformer(window=0, max_groups=3)
    assert module.spec.max_groups == 3 and tiny.transformer().spec.max_groups == 0
    params = weights(module)
    sentence = r"all of a clip at once \(window = 0\), up to 3 latent steps \(9 frames\); got 4"
    z = np.zeros((1, 4, 1, 2, 4), np.float32)
    for method, x in (("posterior", CLIP), ("decode_raw", z)):
        with pytest.raises(ValueError, match=sentence):
            module.apply({"params": params}, x, method=method)
    for stream, x, first in (
        (streaming.encode_stream, CLIP, 9),
        (streaming.decode_stream, z, 3),
    ):
        chunks = stream(module, params, [x[:, :first], x[:, first:]])
        assert next(chunks) is not None
        with pytest.raises(ValueError, match=sentence):
            next(chunks)


@pytest.mark.parametrize(
    ("model", "fields", "ahead"),
    [
        ("transformer", {"window": 2, "decoder_depth": 2}, 2),
        ("transformer", {"window": 3}, 2),
        ("transformer", {"window": 0}, ALL),
        # conv_out and the block of stage 0 see 3 frames further, 1 more after upsampling: 2 frames
        # of stage 1; 1 more by its own upsampling, of which 2 latents are touched
        ("hybrid", {"window": 2, "decoder_blocks": (1, 0)}, 3),
    ],
)
def test_without_causality_a_decoder_looks_as_far_ahead_as_its_spec_says(model, fields, ahead):
    module = BUILD[model](**fields, decoder_causal=False)
    spec = module.spec
    assert (spec.decoder_lookahead, spec.streaming) == (ahead, "none") and spec.encoder_causal
    groups = 7
    latents = np.random.default_rng(0).standard_normal((1, groups, 1, 1, 4)).astype(np.float32)

    params = {"params": weights(module)}

    def last_frame_of_group_1(z):
        return module.apply(params, z, method="decode_raw")[0, 4].sum()

    slope = np.asarray(compiled(jax.grad(last_frame_of_group_1))(latents))
    reached = np.flatnonzero(np.abs(slope[0]).max(axis=(1, 2, 3)) > 0)
    assert reached[0] == 0 and reached[-1] == min(1 + ahead, groups - 1)
    with pytest.raises(ValueError, match="looks .* so it has no exact stream"):
        streaming.decode_stream(module, weights(module), [latents])


@models
def test_an_infilled_group_depends_on_later_latents_only_without_causality(model):
    z = np.random.default_rng(0).standard_normal((1, 4, 1, 1, 4)).astype(np.float32)
    later = z.copy()
    later[:, 2:] += 1
    for causal in (True, False):
        module = BUILD[model](decoder_causal=causal)
        one, other = (np.asarray(of(module, "decode_raw", x))[:, 1:5] for x in (z, later))
        assert (np.abs(one - other).max() > 1e-3) == (not causal)
        if causal:
            np.testing.assert_array_equal(one, other)


def test_stages_of_the_hybrid_follow_the_fields_in_both_halves():
    params = registry.shapes(
        tiny.hybrid(encoder_blocks=(0, 1), decoder_blocks=(2, 0), widths=(8, 12), patch=2)
    )
    encoder, decoder = params["encoder"], params["decoder"]
    assert encoder["conv_in"]["kernel"].shape == (3, 3, 3, 12, 8)
    assert set(encoder["stage_1"]) == {"block_0"} and "stage_0" not in encoder
    assert set(decoder["stage_0"]) == {"block_0", "block_1"} and "stage_1" not in decoder
    assert encoder["tokens"]["kernel"].shape == (12, 16)
    assert decoder["features"]["kernel"].shape == (16, 12)


def test_the_convolutions_of_the_hybrid_reach_as_far_as_they_say():
    module = tiny.hybrid(encoder_blocks=(1, 0), decoder_blocks=(1, 0), time_padding="zeros")
    params, own, rows = {"params": weights(module)}, 6, 13  # of latents
    high = {half: compiled(functools.partial(module.apply, method=lambda m, x, half=half:
                                             getattr(m, half).high(x)))
            for half in ("encoder", "decoder")}  # fmt: skip
    sides = {"encoder": (16, 1, 3), "decoder": (1, 16, 8)}  # rows of a latent in, out; channels
    for half, (into, out, channels) in sides.items():
        x = np.random.default_rng(0).standard_normal((1, 1, rows * into, into, channels))
        other = x.copy()
        other[:, :, own * into : (own + 1) * into] += 1
        one, two = (np.asarray(high[half](params, each.astype(np.float32))) for each in (x, other))
        moved = np.abs(one - two).max(axis=(0, 1, 3, 4)).reshape(rows, out).max(axis=1)
        seers = np.flatnonzero(moved)
        before, behind = getattr(module, half).reach
        assert own - behind == seers[0] and own + before == seers[-1]  # who sees it, and how far


@pytest.mark.parametrize(
    ("model", "fields", "message"),
    [
        ("transformer", {"width": 18, "heads": 4}, "got a width of 18 in 4 heads"),
        ("transformer", {"width": 12, "heads": 4}, "at least 6, .* got a width of 12 in 4 heads"),
        ("transformer", {"window": -1}, "window is at least 0; got -1"),
        ("transformer", {"max_groups": 0}, "max_groups is at least 1; got 0"),
        ("transformer", {"encoder_depth": 0}, "encoder_depth is at least 1; got 0"),
        ("transformer", {"remat": "layers"}, "remat is one of none, block; got 'layers'"),
        ("transformer", {"qk_norm": "yes"}, "qk_norm is one of True, False; got 'yes'"),
        ("transformer", {"dtype": "half"}, "dtype is one of float32, bfloat16; got 'half'"),
        ("transformer", {"padding": "ones"}, "padding is one of token, "),
        ("transformer", {"widths": (8, 8)}, "has no field widths; its fields are: channels, "),
        ("hybrid", {"widths": (8,)}, "2 strides lead from 2 stages, but widths has 1"),
        ("hybrid", {"decoder_blocks": (1, -1)}, r"decoder_blocks is at least 0; got \(1, -1\)"),
    ],
)
def test_a_field_that_cannot_be_is_refused_with_a_sentence(model, fields, message):
    with pytest.raises(ValueError, match=message):
        BUILD[model](**fields)
