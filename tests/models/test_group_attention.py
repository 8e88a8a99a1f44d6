"""Attention between groups: who sees whom, and that places count by their differences alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.core import trees
from pv_vae_jax.models import group_attention
from pv_vae_jax.models.group_attention import GroupAttention
from tests.golden.zoo import rule
from tests.sharding.parity import OPTIONS

HEADS, HEAD = 2, 12
TOKENS = rule.normal(1, 2, 5, 2, 3, HEADS * HEAD)  # B, G, h, w, C


def weights(module):
    shapes = jax.eval_shape(module.init, jax.random.key(0), TOKENS)["params"]
    return trees.unflatten(
        {path: rule.tensor(path, s.shape, 2.0) for path, s in trees.flatten(shapes).items()}
    )


@functools.cache
def compiled(module):
    apply = functools.partial(module.apply, {"params": weights(module)})
    return jax.jit(apply, compiler_options=OPTIONS)


def turned(x, group, row, column):
    """By absolute places: 12 channels are 2 pairs by the group, 2 by the row, 2 by the column."""
    angles = [place / 10000 ** (i / 2) for place in (group, row, column) for i in range(2)]
    pairs = (x[:6] + 1j * x[6:]) * np.exp(1j * np.array(angles))
    return np.concatenate([pairs.real, pairs.imag])


def by_hand(params, x, window, causal):
    """Equations (1) and (2) for one clip, token by token, with places counted from frame 0."""
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    places = list(np.ndindex(*x.shape[:3]))
    qkv = x.reshape(len(places), -1) @ params["qkv"]["kernel"] + params["qkv"]["bias"]
    qkv = qkv.reshape(len(places), HEADS, 3, HEAD)
    if "norm_q" in params:
        for i, name in enumerate(("norm_q", "norm_k")):
            norm = np.linalg.norm(qkv[:, :, i], axis=-1, keepdims=True)
            qkv[:, :, i] *= HEAD**0.5 / norm * params[name]["scale"]
    y = np.zeros((len(places), HEADS, HEAD))
    for n, (g, *_) in enumerate(places):
        nearest = range(g - window + 1, g + (1 if causal else window))
        seen = [m for m, (other, *_) in enumerate(places) if other in nearest]
        for head in range(HEADS):
            q = turned(qkv[n, head, 0], *places[n])
            scores = [q @ turned(qkv[m, head, 1], *places[m]) / HEAD**0.5 for m in seen]
            p = np.exp(scores - np.max(scores))
            y[n, head] = p / p.sum() @ qkv[seen, head, 2]
    y = y.reshape(len(places), -1) @ params["out"]["kernel"] + params["out"]["bias"]
    return y.reshape(x.shape)


@pytest.mark.parametrize(
    ("window", "causal", "qk_norm"), [(1, True, True), (2, True, False), (9, True, True),
                                      (2, False, True), (9, False, False)],
)  # fmt: skip
def test_attention_is_the_formula_with_places_counted_from_the_first_frame(window, causal, qk_norm):
    module = GroupAttention(HEADS, window, causal, qk_norm)
    found = compiled(module)(TOKENS)
    for clip, expected in enumerate(TOKENS):
        expected = by_hand(weights(module), expected, window, causal)
        np.testing.assert_allclose(found[clip], expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize(("causal", "seers"), [(True, {1, 2, 3}), (False, {0, 1, 2, 3})])
def test_a_group_is_seen_whole_by_those_within_the_window_and_by_no_other(causal, seers):
    run, other = compiled(GroupAttention(HEADS, 3, causal)), TOKENS.copy()
    other[:, 1, 1, 2, 0] += 1
    moved = np.abs(run(TOKENS) - run(other)).max(axis=4)
    seers = seers if causal else seers | {0}
    for group in range(5):
        assert (moved[:, group] > 0).all() == (moved[:, group] > 0).any() == (group in seers), group


def test_the_window_of_both_sides_is_cut_at_the_ends_of_the_clip():
    assert group_attention.neighbours(4, 2) == [range(0, 2), range(0, 3), range(1, 4), range(2, 4)]


@pytest.mark.parametrize(("window", "plan"), [(1, (1, 4)), (3, (1, 3, 1)), (9, (2, 1, 1, 1))])
def test_a_stream_keeps_keys_and_values_of_the_window_alone(window, plan):
    module = GroupAttention(HEADS, window)
    params, cache, parts, kept = weights(module), {}, [], []

    @functools.partial(jax.jit, compiler_options=OPTIONS)
    def step(cache, chunk):
        return module.apply({"params": params} | cache, chunk, mutable=["cache"])

    for chunk in np.split(TOKENS, np.cumsum(plan)[:-1], axis=1):
        y, state = step(cache, chunk)
        cache = {"cache": state["cache"]}
        parts.append(y)
        kept.append(jax.tree.map(jnp.shape, state["cache"]))
    whole = compiled(module)(TOKENS)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=2e-5)
    assert all(form == kept[0] for form in kept)
    assert kept[0]["keys"] == kept[0]["values"] == (2, window - 1, 6, HEADS, HEAD)
    assert int(cache["cache"]["groups"]) == min(5, window - 1)  # no number grows with the stream


def test_attention_to_later_groups_has_no_stream():
    module = GroupAttention(HEADS, 2, causal=False)
    with pytest.raises(ValueError, match="sees later groups cannot run in a stream"):
        module.apply({"params": weights(module)}, TOKENS, mutable=["cache"])


def test_float32_means_float32_on_accelerators_too():
    module = GroupAttention(HEADS, 2)
    loss = lambda params: module.apply({"params": params}, TOKENS).sum()  # noqa: E731
    text = str(jax.make_jaxpr(jax.grad(loss))(weights(module)))
    products = text.count("dot_general[")
    # The tokens have no gradient; the two matrices are there in a form for CPU, too.
    assert products == (3 * 4 - 1) + (3 * 2 - 1)
    assert text.count("precision=(Precision.HIGHEST, Precision.HIGHEST)") == products
