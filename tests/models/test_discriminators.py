import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.core import trees
from pv_vae_jax.models import discriminators

CLIP = np.random.default_rng(0).uniform(-1, 1, (2, 5, 16, 16, 3)).astype(np.float32)
WIDTHS = (4, 6)


def make(kind="both", normalisation="none", widths=WIDTHS, **fields):
    module = discriminators.build(kind, widths, normalisation, **fields)
    return module, jax.jit(module.init)(jax.random.key(0), CLIP)


@pytest.fixture(scope="module")
def plain():
    return make()


@pytest.fixture(scope="module")
def spectral():
    return make(normalisation="spectral")


def sigmas(variables):
    """Largest singular value of each kernel, and its estimate, by path."""
    flat, stats = trees.flatten(variables["params"]), trees.flatten(variables["batch_stats"])
    kernels = {path: leaf for path, leaf in flat.items() if path.endswith("kernel")}
    return {
        path: (
            np.linalg.svd(np.reshape(w, (-1, w.shape[-1])), compute_uv=False)[0],
            float(discriminators.spectral_norm(w, stats[path.replace("kernel", "u")])[0]),
        )
        for path, w in kernels.items()
    }


@pytest.mark.parametrize("kt, side, strides", [(1, 4, (1, 2)), (3, 4, (2, 2)), (3, 3, (1, 1))])
@pytest.mark.parametrize("size", [8, 7])
def test_a_layer_is_the_sum_over_its_window(kt, side, strides, size):
    random = np.random.default_rng(1)
    x = random.standard_normal((2, 5, size, size, 3)).astype(np.float32)
    layer = discriminators.Convolution(4, (kt, side, side), strides, "none", "float32")
    variables = jax.jit(layer.init)(jax.random.key(0), x)
    w = np.asarray(variables["params"]["kernel"], np.float64)
    beyond = kt // 2
    edges = np.pad(x.astype(np.float64), [(0, 0), (beyond, beyond)] + [(0, 0)] * 3, "edge")
    edges = np.pad(edges, [(0, 0), (0, 0), (1, 1), (1, 1), (0, 0)])
    y = np.asarray(jax.jit(layer.apply)(variables, x))
    st, ss = strides
    assert y.shape == (2, 1 + 4 // st, size // ss, size // ss, 4)
    for t, h, v in np.ndindex(*y.shape[1:4]):
        window = edges[:, st * t : st * t + kt, ss * h : ss * h + side, ss * v : ss * v + side]
        wanted = np.einsum("bijlc,ijlco->bo", window, w)
        np.testing.assert_allclose(y[:, t, h, v], wanted, atol=1e-5)


@pytest.mark.parametrize("frames, halved", [(1, 1), (5, 3), (17, 9)])
def test_each_kind_gives_one_map_of_logits(plain, frames, halved):
    module, variables = plain
    clip = jax.ShapeDtypeStruct((2, frames, 16, 24, 3), jnp.float32)
    frame, clip = jax.eval_shape(module.apply, variables, clip)
    assert frame.shape == (2, frames, 4, 6) and clip.shape == (2, halved, 4, 6)
    assert set(variables) == {"params"} and set(variables["params"]) == {"frame", "clip"}
    for kind in ("frame", "clip"):
        assert set(discriminators.build(kind).kinds) == {kind}


def test_judging_frames_mixes_no_frames_and_judging_clips_does(plain):
    module, variables = plain
    judge = jax.jit(module.apply)
    garbled = CLIP.copy()
    garbled[:, 2] = -garbled[:, 2]
    before, after = judge(variables, CLIP), judge(variables, garbled)
    moved = [np.abs(a - b).max(axis=(0, 2, 3)) > 0 for a, b in zip(after, before, strict=True)]
    assert moved[0].tolist() == [False, False, True, False, False]
    assert moved[1].tolist() == [True, True, True]


def test_the_order_of_frames_is_seen_by_the_clip_kind_alone(plain):
    module, variables = plain
    judge = jax.jit(module.apply)
    frame, clip = judge(variables, CLIP)
    frame_again, clip_again = judge(variables, CLIP[:, ::-1])
    np.testing.assert_array_equal(frame_again[:, ::-1], frame)
    assert np.abs(clip_again[:, ::-1] - clip).max() > 1e-2


def test_a_logit_sees_a_patch_of_18_pixels_with_two_widths(plain):
    module, variables = plain
    clip = np.random.default_rng(2).uniform(-1, 1, (1, 1, 48, 48, 3)).astype(np.float32)

    def middle(clip):
        return sum(logits[0, 0, 6, 6] for logits in module.apply(variables, clip))

    seen = np.abs(jax.jit(jax.grad(middle))(clip)[0, 0]).max(axis=-1) > 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    assert rows.tolist() == columns.tolist() == list(range(17, 35))


def test_below_zero_a_layer_passes_a_fifth_of_the_slope():
    module, variables = make(widths=(4,))
    flat = trees.flatten(variables)

    @jax.jit
    def slope(bias):
        leaves = {p: leaf + bias * ("conv" in p and "bias" in p) for p, leaf in flat.items()}
        judge = functools.partial(module.apply, trees.unflatten(leaves))
        return jax.grad(lambda clip: sum(jnp.sum(logits) for logits in judge(clip)))(CLIP)

    assert np.abs(slope(1e3)).max() > 0.1
    np.testing.assert_allclose(slope(-1e3), 0.2 * slope(1e3), rtol=1e-4, atol=1e-6)


def test_spectral_kernels_have_a_singular_value_of_one_from_the_start(spectral):
    _, variables = spectral
    values = sigmas(variables)
    assert len(values) == 6
    for path, (largest, estimate) in values.items():
        assert 0.95 < largest / estimate < 1.05, path


def test_the_estimate_follows_kernels_that_move(spectral):
    module, variables = spectral
    random = np.random.default_rng(3)
    params = jax.tree.map(
        lambda w: w + w.std() * random.standard_normal(w.shape, np.float32), variables["params"]
    )
    follow = jax.jit(lambda v: discriminators.apply(module, v, CLIP, update_stats=True)[1])
    variables = {"params": params, "batch_stats": variables["batch_stats"]}
    stale = max(largest / estimate for largest, estimate in sigmas(variables).values())
    for _ in range(30):
        variables["batch_stats"] = follow(variables)
    fresh = max(largest / estimate for largest, estimate in sigmas(variables).values())
    assert fresh < 1.02 < 1.05 < stale


def test_the_state_moves_only_when_asked(spectral):
    module, variables = spectral
    apply = jax.jit(functools.partial(discriminators.apply, module), static_argnums=2)
    logits, kept = apply(variables, CLIP, False)
    again, moved = apply(variables, CLIP, True)
    for one, other in zip(logits, again, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6)
    for path, u in trees.flatten(variables["batch_stats"]).items():
        np.testing.assert_array_equal(trees.flatten(kept)[path], u)
        kernel = trees.flatten(variables["params"])[path.replace("u", "kernel")]
        kernel = np.asarray(kernel, np.float64).reshape(-1, kernel.shape[-1])
        by_hand = kernel.T @ kernel @ np.asarray(u, np.float64)
        by_hand /= np.linalg.norm(by_hand)
        np.testing.assert_allclose(trees.flatten(moved)[path], by_hand, atol=1e-5)


def test_the_size_of_a_spectral_kernel_has_no_effect_and_no_gradient(spectral):
    module, variables = spectral
    stats = variables["batch_stats"]

    @jax.jit
    def judge(params):
        def loss(params):
            logits = module.apply({"params": params, "batch_stats": stats}, CLIP)
            return sum(jnp.mean(jnp.square(each)) for each in logits), logits

        return jax.value_and_grad(loss, has_aux=True)(params)

    (_, logits), gradient = judge(variables["params"])
    (_, again), _ = judge(jax.tree.map(lambda leaf: 7 * leaf, variables["params"]))
    for one, other in zip(logits, again, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    flat = trees.flatten(variables["params"])
    for path, slope in trees.flatten(gradient).items():
        if path.endswith("kernel"):
            along = abs(np.vdot(slope, flat[path]))
            assert along < 1e-4 * np.linalg.norm(slope) * np.linalg.norm(flat[path]), path


def test_the_state_survives_the_flat_names_of_a_checkpoint(spectral):
    _, variables = spectral
    again = trees.unflatten(trees.flatten(variables))
    assert jax.tree.structure(again) == jax.tree.structure(variables)


def test_without_normalisation_there_is_no_state(plain):
    module, variables = plain
    logits, stats = discriminators.apply(module, variables, CLIP, update_stats=True)
    assert stats == {} and len(logits) == 2


def test_bfloat16_is_close_and_keeps_everything_stored_in_float32(spectral):
    module, variables = spectral
    low = discriminators.build("both", WIDTHS, "spectral", "bfloat16")
    exact, rough = (jax.jit(m.apply)(variables, CLIP)[1] for m in (module, low))
    assert rough.dtype == jnp.float32
    assert 1e-4 < float(jnp.std(rough - exact) / jnp.std(exact)) < 4e-2
    fresh = jax.eval_shape(low.init, jax.random.key(0), CLIP)
    assert {leaf.dtype for leaf in jax.tree.leaves(fresh)} == {jnp.dtype("float32")}


def test_fresh_layers_keep_the_size_of_what_they_see():
    module, variables = make(widths=(64, 64))
    apply = jax.jit(functools.partial(module.apply, capture_intermediates=True))
    _, state = apply(variables, 3**0.5 * CLIP)
    outputs = {k: v for k, (v,) in trees.flatten(state["intermediates"]).items() if "conv_1" in k}
    assert len(outputs) == 2
    for values in outputs.values():
        inner = values[:, :, 1:-1, 1:-1]
        assert 1.0 < float(jnp.sqrt(jnp.mean(jnp.square(inner)))) < 2.0


def test_what_cannot_be_is_refused_with_a_sentence(plain):
    with pytest.raises(ValueError, match="kind is one of frame, clip, both; got 'video'"):
        discriminators.build("video")
    with pytest.raises(ValueError, match="normalisation is one of none, spectral; got 'batch'"):
        discriminators.build("frame", WIDTHS, "batch")
    with pytest.raises(ValueError, match=r"at least one width, each at least 1; got \(\)"):
        discriminators.build("frame", ())
    with pytest.raises(ValueError, match="dtype is one of float32, bfloat16; got 'half'"):
        discriminators.build("frame", dtype="half")
    module, variables = plain
    with pytest.raises(ValueError, match="2 widths halve a clip to nothing below 4 .* got 3 x 16"):
        module.apply(variables, CLIP[:, :, :3])
