"""A decoder that is not causal: how far it looks, and what infilled frames then follow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pv_vae_jax as pv
from pv_vae_jax.models import cnn, sizes
from pv_vae_jax.models.video_vae import VideoVAE
from tests import tiny

OBSERVED = np.array([True, False, True, True]).reshape(1, 4, 1, 1)  # latent 1 is infilled


def infilled(causal):
    """(latents) to the frames of the infilled group."""
    module = tiny.module(**tiny.SHALLOW, decoder_causal=causal)
    params = tiny.params(module)

    @jax.jit
    def frames(latents):
        padded = module.apply({"params": params}, latents, OBSERVED, method="pad")
        return module.apply({"params": params}, padded, method="decode_raw")[:, 1:5]

    return frames


@pytest.mark.parametrize("causal", [True, False])
def test_an_infilled_group_depends_on_later_latents_if_and_only_if_the_decoder_is_not_causal(
    causal,
):
    frames = infilled(causal)
    latents = np.random.default_rng(0).standard_normal((1, 4, 1, 1, 4)).astype(np.float32)
    before, after = latents.copy(), latents.copy()
    before[:, 0] += 1
    after[:, 2:] += 1
    plain = np.asarray(frames(latents))
    assert np.abs(frames(before) - plain).max() > 1e-3
    if causal:
        np.testing.assert_array_equal(frames(after), plain)
    else:
        assert np.abs(frames(after) - plain).max(axis=(0, 2, 3, 4)).min() > 1e-4


def test_the_lookahead_of_the_spec_is_where_the_dependence_ends():
    fields = {"widths": (8, 8), "strides": ((2, 2),), "encoder_blocks": (0, 0)}
    module = tiny.module(
        **fields, decoder_blocks=(1, 0), decoder_causal=False, time_padding="zeros"
    )
    ahead = module.spec.decoder_lookahead
    # pixels: 1 for conv_out, 2 for the block, 1 after upsampling: 4 of the last frame of a group
    # reach 2 latent steps; 4 for the middle and 1 for conv_in
    assert ahead == cnn.lookahead((1, 0), ((2, 2),)) == 2 + 5
    assert module.spec.streaming == "none" and module.spec.encoder_causal
    groups = ahead + 3
    latents = np.random.default_rng(0).standard_normal((1, groups, 1, 1, 4)).astype(np.float32)
    params = module.init(jax.random.key(0), jnp.zeros((1, 3, 8, 8, 3)))["params"]
    params = jax.tree.map(lambda leaf: leaf + 0.1, params)  # no tap is nearly 0
    slope = jax.jit(
        jax.grad(lambda z: module.apply({"params": params}, z, method="decode_raw")[0, 2].sum())
    )(latents)  # of the last frame of group 1
    reached = np.flatnonzero(np.abs(slope[0]).max(axis=(1, 2, 3)) > 0)
    assert reached[-1] == 1 + ahead


def test_a_causal_decoder_looks_ahead_by_nothing():
    spec = sizes.build("pv_vae_tiny").spec
    assert (spec.decoder_lookahead, spec.streaming) == (0, "exact")
    assert pv.describe("pv_vae_661m").spec.decoder_lookahead == 0


def test_a_decoder_that_looks_ahead_has_no_stream_but_the_encoder_has():
    module = tiny.module(**tiny.SHALLOW, decoder_causal=False)
    vae = VideoVAE(module, tiny.params(module), np.zeros(4), np.ones(4), {})
    video = tiny.batch((0,)).video
    chunks = list(vae.encode_stream([video[:, :5], video[:, 5:]]))
    np.testing.assert_allclose(np.concatenate(chunks, axis=1), vae.encode(video), atol=1e-5)
    ahead = module.spec.decoder_lookahead
    with pytest.raises(ValueError, match=f"looks {ahead} latents ahead.* decode the whole clip"):
        list(vae.decode_stream(chunks))
    with pytest.raises(ValueError, match="sees later frames cannot run in a stream"):
        module.apply(
            {"params": vae.params}, jnp.zeros((1, 2, 1, 1, 4)), method="decode_raw",
            mutable=["cache"],
        )  # fmt: skip
