import pathlib

import numpy as np
import pytest

from pv_vae_jax.data import sources, video_files
from pv_vae_jax.data.clips import Augment, Draw
from tests.data import films


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path / "cache"))


def test_a_pass_over_a_mixed_folder_finishes_and_names_each_bad_file_once(tmp_path, caplog):
    bad, good = films.mixed_folder(tmp_path / "films")
    source = sources.VideoFiles(tmp_path / "films").of_length(9)
    names = set()
    for j in range(len(source)):
        clip = source.clip(j, Augment().draw(0, j), 9, 32, 32)
        assert clip.video.shape == (9, 32, 32, 3) and clip.video.dtype == np.uint8
        names.add(pathlib.Path(clip.name).name)
    assert names == good
    assert {pathlib.Path(name).name for name in source.refused} == set(bad)
    for name, reason in source.refused.items():
        assert bad[pathlib.Path(name).name] in reason
        assert sum(name in record.getMessage() for record in caplog.records) == 1


def test_an_epoch_passes_every_part_of_every_file(tmp_path):
    video_files.write(tmp_path / "long.mp4", [films.numbered(96)])
    video_files.write(tmp_path / "small.mp4", [films.numbered(10)])
    source = sources.VideoFiles(tmp_path).of_length(9)
    assert len(source) == 96 // 16 + 1
    seen = [films.numbers(source.clip(j, Draw(), 9, 48, 64).video) for j in range(len(source))]
    assert [list(n) for n in seen] == [
        list(range(start, start + 9)) for start in (0, 16, 32, 48, 64, 80, 0)
    ]
    late = source.clip(5, Draw(start=0.999), 9, 48, 64).video
    assert list(films.numbers(late)) == list(range(87, 96))


def test_spans_of_a_file_share_no_frame(tmp_path):
    video_files.write(tmp_path / "a.mp4", [films.numbered(60)])
    seen = []
    for span in ((0.0, 0.7), (0.7, 1.0)):
        source = sources.VideoFiles(tmp_path, span=span).of_length(5)
        draws = [Augment(strides=(1, 2, 3, 9)).draw(0, i) for i in range(40)]
        picks = [source.frame_numbers(i % len(source), d, 5)[1] for i, d in enumerate(draws)]
        seen.append(set(np.concatenate(picks).tolist()))
    assert seen[0] <= set(range(42)) and seen[1] <= set(range(42, 60))
    assert len(seen[0]) > 35 and len(seen[1]) > 15


def test_a_stride_is_reduced_to_what_the_file_holds(tmp_path):
    video_files.write(tmp_path / "a.mp4", [films.numbered(20)])
    source = sources.VideoFiles(tmp_path).of_length(9)
    for stride, used in ((1, 1), (2, 2), (5, 2)):
        _, frames = source.frame_numbers(0, Draw(stride=stride), 9)
        assert set(np.diff(frames)) == {used} and frames[-1] < 20


def test_flip_reversal_and_stride_reach_the_pixels(tmp_path):
    video_files.write(tmp_path / "a.mp4", [films.numbered(40)])
    source = sources.VideoFiles(tmp_path).of_length(9)
    plain = source.clip(0, Draw(), 9, 48, 64).video
    turned = source.clip(0, Draw(flip=True, reversal=True), 9, 48, 64).video
    assert np.array_equal(turned, plain[::-1, :, ::-1])
    assert plain[0, 24, 2, 0] > 150 and turned[0, 24, 2, 2] > 150
    strided = source.clip(0, Draw(stride=3), 9, 48, 64).video
    assert list(films.numbers(strided)) == list(range(0, 27, 3))


def test_a_folder_without_a_usable_video_lists_the_reasons(tmp_path):
    (tmp_path / "a.mp4").touch()
    (tmp_path / "b.mp4").write_text("not a film" * 100)
    with pytest.raises(FileNotFoundError, match=r"(?s)none of 2 files .* is usable:.*a.mp4: empty"):
        sources.VideoFiles(tmp_path)
    video_files.write(tmp_path / "c.mp4", [films.numbered(3)])
    with pytest.raises(FileNotFoundError, match=r"(?s)none of 3 files.*c.mp4: too short: 3 frames"):
        sources.VideoFiles(tmp_path).of_length(9)


def test_rendered_clips_are_scenes_of_their_split():
    source = sources.Rendered(split="held_out", clips=10)
    assert len(source.of_length(17)) == 10
    first = source.clip(3, Draw(), 9, 32, 48)
    assert first.video.shape == (9, 32, 48, 3) and "held_out scene 3" in first.name
    again = source.clip(3, Draw(reversal=True), 9, 32, 48).video
    assert np.array_equal(again, first.video[::-1])


@pytest.mark.parametrize("span", [(0.5, 0.5), (-0.1, 1.0), (0.2, 1.1)])
def test_a_span_out_of_range_is_refused(tmp_path, span):
    with pytest.raises(ValueError, match="span is two fractions"):
        sources.VideoFiles(tmp_path, span=span)


def test_a_few_clips_are_of_many_videos_and_not_of_the_first(tmp_path):
    for i in range(6):
        video_files.write(tmp_path / f"{i}.mp4", [np.full((40, 32, 32, 3), 40 * i, np.uint8)])
    files = sources.VideoFiles(tmp_path, every=4).of_length(5)
    few = sources.Spread(files, 6)
    assert len(files) == 60 and len(few) == 6 and few.refused == files.refused
    grey = [few.clip(j, Draw(), 5, 32, 32).video.mean() for j in range(6)]
    assert np.abs(np.array(grey) - 40 * np.arange(6)).max() < 4
    assert len(sources.Spread(files, 100)) == 60
