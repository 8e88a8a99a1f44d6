"""Attention in several heads: the formula, its type, its library, and keys that are not there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.layers import multi_head
from pv_vae_jax.layers.multi_head import attend, fused
from tests.golden.zoo import rule


def softmax_attention(q, k, v):
    q, k, v = (np.asarray(x, np.float64) for x in (q, k, v))
    scores = np.einsum("nqhd,nkhd->nhqk", q, k) / np.sqrt(q.shape[-1])
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.einsum("nhqk,nkhd->nqhd", weights / weights.sum(axis=-1, keepdims=True), v)


@pytest.mark.parametrize(("dtype", "atol"), [("float32", 2e-6), ("bfloat16", 2e-2)])
def test_attention_equals_the_formula(dtype, atol):
    q, k, v = (jnp.asarray(rule.normal(seed, 3, 7, 2, 4), dtype) for seed in range(3))
    found = jax.jit(attend)(2 * q, k, v)
    assert found.dtype == dtype
    expected = softmax_attention(2 * q, k, v)
    np.testing.assert_allclose(np.asarray(found, np.float64), expected, rtol=0, atol=atol)


def test_the_softmax_is_of_float32_scores():
    q = jnp.full((1, 2, 1, 16), 16, jnp.bfloat16)
    k = q.at[0, 1, 0, 0].set(16.125)  # scores of 1024 and 1024.5; bfloat16 knows 1024 and 1032
    v = jnp.asarray([0, 1], jnp.bfloat16).reshape(1, 2, 1, 1) * jnp.ones_like(q)
    expected = softmax_attention(q, k, v)
    assert abs(expected.max() - 0.5) > 0.1
    np.testing.assert_allclose(np.float64(jax.jit(attend)(q, k, v)), expected, atol=2e-3)


SAYS = {"xla": 3.0, "cudnn": 5.0}


def stands_in(q, k, v, key_value_seq_lengths=None, *, implementation):
    """An attention that tells which library was asked."""
    assert key_value_seq_lengths is None
    if implementation == "cudnn" and q.shape[-1] % 8:
        raise NotImplementedError("The head dim must be a multiple of 8.")
    return jnp.full_like(q, SAYS[implementation])


@pytest.mark.parametrize(
    ("dtype", "tokens", "channels", "on_nvidia"),
    [
        ("bfloat16", 16, 8, "cudnn"),
        ("bfloat16", 8, 8, "xla"),  # few tokens
        ("bfloat16", 16, 12, "xla"),  # no such head
        ("float32", 16, 8, "xla"),
    ],
)
def test_cudnn_attends_on_nvidia_where_it_can_and_where_it_pays(
    monkeypatch, dtype, tokens, channels, on_nvidia
):
    monkeypatch.setattr(multi_head, "_attention", stands_in)
    q = jnp.zeros((2, tokens, 1, channels), dtype)
    program = jax.jit(lambda q: attend(q, q, q)).trace(q)
    for platform, expected in (("cuda", on_nvidia), ("tpu", "xla"), ("cpu", "xla")):
        text = program.lower(lowering_platforms=(platform,)).as_text()
        assert [name for name, value in SAYS.items() if f"dense<{value:e}>" in text] == [expected]


def test_without_cudnn_attention_is_xla_s():
    q = jnp.zeros((2, 16, 1, 8), jnp.bfloat16)
    assert not fused(q, q)
    assert attend(q, q, q).shape == q.shape


@pytest.mark.parametrize("broken", [1e3, np.inf])
def test_keys_beyond_a_length_have_no_part(broken):
    q, k, v = (np.array(rule.normal(seed, 3, 7, 2, 4), np.float32) for seed in range(3))
    lengths = np.int32([7, 1, 4])
    found = jax.jit(attend)(q, k, v, lengths)
    for clip, length in enumerate(lengths):
        seen = (x[clip : clip + 1, :length] for x in (k, v))
        expected = softmax_attention(q[clip : clip + 1], *seen)
        np.testing.assert_allclose(found[clip : clip + 1], expected, atol=2e-6)
        k[clip, length:] = broken
    np.testing.assert_array_equal(jax.jit(attend)(q, k, v, lengths), found)
