"""launch.prepare_data as a user's command: killed, gone on, refused."""

import errno
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from launch import prepare_data
from pv_vae_jax.core import storage
from pv_vae_jax.data import rendered, sealed, shard_index, shards, video_files
from pv_vae_jax.data.clips import Draw
from pv_vae_jax.data.prepare import assemble, cuts, items, originals, pieces, run, unit
from tests.data import films
from tests.launch import runs

RULES = {"frames": 9, "shortest": 5, "side": 32, "group": 4, "shards": 2}


def scenes(*seeds):
    return [rendered.render(seed, 20, 48, 64) for seed in seeds]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Six films of two shots, a copy of one, and bad files."""
    folder = tmp_path_factory.mktemp("videos")
    for number in range(6):
        path = folder / f"scene{number}" / "film.mp4"
        video_files.write(path, scenes(10 * number, 10 * number + 1), rate=24)
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is not a film\n" * 50)
    films.sound(folder / "sound.avi")
    whole = (folder / "scene3" / "film.mp4").read_bytes()
    (folder / "scene3" / "again.mp4").write_bytes(whole)
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    return folder


def share_of(videos):
    """What holds out the one film whose sha256 is largest, whatever x264 made of them."""
    films_of = videos.rglob("film.mp4") if videos.is_dir() else []
    fractions = {items.fraction(storage.sha256(path)) for path in films_of}
    *_, below, above = [0.0, 0.0, *sorted(fractions)]
    return 1 - (below + above) / 2


def prepare(videos, out, workers=1, **rules):
    rules = RULES | {"held_out": share_of(videos)} | rules
    return run.prepare(items.of(videos)[0], out, pieces.Rules(**rules), workers, False)


@pytest.fixture(scope="module")
def done(videos, tmp_path_factory):
    """(folder, counts) of an uninterrupted run in one process."""
    out = tmp_path_factory.mktemp("done")
    return out, prepare(videos, out)


def files(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def command(videos, out, *arguments):
    rules = RULES | {"held_out": share_of(videos)}
    rules = [f"--{name}={value}" for name, value in rules.items()]
    return [
        *(sys.executable, "-m", "launch.prepare_data", f"--from={videos}", f"--out={out}"),
        *rules,
        *arguments,
    ]


def processes_of(group):
    """Those of a process group that still run."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = stat.read_text().rsplit(")", 1)[1].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            found.append(stat.parent.name)
    return found


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(videos, done, tmp_path):
    environment = runs.environment() | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command(videos, tmp_path / "out", "--workers=2", "--quiet"),
        cwd=runs.ROOT, env=environment, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    end = time.monotonic() + 120
    while len(list((tmp_path / "out" / "work").glob("*.json"))) < 4:  # begun.json and three sources
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)  # the process alone: its workers end by themselves
    process.wait()
    process.stdout.close()
    assert not (tmp_path / "out" / "index.json").exists()
    while processes_of(process.pid):
        assert time.monotonic() < end, "workers outlive the process that started them"
        time.sleep(0.05)
    (tmp_path / "out" / "work" / "00000009.records.1.tmp").write_bytes(b"half a record")
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "work").glob("0*.json")}
    assert 3 <= len(kept) < 11
    made = []
    original = unit.make
    try:
        unit.make = lambda item, *rest: made.append(item.name) or original(item, *rest)
        prepare(videos, tmp_path / "out")
    finally:
        unit.make = original
    assert len(made) == 11 - len(kept)
    assert files(tmp_path / "out") == files(done[0])


@pytest.mark.parametrize("moment", [0, 1, 2, 3, 4])
def test_a_run_that_ends_between_any_two_files_goes_on(videos, tmp_path, monkeypatch, moment):
    """The renaming of shards, frames, manifest, counts or the index is where it dies."""
    videos = videos / "scene3"  # two files
    prepare(videos, tmp_path / "whole")
    names = ["train-00001", "held_out.frames", "manifest", "counts", "index.json"]
    real = os.replace

    def dies(source, target):
        if pathlib.Path(target).name.startswith(names[moment]):
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", dies)
    with pytest.raises(KeyboardInterrupt):
        prepare(videos, tmp_path / "cut")
    monkeypatch.undo()
    assert not (tmp_path / "cut" / "index.json").exists()
    prepare(videos, tmp_path / "cut")
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


def test_every_source_is_in_the_manifest_with_what_became_of_it(videos, done):
    out, counts = done
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    by_name = {line["source"]: line for line in lines}
    assert list(by_name) == [item.name for item in items.of(videos)[0]]
    refused = {name: line["refused"] for name, line in by_name.items() if line["refused"]}
    assert refused.pop("truncated.mp4")
    assert refused == {
        "empty.mp4": "empty file",
        "text.mp4": "not a readable video",
        "sound.avi": "no video stream",
        "scene3/film.mp4": "a copy of scene3/again.mp4",
    }
    for line in lines:
        parts = sorted((p["first"], p["frames"]) for p in line["records"] + line["dropped"])
        ends = [first + frames for first, frames in parts]
        assert line["refused"] or [0, *ends[:-1]] == [first for first, _ in parts]
        assert line["refused"] or ends[-1] == 40
    assert counts["sources"]["used"] == 6 and counts["sources"]["refused"] == 5
    assert counts["records"]["train"] + counts["records"]["held_out"] == sum(
        len(line["records"]) for line in lines
    )
    assert counts == json.loads((out / "counts.json").read_text())


def test_no_source_is_in_two_splits_and_records_say_where_they_are_from(videos, done):
    sources, read = {}, 0
    for split in shard_index.SPLITS:
        source = shards.Shards(done[0], split)
        records = [source.record(n) for n in range(len(source._lengths))]
        sources[split] = {record.source for record in records}
        read += len(records)
        for number, record in enumerate(records):
            assert record.frames == source._lengths[number] and record.rate == 24
            whole = np.concatenate(list(video_files.iterate(videos / record.source, 8)))
            cut = whole[record.first : record.first + record.frames]
            clip = source.clip(number, Draw(), record.frames, record.height, record.width).video
            small = np.stack([pieces.shrunk(frame, 32) for frame in cut])
            assert np.abs(clip.astype(float).mean(axis=-1) - small.mean(axis=-1)).mean() < 4
    assert not sources["train"] & sources["held_out"] and all(sources.values())
    assert read == sum(done[1]["records"].values()) > 12


def test_a_copy_of_the_folder_elsewhere_gives_the_same_bytes(videos, done, tmp_path):
    for path in videos.rglob("*.*"):
        copy = tmp_path / "moved" / path.relative_to(videos)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    prepare(tmp_path / "moved", tmp_path / "out")
    assert files(tmp_path / "out") == files(done[0])


def test_another_command_for_the_same_folder_is_refused(videos, done):
    before = files(done[0])
    with pytest.raises(ValueError, match="prepared otherwise: frames is 13 and was 9. Use the"):
        prepare(videos, done[0], frames=13)
    with pytest.raises(ValueError, match=r"the sources changed \(11 then, 2 now\)"):
        prepare(videos / "scene3", done[0], held_out=share_of(videos))
    assert prepare(videos, done[0]) == done[1]
    assert files(done[0]) == before


def test_by_time_the_last_frames_of_each_source_are_held_out(videos, tmp_path):
    counts = prepare(videos, tmp_path, by="time", held_out=0.3, static=0.0, shortest=1)
    assert counts["sources"]["used"] == 6
    assert counts["frames"] == {"train": 6 * 28, "held_out": 6 * 12}
    seen = {}
    for split in shard_index.SPLITS:
        source = shards.Shards(tmp_path, split)
        for record in map(source.record, range(counts["records"][split])):
            frames = range(record.first, record.first + record.frames)
            seen.setdefault((record.source, split), set()).update(frames)
    assert len(seen) == 12
    for (_, split), frames in seen.items():
        assert frames == set(range(28) if split == "train" else range(28, 40))


def test_a_folder_that_was_prepared_before_splits_by_time_is_known_again(videos, tmp_path):
    counts = prepare(videos / "scene3", tmp_path)
    index = json.loads((tmp_path / "index.json").read_text())
    for name in ("by", "first", "end"):
        del index["prepared"]["rules"][name]
    sealed.write(tmp_path / "index.json", {k: v for k, v in index.items() if k != "sha256"})
    assert prepare(videos / "scene3", tmp_path) == counts
    with pytest.raises(ValueError, match="prepared otherwise: by is 'time' and was 'source'"):
        prepare(videos / "scene3", tmp_path, by="time")


def test_two_runs_into_one_folder_are_refused(videos, tmp_path):
    work = run.Work(tmp_path)
    with work.locked(), pytest.raises(ValueError, match="another process prepares into"):
        prepare(videos, tmp_path)


def test_when_no_source_is_usable_the_reasons_are_listed(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").touch()
    with pytest.raises(
        FileNotFoundError, match=r"(?s)none of 1 sources is usable:\n  a.mp4: empty"
    ):
        prepare(tmp_path / "in", tmp_path / "out")


def test_a_list_names_files_and_what_is_gone_is_told(videos, tmp_path):
    (tmp_path / "list.txt").write_text(f"{videos}/scene1/film.mp4\nnot_there.mp4\n")
    out = tmp_path / "out"
    counts = prepare(tmp_path / "list.txt", out, codec="jpeg", held_out=0.0)
    assert counts["sources"]["refused_for"] == {"no such file": 1}
    source = shards.Shards(out).of_length(9)
    assert source.record(0).codec == "jpeg" and source.clip(0, Draw(), 9, 32, 32).video.any()


def test_labels_and_captions_of_a_list_stand_in_the_records(videos, tmp_path):
    rows = ["path,label,caption", f"{videos}/scene1/film.mp4,swim,from above"]
    rows.append(f"{videos}/scene2/film.mp4,bike,")
    (tmp_path / "list.csv").write_text("\n".join(rows) + "\n")
    out = tmp_path / "out"
    rules = [f"--{name}={value}" for name, value in (RULES | {"held_out": 0.0}).items()]
    where = [f"--from={tmp_path / 'list.csv'}", f"--out={out}", "--workers=1", "--quiet"]
    assert prepare_data.main([*where, *rules]) == 0
    source = shards.Shards(out).of_length(9)
    assert source.classes == ("bike", "swim")
    clips = [source.clip(j, Draw(), 9, 32, 32) for j in range(len(source))]
    assert {(clip.label, clip.caption) for clip in clips} == {(1, "from above"), (0, "")}


@pytest.fixture(scope="module")
def data_sets(tmp_path_factory):
    """tests/data/tfds_sets as sets of frames and of films: (a folder, names of the builders)."""
    import tensorflow_datasets as tfds

    from tests.data.tfds_sets.numbered import Numbered

    folder = tmp_path_factory.mktemp("tfds")
    tfds.disable_progress_bar()
    for config in ("frames", "mp4"):
        builder = Numbered(config=config, data_dir=folder, file_format="array_record")
        builder.download_and_prepare()
    return folder / "numbered"


@pytest.mark.parametrize("config", ["frames", "mp4"])
def test_a_tfds_set_becomes_records_with_its_labels_and_splits(data_sets, tmp_path, config):
    rules = {"frames": 9, "shortest": 5, "cut": 255, "clear": 256, "static": 0, "codec": "jpeg"}
    where = [f"--tfds={data_sets / config / '1.0.0'}", "--tfds_held_out=test", "--workers=1"]
    where += ["--tfds_features=pixels=film"] if config == "mp4" else ["--tfds_rate=12.5"]
    rules = [f"--{name}={value}" for name, value in rules.items()]
    out = tmp_path / "out"
    assert prepare_data.main([*where, *rules, f"--out={out}", "--quiet"]) == 0
    made = {}
    for split in shard_index.SPLITS:
        source = shards.Shards(out, split)
        assert source.classes == ("run", "swim", "walk")
        for number in range(len(source._lengths)):
            record = source.record(number)
            n = int(record.caption.removeprefix("film "))
            assert record.label == n % 3 and (split == "held_out") == (n >= 6)
            assert record.rate == (12.5 if config == "frames" else 25)
            clip = source.clip(number, Draw(), record.frames, record.height, record.width)
            first = record.first
            assert list(films.numbers(clip.video)) == list(range(first, first + record.frames))
            made.setdefault(n, []).append((first, record.frames))
    assert sorted(made) == list(range(8))
    for n, parts in made.items():
        assert sum(frames for _, frames in parts) in (18, 20 + n)  # a rest below 5 is dropped
    lines = (out / "manifest.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["source"] == f"numbered/{config}/1.0.0 train 0"


def test_a_tfds_set_that_cannot_be_prepared_is_a_sentence(data_sets, tmp_path):
    at, out = data_sets / "mp4" / "1.0.0", f"--out={tmp_path}"
    with pytest.raises(ValueError, match="which feature is the pixels"):
        prepare_data.main([f"--tfds={at}", out])
    with pytest.raises(ValueError, match="one of the roles pixels, label, caption"):
        prepare_data.main([f"--tfds={at}", out, "--tfds_features=film"])
    with pytest.raises(ValueError, match="--tfds_held_out holds a split out whole: leave out"):
        prepare_data.main([f"--tfds={at}", out, "--tfds_held_out=test", "--by=time"])
    with pytest.raises(ValueError, match="--tfds_rate is frames per second, above 0; got -1"):
        prepare_data.main([f"--tfds={at}", out, "--tfds_rate=-1"])


def test_the_door_says_what_it_did_and_refuses_in_a_sentence(videos, tmp_path, capsys):
    arguments = command(videos / "scene1", tmp_path / "out", "--workers=1", "--quiet")[3:]
    assert prepare_data.main(arguments) == 0
    said = capsys.readouterr().out
    assert re.search(r"1 sources used, 0 refused\.\n(train|held_out): \d+ records", said)
    assert "dropped, too short: 4 frames in 2 pieces" in said
    rules = command(videos / "scene1", tmp_path / "none", "--workers=1", "--quiet")[3:]
    with pytest.raises(ValueError, match="none holds no record: all pieces were dropped"):
        prepare_data.main([*rules, "--static=250"])
    assert "is ready" not in capsys.readouterr().out
    with pytest.raises(ValueError, match="crf is within 0 and 51, got 99"):
        prepare_data.main([*arguments, "--crf=99"])
    with pytest.raises(ValueError, match="--workers is a number from 1, got 0"):
        prepare_data.main([*arguments, "--workers=0"])
    with pytest.raises(ValueError, match="arguments after -- are those of Beam, and need --beam"):
        prepare_data.main([*arguments, "--", "--runner=DirectRunner"])


def test_a_source_that_cannot_be_read_now_is_read_by_the_same_command(
    videos, done, tmp_path, monkeypatch
):
    sha256, rules = storage.sha256, pieces.Rules(**RULES, held_out=share_of(videos))

    def busy(path):
        if str(path).endswith("scene2/film.mp4"):
            raise OSError(errno.EIO, "Input/output error")
        return sha256(path)

    with monkeypatch.context() as patch:
        patch.setattr(originals.storage, "sha256", busy)
        with pytest.raises(OSError, match="1 sources could not be read, .*: scene2/film.mp4: inpu"):
            run.prepare(items.of(videos)[0], tmp_path, rules, 1, False)
    assert run.prepare(items.of(videos)[0], tmp_path, rules, 1, False) == done[1]
    assert files(tmp_path) == files(done[0])


def test_a_disk_that_is_full_ends_the_run_and_loses_no_source(videos, done, tmp_path, monkeypatch):
    def full(record):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(unit.records, "encode", full)
        with pytest.raises(OSError, match="No space left on device"):
            prepare(videos, tmp_path)
    assert prepare(videos, tmp_path) == done[1] and files(tmp_path) == files(done[0])


def test_a_shard_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "a.array_record").mkdir()
    with pytest.raises(OSError, match="a.array_record"):
        assemble.write_shard(tmp_path / "a.array_record", [b"1"])

    def broken():
        raise RuntimeError("write() failed: File too large; writing /tmp/x")
        yield

    with pytest.raises(OSError, match="b.array_record cannot be written: write.. failed: File too"):
        assemble.write_shard(tmp_path / "b.array_record", broken())
    assert not (tmp_path / "b.array_record").exists()


def test_names_of_any_bytes_stand_in_the_manifest(videos, tmp_path):
    folder = tmp_path / "named"
    folder.mkdir()
    named = folder / os.fsdecode(b"caf\xe9.mp4")
    named.write_bytes((videos / "scene0" / "film.mp4").read_bytes())
    run.prepare(items.of(folder)[0], tmp_path / "out", pieces.Rules(**RULES), 1, False)
    (line,) = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
    assert json.loads(line)["source"] == named.name
    record = shards.Shards(tmp_path / "out").record(0)
    assert record.source == named.name


def test_without_pyscenedetect_nothing_is_begun(videos, tmp_path, monkeypatch):
    monkeypatch.setattr(cuts.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="PySceneDetect, which is not installed: pip install"):
        prepare(videos, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_scenes_of_one_film_are_on_one_side(tmp_path):
    paths = [f"{n}.mp4" for n in range(6)]
    for n, path in enumerate(paths):
        video_files.write(tmp_path / path, scenes(n), rate=24)
    (tmp_path / "list.csv").write_text(
        "path,group\n" + "".join(f"{path},film {n % 2}\n" for n, path in enumerate(paths))
    )
    fractions = sorted(items.fraction(f"film {n}") for n in range(2))
    rules = pieces.Rules(**RULES, held_out=1 - sum(fractions) / 2)
    run.prepare(items.of(tmp_path / "list.csv")[0], tmp_path / "out", rules, 1, False)
    reports = map(json.loads, (tmp_path / "out" / "manifest.jsonl").read_text().splitlines())
    sides = {n: report["split"] for n, report in enumerate(reports)}
    assert len({sides[n] for n in (0, 2, 4)}) == len({sides[n] for n in (1, 3, 5)}) == 1
    assert sides[0] != sides[1]
