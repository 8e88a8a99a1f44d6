"""Reports of updates to the values of a record."""

import numpy as np

from pv_vae_jax.training import reporting


def test_values_are_means_over_the_reports_that_have_them():
    usual, penalised = {"total": (6.0, 2)}, {"total": (2.0, 2), "r1": (0.5, 1)}
    for reports in ([usual, penalised, usual], [penalised, usual, usual]):
        values = reporting.merged([{k: np.asarray(v) for k, v in r.items()} for r in reports])
        assert values == {"total": 14 / 6, "r1": 0.5}


def test_a_value_of_nothing_is_left_out():
    assert reporting.merged([{"mse": np.zeros(2), "total": np.asarray((1.0, 1))}]) == {"total": 1.0}
