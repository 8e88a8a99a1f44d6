import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax import withholding
from pv_vae_jax.withholding import Withholding


@pytest.mark.parametrize("ratio, most", [(1.0, 4), (0.75, 3), (0.5, 2), (0.3, 1), (0.0, 0)])
def test_k_is_uniform_from_zero_to_floor_of_ratio_times_later_groups(ratio, most):
    law = Withholding(ratio=ratio)
    drawn = [law.of_example(0, i, 5) for i in range(2000)]
    counts = np.bincount(drawn, minlength=5)
    assert (counts[most + 1 :] == 0).all()
    expected = 2000 / (most + 1)
    chi_square = ((counts[: most + 1] - expected) ** 2 / expected).sum()
    assert chi_square < 18.5  # 0.1% of 4 degrees of freedom


def test_group_zero_is_never_withheld_and_an_image_has_nothing_to_withhold():
    assert withholding.observed_groups(np.array([4]), 5).tolist() == [[True] + [False] * 4]
    assert {Withholding().of_example(0, i, 1) for i in range(50)} == {0}


def test_none_withholds_nothing():
    assert {Withholding("none").of_step(0, i, 5) for i in range(50)} == {0}


def test_slice_has_one_k_a_step_and_mask_one_an_example():
    law = Withholding()
    assert law.of_step(3, 10, 5) == law.of_step(3, 10, 5)
    assert len({law.of_step(3, step, 5) for step in range(100)}) == 5


def test_frames_are_observed_with_their_group():
    observed = jnp.array([[True, True, False], [True, False, False]])
    frames = withholding.observed_frames(observed, 4)
    assert frames.sum(axis=1).tolist() == [5, 1]
    assert frames[0].tolist() == [True] * 5 + [False] * 4


@pytest.mark.parametrize("bad", [{"kind": "prefix"}, {"way": "both"}, {"ratio": 1.5}])
def test_other_values_are_refused(bad):
    with pytest.raises(ValueError, match=f"withholding.{next(iter(bad))} is"):
        Withholding(**bad)
