import shutil

import numpy as np
import pytest

from pv_vae_jax.data import video_files
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.evaluation import datasets
from tests.data import films

CLASSES = "1 ApplyEyeMakeup\r\n37 HandstandPushups\r\n101 YoYo\r\n"
TRAIN = """\
YoYo/v_YoYo_g08_c01.avi 101
ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1
ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c02.avi 1
"""
TEST = """\
ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi
HandstandPushups/v_HandStandPushups_g01_c01.avi
"""
ABSENT = "YoYo/v_YoYo_g08_c01.avi"


def archive(folder, lists="ucfTrainTestlist"):
    """The official layout, with one film missing and one in the other spelling."""
    where = folder / lists
    where.mkdir(parents=True)
    (where / "classInd.txt").write_text(CLASSES)
    (where / "trainlist01.txt").write_text(TRAIN.replace("\n", "\r\n"))
    (where / "testlist01.txt").write_text(TEST)
    for row in (TRAIN + TEST).splitlines():
        name = row.split()[0].replace("v_HandStand", "v_Handstand")
        path = folder / "UCF-101" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name != ABSENT:
            path.touch()
    return folder


@pytest.mark.parametrize("lists", ["ucfTrainTestlist", "deeper/splits"])
def test_items_are_those_of_the_official_lists(tmp_path, lists):
    folder = archive(tmp_path / "a", lists)
    train = datasets.items("ucf101", "train01", folder)
    assert [(item.key, item.label, item.source) for item in train] == [
        ("v_ApplyEyeMakeup_g08_c01", 0, "ApplyEyeMakeup_g08"),
        ("v_ApplyEyeMakeup_g08_c02", 0, "ApplyEyeMakeup_g08"),
        ("v_YoYo_g08_c01", 100, "YoYo_g08"),
    ]
    test = datasets.items("ucf101", "test01", folder)
    assert [(item.key, item.label) for item in test] == [
        ("v_ApplyEyeMakeup_g01_c01", 0),
        ("v_HandStandPushups_g01_c01", 36),
    ]
    every = datasets.items("ucf101", "all", folder)
    assert every == sorted(train + test, key=lambda item: item.key)


def test_a_missing_film_is_an_item_with_a_reason(tmp_path):
    items = datasets.items("ucf101", "all", archive(tmp_path))
    missing = [item for item in items if not item.path]
    assert [item.key for item in missing] == ["v_YoYo_g08_c01"]
    assert missing[0].reason.startswith("no v_YoYo_g08_c01.mp4 (or")
    assert items[-2].path.endswith("v_HandstandPushups_g01_c01.avi")


def test_the_clip_of_an_avi_is_its_first_frames(tmp_path):
    archive(tmp_path)
    path = tmp_path / "UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi"
    films.encode(path, films.numbered(30), "mpeg4", g="12", bf="2")
    item = datasets.items("ucf101", "test01", tmp_path)[0]
    assert list(films.numbers(datasets.clip(item, 17, 1, 48, 64))) == list(range(17))
    with pytest.raises(ClipError, match="too short: 30 frames where 33 .17 of stride 2. are"):
        datasets.clip(item, 17, 2, 48, 64)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("classInd.txt", "ApplyEyeMakeup\n", 'line 1: .* is not like "1 ApplyEyeMakeup"'),
        (
            "testlist01.txt",
            TEST + "Surfing/v_Surfing_g01_c01.avi\n",
            "line 3: .* of the 3 in class",
        ),
        ("testlist01.txt", "v_YoYo_g01_c01.avi\n", "line 1: 'v_YoYo_g01_c01.avi' is not like"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path, file, text, message):
    (archive(tmp_path) / "ucfTrainTestlist" / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        datasets.items("ucf101", "test01", tmp_path)


def test_without_lists_the_message_names_them(tmp_path):
    with pytest.raises(ValueError, match='ucf101 needs the folder .*page "UCF101"'):
        datasets.items("ucf101", "all", "")
    message = "lacks classInd.txt, trainlist02.txt. UCF101 is a folder"
    with pytest.raises(FileNotFoundError, match=message):
        datasets.items("ucf101", "train02", tmp_path)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A set of TFDS in the place of ucf101/ucf101_1: 6 train examples of 20 + n frames, 2 test."""
    import tensorflow_datasets as tfds

    from tests.data.tfds_sets.numbered import Numbered

    folder = tmp_path_factory.mktemp("tfds")
    tfds.disable_progress_bar()
    builder = Numbered(config="frames", data_dir=folder / "made", file_format="array_record")
    builder.download_and_prepare()
    made = folder / "made/numbered/frames/1.0.0"
    shutil.copytree(made, folder / "sets/ucf101/ucf101_1/2.0.0")
    return folder / "sets"


def test_what_tfds_has_prepared_does_as_well(prepared):
    items = datasets.items("ucf101", "test01", str(prepared))
    assert [item.key for item in items] == ["tfds_test_000000", "tfds_test_000001"]
    lengths = set()
    for item in items:
        clip = datasets.clip(item, 10, 2, 48, 64)
        assert clip.dtype == np.uint8 and list(films.numbers(clip)) == list(range(0, 20, 2))
        with pytest.raises(ClipError, match=f"{item.key}: too short: 2[67] frames where 99") as end:
            datasets.clip(item, 99, 1, 48, 64)
        lengths.add(end.value.reason[11:13])
    assert lengths == {"26", "27"}
    assert len(datasets.items("ucf101", "all", prepared)) == 8
    with pytest.raises(FileNotFoundError, match="lacks classInd.txt, trainlist02.txt"):
        datasets.items("ucf101", "train02", prepared)


def test_films_go_before_what_tfds_has_prepared(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "all")
    archive(tmp_path / "all" / "films")
    items = datasets.items("ucf101", "test01", tmp_path / "all")
    assert items[0].key == "v_ApplyEyeMakeup_g01_c01"


def test_a_damaged_film_is_named_by_its_key(tmp_path):
    path = archive(tmp_path) / "UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi"
    item = datasets.items("ucf101", "test01", tmp_path)[0]
    with pytest.raises(ClipError, match="v_ApplyEyeMakeup_g01_c01: empty file"):
        datasets.clip(item, 9, 1, 32, 32)
    path.write_text("this is not a film\n" * 50)
    with pytest.raises(ClipError, match="v_ApplyEyeMakeup_g01_c01: not a readable video"):
        datasets.clip(item, 9, 1, 32, 32)
    video_files.write(path.with_suffix(".mp4"), [films.numbered(9)])
    again = datasets.items("ucf101", "test01", tmp_path)[0]
    assert again.path == str(path)  # an .avi goes before copies of it
