import pytest

from pv_vae_jax.data import video_files
from pv_vae_jax.evaluation import datasets
from tests.data import films

ROWS = """\
label,youtube_id,time_start,time_end,split
riding a bike,-a_b-c_d-e0,7,17,{split}
"juggling balls, or more",AAAAAAAAAAA,0,10,{split}
abseiling,BBBBBBBBBBB,123,133,{split}
riding a bike,CCCCCCCCCCC,5,15,{split}
riding a bike,-a_b-c_d-e0,7,17,{split}
"""
KEYS = [
    "-a_b-c_d-e0_000007_000017",
    "AAAAAAAAAAA_000000_000010",
    "BBBBBBBBBBB_000123_000133",
    "CCCCCCCCCCC_000005_000015",
]
LABELS = [2, 1, 0, 2]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def touch(path):
    write(path, "")
    return str(path)


def cvdf(folder):
    """k400/annotations/val.csv, k400/val/ID_000010_000020.mp4; one is missing."""
    write(folder / "k400/annotations/val.csv", ROWS.format(split="val"))
    return [touch(folder / "k400/val" / f"{key}.mp4") for key in KEYS[:3]]


def by_class(folder):
    """validate.csv of DeepMind with is_cc, val/CLASS NAME/ID_start_end; one is missing."""
    lines = ROWS.format(split="validate").splitlines()
    text = "\n".join([lines[0] + ",is_cc", *(line + ",0" for line in lines[1:])])
    write(folder / "validate.csv", text)
    return [
        touch(folder / "val/riding a bike/-a_b-c_d-e0_7_17.mkv"),
        touch(folder / "val/juggling balls, or more/AAAAAAAAAAA_000000_000010.webm"),
        touch(folder / "val/abseiling/BBBBBBBBBBB_000123_000133.mp4"),
    ]


@pytest.mark.parametrize("layout", [cvdf, by_class])
@pytest.mark.parametrize("split", ["val", "validate"])
def test_keys_and_labels_are_the_same_in_every_layout(tmp_path, layout, split):
    paths = layout(tmp_path / layout.__name__)
    items = datasets.items("kinetics400", split, tmp_path / layout.__name__)
    assert [item.key for item in items] == KEYS
    assert [item.label for item in items] == LABELS
    assert [item.source for item in items] == [key[:11] for key in KEYS]
    assert [item.path for item in items] == [*paths, ""]
    assert {(item.start, item.end) for item in items} == {(0.0, None)}


def test_a_missing_video_is_an_item_that_says_what_was_looked_for(tmp_path):
    cvdf(tmp_path)
    *there, missing = datasets.items("kinetics400", "val", tmp_path)
    assert not any(item.reason for item in there)
    assert missing.reason.startswith("no CCCCCCCCCCC_000005_000015.mp4 (or .mkv,")
    with pytest.raises(video_files.ClipError, match="CCCCCCCCCCC_000005_000015: no CCC"):
        datasets.clip(missing, 17, 1, 32, 32)


def test_times_that_differ_are_another_video(tmp_path):
    cvdf(tmp_path)
    touch(tmp_path / "k400/val/CCCCCCCCCCC_000005_000016.mp4")
    touch(tmp_path / "k400/val/CCCCCCCCCCC.mp4")
    assert datasets.items("kinetics400", "val", tmp_path)[-1].path == ""


@pytest.mark.parametrize("other", ["all", "val"])
def test_a_replacement_goes_before_the_damaged_file(tmp_path, other):
    cvdf(tmp_path)
    touch(tmp_path / "k400" / other / f"{KEYS[1]}.mp4")
    where = tmp_path / "k400/replacement/replacement_for_corrupted_k400" / f"{KEYS[1]}.mp4"
    better = touch(where)
    assert datasets.items("kinetics400", "val", tmp_path)[1].path == better


def test_the_clip_is_the_first_frames_of_the_cut(tmp_path):
    write(tmp_path / "train.csv", ROWS.format(split="train"))
    video_files.write(tmp_path / "train" / f"{KEYS[1]}.mp4", [films.numbered(30)])
    items = datasets.items("kinetics400", "train", tmp_path)
    assert [bool(item.path) for item in items] == [False, True, False, False]
    clip = datasets.clip(items[1], 9, 3, 48, 64)
    assert list(films.numbers(clip)) == list(range(0, 27, 3))


def test_a_list_without_labels_gives_none(tmp_path):
    write(tmp_path / "test.csv", "youtube_id,time_start,time_end,split\nAAAAAAAAAAA,1,11,test\n")
    (item,) = datasets.items("kinetics400", "test", tmp_path)
    assert (item.key, item.label) == ("AAAAAAAAAAA_000001_000011", -1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,id,time_start\na,b,1\n", "line 1: the header is .* lacks youtube_id, time_end"),
        ("youtube_id,time_start,time_end\nA,1,ten\n", "line 2: time_start .* are .*not seconds"),
        ("youtube_id,time_start,time_end\nA,1\n", "line 2: time_start and time_end are .*'1', ''"),
        ("youtube_id,time_start,time_end\nA,9,3\n", "line 2: 'A' from 9 to 3 s is no cut"),
        ("youtube_id,time_start,time_end,split\nA,1,2,train\n", "the split is train, in a list of"),
        ("youtube_id,time_start,time_end\n", "names no video"),
    ],
)
def test_a_list_that_cannot_be_read_is_named_with_its_line(tmp_path, text, message):
    write(tmp_path / "val.csv", text)
    with pytest.raises(ValueError, match=message):
        datasets.items("kinetics400", "val", tmp_path)


def test_two_lists_that_do_not_agree_are_refused_and_copies_are_not(tmp_path):
    cvdf(tmp_path)
    write(tmp_path / "kinetics400/validate.csv", ROWS.format(split="validate"))
    assert len(datasets.items("kinetics400", "val", tmp_path)) == 4
    write(tmp_path / "k600/val.csv", "youtube_id,time_start,time_end\nA,1,11\n")
    with pytest.raises(ValueError, match="two lists of val do not agree: .* has 4 .* has 1;"):
        datasets.items("kinetics400", "val", tmp_path)


def test_without_a_folder_or_a_list_the_message_says_what_to_get(tmp_path):
    with pytest.raises(ValueError, match="kinetics400 needs the folder .*ID_000010_000020.mp4"):
        datasets.items("kinetics400", "val", None)
    with pytest.raises(FileNotFoundError, match="no folder .*nowhere.*cvdfoundation"):
        datasets.items("kinetics400", "val", tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="looked for val.csv, validate.csv, validation.csv"):
        datasets.items("kinetics400", "val", tmp_path)
