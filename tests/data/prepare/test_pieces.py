import dataclasses

import numpy as np
import pytest

from pv_vae_jax.data import rendered
from pv_vae_jax.data.prepare import cuts, pieces

NO_CUTS = {"cut": 255.0, "clear": 256.0}
RULES = pieces.Rules(frames=9, shortest=5, side=64)


def scene(seed, frames):
    return rendered.render(seed, frames, 48, 64)


def of(video, **rules):
    return list(pieces.of(iter(video), dataclasses.replace(RULES, **rules)))


def described(parts):
    return [
        (p.first, len(p.video), "") if isinstance(p, pieces.Piece) else dataclasses.astuple(p)
        for p in parts
    ]


def begins(video):
    pairs = ((frame, cuts.small(frame)) for frame in video)
    return [n for n, (_, _, begun) in enumerate(cuts.marked(pairs, 3.0, 40.0)) if begun]


def test_shots_begin_where_scenes_change_and_nowhere_else():
    lengths = (12, 30, 7, 3, 20)
    for seed in (0, 10, 20):
        video = np.concatenate([scene(seed + place, n) for place, n in enumerate(lengths)])
        assert begins(video) == [0, 12, 42, 49, 52]


@pytest.mark.parametrize("last", [1, 2, 3])
def test_a_cut_next_to_either_end_is_found(last):
    assert begins(np.concatenate([scene(0, 15), scene(1, last)])) == [0, 15]
    assert begins(np.concatenate([scene(0, last), scene(1, 15)])) == [0, last]


def test_films_of_no_and_of_one_frame_pass():
    assert begins(scene(0, 1)) == [0] and begins([]) == []


def test_every_frame_is_in_one_piece_or_dropped_and_no_piece_crosses_a_cut():
    video = np.concatenate([scene(seed, n) for seed, n in enumerate((21, 9, 3, 14))])
    assert described(of(video)) == [
        (0, 9, ""), (9, 9, ""), (18, 3, "too short"), (21, 9, ""), (30, 3, "too short"),
        (33, 9, ""), (42, 5, ""),
    ]  # fmt: skip


def test_pieces_hold_the_pixels_of_their_frames():
    video = scene(3, 20)
    for part in of(video)[:2]:
        np.testing.assert_array_equal(part.video, video[part.first : part.first + 9])


def test_static_pieces_are_dropped_and_slow_motion_is_not():
    still = np.repeat(scene(4, 1), 9, axis=0)
    noisy = still + np.random.default_rng(0).integers(0, 2, still.shape).astype(np.uint8)
    y, x, t = np.ogrid[:48, :64, :9]
    grey = np.rint(127 + 100 * np.sin(x / 5 + y / 6 + t / 60)).astype(np.uint8)
    drift = np.repeat(grey.transpose(2, 0, 1)[..., None], 3, axis=-1)
    assert described(of(still)) == [(0, 9, "static")] == described(of(noisy))
    assert described(of(drift)) == [(0, 9, "")]
    assert described(of(still, static=0.0)) == [(0, 9, "")]
    steps = np.abs(drift[1:].astype(int) - drift[:-1]).mean(axis=(1, 2, 3))
    assert steps.max() < 2 and np.abs(drift[8].astype(int) - drift[0]).mean() > 5


def test_pieces_that_are_mostly_black_are_dropped():
    video = scene(5, 9).copy()
    video[:4] = 3
    dark = video.copy()
    dark[4] = 3  # the fifth of nine
    corner = video.copy()
    corner[4], corner[4, :8, :8] = 3, 200  # 2% of the pixels are lit, and more
    assert [reason for *_, reason in described(of(dark, **NO_CUTS))] == ["black"]
    assert [reason for *_, reason in described(of(corner, **NO_CUTS))] == [""]
    assert [reason for *_, reason in described(of(video, **NO_CUTS))] == [""]
    assert [reason for *_, reason in described(of(dark, **NO_CUTS, black=1.0))] == [""]


def test_a_corrupt_frame_ends_a_piece_and_is_in_none():
    frames = list(scene(6, 20))
    frames[9] = frames[10] = None
    assert described(of(frames)) == [(0, 9, ""), (9, 2, "corrupt"), (11, 9, "")]
    frames[3] = None
    assert described(of(frames))[:3] == [(0, 3, "too short"), (3, 1, "corrupt"), (4, 5, "")]


def test_a_film_that_changes_its_size_is_cut_there():
    video = [*scene(7, 9), *rendered.render(7, 9, 32, 64)]
    shapes = [part.video.shape for part in of(video)]
    assert shapes == [(9, 48, 64, 3), (9, 32, 64, 3)]


@pytest.mark.parametrize(
    "size, side, made",
    [
        ((720, 1280), 256, (256, 454)),
        ((1280, 720), 256, (454, 256)),
        ((144, 176), 256, (144, 176)),
        ((45, 63), 256, (44, 62)),
        ((45, 63), 45, (44, 62)),
        ((48, 64), 32, (32, 42)),
    ],
)
def test_the_shorter_side_is_shrunk_to_even_sides_and_never_enlarged(size, side, made):
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    shrunk = pieces.shrunk(frame, side)
    assert shrunk.shape == (*made, 3)
    if min(size) <= side:
        np.testing.assert_array_equal(shrunk, frame[: made[0], : made[1]])


@pytest.mark.parametrize(
    "wrong",
    [{"frames": 0}, {"shortest": 10}, {"black": 1.5}, {"codec": "av1"}, {"held_out": -0.1},
     {"crf": 60}, {"quality": 0}, {"side": 1}],
)  # fmt: skip
def test_rules_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} is "):
        dataclasses.replace(RULES, **wrong)


def test_by_time_no_piece_crosses_the_boundary_and_frames_out_of_the_range_are_not_used():
    video = scene(6, 40)
    rules = dataclasses.replace(RULES, first=3, end=33, held_out=0.2, by="time")
    boundary = rules.boundary(40)
    assert boundary == 27 == rules.boundary(33) and rules.boundary(23) == 19
    parts = list(pieces.of(iter(video), rules, boundary))
    assert described(parts) == [(3, 9, ""), (12, 9, ""), (21, 6, ""), (27, 6, "")]
    np.testing.assert_array_equal(parts[2].video, video[21:27])


def test_by_time_all_or_nothing_may_be_held_out():
    for held_out, boundary in ((0.0, 40), (1.0, 0), (0.1, 36)):
        assert dataclasses.replace(RULES, held_out=held_out, by="time").boundary(40) == boundary
    assert dataclasses.replace(RULES, first=50, by="time").boundary(40) == 50


def test_a_range_or_a_way_to_split_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="by is source or time, got 'clip'"):
        dataclasses.replace(RULES, by="clip")
    with pytest.raises(ValueError, match="end is above first, or 0 for all; got 3 and 3"):
        dataclasses.replace(RULES, first=3, end=3)
