"""A film to latents on disk and back, by the doors."""

import dataclasses
import json

import numpy as np
import pytest

from launch import decode, encode, reconstruct
from pv_vae_jax.checkpoint import export
from pv_vae_jax.data import latent_films, manifest, video_files
from pv_vae_jax.evaluation import any_size, films
from pv_vae_jax.evaluation.reconstruction import Form
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.zoo import registry
from tests import tiny

FRAMES, HEIGHT, WIDTH = 30, 36, 60


@pytest.fixture(scope="module")
def vae():
    return registry.create("pv_vae_tiny", seed=3, **tiny.SHALLOW)


@pytest.fixture(scope="module")
def files(tmp_path_factory, vae):
    where = tmp_path_factory.mktemp("films")
    t, y, x = np.ogrid[:FRAMES, :HEIGHT, :WIDTH]
    waves = [np.sin(0.2 * x + 0.1 * y * k + 0.3 * t) for k in (0, 1, 2)]
    video_files.write(where / "a.mp4", [np.uint8(127 + 90 * np.stack(waves, axis=-1))], 12.0)
    export.save(where / "model.npz", vae)
    return where


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def written(monkeypatch):
    """The pixels of the last film that was written, before the codec."""
    last, write = {}, video_files.write

    def noted(path, chunks, rate=25.0):
        last.update(video=np.concatenate(list(chunks)), rate=rate)
        write(path, [last["video"]], rate)

    monkeypatch.setattr(video_files, "write", noted)
    return last


def run(door, files, source, to, *more):
    arguments = ["--model", files / "model.npz", "--input", source, "--out", to, *more]
    door.main([str(each) for each in arguments])


def of_film(path):
    return np.concatenate(list(video_files.iterate(path, 8)))


def test_a_film_goes_to_disk_and_comes_back_as_it_is_reconstructed(
    vae, files, tmp_path, capsys, written
):
    run(encode, files, files / "a.mp4", tmp_path / "a.npz")
    told = capsys.readouterr()
    assert "latents [9, 3, 4, 4] of 30 frames of 36x60" in told.out
    assert "padded to 33 frames of 48x64 by repetition" in told.err
    video = of_film(files / "a.mp4")
    stored = np.load(tmp_path / "a.npz")["latents"]
    wanted = np.concatenate([np.asarray(z)[0] for z in any_size.encode(vae, iter(video), FRAMES)])
    np.testing.assert_array_equal(stored, wanted)

    run(decode, files, tmp_path / "a.npz", tmp_path / "again.mp4")
    pieces = any_size.stream(vae, iter(video), FRAMES)
    np.testing.assert_array_equal(written["video"], np.concatenate([made for _, made in pieces]))
    assert written["rate"] == 12.0
    assert of_film(tmp_path / "again.mp4").shape == (FRAMES, HEIGHT, WIDTH, 3)


def test_the_file_says_what_it_is_of_without_a_place_of_this_machine(files, tmp_path):
    run(encode, files, files / "a.mp4", tmp_path / "a.npz", "--frames", 6, "--size", 18)
    with latent_films.opened(tmp_path / "a.npz") as latents:
        film = latents.about["film"]
        assert film == {"file": "a.mp4", "frames": 6, "height": 18, "width": 30, "rate": 12.0}
        assert latents.about["padded_to"] == [9, 32, 32] and latents.about["way"] == "exact"
        assert latents.about["model"]["name"] == "pv_vae_tiny"


def test_another_encoder_is_refused_by_name_and_another_decoder_is_not(files, tmp_path, vae):
    run(encode, files, files / "a.mp4", tmp_path / "a.npz", "--frames", 5)
    other = registry.create("pv_vae_tiny", seed=4, **tiny.SHALLOW)
    export.save(tmp_path / "model.npz", other)
    with pytest.raises(ValueError, match="the latents of .*a.npz were made by other weights of"):
        run(decode, tmp_path, tmp_path / "a.npz", tmp_path / "no.mp4")
    assert not (tmp_path / "no.mp4").exists()
    other.params = other.params | {"encoder": vae.params["encoder"]}
    export.save(tmp_path / "model.npz", other)
    run(decode, tmp_path, tmp_path / "a.npz", tmp_path / "yes.mp4")
    assert len(of_film(tmp_path / "yes.mp4")) == 5


def test_a_damaged_file_gives_a_sentence_and_no_film(files, tmp_path):
    run(encode, files, files / "a.mp4", tmp_path / "a.npz", "--frames", 25)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match="not a whole file of latents"):
        run(decode, files, tmp_path / "a.npz", tmp_path / "no.mp4")
    assert not (tmp_path / "no.mp4").exists()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["none", "reference_chunks"])
def test_models_without_a_free_stream_go_to_disk_too(form, tmp_path, vae, written):
    """What the decoder gets from the file is what it gets from the encoder."""
    streaming = {"streaming": form, "encoder_causal": False}
    if form == "reference_chunks":
        streaming |= {"reference_chunk": 2, "decoder_lookahead": 2}
    module = vae.module.clone(spec=dataclasses.replace(vae.spec, **streaming))
    model = VideoVAE(module, vae.params, vae.mean, vae.std, vae.config)
    video = np.random.default_rng(0).integers(0, 256, (22, 16, 16, 3), np.uint8)
    video_files.write(tmp_path / "a.mp4", [video])
    (entry,) = manifest.of(tmp_path / "a.mp4")
    films.encode(model, entry, tmp_path / "a.npz", Form(), {}, lambda frames: None)
    done = []
    with latent_films.opened(tmp_path / "a.npz") as latents:
        films.decode(model, latents, tmp_path / "again.mp4", done.append)
    assert sum(done) == 22
    pieces = any_size.stream(model, iter(of_film(tmp_path / "a.mp4")), 22)
    np.testing.assert_array_equal(written["video"], np.concatenate([made for _, made in pieces]))


def test_large_frames_are_tiled_by_a_flag_and_the_report_says_so(files, tmp_path):
    tiles = ["--frames", 5, "--tile", "48x48"]
    run(encode, files, files / "a.mp4", tmp_path / "tiled.npz", *tiles)
    run(encode, files, files / "a.mp4", tmp_path / "whole.npz", "--frames", 5)
    one, other = (np.load(tmp_path / f"{name}.npz")["latents"] for name in ("tiled", "whole"))
    assert np.abs(one - other).max() < 1e-5 * np.abs(other).max()
    run(encode, files, files / "a.mp4", tmp_path / "blended.npz", *tiles, "--blend")
    assert np.abs(np.load(tmp_path / "blended.npz")["latents"] - other).max() > 1e-3
    told = [latent_films.opened(tmp_path / f"{name}.npz") for name in ("tiled", "blended", "whole")]
    for latents, blended in zip(told, (False, True, None), strict=True):
        with latents as known:
            assert known.about.get("tiles", {}).get("blended") == blended
    run(decode, files, tmp_path / "tiled.npz", tmp_path / "a.mp4", "--tile", "48x48", "--blend")
    run(reconstruct, files, files / "a.mp4", tmp_path / "out", *tiles)
    report = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert report["protocol"]["tiles"] == {
        "rows": 48, "columns": 48, "overlap": None, "blended": False
    }  # fmt: skip


@pytest.mark.parametrize(
    "flags, sentence",
    [
        (["--tile", "48"], "--tile is ROWSxCOLUMNS in pixels, such as 256x256; got '48'"),
        (["--blend"], "--overlap and --blend are of tiles: say --tile"),
        (["--tile", "64x64", "--overlap", "16"], "Use an overlap of 32 or more, or blend"),
        (["--frames", "0"], "--frames is at least 1, got 0"),
    ],
)
def test_flags_that_do_not_fit_are_refused_with_a_sentence(files, tmp_path, flags, sentence):
    with pytest.raises(ValueError, match=sentence):
        run(encode, files, files / "a.mp4", tmp_path / "a.npz", *flags)


def test_what_is_no_film_or_no_latents_is_told(files, tmp_path):
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(ValueError, match="empty.mp4 cannot be used: empty file"):
        run(encode, files, tmp_path / "empty.mp4", tmp_path / "a.npz")
    with pytest.raises(ValueError, match="empty.mp4 cannot be used: empty file"):
        run(encode, files, tmp_path / "empty.mp4", tmp_path / "a.npz", "--size", "64")
    with pytest.raises(ValueError, match="latents are a .npz file, got .*a.mp4"):
        run(encode, files, files / "a.mp4", tmp_path / "a.mp4")
    with pytest.raises(ValueError, match="a.npz is a film: let its name end in .mp4"):
        run(decode, files, files / "a.npz", files / "a.npz")
    with pytest.raises(ValueError, match="model.npz is no file of latents of a film"):
        run(decode, files, files / "model.npz", tmp_path / "a.mp4")
