import jax
import numpy as np

from pv_vae_jax.layers.attention import FrameAttention


def by_numpy(params, x):
    """Equation (1) of layers/attention.py in float64, frame by frame."""
    weights = {
        k: np.asarray(v["kernel"], np.float64)[0, 0, 0] for k, v in params.items() if "kernel" in v
    }
    bias = {k: np.asarray(v["bias"], np.float64) for k, v in params.items() if "bias" in v}
    b, t, h, w, c = x.shape
    tokens = x.astype(np.float64).reshape(b, t, h * w, c)
    norm = tokens / np.linalg.norm(tokens, axis=-1, keepdims=True) * c**0.5
    norm = norm * np.asarray(params["norm"]["scale"])
    q, k, v = (norm @ weights[name] + bias[name] for name in ("query", "key", "value"))
    scores = np.einsum("btqc,btkc->btqk", q, k) / c**0.5
    attention = np.exp(scores - scores.max(-1, keepdims=True))
    attention /= attention.sum(-1, keepdims=True)
    y = attention @ v @ weights["out"] + bias["out"]
    return x + y.reshape(x.shape)


def test_attention_is_among_the_positions_of_one_frame():
    x = np.random.default_rng(0).standard_normal((2, 3, 2, 3, 8)).astype(np.float32)
    layer = FrameAttention()
    params = layer.init(jax.random.key(0), x)["params"]
    params = jax.tree.map(
        lambda p: p + 0.3 * jax.random.normal(jax.random.key(p.size), p.shape), params
    )
    apply = jax.jit(layer.apply)
    y = apply({"params": params}, x)
    np.testing.assert_allclose(y, by_numpy(params, x), rtol=1e-5, atol=1e-5)
    alone = apply({"params": params}, x[:1, 1:2])
    np.testing.assert_array_equal(alone, y[:1, 1:2])
