import json

import numpy as np
import pytest

from pv_vae_jax.data import manifest, video_files
from pv_vae_jax.evaluation import any_size, folder, held_out
from pv_vae_jax.evaluation.reconstruction import Form
from pv_vae_jax.metrics import fidelity


@pytest.fixture
def films(tmp_path, video, monkeypatch):
    """Two good films, one of them deeper, and three that cannot be used."""
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path / "cache"))
    where = tmp_path / "films"
    video_files.write(where / "a.mp4", [video], rate=12.0)
    video_files.write(where / "deeper" / "b.mp4", [video[::-1]], rate=12.0)
    video_files.write(where / "short.mp4", [video[:3]], rate=12.0)
    (where / "empty.mp4").touch()
    (where / "text.mp4").write_text("this is not a film\n" * 50)
    return where


def run(vae, where, out, strict=False, **form):
    entries = manifest.of(where, progress=False)
    return folder.reconstruct_folder(vae, entries, out, Form(**form), strict)


def of_film(path):
    return np.concatenate(list(video_files.iterate(path, 4)))


def test_good_films_are_done_and_bad_ones_named_once(vae, films, tmp_path, capsys):
    report = run(vae, films, tmp_path / "out", frames=9, observe=5)
    assert [video["file"] for video in report["videos"]] == ["a.mp4", "deeper/b.mp4"]
    assert {each["file"]: each["reason"] for each in report["skipped"]} == {
        "empty.mp4": "empty file",
        "short.mp4": "3 frames: --observe 5 leaves none to predict",
        "text.mp4": "not a readable video",
    }
    told = capsys.readouterr().err
    assert all(told.count(f"skipped: {each['file']}") == 1 for each in report["skipped"])
    assert told.count("is padded to 9 frames of 32x32") == 1
    made = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*g*"))
    assert made == ["a.mp4/strip.png", "deeper/b.mp4/strip.png"]
    json.dumps(report, allow_nan=False)


def test_figures_are_those_of_the_decoded_film(vae, films, tmp_path):
    report = run(vae, films / "a.mp4", tmp_path / "out", frames=9, observe=5)
    (figures,) = report["videos"]
    video = of_film(films / "a.mp4")
    result = any_size.reconstruct(vae, video)
    predicted = any_size.predict(vae, video, observe=5)
    assert figures["psnr"] == pytest.approx(fidelity.psnr(video[None], result[None])[0])
    assert figures["ssim"] == pytest.approx(fidelity.ssim(video[None], result[None])[0])
    error = held_out.prediction_error(video[None, 5:], predicted[None, 5:])[0]
    assert figures["prediction_mse"] == pytest.approx(error)
    repeated = np.square(video[5:] / 127.5 - video[4] / 127.5).mean()
    assert figures["repeat_mse"] == pytest.approx(repeated)
    assert (figures["frames"], figures["height"], figures["width"]) == (9, 20, 24)
    assert figures["padded_to"] == (9, 32, 32) and figures["rate"] == 12.0
    assert report["mean"]["psnr"] == figures["psnr"]


def test_a_long_film_is_done_in_pieces_with_the_figures_of_the_whole(
    vae, films, tmp_path, monkeypatch
):
    monkeypatch.setattr(any_size, "PIECE", 1)
    (figures,) = run(vae, films / "a.mp4", tmp_path / "out")["videos"]
    video = of_film(films / "a.mp4")
    result = any_size.reconstruct(vae, video)
    assert figures["frames"] == 9 and "prediction_mse" not in figures
    assert figures["psnr"] == pytest.approx(fidelity.psnr(video[None], result[None])[0], abs=1e-3)
    assert figures["ssim"] == pytest.approx(fidelity.ssim(video[None], result[None])[0], abs=1e-3)
    assert len(of_film(tmp_path / "out" / "a.mp4" / "side_by_side.mp4")) == 9


def test_size_is_the_shorter_side_and_frames_the_first_ones(vae, films, tmp_path, monkeypatch):
    monkeypatch.setattr(any_size, "PIECE", 1)
    (figures,) = run(vae, films / "a.mp4", tmp_path / "out", frames=6, size=25)["videos"]
    assert (figures["frames"], figures["height"], figures["width"]) == (6, 25, 30)
    assert len(of_film(tmp_path / "out" / "a.mp4" / "side_by_side.mp4")) == 6


def test_strict_refuses_what_would_be_padded_and_names_the_nearest(vae, films, video, tmp_path):
    with pytest.raises(ValueError, match=r"--strict: a.mp4: .*height .* got 20: crop to 16 or pad"):
        run(vae, films / "a.mp4", tmp_path / "out", strict=True)
    video_files.write(films / "c.mp4", [video[:6, :16, :16]])
    with pytest.raises(ValueError, match=r"--strict: c.mp4: .* got 6: cut to 5 or pad to 9"):
        run(vae, films / "c.mp4", tmp_path / "out", strict=True)


def test_a_folder_without_a_usable_video_is_an_error(vae, films, tmp_path):
    only = [films / "empty.mp4", films / "text.mp4"]
    with pytest.raises(ValueError, match="none of 2 videos is usable; empty.mp4: empty file"):
        run(vae, only, tmp_path / "out")


def test_a_film_that_fails_half_way_leaves_nothing(vae, films, tmp_path, monkeypatch):
    def half(path, chunk):
        yield np.zeros((1, 20, 24, 3), np.uint8)
        raise video_files.ClipError(str(path), "broken after 1 frame")

    monkeypatch.setattr(video_files, "iterate", half)
    with pytest.raises(ValueError, match="none of 1 videos is usable; a.mp4: broken after 1 frame"):
        run(vae, films / "a.mp4", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"observe": 6, "frames": 9}, "got 6: use 5 or 9"),
        ({"observe": 9, "frames": 9}, "--observe 9 of 9 frames leaves none to predict"),
        ({"frames": 0}, "--frames is at least 1, got 0"),
        ({"size": -1}, "--size is at least 1, got -1"),
    ],
)
def test_numbers_that_no_video_fits_are_refused(form, message):
    with pytest.raises(ValueError, match=message):
        Form(**form).check(temporal=4)
