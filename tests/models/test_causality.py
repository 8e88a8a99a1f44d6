"""Law 5: causal means causal.

On equal shapes to the bit for every model; across shapes to the bit for the tiny CNN on CPU, within
2e-5 of the largest value for others (a narrow layer's last bit depends on the processor).
"""

import jax
import numpy as np
import pytest

from pv_vae_jax.models import sizes, streaming
from tests import tiny

FRAMES, GROUPS, SIZE = 9, 3, 32
PLANS = ((1, 4, 4), (5, 4))  # frames; in latents (1, 1, 1), (2, 1)


class Case:
    """A model with fresh weights, a clip, and what it makes of the whole of it."""

    def __init__(self, module, exact):
        random = np.random.default_rng(0)
        self.module = module
        self.tolerance = 0.0 if exact else 2e-5
        self.video = random.uniform(-1, 1, (2, FRAMES, SIZE, SIZE, 3)).astype(np.float32)
        first = self.video[:1, :1]
        self.params = jax.jit(module.init)(jax.random.key(0), first)["params"]
        self._encode = jax.jit(lambda p, x: module.apply({"params": p}, x, method="posterior"))
        self._decode = jax.jit(lambda p, z: module.apply({"params": p}, z, method="decode_raw"))
        self.moments = self.encode(self.video)
        self.latents = random.standard_normal(self.moments[..., : module.spec.channels].shape)
        self.latents = self.latents.astype(np.float32)
        self.decoded = self.decode(self.latents)

    def encode(self, video):
        posterior = self._encode(self.params, video)
        return np.concatenate([posterior.mean, posterior.logvar], axis=-1)

    def decode(self, latents):
        return np.asarray(self._decode(self.params, latents))


KINDS = (
    "pv_vae_tiny, replicate",
    "smaller, zeros, patch 2",
    "pv_vae_transformer_tiny",
    "pv_vae_hybrid_tiny",
)


@pytest.fixture(scope="module", params=KINDS)
def case(request):
    if request.param.startswith("pv_vae_tiny"):
        return Case(sizes.build("pv_vae_tiny"), exact=True)
    if request.param.startswith("pv_vae"):
        return Case(sizes.build(request.param, window=2), exact=False)
    strides = ((2, 2), (2, 2), (1, 2))
    blocks = {"encoder_blocks": (1, 0, 0, 0), "decoder_blocks": (1, 0, 0, 0)}
    fields = {"widths": (8, 12, 12, 16), "strides": strides, "patch": 2, "time_padding": "zeros"}
    return Case(tiny.module(**blocks, **fields), exact=False)


def same_bits(part, whole):
    np.testing.assert_array_equal(part, whole[: part.shape[0], : part.shape[1]])


def same_across_shapes(case, part, whole):
    most = case.tolerance * np.abs(whole).max()
    whole = whole[: part.shape[0], : part.shape[1]]
    np.testing.assert_allclose(part, whole, rtol=0, atol=most)


def test_a_prefix_has_the_latents_of_the_clip_and_an_image_is_latent_0(case):
    assert case.moments.shape[1] == GROUPS and np.std(case.moments) > 0.1
    for frames in (1, 5):
        same_across_shapes(case, case.encode(case.video[:, :frames]), case.moments)


def test_the_frames_of_a_prefix_of_latents_are_those_of_the_whole(case):
    assert case.decoded.shape == case.video.shape and np.std(case.decoded) > 0.1
    same_across_shapes(case, case.decode(case.latents[:, :1]), case.decoded)


def test_future_frames_do_not_change_past_latents_but_change_their_own(case):
    changed = case.video.copy()
    changed[:, 5:] *= -1
    moments = case.encode(changed)
    same_bits(moments[:, :2], case.moments)
    assert np.abs(moments - case.moments)[:, 2].max() > 1e-2


def test_future_latents_do_not_change_past_frames_but_change_their_own(case):
    changed = case.latents.copy()
    changed[:, 2:] *= -1
    decoded = case.decode(changed)
    same_bits(decoded[:, :5], case.decoded)
    assert np.abs(decoded - case.decoded)[:, 5:].max() > 1e-2


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_any_chunks_of_video_give_the_latents_of_the_clip(case, plan):
    chunks = np.split(case.video, np.cumsum(plan)[:-1], axis=1)
    stream = list(streaming.encode_stream(case.module, case.params, chunks))
    assert [p.mean.shape[1] for p in stream] == [-(-frames // 4) for frames in plan]
    moments = [np.concatenate([p.mean, p.logvar], axis=-1) for p in stream]
    same_across_shapes(case, np.concatenate(moments, axis=1), case.moments)


@pytest.mark.parametrize("plan", [(1, 1, 1), (2, 1)], ids=str)
def test_any_chunks_of_latents_give_the_frames_of_the_clip(case, plan):
    chunks = np.split(case.latents, np.cumsum(plan)[:-1], axis=1)
    video = list(streaming.decode_stream(case.module, case.params, chunks))
    same_across_shapes(case, np.concatenate(video, axis=1), case.decoded)


def test_a_clip_alone_has_the_latents_it_has_in_a_batch(case):
    same_across_shapes(case, case.encode(case.video[:1]), case.moments)
