import dataclasses
import fractions
import io
import json

import av
import numpy as np
import pytest

from pv_vae_jax.data import codecs, manifest, video_files
from pv_vae_jax.evaluation import any_size, folder, held_out
from pv_vae_jax.evaluation.reconstruction import Form
from pv_vae_jax.metrics import fidelity
from pv_vae_jax.models.video_vae import VideoVAE


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


def test_a_film_that_is_too_long_for_the_model_is_named_and_the_others_are_done(
    vae, films, tmp_path
):
    spec = dataclasses.replace(vae.spec, max_groups=2)
    short = VideoVAE(vae.module.clone(spec=spec), vae.params, vae.mean, vae.std, vae.config)
    report = run(short, films, tmp_path / "out")
    reasons = {each["file"]: each["reason"] for each in report["skipped"]}
    assert "sees all of a clip at once" in reasons["a.mp4"]
    assert [video["file"] for video in report["videos"]] == ["short.mp4"]


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
    assert figures["way"] == "whole"
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
    assert figures["way"] == "exact"
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


def test_frames_that_change_size_within_a_film_are_told(vae, films, video, tmp_path):
    """Two H.264 streams of one codec, one after the other: both have their own size."""
    parts = [codecs.h264(np.ascontiguousarray(video[:5, :h, :h]), 12, 12, 5)[0] for h in (16, 20)]
    (films / "changes.ts").write_bytes(transport_stream(b"".join(parts)))
    with pytest.raises(ValueError, match="frame 5 is 20x20, but the film began with 16x16: cut it"):
        run(vae, films / "changes.ts", tmp_path / "out")


def transport_stream(annex_b):
    source, target = io.BytesIO(annex_b), io.BytesIO()
    with av.open(source, format="h264") as raw, av.open(target, "w", format="mpegts") as film:
        stream = film.add_stream_from_template(raw.streams.video[0])
        for number, packet in enumerate(raw.demux(video=0)):
            if packet.size:
                packet.stream, packet.pts, packet.dts = stream, number * 3600, number * 3600
                packet.time_base = fractions.Fraction(1, 90000)
                film.mux(packet)
    return target.getvalue()


@pytest.mark.parametrize(
    "promised, sentence",
    [(8, "more frames than its 8 time stamps"), (12, "9 frames can be decoded of 12 time stamps")],
)
def test_no_frame_is_dropped_or_made_up_unsaid(vae, films, tmp_path, promised, sentence):
    entry = dataclasses.replace(manifest.of(films / "a.mp4", progress=False)[0], frames=promised)
    with pytest.raises(ValueError, match=sentence):
        folder.reconstruct_folder(vae, [entry], tmp_path / "out", Form())
    assert list((tmp_path / "out").iterdir()) == []


def test_a_model_that_takes_whole_clips_alone_says_what_is_possible(vae, video):
    spec = dataclasses.replace(vae.spec, streaming="none", encoder_causal=False)
    assert list(folder.notes(spec, (17, 32, 32))) == []
    found = folder.notes(spec, (18, 32, 32))
    assert "padded to 21 frames" in found["padding"]
    assert "tiles of 17 frames, blended" in found["way"] and "--frames 17" in found["way"]
    assert list(folder.notes(spec, (18, 32, 32), observe=5)) == ["padding"]


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
