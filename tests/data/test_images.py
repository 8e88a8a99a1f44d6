import logging
import pathlib
import shutil

import numpy as np
import PIL.Image
import pytest

from pv_vae_jax.data import images, manifest, sources, video_files
from pv_vae_jax.data.clips import Augment, ClipError, Draw
from pv_vae_jax.data.entry import Kind
from pv_vae_jax.data.pipeline import TrainingData
from pv_vae_jax.withholding import Withholding
from tests.data import films

ORIENTATION = 0x0112  # the EXIF tag


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path / "cache"))


def picture(seed=0, height=40, width=60):
    """Smooth, with a red left edge and a blue right one."""
    y, x = np.ogrid[:height, :width]
    waves = [np.sin((seed + 1) * x / 9 + y / 7 + phase) for phase in (0, 1, 2)]
    pixels = np.rint(127.5 + 80 * np.stack(waves, axis=-1)).astype(np.uint8)
    pixels[:, :4], pixels[:, -4:] = (220, 10, 10), (10, 10, 220)
    return pixels


def write(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels).save(path, **options)
    return path


def many(folder, count=40):
    for seed in range(count):
        write(folder / f"{seed}.png", picture(seed))
    return folder


def names(source):
    draws = (source.clip(j, Draw(), 1, 16, 16) for j in range(len(source)))
    return {pathlib.Path(clip.name).name for clip in draws}


def test_a_picture_of_the_right_size_is_its_own_clip(tmp_path):
    write(tmp_path / "a.png", picture())
    clip = images.ImageFiles(tmp_path).clip(0, Draw(), 1, 40, 60)
    assert clip.video.dtype == np.uint8 and clip.label == -1
    np.testing.assert_array_equal(clip.video[0], picture())


def test_every_colour_type_comes_out_as_rgb(tmp_path):
    rgb = picture()
    image = PIL.Image.fromarray(rgb)
    grey = np.asarray(image.convert("L"))
    image.convert("L").save(tmp_path / "grey.png")
    PIL.Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "sixteen.png")
    palette = image.quantize(200)
    palette.save(tmp_path / "palette.png")
    image.convert("CMYK").save(tmp_path / "cmyk.tif")
    PIL.Image.fromarray(grey >= 128).save(tmp_path / "bits.png")
    palette.save(tmp_path / "film.gif", save_all=True, append_images=[palette.rotate(180)])
    three = np.repeat(grey[..., None], 3, axis=-1)
    np.testing.assert_array_equal(images.read(tmp_path / "grey.png"), three)
    np.testing.assert_array_equal(images.read(tmp_path / "sixteen.png"), three)
    plain = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(images.read(tmp_path / "palette.png"), plain)
    np.testing.assert_array_equal(images.read(tmp_path / "film.gif"), plain)
    assert np.abs(images.read(tmp_path / "cmyk.tif").astype(int) - rgb).max() <= 1
    np.testing.assert_array_equal(images.read(tmp_path / "bits.png"), 255 * (three >= 128))
    assert not images.ImageFiles(tmp_path).refused


def test_transparent_parts_are_white(tmp_path):
    alpha = np.full((40, 60), 255, np.uint8)
    alpha[:20], alpha[20:30] = 0, 51
    write(tmp_path / "a.png", np.dstack([picture(), alpha]))
    found = images.read(tmp_path / "a.png")
    assert (found[:20] == 255).all()
    blend = 0.2 * picture()[20:30] + 0.8 * 255
    assert np.abs(found[20:30] - blend).max() <= 1
    np.testing.assert_array_equal(found[30:], picture()[30:])
    palette = PIL.Image.fromarray(picture()).quantize(8)
    palette.save(tmp_path / "b.png", transparency=int(np.asarray(palette)[0, 0]))
    assert (images.read(tmp_path / "b.png")[0, 0] == 255).all()


@pytest.mark.parametrize("tag", range(1, 9))
def test_pictures_are_upright_whatever_the_camera_says(tmp_path, tag):
    turned = {
        1: lambda x: x,
        2: lambda x: x[:, ::-1],
        3: lambda x: x[::-1, ::-1],
        4: lambda x: x[::-1],
        5: lambda x: x.swapaxes(0, 1),
        6: lambda x: np.rot90(x),
        7: lambda x: np.rot90(x, 2).swapaxes(0, 1),
        8: lambda x: np.rot90(x, -1),
    }
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = tag
    write(tmp_path / "a.png", np.ascontiguousarray(turned[tag](picture())), exif=exif)
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), picture())


def test_a_large_jpeg_is_decoded_smaller_and_is_the_same_picture(tmp_path):
    y, x = np.mgrid[:640, :960] / 100
    pixels = np.stack([127 + 90 * np.sin(a * x + b * y) for a, b in ((1, 0), (0, 1), (1, 1))], -1)
    path = write(tmp_path / "a.jpg", np.rint(pixels).astype(np.uint8), quality=95)
    assert images.read(path).shape == (640, 960, 3)
    assert images.read(path, 160).shape == (160, 240, 3)
    assert images.read(path, 161).shape == (320, 480, 3)
    draw = Draw(scale=0.6, top=0.2, left=0.9)
    clip = images.ImageFiles(path).clip(0, draw, 1, 64, 96).video[0]
    whole = draw.resized(images.read(path), 64, 96)
    assert np.abs(clip.astype(int) - whole).max() <= 4


def test_bad_files_are_named_once_with_the_reason(tmp_path, caplog):
    folder = tmp_path / "pictures"
    write(folder / "deeper" / "good.JPEG", picture(), format="JPEG")
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("no picture\n" * 30)
    whole = write(folder / "whole.png", picture()).read_bytes()
    (folder / "header.png").write_bytes(whole[:20])
    (folder / "truncated.png").write_bytes(whole[: len(whole) // 2])
    PIL.Image.fromarray(np.ones((9, 9), np.float32)).save(folder / "float.tif")
    bad = {
        "empty.png": "empty file",
        "text.jpg": "not a readable picture",
        "header.png": "truncated",
        "float.tif": "its pixels are of type F",
    }
    with caplog.at_level(logging.WARNING):
        source = images.ImageFiles(folder)
        images.ImageFiles(folder)
    assert {pathlib.Path(name).name for name in source.refused} == set(bad)
    for name, reason in source.refused.items():
        assert bad[pathlib.Path(name).name] in reason
        assert sum(name in record.getMessage() for record in caplog.records) == 1
    assert len(source) == 3
    # a file that breaks off behind its header is known when it is read: replaced and counted
    data = TrainingData([source], [(16, 16, 8)], 1, 4, Withholding(), 0, Augment())
    batches = data.batches(0, threads=0)
    assert next(batches).video.shape == (8, 1, 16, 16, 3)
    batches.close()
    ((name, (count, reason)),) = data.replaced.items()
    assert name.endswith("truncated.png") and count >= 1 and "truncated" in reason
    assert data.refused == source.refused


def test_headers_are_probed_once(tmp_path, monkeypatch):
    many(tmp_path / "pictures", 3)
    first = manifest.of(tmp_path / "pictures", kind=images.PICTURES)
    kind = Kind("picture", images.EXTENSIONS, lambda path: pytest.fail(path))
    assert manifest.of(tmp_path / "pictures", kind=kind) == first
    assert len({entry.digest for entry in first}) == 3


def test_spans_share_no_picture_whatever_the_files_are_called(tmp_path):
    folder = many(tmp_path / "pictures")
    for path in sorted(folder.iterdir()):
        shutil.copy(path, folder / f"copy of {path.name}")
    spans = ((0, 0.75), (0.75, 1))
    train, held = (names(images.ImageFiles(folder, span=span)) for span in spans)
    assert len(train) + len(held) == 80 and 2 <= len(held) <= 40 and not train & held
    for side in (train, held):
        plain = {name for name in side if not name.startswith("copy")}
        assert side == plain | {f"copy of {name}" for name in plain}
    folder.rename(tmp_path / "moved")
    assert names(images.ImageFiles(tmp_path / "moved", span=(0.75, 1))) == held


def test_a_folder_may_hold_videos_and_pictures(tmp_path):
    write(tmp_path / "a.png", picture())
    video_files.write(tmp_path / "b.mp4", [films.numbered(9)])
    assert len(images.ImageFiles(tmp_path)) == 1
    pictures, clips = images.ImageFiles(tmp_path), sources.VideoFiles(tmp_path)
    data = TrainingData([pictures, clips], [(16, 16, 4)], 1, 4, Withholding(), 0, Augment())
    found = {pathlib.Path(data.example(i, 16, 16)[0].name).suffix for i in range(4)}
    assert found == {".png", ".mp4"}


def test_a_list_and_a_sequence_name_pictures_too(tmp_path):
    path = write(tmp_path / "deep" / "a.png", picture())
    (tmp_path / "list.txt").write_text("# two\ndeep/a.png\n")
    with pytest.raises(FileNotFoundError, match="a.png: too short: 1 frame"):
        sources.VideoFiles(tmp_path / "list.txt").of_length(9)  # what it finds out stays its own
    for where in (tmp_path / "list.txt", [path], path):
        assert names(images.ImageFiles(where)) == {"a.png"}


def test_what_is_no_still_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no picture; extensions looked for: .bmp"):
        images.ImageFiles(tmp_path)
    (tmp_path / "a.png").touch()
    with pytest.raises(FileNotFoundError, match=r"(?s)none of 1 files .* usable:.*a.png: empty"):
        images.ImageFiles(tmp_path)
    path = write(tmp_path / "b.png", picture())
    with pytest.raises(ValueError, match="a still is a clip of 1 frame and cannot make 9"):
        TrainingData([images.ImageFiles(path)], [(16, 16, 4)], 9, 4, Withholding(), 0, None)
    with pytest.raises(FileNotFoundError, match="none of 1 pictures .* falls into the span"):
        images.ImageFiles(path, span=(0.0, 1e-9))
    with pytest.raises(ValueError, match="span is two fractions"):
        images.ImageFiles(path, span=(0.5, 0.5))
    source = images.ImageFiles(path)
    path.unlink()
    with pytest.raises(ClipError, match="b.png: no such file"):
        source.clip(0, Draw(), 1, 16, 16)


def test_other_pictures_are_other_data(tmp_path):
    one, two = (images.ImageFiles(many(tmp_path / name, 3)) for name in ("one", "two"))
    assert one.sha256 == two.sha256  # the same content
    write(tmp_path / "two" / "1.png", picture(9))
    assert images.ImageFiles(tmp_path / "two").sha256 != one.sha256
