import cv2
import numpy as np
import pytest

from pv_vae_jax.data import video_files, video_probe
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.evaluation import datasets
from pv_vae_jax.evaluation.datasets import spans
from tests.data import films


def item(path, **more):
    return datasets.Item("key", str(path), **more)


@pytest.fixture(scope="module")
def variable(tmp_path_factory):
    path = tmp_path_factory.mktemp("films") / "variable.mkv"
    films.encode(path, films.numbered(40), stamps=films.variable_stamps(40), g="5")
    return path


@pytest.mark.parametrize(("first", "last"), [(0, 8), (1, 9), (7, 20), (30, 39)])
def test_a_span_of_a_variable_rate_is_found_by_time_stamps(variable, first, last):
    times = films.variable_stamps(40) / 1000
    one = item(variable, start=times[first], end=times[last])
    clip = datasets.clip(one, last - first + 1, 1, 48, 64)
    assert list(films.numbers(clip)) == list(range(first, last + 1))
    with pytest.raises(ClipError, match=f"too short: {last - first + 1} frames where"):
        datasets.clip(one, last - first + 2, 1, 48, 64)


def test_a_span_begins_at_the_first_frame_that_is_not_before_it(variable):
    times = films.variable_stamps(40) / 1000
    clip = datasets.clip(item(variable, start=times[7] + 0.005), 9, 1, 48, 64)
    assert list(films.numbers(clip)) == list(range(8, 17))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_seconds_count_from_the_first_frame_whatever_the_container_rounds(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    films.encode(path, films.numbered(30), bf="2", **({"g": "10"}))
    entry = video_probe.probe(path)
    assert entry.frames == 30
    np.testing.assert_allclose(spans.seconds(entry), np.arange(30) / 25, atol=5e-4)


def test_microseconds_that_were_rounded_up_keep_their_frame(tmp_path):
    video_files.write(tmp_path / "a.mp4", [films.numbered(30)], rate=30000 / 1001)
    for number in range(1, 20):
        exact = number * 1001 / 30000
        for start in (np.ceil(exact * 1e6) / 1e6, np.floor(exact * 1e6) / 1e6):
            entry = video_probe.probe(tmp_path / "a.mp4")
            numbers = spans.frames_of(item("a", start=start), entry, 9, 1)
            assert list(numbers) == list(range(number, number + 9))


def test_the_clip_is_the_centre_crop_by_area_or_cubic(tmp_path):
    video = np.random.default_rng(0).integers(0, 256, (3, 12, 16, 3), np.uint8)
    whole = np.repeat(np.repeat(video, 4, axis=1), 4, axis=2)  # 48 x 64
    video_files.write(tmp_path / "a.mp4", [whole])
    decoded = np.concatenate(list(video_files.iterate(tmp_path / "a.mp4", 3)))
    centre = decoded[:, :, 8:56]
    clip = datasets.clip(item(tmp_path / "a.mp4"), 3, 1, 24, 24)
    assert clip.dtype == np.uint8 and clip.shape == (3, 24, 24, 3)
    means = centre.reshape(3, 24, 2, 24, 2, 3).mean(axis=(2, 4))
    assert np.abs(clip - means).max() <= 0.5
    larger = datasets.clip(item(tmp_path / "a.mp4"), 3, 1, 96, 96)
    wanted = [cv2.resize(frame, (96, 96), interpolation=cv2.INTER_CUBIC) for frame in centre]
    np.testing.assert_array_equal(larger, np.stack(wanted))
    assert "INTER_AREA" in datasets.FILTER and "INTER_CUBIC" in datasets.FILTER


def test_a_clip_that_is_too_short_names_both_numbers(tmp_path):
    video_files.write(tmp_path / "a.mp4", [films.numbered(16)])
    with pytest.raises(ClipError, match="key: too short: 16 frames where 17 are needed"):
        datasets.clip(item(tmp_path / "a.mp4"), 17, 1, 32, 32)
    assert datasets.clip(item(tmp_path / "a.mp4"), 16, 1, 32, 32).shape == (16, 32, 32, 3)


def test_a_truncated_and_a_vanished_file_fail_by_name(tmp_path):
    bad, _ = films.mixed_folder(tmp_path / "films")
    for name, reason in bad.items():
        with pytest.raises(ClipError, match=f"key: .*{reason}"):
            datasets.clip(item(tmp_path / "films" / name), 9, 1, 32, 32)
    with pytest.raises(ClipError, match="key: no such file"):
        datasets.clip(item(tmp_path / "nothing.mp4"), 9, 1, 32, 32)


def test_a_file_that_changes_is_probed_again(tmp_path):
    path = tmp_path / "a.mp4"
    for frames in (9, 20):
        video_files.write(path, [films.numbered(frames)])
        assert len(datasets.clip(item(path), frames, 1, 48, 64)) == frames


def test_numbers_below_one_are_refused(tmp_path):
    with pytest.raises(ValueError, match="from 1; got 17, 0, 32, 32"):
        datasets.clip(item(tmp_path / "a.mp4"), 17, 0, 32, 32)
