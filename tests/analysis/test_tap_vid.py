"""TAP-Vid's pickle: read as arrays, and nothing else."""

import pickle

import numpy as np
import pytest

from pv_vae_jax.analysis import tap_vid
from pv_vae_jax.analysis.probe_clips import Clips, Data
from pv_vae_jax.evaluation import protocol

USED = protocol.named("small-ltd").changed(["frames=3", "height=8", "width=16"])
SCENES = Data({"train": "scenes", "test": "scenes"}, {"train": 7}, lambda split: split)


def video(points, frames=4):
    random = np.random.default_rng(points)
    occluded = np.zeros((points, frames), bool)
    occluded[0, :2] = True  # first seen in frame 2
    if points > 2:
        occluded[-1, :3] = True  # not seen in the clip
    return {
        "video": random.integers(0, 256, (frames, 16, 64, 3)).astype(np.uint8),
        "points": random.random((points, frames, 2)).astype(np.float32),
        "occluded": occluded,
    }


@pytest.fixture
def videos():
    return {"goat": video(4), "bear": video(2), "short": video(2, frames=2)}


def write(path, found, protocol=4):
    path.write_bytes(pickle.dumps(found, protocol=protocol))
    return str(path)


@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_clips_have_their_tracks_in_pixels(tmp_path, videos, version):
    found = tap_vid.data(USED, write(tmp_path / "a.pkl", videos, version), SCENES).read("test")
    assert isinstance(found, Clips) and found.clips.shape == (2, 3, 8, 16, 3)
    bear, goat = 0, 1
    np.testing.assert_allclose(
        found.targets["tracks"][goat], videos["goat"]["points"][:3, :3] * [16, 8] - 0.5, rtol=1e-5
    )
    mean = videos["bear"]["video"][0].reshape(8, 2, 16, 4, 3).mean(axis=(1, 3))
    assert np.abs(found.clips[bear, 0] - mean).max() <= 1
    np.testing.assert_array_equal(found.targets["queries"], [[2, 0, 0], [2, 0, 0]])
    seen = found.targets["visible"]
    np.testing.assert_array_equal(seen[goat], [[False, False, True], [True] * 3, [True] * 3])
    assert not seen[bear, 2].any()  # filled up
    assert found.refused == {"tap_vid/short": "too short: 2 frames where 3 are needed"}


def test_probes_are_trained_on_scenes(tmp_path, videos):
    data = tap_vid.data(USED, write(tmp_path / "a.pkl", videos), SCENES)
    assert data.read("train") == "train" and data.names == {"train": "scenes", "test": "tap_vid"}
    assert data.settings["train"] == 7


class Evil:
    def __reduce__(self):
        return (print, ("called",))


def test_a_pickle_that_calls_something_is_refused_and_calls_nothing(tmp_path, capsys):
    file = write(tmp_path / "a.pkl", {"goat": Evil()})
    with pytest.raises(ValueError, match="no pickle of arrays .*print.*tapvid_davis.zip"):
        tap_vid.data(USED, file, SCENES).read("test")
    assert capsys.readouterr().out == ""


def test_what_is_no_video_is_refused_by_name(tmp_path, videos):
    bad = videos | {"a": {"video": 3}, "b": "text", "c": video(2) | {"points": np.zeros((2, 4, 3))}}
    found = tap_vid.data(USED, write(tmp_path / "a.pkl", bad), SCENES).read("test")
    assert {"tap_vid/a", "tap_vid/b", "tap_vid/c", "tap_vid/short"} == set(found.refused)
    for content in ([1], {"a": 1}):
        with pytest.raises(ValueError, match="not videos by name|can be used"):
            tap_vid.data(USED, write(tmp_path / "b.pkl", content), SCENES).read("test")


def test_what_is_missing_is_told_with_what_to_get(tmp_path):
    for where in (None, str(tmp_path / "no.pkl")):
        with pytest.raises((ValueError, FileNotFoundError), match="Get tapvid_davis.zip"):
            tap_vid.data(USED, where, SCENES)
    with pytest.raises(ValueError, match="set stride=1"):
        tap_vid.data(USED.changed(["stride=3"]), "a", SCENES)
