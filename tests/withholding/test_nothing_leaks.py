"""Withheld pixels are not numbers, and no value of an update moves: every variant."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax import objective
from pv_vae_jax.core import pixels, rng, trees
from pv_vae_jax.withholding import Withholding, observed_frames, observed_pixels
from tests import tiny

WEIGHTS = {"mse": 1.0, "difference": 0.5, "kl": 0.01}
CELLS = ("tube", "block", "cells")
VARIANTS = {
    "suffix": {},
    "suffix, slice": {"way": "slice"},
    "suffix, two at once": {"group": 2, "ratio": 1.0},
    "suffix, prediction alone": {"loss": "withheld"},
    "suffix, prediction alone, slice": {"loss": "withheld", "way": "slice"},
    "infill": {},
    "infill, prediction alone": {"loss": "withheld"},
    "tube": {},
    "block": {},
    "cells": {},
    "cells, prediction alone": {"loss": "withheld"},
}
FAST = ("suffix", "infill", "cells, prediction alone")


def law_of(name):
    fields = {"kind": name.split(",")[0], "law": "fixed", "ratio": 0.6}
    return Withholding(**fields | VARIANTS[name])


def keys():
    return objective.Keys(rng.step_key(0, "latent", 3), rng.step_key(0, "padding", 3))


class ShownAnother:
    """A video VAE that is shown ``source`` instead of the clips that it is to predict."""

    def __init__(self, module, source):
        self.module, self.source, self.spec = module, source, module.spec
        self.last_layer, self.hidden = module.last_layer, None

    def apply(self, variables, x, *others, method):
        if method == "hide":
            x = self.source[:, : x.shape[1]]
        if method == "posterior":
            assert x is self.hidden, "other pixels are encoded than those that hide has left"
        result = self.module.apply(variables, x, *others, method=method)
        if method == "hide":
            self.hidden = result
        return result


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def update(module, withheld, loss, params, batch, source):
    return objective.value_and_gradient(
        ShownAnother(module, source), params, {}, batch, WEIGHTS, keys(), withheld, loss=loss
    )[:2]


def is_not_a_number_changes_nothing(module, name):
    """The claim, and that observed pixels do matter."""
    law, params = law_of(name), tiny.params(module)
    batch = tiny.withheld_by(law, tiny.batch((0, 0, 0), frames=13, size=32))
    frames = observed_frames(jnp.asarray(batch.observed), 4)
    seen = np.asarray(observed_pixels(frames, 32, 32))
    assert not seen.all() and seen[:, 0].all()
    clip = np.asarray(pixels.to_float(batch.video))
    withheld = int((~batch.observed[0]).sum()) if law.way == "slice" else 0

    def values(source):
        gradient, report = update(module, withheld, law.loss, params, batch, source)
        return trees.flatten(gradient) | trees.flatten(report)

    whole, broken = values(clip), values(np.where(seen, clip, np.nan))
    for path, value in whole.items():
        assert np.isfinite(value).all(), path
        np.testing.assert_array_equal(broken[path], value, err_msg=path)
    moved = values(np.where(seen, 0.9, clip))
    alone = law.loss == "withheld" and isinstance(module, tiny.LinearVAE)
    # two matrices decode each place by itself, a withheld one from nothing
    for path in ("encoder", "kl") if alone else ("encoder", "kl", "decoder", "mse"):
        those = [name for name in whole if name.startswith(path)]
        assert not all(np.array_equal(moved[name], whole[name]) for name in those), path
    return whole


@pytest.mark.parametrize("name", VARIANTS)
def test_with_two_matrices(name):
    is_not_a_number_changes_nothing(tiny.LinearVAE(), name)


@pytest.mark.parametrize(
    "name", [name if name in FAST[1:2] else pytest.param(name, marks=pytest.mark.slow)
             for name in VARIANTS],
)  # fmt: skip
@pytest.mark.parametrize(
    "fields",
    [
        {"pixel_padding": "token", "padding": "causal", "decoder_causal": False},
        pytest.param({}, marks=pytest.mark.slow),
    ],
    ids=("tokens, causal padding, decoder not causal", "plain"),
)
def test_with_convolutions(name, fields):
    whole = is_not_a_number_changes_nothing(tiny.module(**tiny.SHALLOW, **fields), name)
    token = whole.get("pixel_padding/token")
    assert (token is not None) == bool(fields)
    if fields and "slice" not in name:  # with slice withheld pixels are not even encoded
        before = "suffix" not in name  # a suffix has no observed latent after it
        assert bool(np.abs(token).max() > 0) == before


@pytest.mark.parametrize(
    ("build", "name"),
    [(tiny.transformer, name) for name in ("suffix", "infill")]
    + [
        pytest.param(tiny.transformer, name, marks=pytest.mark.slow)
        for name in VARIANTS
        if name not in ("suffix", "infill")
    ]
    + [pytest.param(tiny.hybrid, name, marks=pytest.mark.slow) for name in VARIANTS],
)
def test_with_transformer_blocks(build, name):
    is_not_a_number_changes_nothing(build(decoder_causal=name != "infill"), name)


@pytest.mark.parametrize("name", ["suffix, prediction alone", "cells, prediction alone"])
def test_with_prediction_alone_observed_pixels_have_no_part_in_the_pixel_terms(name):
    module = tiny.LinearVAE()
    batch = tiny.withheld_by(law_of(name), tiny.batch((0, 0, 0), frames=13, size=32))
    batch.observed[2] = True  # an example with nothing withheld has no part
    _, report, cut = objective.value_and_gradient(
        module, tiny.params(module), {}, batch, WEIGHTS, keys(), loss="withheld"
    )
    seen = np.broadcast_to(observed_pixels(cut.seen, 32, 32), cut.video.shape)
    error = np.where(seen, 0.0, np.asarray(cut.video) - np.asarray(cut.target))
    by_example = [(error[b] ** 2)[~seen[b]].mean() for b in range(2)]
    assert seen[2].all() and not seen[:2].all()
    later = ~seen[:, 1:]
    moved = [(np.diff(error[b], axis=0) ** 2)[later[b]].mean() for b in range(2)]
    total = float(report["total"][0] / report["total"][1])
    pixel_terms = total - 0.01 * kl_of_examples(module, batch)
    np.testing.assert_allclose(pixel_terms, np.mean(by_example) + 0.5 * np.mean(moved), rtol=2e-4)
    assert float(report["mse/observed"][1]) == 0 and float(report["mse/withheld"][1]) > 0


def kl_of_examples(module, batch):
    _, _, posterior = objective.predict(module, tiny.params(module), batch, keys(), 0)
    mean, logvar = np.asarray(posterior.mean), np.asarray(posterior.logvar)
    nats = 0.5 * (mean**2 + np.exp(logvar) - 1 - logvar).mean(axis=-1)
    seen = np.broadcast_to(batch.observed, nats.shape)
    return np.mean([nats[b][seen[b]].mean() for b in range(len(nats))])


def test_terms_are_reported_on_observed_and_on_withheld_cells_apart():
    module = tiny.LinearVAE()
    batch = tiny.withheld_by(law_of("cells"), tiny.batch((0, 0), frames=13, size=32))
    gradient, report, cut = objective.value_and_gradient(
        module, tiny.params(module), {}, batch, WEIGHTS, keys()
    )
    del gradient
    seen = np.broadcast_to(observed_pixels(cut.seen, 32, 32), cut.video.shape)
    error = np.asarray(cut.video) - np.asarray(cut.target)
    moved = np.diff(error, axis=1)
    expected = {
        "mse": (error**2).mean(),
        "mse/observed": (error[seen] ** 2).mean(),
        "mse/withheld": (error[~seen] ** 2).mean(),
        "difference/observed": (moved[seen[:, 1:]] ** 2).mean(),
        "difference/withheld": (moved[~seen[:, 1:]] ** 2).mean(),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(report[name][0] / report[name][1], value, rtol=1e-5)
