"""Attention by cuDNN hides its products: they are counted as those of the plain one."""

import jax
import jax.numpy as jnp
import pytest

from pv_vae_jax.costs import flops

B, TOKENS, HEADS, CHANNELS = 2, 256, 4, 64


@pytest.fixture
def cudnn(monkeypatch):
    """Tracing asks which cuDNN there is; there need be none."""
    fused = pytest.importorskip("jax._src.cudnn.fused_attention_stablehlo")
    monkeypatch.setattr(fused, "check_cudnn_version", lambda: 91000)
    monkeypatch.setattr(fused, "check_compute_capability", lambda *args: True, raising=False)


def loss(implementation):
    def function(q, k, v):
        attention = jax.nn.dot_product_attention(q, k, v, implementation=implementation)
        return jnp.sum(attention.astype(jnp.float32) ** 2)

    return function


def test_it_costs_what_the_plain_one_costs_and_its_scores_again(cudnn):
    q = jax.ShapeDtypeStruct((B, TOKENS, HEADS, CHANNELS), jnp.bfloat16)
    product = 2 * B * HEADS * TOKENS**2 * CHANNELS
    forward = flops.of(loss("cudnn"), q, q, q)
    assert forward.model == forward.hardware == 2 * product
    found, plain = (
        flops.of(jax.value_and_grad(loss(name), (0, 1, 2)), q, q, q) for name in ("cudnn", "xla")
    )
    assert found.model == plain.model == 6 * product
    assert found.hardware == 7 * product and set(found.by_arithmetic) == {"bfloat16"}


def test_a_checkpointed_one_is_made_again(cudnn):
    q = jax.ShapeDtypeStruct((B, TOKENS, HEADS, CHANNELS), jnp.bfloat16)
    product = 2 * B * HEADS * TOKENS**2 * CHANNELS
    again = jax.checkpoint(loss("cudnn"))
    found = flops.of(jax.value_and_grad(again, (0, 1, 2)), q, q, q)
    assert found.model == 6 * product and found.hardware == 9 * product
