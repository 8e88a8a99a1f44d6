"""Clips for probes: exact truth, splits that share no source, videos that fail are replaced."""

import dataclasses

import numpy as np
import pytest

from pv_vae_jax.analysis import probe_clips
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.data.rendered import Scene
from pv_vae_jax.evaluation import protocol
from pv_vae_jax.evaluation.measuring import Video

USED = protocol.named("small-ltd").changed(
    ["datasets=rendered", "frames=5", "height=16", "width=24"]
)


def test_rendered_clips_have_their_exact_flow_and_tracks():
    data = probe_clips.rendered(USED, 3, 2)
    for split, photographs, count, first in (
        ("train", "train", 3, 0),
        ("test", "held_out", 2, 1_000_000),  # no motion of the training scenes
    ):
        found = data.read(split)
        assert found.clips.shape == (count, 5, 16, 24, 3)
        scene = Scene.drawn(first + 1, 5, 16, 24, photographs)
        tracks, visible = scene.tracks(first + 1, probe_clips.POINTS)
        np.testing.assert_array_equal(found.clips[1], scene.video())
        np.testing.assert_array_equal(found.targets["flow"][1], scene.flow())
        np.testing.assert_array_equal(found.targets["tracks"][1], tracks)
        np.testing.assert_array_equal(found.targets["visible"][1], visible)
        first = found.targets["queries"][1]
        points = np.arange(len(first))
        assert visible[points, first].all()
        assert not any(visible[i, : first[i]].any() for i in points)


def test_a_stride_is_of_the_scenes_too():
    used = USED.changed(["stride=2"])
    found = probe_clips.rendered(used, 1, 1).read("train")
    scene = Scene.drawn(0, 5, 16, 24, "train", 2)
    np.testing.assert_array_equal(found.targets["flow"][0], scene.flow())


def test_scenes_to_probe_on_are_of_the_world_of_the_protocol():
    plain, smooth = (
        probe_clips.rendered(dataclasses.replace(USED, datasets=("film", name)), 1, 1)
        for name in ("rendered", "smooth")
    )
    assert (plain.settings["data"], smooth.settings["data"]) == ("rendered", "smooth")
    scene = Scene.drawn(0, USED.frames, USED.height, USED.width, "train", world="smooth")
    np.testing.assert_array_equal(smooth.read("train").clips[0], scene.video())
    assert not np.array_equal(plain.read("train").clips[0], scene.video())


def test_scenes_of_a_protocol_of_training_photographs_are_tested_on_unseen_ones():
    used = dataclasses.replace(USED, datasets=("smooth",), split="train")
    data = probe_clips.rendered(used, 1, 1)
    form = USED.frames, USED.height, USED.width, "train", 1, "smooth"
    for split, number in (("train", 0), ("test", 1_000_000)):
        scene = Scene.drawn(number, *form)
        np.testing.assert_array_equal(data.read(split).clips[0], scene.video())
    assert data.settings["split"] == "train"


def test_a_third_of_the_sources_is_to_test_on():
    sources = [f"s{i}" for i in range(9)] * 2
    found = probe_clips.test_sources(0, sources)
    assert len(found) == 3 and found < set(sources)
    assert found != probe_clips.test_sources(1, sources)
    assert len(probe_clips.test_sources(0, ["a", "b"])) == 1


def films(bad=()):
    def read(source, i):
        if (source, i) in bad:
            raise ClipError("x", "damaged")
        return (
            np.full((6, 2, 2, 3), 10 * source + i, np.uint8)
            + np.arange(6, dtype=np.uint8)[:, None, None, None]
        )

    return [
        Video(f"{s}/{i}", f"source {s}", lambda s=s, i=i: read(s, i))
        for i in range(2)
        for s in range(6)
    ]


def test_the_next_frame_is_the_one_after_the_clip_and_no_source_is_in_both_splits(monkeypatch):
    asked = []

    def of_datasets(used, folders):
        asked.append((used.frames, folders))
        return films()

    monkeypatch.setattr(probe_clips.videos, "of_datasets", of_datasets)
    data = probe_clips.of_videos(USED, {"a": "b"}, 4, 2)
    train, test = data.read("train"), data.read("test")
    assert asked[0] == (6, {"a": "b"})
    for split, count in ((train, 4), (test, 2)):
        assert split.clips.shape == (count, 5, 2, 2, 3)
        np.testing.assert_array_equal(split.targets["next"], split.clips[:, -1] + 1)
    sources = [set((split.clips[:, 0, 0, 0, 0] // 10).tolist()) for split in (train, test)]
    assert not sources[0] & sources[1]
    monkeypatch.setattr(probe_clips.videos, "of_datasets", lambda *_: films()[:-1])
    assert probe_clips.of_videos(USED, {"a": "b"}, 4, 2).settings != data.settings


def test_a_video_that_fails_is_replaced_and_named(monkeypatch):
    bad = [(s, 0) for s in range(6)]
    monkeypatch.setattr(probe_clips.videos, "of_datasets", lambda *_: films(bad))
    data = probe_clips.of_videos(USED, {}, 4, 2)
    found = data.read("train")
    assert len(found.clips) == 4 and len(found.refused) == 4
    assert set(found.refused.values()) == {"damaged"}
    with pytest.raises(ValueError, match="want 5 videos .* 4 can be used .*damaged.*ask for fewer"):
        probe_clips.of_videos(USED, {}, 5, 2).read("train")


@pytest.mark.parametrize("world", ["rendered", "smooth"])
def test_no_flow_that_a_probe_is_tested_on_is_one_that_it_was_trained_on(world):
    data = probe_clips.rendered(dataclasses.replace(USED, datasets=(world,)), 6, 6)
    known, tested = ({f.tobytes() for f in data.read(s).targets["flow"]} for s in ("train", "test"))
    assert len(known) == len(tested) == 6 and not known & tested
