import dataclasses
import threading

import numpy as np
import pytest

from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.evaluation import measuring
from pv_vae_jax.evaluation.measuring import Spent, Video, measure
from pv_vae_jax.evaluation.rows import Folder, Row
from pv_vae_jax.sharding import agreement


def video(i, bad=False):
    def read():
        if bad:
            raise ClipError(f"v{i}", "2 of 17 frames")
        return np.full((1, 2, 2, 3), i, np.uint8)

    return Video(f"v{i}", f"film {i // 2}", read)


def looked_at(log):
    def rows_of(videos, clips):
        log.append((len(videos), len(clips)))
        assert all((clip == int(v.key[1:])).all() for v, clip in zip(videos, clips, strict=False))
        return [Row(v.key, v.source, f"digest {v.key}") for v in videos]

    return rows_of


def run(videos, count, folder, rows_of, batch=2, replace=False, **options):
    return measure(
        name="p",
        videos=videos,
        count=count,
        folder=folder,
        rows_of=rows_of,
        batch=batch,
        replace=replace,
        spent=Spent(),
        **options,
    )


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path)
    made.open({})
    return made


def test_the_first_videos_are_measured_in_whole_batches(folder):
    log = []
    rows = run([video(i) for i in range(9)], 5, folder, looked_at(log))
    assert [row.key for row in rows] == ["v0", "v1", "v2", "v3", "v4"]
    assert log == [(2, 2), (2, 2), (1, 2)]


def test_a_second_run_reads_and_a_larger_one_goes_on(folder):
    videos, log = [video(i) for i in range(9)], []
    run(videos, 4, folder, looked_at(log))
    assert len(run(videos, 4, folder, looked_at(log))) == 4 and len(log) == 2
    assert [row.key for row in run(videos, 6, folder, looked_at(log))][-1] == "v5"
    assert len(log) == 3


def test_a_killed_run_goes_on_with_what_is_missing(folder):
    videos, log = [video(i) for i in range(6)], []

    def killed(videos, clips):
        if videos[0].key == "v2":
            raise KeyboardInterrupt
        return looked_at(log)(videos, clips)

    with pytest.raises(KeyboardInterrupt):
        run(videos, 6, folder, killed)
    rows = run(videos, 6, folder, looked_at(log))
    assert [row.digest for row in rows] == [f"digest v{i}" for i in range(6)]
    assert log == [(2, 2)] * 3


def test_an_unusable_video_is_named_and_nothing_comes_of_it(folder):
    videos = [video(i, bad=i in (1, 2)) for i in range(6)]
    with pytest.raises(ValueError, match=r"2 of the 4 .* v1: 2 of 17 frames; v2: .*--replace"):
        run(videos, 4, folder, looked_at([]))


def test_the_next_videos_stand_in_for_unusable_ones_if_so_wanted(folder):
    videos = [video(i, bad=i in (1, 4)) for i in range(8)]
    rows = run(videos, 4, folder, looked_at([]), replace=True)
    assert [row.key for row in rows if not row.reason] == ["v0", "v2", "v3", "v5"]
    assert [row.key for row in rows if row.reason] == ["v1", "v4"]


@pytest.mark.parametrize("bad", [(), (1,)])
def test_too_few_videos_are_an_error_with_the_numbers(folder, bad):
    videos = [video(i, bad=i in bad) for i in range(3)]
    usable = 3 - len(bad)
    message = f"wants 4 videos; there are 3, of which {len(bad)} .*--set videos={usable}"
    with pytest.raises(ValueError, match=message):
        run(videos, 4, folder, looked_at([]), replace=True)


def test_clips_are_decoded_ahead_of_their_use(folder):
    """While the first batch is looked at, the second is being decoded."""
    begun = threading.Event()

    def waiting(i):
        def read():
            if i == 3:
                begun.set()
            return np.full((1, 2, 2, 3), i, np.uint8)

        return Video(f"v{i}", "film", read)

    def rows_of(videos, clips):
        assert begun.wait(20)
        return looked_at([])(videos, clips)

    assert len(run([waiting(i) for i in range(4)], 4, folder, rows_of)) == 4


def test_a_video_that_was_mended_is_measured_by_the_same_command(folder):
    with pytest.raises(ValueError, match="v1: 2 of 17 frames"):
        run([video(i, bad=i == 1) for i in range(3)], 3, folder, looked_at([]))
    log = []
    rows = run([video(i) for i in range(3)], 3, folder, looked_at(log))
    assert [row.reason for row in rows] == ["", "", ""]
    assert log == [(1, 2)]  # the others were kept


def test_a_sample_that_is_another_one_now_is_measured_again(folder):
    def samples(digests):
        return [
            dataclasses.replace(video(i), file=lambda digest=digest: digest)
            for i, digest in enumerate(digests)
        ]

    log = []
    for digests in ("abc", "abc", "axc", "axcd"):
        rows = run(samples(digests), len(digests), folder, looked_at(log))
        assert [row.file for row in rows] == list(digests)
    assert [count for count, _ in log] == [2, 1, 1, 1]


def test_two_videos_of_one_name_are_refused(folder):
    with pytest.raises(ValueError, match="1 videos are named twice, such as v1"):
        run([video(0), video(1), video(1)], 2, folder, looked_at([]))


def test_one_host_of_two_measures_alone_and_waits_for_none(folder, monkeypatch):
    monkeypatch.setattr(measuring.jax, "process_count", lambda: 2)
    waited = []
    monkeypatch.setattr(agreement, "wait", waited.append)
    videos = [video(i) for i in range(4)]
    rows = run(videos, 4, folder, looked_at([]), shared=False)
    assert len(rows) == 4 and not waited
    other = Folder(folder.where / "shared")
    other.open({})
    with pytest.raises(ValueError, match="2 rows that other hosts made are not in .*shared: "):
        run(videos, 4, other, looked_at([]), replace=True)
    assert waited
