import functools
import json
import os
import pathlib
import pickle
import re
import time

import numpy as np
import pytest

from pv_vae_jax.data import codecs, records, shard_files, shard_index, shards
from pv_vae_jax.data.clips import Augment, ClipError, Draw
from pv_vae_jax.data.pipeline import TrainingData
from pv_vae_jax.data.prepare import assemble
from pv_vae_jax.withholding import Withholding
from tests.data import films


@functools.cache
def coded(frames, codec):
    video = films.numbered(frames)
    return codecs.jpeg(video, 95) if codec == "jpeg" else codecs.h264(video, 25.0, 12, 5)


def record(number, frames=20, codec="h264"):
    known = (frames, 48, 64, 25.0, f"k{number}", "a.mp4", 0, number)
    return records.Record(codec, *coded(frames, codec), *known)


def write(folder, *counts, frames=lambda number: 20, codec="h264", link=1):
    """Shards with so many records each, of train; each shard is there ``link`` times."""
    folder.mkdir(parents=True, exist_ok=True)
    described, number = [], 0
    for shard, count in enumerate(counts):
        path = folder / f"first-{shard}.array_record"
        made = [record(number + n, frames(number + n), codec) for n in range(count)]
        assemble.write_shard(path, map(records.encode, made))
        number += count
        for again in range(link):
            name = assemble.name_of("train", shard * link + again, len(counts) * link)
            os.link(path, folder / name)
            lengths = [r.frames for r in made]
            size = path.stat().st_size
            described.append({"name": name, "records": lengths, "bytes": size, "sha256": ""})
        path.unlink()
    shard_index.write(folder, {"train": described, "held_out": []}, {})
    return folder


def labels_of(source):
    ends = range(len(source))
    return [source.clip(j, Draw(), 9, 16, 16).label for j in ends]


@pytest.mark.parametrize("codec", ["h264", "jpeg"])
def test_clips_are_cut_from_inside_a_record(tmp_path, codec):
    source = shards.Shards(write(tmp_path, 2, frames=lambda n: 40, codec=codec)).of_length(9)
    assert len(source) == 2 * (40 // 16)
    starts = [films.numbers(source.clip(j, Draw(), 9, 48, 64).video)[0] for j in range(4)]
    assert starts == [0, 20, 0, 20]
    late = films.numbers(source.clip(1, Draw(start=0.999, stride=2), 9, 48, 64).video)
    assert list(late) == list(range(23, 40, 2))
    fits = films.numbers(source.clip(0, Draw(stride=9), 9, 48, 64).video)
    assert set(np.diff(fits)) == {4}
    plain = source.clip(0, Draw(), 9, 48, 64)
    turned = source.clip(0, Draw(flip=True, reversal=True), 9, 48, 64).video
    assert np.array_equal(turned, plain.video[::-1, :, ::-1]) and plain.label == 0
    still = source.clip(1, Draw(start=0.5), 1, 48, 64).video
    assert list(films.numbers(still)) == [30]


def test_every_record_of_every_shard_is_an_example_once(tmp_path):
    source = shards.Shards(write(tmp_path, 3, 0, 5)).of_length(9)
    assert labels_of(source) == list(range(8))
    assert source.name_of(3) == "train-00002-of-00003.array_record record 0"


def test_labels_are_known_by_their_names_or_by_the_first_record(tmp_path):
    source = shards.Shards(write(tmp_path / "numbers", 2))
    assert source.labelled and not source.classes
    unlabelled = records.Record(**{**vars(record(0)), "label": -1})
    none = tmp_path / "none"
    none.mkdir()
    path = none / assemble.name_of("train", 0, 1)
    made = assemble.write_shard(path, [records.encode(unlabelled)])
    shard_index.write(none, {"train": [made | {"records": [20]}], "held_out": []}, {})
    assert not shards.Shards(none).labelled
    shard_index.keep_classes(none, ("bike", "run"))
    assert shards.Shards(none).labelled


def test_short_records_are_refused_with_their_count(tmp_path, caplog):
    folder = write(tmp_path, 4, 4, frames=lambda number: 20 if number % 4 else 5)
    source = shards.Shards(folder)
    assert len(source.of_length(5)) == 8 and not source.of_length(5).refused
    longer = source.of_length(9)
    assert labels_of(longer) == [1, 2, 3, 5, 6, 7]
    (name, reason), *more = longer.refused.items()
    assert not more and name.startswith("2 of 8 records of") and "fewer than the 9" in reason
    assert sum("2 of 8 records" in r.getMessage() for r in caplog.records) == 1
    with pytest.raises(ValueError, match="all 8 records .* shorter than 33 frames, the longest"):
        source.of_length(33)


def test_a_damaged_record_is_named_by_shard_and_place_and_the_others_stay(tmp_path):
    folder = write(tmp_path, 1, 6)
    path = folder / "train-00001-of-00002.array_record"
    data = bytearray(path.read_bytes())
    place = data.index(b'"key":"k4"')
    data[place : place + 10] = bytes(10)
    path.write_bytes(data)
    source = shards.Shards(folder).of_length(9)
    with pytest.raises(ClipError, match="train-00001-of-00002.array_record record 3: damaged data"):
        source.clip(4, Draw(), 9, 16, 16)
    assert [source.clip(j, Draw(), 9, 16, 16).label for j in (0, 1, 2, 3, 5, 6)] == [
        0,
        1,
        2,
        3,
        5,
        6,
    ]
    made = TrainingData([source], [(16, 16, 7)], 9, 4, Withholding(), 0, Augment())
    batches = made.batches(threads=0)
    assert 4 not in set(next(batches).label.tolist()) and len(made.replaced) == 1
    batches.close()


def test_a_shard_that_vanishes_or_is_exchanged_while_training_is_told(tmp_path):
    source = shards.Shards(write(tmp_path, 1, 1, 1)).of_length(9)
    (tmp_path / "train-00001-of-00003.array_record").unlink()
    (tmp_path / "train-00002-of-00003.array_record").write_bytes(b"no shard\n" * 10_000)
    assert source.clip(0, Draw(), 9, 16, 16).label == 0
    with pytest.raises(ClipError, match="train-00001-of-00003.array_record record 0: no such file"):
        source.clip(1, Draw(), 9, 16, 16)
    with pytest.raises(ClipError, match="train-00002-of-00003.*: not an ArrayRecord file"):
        source.clip(2, Draw(), 9, 16, 16)


def test_what_is_wrong_with_a_folder_is_a_sentence_at_the_start(tmp_path):
    with pytest.raises(FileNotFoundError, match="no index.json at .*launch.prepare_data"):
        shards.Shards(tmp_path / "nothing")
    folder = write(tmp_path / "set", 2, 2)
    with pytest.raises(ValueError, match="the split 'held_out' of .* has no records"):
        shards.Shards(folder, "held_out")
    with pytest.raises(ValueError, match="has no split 'test'; its index names: held_out, train"):
        shards.Shards(folder, "test")
    second = folder / "train-00001-of-00002.array_record"
    whole = second.read_bytes()
    second.write_bytes(whole[:70_000])
    with pytest.raises(ValueError, match="has 70000 bytes where the index says .* truncated"):
        shards.Shards(folder)
    second.unlink()
    with pytest.raises(FileNotFoundError, match="1 of 2 shards of .* are missing, the first is tr"):
        shards.Shards(folder)
    second.write_bytes(whole)
    index = folder / "index.json"
    text = index.read_text()
    index.write_text(text.replace('"records": 2', '"records": 3'))
    with pytest.raises(ValueError, match="index.json is damaged: its sha256 is"):
        shards.Shards(folder)
    index.write_text(json.dumps({**json.loads(text), "version": 2}))
    with pytest.raises(ValueError, match="is of version 2, this program reads 1"):
        shards.Shards(folder)
    index.write_text(text[: len(text) // 2])
    with pytest.raises(ValueError, match="is not an index of shards, or damaged"):
        shards.Shards(folder)
    index.write_text(text)
    lengths = folder / "train.frames.npy"
    lengths.write_bytes(lengths.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ValueError, match="train.frames.npy is not the file that index.json"):
        shards.Shards(folder)


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    folder = write(tmp_path, 1)

    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(pathlib.Path, "read_bytes", refused)
    with pytest.raises(PermissionError, match=re.escape(str(folder))):
        shards.Shards(folder)


def test_a_pickled_source_opens_its_own_readers(tmp_path):
    source = shards.Shards(write(tmp_path, 2)).of_length(9)
    source.clip(0, Draw(), 9, 16, 16)
    again = pickle.loads(pickle.dumps(source))
    one, other = (s.clip(1, Draw(), 9, 16, 16).video for s in (source, again))
    np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def million(tmp_path_factory):
    """A thousand names of one shard of a thousand records."""
    return write(tmp_path_factory.mktemp("million"), 1000, frames=lambda n: 5, link=1000)


def loader(folder):
    source = shards.Shards(folder)
    return TrainingData([source], [(8, 8, 8)], 5, 4, Withholding(), 3, Augment())


def test_a_million_examples_start_without_a_scan(million, monkeypatch):
    began = time.process_time()
    made = loader(million)
    assert len(made.sources[0]) == 1_000_000
    first = made.element(0)
    assert time.process_time() - began < 5  # seconds
    opened = sum(reader is not None for reader in made.sources[0]._files._source._readers)
    assert first["video"].shape == (8, 5, 8, 8, 3) and 1 <= opened <= 8


@pytest.mark.parametrize(
    "hosts, workers, threads",
    [
        (1, 0, 2),
        (2, 0, 1),
        (4, 0, 0),
        pytest.param(1, 1, 1, marks=pytest.mark.slow),
        pytest.param(2, 1, 1, marks=pytest.mark.slow),
        pytest.param(4, 3, 1, marks=pytest.mark.slow),
    ],
)
def test_hosts_and_workers_yield_one_global_order(million, hosts, workers, threads):
    steps = 3
    whole = [loader(million).element(step) for step in range(steps)]
    rows = [[] for _ in range(steps)]
    for host in range(hosts):
        batches = loader(million).batches(0, host, hosts, workers, threads)
        for step in range(steps):
            rows[step].append(next(batches))
        batches.close()
    for step in range(steps):
        for name in ("video", "label", "index", "observed"):
            joined = np.concatenate([getattr(batch, name) for batch in rows[step]])
            np.testing.assert_array_equal(joined, whole[step][name])


def test_room_is_made_for_a_reader_of_every_shard_and_too_little_is_told(monkeypatch, tmp_path):
    asked, folder = [], write(tmp_path, 2)
    monkeypatch.setattr(shard_files.resource, "getrlimit", lambda which: (256, 4096))
    monkeypatch.setattr(shard_files.resource, "setrlimit", lambda _, pair: asked.append(pair))
    files = shards.Shards(folder)._files
    assert asked == [(1025, 4096)]

    class Full:
        def __getitem__(self, number):
            raise RuntimeError("open() failed: Too many open files")

    files._source = Full()
    with pytest.raises(OSError, match="has 1 shards, more than .* raise the limit"):
        files.read(0)
