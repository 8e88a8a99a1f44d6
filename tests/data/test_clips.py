import dataclasses

import numpy as np
import pytest

from pv_vae_jax.data.clips import Augment, Draw


def test_a_draw_is_a_function_of_seed_example_and_attempt():
    augment = Augment(strides=(1, 2, 3))
    assert augment.draw(0, 7) == augment.draw(0, 7)
    assert len({augment.draw(s, i, a) for s in (0, 1) for i in (0, 1) for a in (0, 1)}) == 8


def test_changing_one_probability_leaves_the_other_draws():
    never, always = Augment(flip=0.0), Augment(flip=1.0)
    for example in range(20):
        draw = never.draw(0, example)
        assert not draw.flip
        assert always.draw(0, example) == dataclasses.replace(draw, flip=True)


def test_draws_follow_their_laws():
    augment = Augment(strides=(1, 3), scale=(0.5, 0.8), flip=0.25, reversal=0.75)
    draws = [augment.draw(0, example) for example in range(1000)]
    assert abs(np.mean([draw.flip for draw in draws]) - 0.25) < 0.05
    assert abs(np.mean([draw.reversal for draw in draws]) - 0.75) < 0.05
    assert abs(np.mean([draw.stride == 3 for draw in draws]) - 0.5) < 0.06
    scales = [draw.scale for draw in draws]
    assert 0.5 <= min(scales) < 0.51 and 0.79 < max(scales) <= 0.8
    pairs = np.corrcoef(
        [[d.flip, d.reversal, d.start, d.scale, d.top, d.left] for d in draws], rowvar=False
    )
    assert np.abs(pairs - np.eye(6)).max() < 0.12


def test_the_window_has_the_targets_proportions_and_stays_inside():
    augment = Augment(scale=(0.3, 1.0))
    for example in range(200):
        top, left, rows, columns = augment.draw(0, example).window((61, 97), (32, 64))
        assert 0 <= top and top + rows <= 61 and 0 <= left and left + columns <= 97
        assert abs(columns / rows - 2) < 2.1 / rows
    assert Draw().window((61, 97), (32, 64)) == (6, 0, 49, 97)
    assert Draw().window((7, 9), (1, 1)) == (0, 1, 7, 7)


def test_shrinking_averages_the_pixels_it_covers():
    frame = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    small = Draw().resized(frame, 2, 3)
    means = frame.reshape(2, 4, 3, 4, 3).mean(axis=(1, 3))
    assert np.abs(small - means).max() <= 0.51


def test_a_crop_of_the_targets_size_keeps_its_pixels():
    frame = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    assert np.array_equal(Draw(scale=0.5, top=1.0, left=0.0).resized(frame, 4, 6), frame[4:, :6])


def test_flip_mirrors_columns_and_reversal_turns_time():
    video = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    assert np.array_equal(Draw(flip=True).oriented(video), video[:, :, ::-1])
    assert np.array_equal(Draw(reversal=True).oriented(video), video[::-1])
    assert np.array_equal(Draw().oriented(video), video)


@pytest.mark.parametrize(
    "wrong", [{"strides": ()}, {"strides": (0,)}, {"scale": (0.0, 1.0)}, {"flip": 1.5}]
)
def test_laws_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Augment(**wrong)
