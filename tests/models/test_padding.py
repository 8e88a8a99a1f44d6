import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.models import padding
from pv_vae_jax.models.padding import KINDS, Padding, PixelPadding
from tests import tiny

RANDOM = np.random.default_rng(0)
G, H, W, C = 5, 2, 2, 3
LATENTS = RANDOM.standard_normal((2, G, H, W, C)).astype(np.float32)
NOISE = RANDOM.standard_normal(LATENTS.shape).astype(np.float32)
SUFFIX = np.arange(G)[None] < np.array([[3], [1]])
INFILL = np.array([[True, False, False, True, True], [True, True, True, False, True]])
CELLS = RANDOM.uniform(size=(2, G, H, W)) < 0.5
CELLS[:, 0] = True
MASKS = {"suffix": SUFFIX[..., None, None], "infill": INFILL[..., None, None], "cells": CELLS}
LAST = {
    "suffix": [[0, 1, 2, 2, 2], [0, 0, 0, 0, 0]],
    "infill": [[0, 0, 0, 3, 4], [0, 1, 2, 2, 4]],
}


@pytest.fixture(scope="module")
def apply():
    """(kind, latents, observed, noise) to padded latents, with one set of parameters a kind."""
    fields = {"offsets": 6, "grid": (H, W)}
    programs = {}

    def padded(kind, latents=LATENTS, observed=MASKS["infill"], noise=NOISE):
        if kind not in programs:
            module = Padding(C, kind, **fields)
            variables = module.init(jax.random.key(0), LATENTS, MASKS["suffix"], NOISE)
            programs[kind] = jax.jit(module.apply), variables
        program, variables = programs[kind]
        return np.asarray(program(variables, latents, observed, noise))

    padded.params = lambda kind: (padded(kind), programs[kind][1].get("params", {}))[1]
    return padded


def expected(kind, params, observed):
    """What stands in withheld places, by NumPy."""
    steps = np.arange(G)[None, :, None, None]
    last = np.maximum.accumulate(np.where(observed, steps, 0), axis=1)
    full = np.broadcast_to(last, LATENTS.shape[:-1])
    if kind == "token":
        return np.broadcast_to(params["token"], LATENTS.shape)
    if kind == "token_per_offset":
        return np.asarray(params["token"])[np.maximum(steps - full, 1) - 1]
    if kind == "token_per_position":
        return np.broadcast_to(params["token"], LATENTS.shape)
    if kind == "copy":
        return np.take_along_axis(LATENTS, full[..., None], axis=1)
    return {"gaussian": NOISE, "zeros": np.zeros_like(NOISE)}[kind]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "causal"])
def test_withheld_latents_become_the_padding_and_no_other(apply, kind, mask):
    observed = MASKS[mask]
    padded, seen = apply(kind, observed=observed), np.broadcast_to(observed, LATENTS.shape[:-1])
    np.testing.assert_array_equal(padded[seen], LATENTS[seen])
    fill = expected(kind, apply.params(kind), observed)
    np.testing.assert_allclose(padded[~seen], fill[~seen], rtol=1e-6)


@pytest.mark.parametrize("mask", LAST)
def test_the_last_observed_step_by_hand(mask):
    last = padding.last_observed(jnp.asarray(MASKS[mask]))
    assert last[:, :, 0, 0].tolist() == LAST[mask]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_padding_holds_nothing_of_a_withheld_latent_not_even_nan(apply, kind, mask):
    observed = MASKS[mask]
    broken = np.where(observed[..., None], LATENTS, np.nan)
    seen = np.broadcast_to(observed, LATENTS.shape[:-1])
    padded = apply(kind, broken, observed)
    np.testing.assert_array_equal(padded, apply(kind, observed=observed))
    np.testing.assert_array_equal(padded[seen], LATENTS[seen])


@pytest.mark.parametrize("kind", KINDS)
def test_missing_latents_are_withheld_latents(apply, kind):
    observed = MASKS["suffix"][:1]
    whole = apply(kind, LATENTS[:1], observed, NOISE[:1])
    np.testing.assert_array_equal(apply(kind, LATENTS[:1, :3], observed, NOISE[:1]), whole)


def test_causal_padding_depends_on_what_was_observed_before_and_on_nothing_later(apply):
    observed = MASKS["infill"][:1]  # 0 . . 3 4
    plain = apply("causal", LATENTS[:1], observed)

    def with_changed(step):
        changed = LATENTS[:1].copy()
        changed[:, step] += 1
        return apply("causal", changed, observed)

    assert np.abs(with_changed(0) - plain)[:, 1:3].min() > 0
    np.testing.assert_array_equal(with_changed(3)[:, :3], plain[:, :3])
    np.testing.assert_array_equal(with_changed(1), plain)
    assert np.abs(plain[:, 1] - plain[:, 2]).max() > 1e-3  # it knows how far the past is


def test_a_vector_for_each_place_is_resized_to_other_sizes_without_a_seam():
    module = Padding(C, "token_per_position", grid=(2, 2))
    table = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    latents, observed = np.zeros((1, 2, 4, 4, C)), np.array([True, False]).reshape(1, 2, 1, 1)
    padded = module.apply({"params": {"token": table}}, latents, observed)[0, 1]
    np.testing.assert_allclose(padded[0, 0], table[0, 0])
    np.testing.assert_allclose(padded[3, 3], table[1, 1])
    np.testing.assert_allclose(padded[0, 1], 0.75 * table[0, 0] + 0.25 * table[0, 1])


def test_only_what_is_asked_for_has_parameters():
    shapes = {"token": (3,), "token_per_offset": (6, 3), "token_per_position": (2, 2, 3)}
    for kind in KINDS:
        module = Padding(C, kind, offsets=6, grid=(2, 2))
        args = jax.random.key(0), LATENTS, MASKS["suffix"], NOISE
        params = jax.eval_shape(module.init, *args).get("params", {})
        if kind in shapes:
            assert {name: leaf.shape for name, leaf in params.items()} == {"token": shapes[kind]}
        else:
            assert set(params) == ({"conv_0", "conv_1"} if kind == "causal" else set())
    for kind, params in (("zeros", {}), ("token", {"params": {"token": (3,)}})):
        video = np.ones((1, 1, 2, 2, 3))
        made = jax.eval_shape(
            PixelPadding(kind).init, jax.random.key(0), video, np.ones((1, 1, 1, 1), bool)
        )
        assert jax.tree.map(jnp.shape, made) == params


def test_withheld_pixels_become_zero_or_the_colour_and_no_other():
    video = RANDOM.uniform(-1, 1, (1, 2, 4, 4, 3)).astype(np.float32)
    observed = np.array([[[[True, False]], [[False, True]]]])  # [1, 2, 1, 2]
    colour = np.array([0.1, 0.2, 0.3], np.float32)
    for kind, fill in (("zeros", 0.0), ("token", colour)):
        variables = {"params": {"token": colour}} if kind == "token" else {}
        hidden = PixelPadding(kind).apply(variables, video, observed)
        np.testing.assert_array_equal(hidden[0, 0, :, :2], video[0, 0, :, :2])
        np.testing.assert_array_equal(hidden[0, 1, :, 2:], video[0, 1, :, 2:])
        np.testing.assert_array_equal(hidden[0, 0, :, 2:], np.broadcast_to(fill, (4, 2, 3)))
        np.testing.assert_array_equal(hidden[0, 1, :, :2], np.broadcast_to(fill, (4, 2, 3)))


def test_what_cannot_be_padded_is_refused_with_a_sentence():
    observed = MASKS["suffix"]
    with pytest.raises(ValueError, match=r"noise of shape \(2, 5, 2, 2, 3\), got None"):
        Padding(C, "gaussian").apply({}, LATENTS, observed)
    with pytest.raises(ValueError, match="6 latents for 5 groups: cut to the first 5"):
        Padding(C, "zeros").apply({}, np.zeros((2, 6, 2, 2, 3)), observed)
    with pytest.raises(ValueError, match="3 latent steps after the last .* clip of 5 .* be 4: "):
        Padding(C, "token_per_offset", offsets=3).init(jax.random.key(0), LATENTS, observed)
    with pytest.raises(ValueError, match="padding is one of token, token_per_offset, .*'noise'"):
        tiny.module(padding="noise")
    with pytest.raises(ValueError, match="pixel_padding is one of zeros, token; got 'grey'"):
        tiny.module(pixel_padding="grey")
    with pytest.raises(ValueError, match=r"padding_grid is at least 1; got \(0, 2\)"):
        tiny.module(padding_grid=(0, 2))
