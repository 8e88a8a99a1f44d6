"""How much is withheld: the law of k, its schedule, what is refused."""

import numpy as np
import pytest

from pv_vae_jax.withholding import Withholding

GRID = (5, 2, 3)


def ks(law, count=2000, step=0, grid=GRID):
    """How many latent steps are withheld from each of ``count`` examples."""
    masks = [law.observed_at(0, step, i, grid) for i in range(count)]
    return [int((~mask).any(axis=(1, 2)).sum()) for mask in masks]


@pytest.mark.parametrize("ratio, most", [(1.0, 4), (0.75, 3), (0.5, 2), (0.3, 1), (0.0, 0)])
def test_k_is_uniform_from_zero_to_floor_of_ratio_times_later_groups(ratio, most):
    counts = np.bincount(ks(Withholding(ratio=ratio)), minlength=5)
    assert (counts[most + 1 :] == 0).all()
    expected = 2000 / (most + 1)
    chi_square = ((counts[: most + 1] - expected) ** 2 / expected).sum()
    assert chi_square < 18.5  # 0.1% of 4 degrees of freedom


def test_the_fixed_law_takes_the_most():
    assert set(ks(Withholding(law="fixed", ratio=0.75), 50)) == {3}


def test_an_image_has_nothing_to_withhold_and_none_withholds_nothing():
    assert set(ks(Withholding(), 50, grid=(1, 2, 3))) == {0}
    assert set(ks(Withholding("tube"), 50, grid=(1, 2, 3))) == {0}
    assert set(ks(Withholding("none"), 50)) == {0}


def test_a_ramp_moves_the_ratio_by_the_step_and_a_mask_is_one_of_seed_step_and_example():
    law = Withholding(ratio=1.0, ratio_first=0.25, ramp=300, law="fixed")
    assert [law.ratio_at(step) for step in (0, 100, 300, 9000)] == [0.25, 0.5, 1.0, 1.0]
    assert [ks(law, 1, step)[0] for step in (0, 99, 100, 200, 299, 300)] == [1, 1, 2, 3, 3, 4]
    law = Withholding("cells", ratio_first=0.1, ramp=300)
    one, other = (law.observed_at(0, 30, 7, GRID) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one, law.observed_at(0, 300, 7, GRID))
    assert not np.array_equal(one, law.observed_at(1, 30, 7, GRID))


def test_groups_of_latent_steps_are_withheld_whole():
    assert set(ks(Withholding(group=2), 200)) == {0, 2, 4}
    # 5 later steps: two runs of 2; the step that makes no run is never withheld
    assert set(ks(Withholding(group=2), 200, grid=(6, 2, 3))) == {0, 2, 4}
    assert set(ks(Withholding(group=2, ratio=0.5), 200)) == {0, 2}


def test_where_withheld_pixels_alone_count_something_is_withheld_at_every_step():
    assert set(ks(Withholding(loss="withheld"), 200)) == {1, 2, 3, 4}
    ramp = Withholding(loss="withheld", ratio_first=0.0, ramp=100)
    assert set(ks(ramp, 50, step=0)) == {1}


def test_slice_has_one_k_a_step_and_mask_one_an_example():
    law = Withholding(way="slice")
    assert all(len(set(ks(law, 5, step))) == 1 for step in range(10))
    assert {ks(law, 1, step)[0] for step in range(100)} == {0, 1, 2, 3, 4}
    assert len(set(ks(Withholding(), 100))) == 5


@pytest.mark.parametrize(
    "bad, sentence",
    [
        ({"kind": "prefix"}, "withholding.kind is one of suffix, infill, .*; got 'prefix'"),
        ({"way": "both"}, "withholding.way is one of mask, slice; got 'both'"),
        ({"law": "normal"}, "withholding.law is one of uniform, fixed; got 'normal'"),
        ({"loss": "seen"}, "withholding.loss is one of all, withheld; got 'seen'"),
        ({"ratio": 1.5}, r"withholding.ratio is in \[0, 1\]; got 1.5"),
        ({"ratio_first": -0.1}, r"withholding.ratio_first is in \[0, 1\]; got -0.1"),
        ({"ramp": -1}, "withholding.ramp is at least 0; got -1"),
        ({"group": 0}, "withholding.group is at least 1; got 0"),
        ({"kind": "infill", "way": "slice"}, "cuts the end of a clip off, but the kind infill"),
        ({"kind": "cells", "way": "slice"}, "the kind cells withholds other places: set .*'mask'"),
        ({"kind": "tube", "group": 2}, "group is 2, but a tube runs through all"),
        ({"kind": "none", "loss": "withheld"}, "kind none with ratio 1.0 withholds none"),
        ({"ratio": 0.0, "loss": "withheld"}, "kind suffix with ratio 0.0 withholds none"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_a_sentence(bad, sentence):
    with pytest.raises(ValueError, match=sentence):
        Withholding(**bad)


@pytest.mark.parametrize(
    "law, groups, sentence",
    [
        (Withholding(group=4), 4, "runs of 4 latent steps, but a clip of 4 has no such run"),
        (Withholding("infill"), 2, "has no such run besides the first and the last"),
        (Withholding(loss="withheld"), 1, "a clip of 1 has no such run"),
    ],
)
def test_a_clip_too_short_to_withhold_anything_is_refused(law, groups, sentence):
    with pytest.raises(ValueError, match=sentence):
        law.check(groups, 2, 2)


def test_a_still_and_a_clip_with_room_are_not_refused():
    Withholding().check(1, 2, 2)
    Withholding("infill").check(3, 2, 2)
    Withholding("none", group=4).check(3, 2, 2)
