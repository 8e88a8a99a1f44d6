import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.core import trees
from pv_vae_jax.models import sizes
from tests import tiny

CLIP = np.random.default_rng(0).uniform(-1, 1, (2, 3, 8, 8, 3)).astype(np.float32)


def small(**overrides):
    """One stride, so that it compiles fast: t2s4."""
    stages = {"strides": ((2, 2),), "widths": (8, 12), "patch": 2}
    blocks = {"encoder_blocks": (0, 0), "decoder_blocks": (1, 0)}
    return tiny.module(**(stages | blocks | overrides))


@pytest.fixture(scope="module")
def reference():
    module = small()
    params = jax.jit(module.init)(jax.random.key(1), CLIP)["params"]
    return params, *value_and_gradient(module, params)


def value_and_gradient(module, params):
    def loss(params):
        video = module.apply({"params": params}, CLIP)
        return jnp.mean((video - CLIP) ** 2), video

    (_, video), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(params)
    return video, gradient


def test_every_parameter_of_encoder_and_decoder_has_a_gradient(reference):
    params, video, gradient = reference
    assert video.shape == CLIP.shape and video.dtype == jnp.float32
    assert set(params) == {"encoder", "decoder", "padding"}
    flat = trees.flatten(gradient)
    dead = {path for path, leaf in flat.items() if not np.any(leaf)}
    # A key's bias adds the same to all scores of a query: its gradient is rounding.  The
    # log-variance has no part in a reconstruction from the mean; nothing here is withheld.
    assert dead <= {"padding/token", *(path for path in flat if "attention/key/bias" in path)}


def test_bfloat16_is_close_keeps_float32_parameters_and_gives_float32(reference):
    params, video, _ = reference
    module = small(dtype="bfloat16")
    low = jax.jit(module.apply)({"params": params}, CLIP)
    assert low.dtype == jnp.float32
    assert 1e-4 < float(jnp.std(low - video) / jnp.std(video)) < 4e-2
    gradient = jax.eval_shape(jax.grad(lambda p: module.apply({"params": p}, CLIP).sum()), params)
    fresh = jax.eval_shape(module.init, jax.random.key(0), CLIP)
    types = {leaf.dtype for leaf in jax.tree.leaves((gradient, fresh))}
    assert types == {jnp.dtype("float32")}


def test_stages_follow_the_fields_in_both_halves():
    module = sizes.build(
        "pv_vae_tiny",
        widths=(8, 16, 24),
        strides=((2, 2), (1, 2)),
        encoder_blocks=(0, 1, 2),
        decoder_blocks=(3, 0, 0),
        patch=2,
    )
    params = jax.eval_shape(module.init, jax.random.key(0), CLIP)["params"]
    assert module.spec.latent_shape(5, 16, 16) == (3, 2, 2, 64)
    assert params["encoder"]["conv_in"]["kernel"].shape == (3, 3, 3, 12, 8)
    assert params["encoder"]["down_1"]["conv"]["kernel"].shape == (3, 3, 3, 16, 16)
    assert set(params["encoder"]["stage_2"]) == {"block_0", "block_1"}
    assert set(params["decoder"]["stage_0"]) == {"block_0", "block_1", "block_2"}
    assert params["decoder"]["conv_out"]["kernel"].shape[-1] == 12


@pytest.mark.slow
def test_without_blocks_attention_and_activation_a_linear_head_makes_the_decoder_linear():
    def decoder(head):
        module = small(head=head, decoder_blocks=(0, 0))
        params = jax.jit(module.init)(jax.random.key(1), CLIP)["params"]
        flat = {
            path: leaf * ("mid/" not in path or "shortcut" in path)
            for path, leaf in trees.flatten(params).items()
        }
        variables = {"params": trees.unflatten(flat)}
        decode = jax.jit(lambda z: module.apply(variables, z, method="decode_raw"))
        return decode, flat

    z = jax.random.normal(jax.random.key(2), (1, 2, 2, 2, tiny.FIELDS["channels"]))
    linear, flat = decoder("linear")
    np.testing.assert_allclose(linear(3 * z), 3 * linear(z), rtol=1e-4, atol=1e-5)
    assert not any("decoder/norm_out" in path for path in flat)
    norm, flat = decoder("norm")
    assert float(jnp.max(jnp.abs(norm(3 * z) - 3 * norm(z)))) > 0.1
    assert {"encoder/norm_out/scale", "decoder/norm_out/scale"} <= set(flat)


def test_with_a_linear_head_contrast_moves_the_mean_but_cannot_blow_up_the_variance():
    """Last features a thousand times as large: a clip unlike any that was trained on."""
    module = small(head="linear")
    params = jax.jit(module.init)(jax.random.key(1), CLIP)["params"]
    flat = trees.flatten(params)
    for path in [
        path for path in flat if re.match("encoder/(stage_1|mid)/.*(shortcut|conv_1)", path)
    ]:
        flat[path] = 1000 * flat[path]
    moments = jax.jit(
        lambda params: module.apply({"params": params}, CLIP + 0.3, method="posterior")
    )
    typical, untypical = moments(params), moments(trees.unflatten(flat))
    assert float(jnp.abs(untypical.mean).max()) > 100 * float(jnp.abs(typical.mean).max())
    assert float(jnp.abs(untypical.logvar).max()) < 10 * float(jnp.abs(typical.logvar).max())


def test_a_field_of_the_wrong_length_or_value_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match="3 stages, but widths has 2"):
        sizes.build("pv_vae_tiny", widths=(8, 8))
    with pytest.raises(ValueError, match="3 stages, but decoder_blocks has 4"):
        sizes.build("pv_vae_tiny", decoder_blocks=(1, 1, 1, 1))
    with pytest.raises(
        ValueError, match="remat is one of none, convolutions, block, layers; got 'all'"
    ):
        sizes.build("pv_vae_tiny", remat="all")
    with pytest.raises(ValueError, match="head is one of norm, linear; got 'silu'"):
        sizes.build("pv_vae_tiny", head="silu")
    with pytest.raises(ValueError, match="padding is one of token, .*, causal; got 'ones'"):
        sizes.build("pv_vae_tiny", padding="ones")
    with pytest.raises(ValueError, match="dtype is one of float32, bfloat16; got 'half'"):
        sizes.build("pv_vae_tiny", dtype="half")
