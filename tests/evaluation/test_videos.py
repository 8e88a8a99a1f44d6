import dataclasses
import hashlib

import numpy as np
import pytest

from pv_vae_jax.data import video_files
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.evaluation import protocol, videos

SMALL = dataclasses.replace(
    protocol.named("small"), datasets=("rendered",), videos=4, frames=5, height=32, width=48
)


def test_several_data_sets_take_turns():
    used = dataclasses.replace(SMALL, datasets=("rendered", "shipped"))
    try:
        found = videos.of_datasets(used, {})
    except FileNotFoundError as error:
        pytest.skip(f"the shipped clips are not here: {error}")
    sets = [video.key.partition("/")[0] for video in found]
    assert sets[:4] == ["rendered", "shipped"] * 2
    assert len({video.key for video in found}) == len(found)
    assert found[1].source.startswith("shipped/")


def test_videos_come_in_the_protocols_order_and_form():
    found = videos.of_datasets(SMALL, {})
    keys = [video.key for video in found]
    assert keys == protocol.order(SMALL.seed, keys)
    assert found[0].read().shape == (5, 32, 48, 3) and found[0].read().dtype == np.uint8


def test_a_stored_list_is_taken_in_its_order():
    found = videos.of_datasets(SMALL, {})
    keys = [found[i].key for i in (7, 2, 9, 0)]
    assert [video.key for video in videos.listed(found, keys, SMALL)] == keys


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda keys: keys[:3], "3 different videos in 3 lines, but small is of 4.*videos=3"),
        (lambda keys: [*keys[:3], keys[0]], "3 different videos in 4 lines"),
        (lambda keys: [*keys[:3], "rendered/none"], "1 of the 4 videos .* such as rendered/none"),
    ],
)
def test_a_list_that_does_not_fit_the_protocol_is_refused(change, message):
    found = videos.of_datasets(SMALL, {})
    with pytest.raises(ValueError, match=message):
        videos.listed(found, change([video.key for video in found[:4]]), SMALL)


def test_samples_come_from_an_array_or_from_films(tmp_path):
    samples = np.random.default_rng(0).integers(0, 256, (3, 9, 32, 48, 3), np.uint8)
    np.savez(tmp_path / "samples.npz", samples=samples)
    found = videos.of_samples(SMALL, str(tmp_path / "samples.npz"))
    np.testing.assert_array_equal(np.stack([v.read() for v in found]), samples[:, :5])
    films = tmp_path / "films"
    for i in range(2):
        grey = np.full((6, 32, 48, 3), 100 * i, np.uint8)
        video_files.write(films / f"{i}.mp4", [grey])
    (films / "broken.mp4").touch()
    found = videos.of_samples(SMALL, str(films))
    assert [video.key for video in found] == ["0.mp4", "1.mp4", "broken.mp4"]
    assert abs(int(found[1].read().mean()) - 100) < 4 and found[1].read().shape == (5, 32, 48, 3)
    with pytest.raises(ClipError, match="empty file"):
        found[2].read()


def test_samples_of_another_size_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", samples=np.zeros((3, 4, 32, 48, 3), np.uint8))
    with pytest.raises(
        ValueError, match=r"T of 5 or more, for small; got uint8\[3, 4, 32, 48, 3\]"
    ):
        videos.of_samples(SMALL, str(tmp_path / "a.npz"))
    np.savez(tmp_path / "b.npz", videos=np.zeros(3))
    with pytest.raises(ValueError, match="got none"):
        videos.of_samples(SMALL, str(tmp_path / "b.npz"))
    video_files.write(tmp_path / "films" / "c.mp4", [np.zeros((6, 64, 48, 3), np.uint8)])
    with pytest.raises(ValueError, match="c.mp4 is 64 x 48, but small is of samples of 32 x 48"):
        videos.of_samples(SMALL, str(tmp_path / "films"))


def test_the_folder_of_launch_generate_means_its_films(tmp_path):
    for name in ("videos/000000.mp4", "videos/000001.mp4", "grid.mp4"):
        size = (64, 96) if name == "grid.mp4" else (32, 48)
        video_files.write(tmp_path / name, [np.zeros((6, *size, 3), np.uint8)])
    found = videos.of_samples(SMALL, f"{tmp_path}/")
    assert [video.key for video in found] == ["000000.mp4", "000001.mp4"]


def test_samples_in_folders_of_classes_are_all_measured(tmp_path):
    for name in ("class0/000", "class1/000", "class1/001"):
        video_files.write(tmp_path / f"samples/{name}.mp4", [np.zeros((6, 32, 48, 3), np.uint8)])
    found = videos.of_samples(SMALL, str(tmp_path / "samples"))
    names = ["class0/000.mp4", "class1/000.mp4", "class1/001.mp4"]
    assert [(video.key, video.source) for video in found] == [(name, name) for name in names]


def test_a_video_of_a_data_set_is_known_by_its_file(tmp_path):
    for n, name in enumerate(("one", "two")):
        film = tmp_path / name / "val" / "archery" / "abc_000001_000003.mp4"
        video_files.write(film, [np.full((30, 32, 48, 3), n, np.uint8)], 15)
        (tmp_path / name / "validate.csv").write_text(
            "label,youtube_id,time_start,time_end,split\narchery,abc,1,3,validate\n"
        )
    used = dataclasses.replace(SMALL, datasets=("kinetics400",), split="val")

    def found(name):
        (video,) = videos.of_datasets(used, {"kinetics400": str(tmp_path / name)})
        return video

    one, two = found("one"), found("two")
    assert one.key == two.key and one.file() != two.file() != ""
    assert found("one").file() == one.file()
    film = tmp_path / "one" / "val" / "archery" / "abc_000001_000003.mp4"
    video_files.write(film, [np.full((30, 32, 48, 3), 9, np.uint8)], 15)
    assert found("one").file() != one.file()


def test_samples_are_known_by_their_bytes(tmp_path):
    samples = np.arange(3, dtype=np.uint8)[:, None, None, None, None] * np.ones((9, 32, 48, 3))
    np.savez(tmp_path / "a.npz", samples=samples.astype(np.uint8))
    np.savez(tmp_path / "b.npz", samples=samples[::-1].astype(np.uint8))
    one, other = (
        [v.file() for v in videos.of_samples(SMALL, str(tmp_path / f"{name}.npz"))] for name in "ab"
    )
    assert len(set(one)) == 3 and one == other[::-1]
    for i in range(2):
        video_files.write(tmp_path / f"films/{i}.mp4", [np.full((6, 32, 48, 3), i, np.uint8)])
    found = videos.of_samples(SMALL, str(tmp_path / "films"))
    assert found[0].file() == hashlib.sha256((tmp_path / "films/0.mp4").read_bytes()).hexdigest()
    assert found[0].file() != found[1].file() and videos.of_datasets(SMALL, {})[0].file() == ""
