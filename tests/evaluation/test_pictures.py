import numpy as np
import pytest
from PIL import Image

from pv_vae_jax.data import video_files
from pv_vae_jax.evaluation import pictures


@pytest.fixture
def rows():
    """Frame f of row r is one colour: (60 r, 25 f, 200)."""
    rows = {}
    for r, label in enumerate(("original", "reconstruction", "prediction")):
        video = np.zeros((9, 16, 20, 3), np.uint8)
        video[..., 0], video[..., 2] = 60 * r, 200
        video[..., 1] = 25 * np.arange(9)[:, None, None]
        rows[label] = video
    return rows


def cells(image, columns):
    """The colours in the middle and on the edge of each cell of a strip of three rows."""
    width, height = 120, 96  # 16x20 enlarged six times
    left = image.shape[1] - columns * (width + 2)
    y = pictures.MARGIN + np.arange(3) * (height + 2)
    x = left + np.arange(columns) * (width + 2)
    middle = image[np.ix_(y + height // 2, x + width // 2)]
    return middle, image[np.ix_(y + 1, x + width // 2)]


def test_a_strip_has_a_row_for_each_video_and_a_column_for_each_frame(tmp_path, rows):
    pictures.strip(tmp_path / "strip.png", rows)
    middle, edge = cells(np.asarray(Image.open(tmp_path / "strip.png")), 9)
    np.testing.assert_array_equal(middle[..., 0], np.repeat([[0], [60], [120]], 9, axis=1))
    np.testing.assert_array_equal(middle[..., 1], np.tile(25 * np.arange(9), (3, 1)))
    np.testing.assert_array_equal(middle, edge)


def test_withheld_frames_alone_have_a_border(tmp_path, rows):
    pictures.strip(tmp_path / "strip.png", rows, {"prediction": 5})
    middle, edge = cells(np.asarray(Image.open(tmp_path / "strip.png")), 9)
    bordered = (edge == pictures.WITHHELD).all(axis=-1)
    np.testing.assert_array_equal(bordered, [[False] * 9] * 2 + [[False] * 5 + [True] * 4])
    assert (middle[..., 2] == 200).all()


def test_numbers_say_which_frames_the_columns_are(tmp_path, rows):
    some = {label: video[[0, 6]] for label, video in rows.items()}
    pictures.strip(tmp_path / "strip.png", some, {"prediction": 5}, numbers=[0, 6])
    middle, edge = cells(np.asarray(Image.open(tmp_path / "strip.png")), 2)
    assert middle[2, 1, 1] == 150
    assert (edge == pictures.WITHHELD).all(axis=-1).sum() == 1


def test_a_long_video_is_shown_by_its_first_last_and_evenly_chosen_frames():
    np.testing.assert_array_equal(pictures.evenly(5), np.arange(5))
    np.testing.assert_array_equal(pictures.evenly(161), np.arange(0, 161, 20))


def test_large_frames_are_shrunk_in_a_strip(tmp_path):
    pictures.strip(tmp_path / "strip.png", {"original": np.zeros((1, 512, 1024, 3), np.uint8)})
    height, width = np.asarray(Image.open(tmp_path / "strip.png")).shape[:2]
    assert height == pictures.MARGIN + 256 + 2 and 512 < width < 700


def test_a_film_shows_the_videos_side_by_side(tmp_path, rows):
    pictures.film(tmp_path / "film.mp4", rows, rate=8.0, withheld={"prediction": 5})
    (film,) = video_files.iterate(tmp_path / "film.mp4", 9)
    assert len(film) == 9 and video_files.rate_of(tmp_path / "film.mp4") == 8.0
    height, width = film.shape[1:3]
    y, x = pictures.MARGIN + 48, (width * (2 * np.arange(3) + 1)) // 6
    colours = film[:, y, x].astype(int)  # [T, 3, 3]
    expected = np.stack([video[:, 8, 8] for video in rows.values()], axis=1)
    assert height >= pictures.MARGIN + 96 and np.abs(colours - expected).max() <= 12  # H.264


@pytest.mark.parametrize("picture", [pictures.beside, lambda rows: pictures.strip("no.png", rows)])
def test_videos_of_several_shapes_are_refused(rows, picture):
    with pytest.raises(ValueError, match="videos of one shape"):
        picture(rows | {"prediction": rows["prediction"][:5]})
    with pytest.raises(ValueError, match="videos of one shape, got none"):
        picture({})
