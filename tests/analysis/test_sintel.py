"""Sintel in its own layout."""

import cv2
import numpy as np
import PIL.Image
import pytest

from pv_vae_jax.analysis import sintel
from pv_vae_jax.evaluation import protocol

USED = protocol.named("small-ltd").changed(["frames=3", "height=8", "width=16"])


def write_flo(path, field):
    path.parent.mkdir(parents=True, exist_ok=True)
    size = np.array(field.shape[1::-1], "<i4")
    path.write_bytes(b"PIEH" + size.tobytes() + field.astype("<f4").tobytes())


@pytest.fixture
def folder(tmp_path):
    """Three sets of two scenes: pixels of frame n of scene s are 10 s + n, its flow is (n, s)."""
    for s, name in enumerate(("alley_1", "alley_2", "cave_2", "cave_4", "temple_2", "temple_3")):
        for n in range(1, 7):
            for which in ("clean", "final"):
                path = tmp_path / f"MPI/training/{which}/{name}/frame_{n:04d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                tone = 10 * s + n + 100 * (which == "clean")
                PIL.Image.fromarray(np.full((20, 32, 3), tone, np.uint8)).save(path)
            if n < 6:
                field = np.broadcast_to([n, s], (20, 32, 2))
                write_flo(tmp_path / f"MPI/training/flow/{name}/frame_{n:04d}.flo", field)
    return tmp_path


def test_clips_are_whole_pairs_of_one_scene_with_their_flow(folder):
    data = sintel.data(USED, str(folder))
    (test_set,) = data.settings["test"]
    splits = {split: data.read(split) for split in ("train", "test")}
    assert [len(splits[split].clips) for split in ("train", "test")] == [8, 4]
    sets = ("alley", "cave", "temple")
    for split, found in splits.items():
        for clip, flow in zip(found.clips, found.targets["flow"], strict=True):
            scene, first = divmod(int(clip[0, 0, 0, 0]), 10)
            assert (sets[scene // 2] == test_set) == (split == "test") and first in (1, 3)
            assert clip.shape == (3, 8, 16, 3) and flow.shape == (2, 8, 16, 2)
            np.testing.assert_array_equal(clip[:, 0, 0, 0] % 10, [first, first + 1, first + 2])
            # 20 x 32 is cropped to 16 x 32 and halved; vectors are of the halved frame
            np.testing.assert_allclose(
                flow[:, 3, 5], [[first / 2, scene / 2], [(first + 1) / 2, scene / 2]]
            )


def test_flow_is_cropped_and_resized_as_its_frame():
    rows = np.arange(20.0).reshape(20, 1).repeat(32, 1)
    field = np.stack([rows, -rows], axis=-1).astype(np.float32)
    found = sintel.resized(field, 8, 16)
    expected = cv2.resize(rows[2:18], (16, 8), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(found, np.stack([expected / 2, -expected / 2], axis=-1))
    np.testing.assert_array_equal(sintel.resized(field, 20, 32), field)


def test_the_pass_is_final_unless_the_other_one_is_wanted(folder):
    assert sintel.data(USED, str(folder), "clean").read("train").clips.min() > 100
    with pytest.raises(ValueError, match="passes of Sintel are final, clean"):
        sintel.data(USED, str(folder), "albedo")


def test_a_damaged_file_is_named_and_the_others_are_read(folder):
    (folder / "MPI/training/flow/cave_2/frame_0001.flo").write_bytes(b"PIEH")
    (folder / "MPI/training/final/cave_2/frame_0004.png").write_bytes(b"none")
    field = np.zeros((5, 5, 2))
    write_flo(folder / "MPI/training/flow/cave_4/frame_0001.flo", field)
    data = sintel.data(USED, str(folder))
    splits = [data.read(split) for split in ("train", "test")]
    refused = splits[0].refused | splits[1].refused
    assert sorted(refused) == ["sintel/cave_2/0001", "sintel/cave_2/0003", "sintel/cave_4/0001"]
    assert "sizes" in refused["sintel/cave_4/0001"]
    assert sum(len(split.clips) for split in splits) == 9


def test_a_changed_file_is_another_version(folder):
    before = sintel.data(USED, str(folder)).settings["version"]
    write_flo(folder / "MPI/training/flow/cave_2/frame_0001.flo", np.ones((20, 32, 2)))
    assert sintel.data(USED, str(folder)).settings["version"] != before


def test_what_is_missing_is_told_with_what_to_get(tmp_path):
    for where in (None, str(tmp_path / "no"), str(tmp_path)):
        with pytest.raises((ValueError, FileNotFoundError), match="MPI-Sintel-complete.zip"):
            sintel.data(USED, where)
    with pytest.raises(ValueError, match="set stride=1, not 2"):
        sintel.data(USED.changed(["stride=2"]), str(tmp_path))
