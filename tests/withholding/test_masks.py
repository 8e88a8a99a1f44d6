"""Where withheld places lie."""

import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax import withholding
from pv_vae_jax.withholding import Withholding, masks

GRID = (6, 3, 4)
CELLS = ("tube", "block", "cells")


def drawn(kind, count=300, grid=GRID, **law):
    return [~Withholding(kind, **law).observed_at(0, 0, i, grid) for i in range(count)]


@pytest.mark.parametrize("kind", masks.KINDS)
@pytest.mark.parametrize("ratio", [0.5, 1.0])
def test_group_zero_is_never_withheld_and_no_more_than_the_ratio(kind, ratio):
    units = masks.units(kind, 1, GRID)
    for withheld in drawn(kind, ratio=ratio):
        assert withheld.shape == (GRID if kind in CELLS else (6, 1, 1))
        assert not withheld[0].any()
        count = withheld[-1].sum() if kind == "tube" else withheld.sum()
        assert count <= ratio * units


def test_the_units_by_hand():
    for group, expected in ((1, (5, 4, 12, 60, 60, 0)), (2, (2, 2, 12, 24, 24, 0))):
        assert tuple(masks.units(kind, group, GRID) for kind in masks.KINDS) == expected
    assert all(masks.units(kind, 1, (1, 3, 4)) == 0 for kind in masks.KINDS)


@pytest.mark.parametrize("group", [1, 2])
def test_a_suffix_ends_the_clip_and_an_infilled_run_lies_inside_everywhere(group):
    for withheld in drawn("suffix", group=group):
        run = withheld.ravel()
        assert np.array_equal(run, np.sort(run)) and run.sum() % group == 0
    places = set()
    for withheld in drawn("infill", group=group):
        run = np.flatnonzero(withheld)
        assert not withheld[-1] and len(run) % group == 0
        assert len(run) == 0 or np.array_equal(run, np.arange(run[0], run[-1] + 1))
        places.add(tuple(run))
    assert len(places) == (1 + 4 + 3 + 2 + 1 if group == 1 else 1 + 2 + 1)


def test_a_tube_withholds_the_same_cells_at_all_later_times():
    counts = set()
    for withheld in drawn("tube"):
        assert (withheld[1:] == withheld[1]).all()
        counts.add(int(withheld[1].sum()))
    assert counts == set(range(13))


def test_a_block_is_one_box_and_nearly_as_large_as_its_k():
    for k in (1, 7, 30, 59, 60):
        for seed in range(40):
            random = np.random.default_rng(seed)
            withheld = ~masks.draw(random, "block", k, 1, GRID)
            sides = [len(set(axis)) for axis in np.nonzero(withheld)]
            assert withheld.sum() == np.prod(sides) and k / 2 <= withheld.sum() <= k
            for axis in np.nonzero(withheld):
                assert axis.max() - axis.min() + 1 == len(set(axis))


def test_cells_are_independent_and_their_runs_have_the_length_of_a_group():
    share = np.mean([w for w in drawn("cells", 2000, law="fixed", ratio=0.5)], axis=0)
    np.testing.assert_allclose(share[1:], 0.5, atol=0.06)
    for withheld in drawn("cells", 50, group=2):
        assert not withheld[:2].any()  # 5 later steps are two runs of 2
        np.testing.assert_array_equal(withheld[2::2], withheld[3::2])


def test_all_of_everything_is_all_later_latents():
    for kind in CELLS:
        (withheld,) = drawn(kind, 1, law="fixed")
        assert withheld[1:].all()


def test_frames_and_pixels_are_observed_with_their_latent():
    observed = withholding.observed_groups(np.array([1, 2]), 3)
    frames = withholding.observed_frames(observed, 4)
    assert frames.shape == (2, 9, 1, 1) and frames.sum(axis=(1, 2, 3)).tolist() == [5, 1]
    assert frames[0].ravel().tolist() == [True] * 5 + [False] * 4
    assert withholding.observed_pixels(frames, 4, 4).shape == (2, 9, 1, 1, 1)
    cells = jnp.array([[True, False]]).reshape(1, 1, 1, 2)
    pixels = withholding.observed_pixels(cells, 2, 6)
    assert pixels.shape == (1, 1, 2, 6, 1)
    assert pixels[0, 0, :, :, 0].tolist() == [[True] * 3 + [False] * 3] * 2
