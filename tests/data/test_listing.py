import json

import numpy as np
import pytest

from pv_vae_jax.data import images, listing, sources, video_files, video_probe
from pv_vae_jax.data.clips import Draw
from pv_vae_jax.data.entry import Kind
from pv_vae_jax.data.prepare import items
from tests.data import films


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path / "cache"))


def listed(path, **options):
    return listing.of(path, Kind("video", {".mp4"}, video_probe.probe), **options)


def rows(found):
    return [(item.path.rsplit("/", 1)[-1], item.label, item.caption) for item in found.items]


TABLE = 'label,path,caption\nswim,a.mp4,"a swimmer, from above"\nbike,deep/b.mp4,\nswim,/c.mp4,x\n'


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_a_list_of_any_form_gives_paths_labels_and_captions(tmp_path, suffix):
    path = tmp_path / f"list{suffix}"
    if suffix == ".jsonl":
        records = [
            {"path": "a.mp4", "label": "swim", "caption": "a swimmer, from above"},
            {"path": "deep/b.mp4", "label": "bike", "caption": None},
            {"path": "/c.mp4", "label": "swim", "caption": "x"},
        ]
        path.write_text("\n".join(map(json.dumps, records)) + "\n\n")
    elif suffix == ".tsv":
        path.write_text(
            "label\tpath\tcaption\nswim\ta.mp4\ta swimmer, from above\n"
            "bike\tdeep/b.mp4\t\nswim\t/c.mp4\tx\n"
        )
    else:
        path.write_text(TABLE)
    found = listed(path)
    assert found.classes == ("bike", "swim")
    assert rows(found) == [
        ("a.mp4", 1, "a swimmer, from above"),
        ("b.mp4", 0, ""),
        ("c.mp4", 1, "x"),
    ]
    assert [item.path for item in found.items] == [
        f"{tmp_path}/a.mp4", f"{tmp_path}/deep/b.mp4", "/c.mp4",
    ]  # fmt: skip


def test_labels_that_are_numbers_stay_as_they_are_and_an_empty_one_is_none(tmp_path):
    (tmp_path / "list.csv").write_text("path,label\na.mp4,7\nb.mp4,\nc.mp4,0\n")
    found = listed(tmp_path / "list.csv")
    assert [item.label for item in found.items] == [7, -1, 0] and found.classes == ()
    (tmp_path / "list.jsonl").write_text('{"path": "a.mp4", "label": 3}\n{"path": "b.mp4"}\n')
    assert [item.label for item in listed(tmp_path / "list.jsonl").items] == [3, -1]


BAD = {
    "no header": ("a.csv", "a.mp4,1\n", r"a.csv, line 1: the header is .*needs a column path"),
    "a comma": ("a.csv", "path,caption\na.mp4,one, two\n", "line 2: 3 cells where the header has"),
    "no path": ("a.csv", "path,label\n,1\n", "line 2 has no path: name a file"),
    "mixed": ("a.csv", "path,label\na.mp4,1\nb.mp4,swim\n", "line 2: the label 1 is a number, but"),
    "negative": ("a.csv", "path,label\na.mp4,-2\n", "line 2: the label -2 is not a number from 0"),
    "no JSON": ("a.jsonl", '{"path": "a.mp4"}\n{path}\n', "a.jsonl, line 2 is not JSON"),
    "no object": ("a.jsonl", '["a.mp4"]\n', 'line 1 is no object; write {"path"'),
    "a type": ("a.jsonl", '{"path": "a.mp4", "label": 1.5}\n', "line 1: label is 1.5; it is a"),
    "empty": ("a.csv", "path,label\n", "the list .*a.csv names no file"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_bad_row_is_named_by_its_line(tmp_path, what):
    name, text, sentence = BAD[what]
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=sentence):
        listed(tmp_path / name)


def test_columns_that_are_not_used_are_named(tmp_path, caplog):
    (tmp_path / "list.csv").write_text("path,fps,site\na.mp4,25,x\n")
    assert rows(listed(tmp_path / "list.csv")) == [("a.mp4", -1, "")]
    assert "the columns fps, site are not used" in caplog.text


def class_folders(tmp_path):
    for n, name in enumerate(("walk/a.mp4", "walk/b.mp4", "42/c.mp4", "archery/d.mp4")):
        video_files.write(tmp_path / "set" / name, [films.numbered(9 + n)])
    return tmp_path / "set"


def test_class_folders_give_labels_on_request_in_sorted_order(tmp_path):
    folder = class_folders(tmp_path)
    plain = listed(folder)
    assert {item.label for item in plain.items} == {-1} and plain.classes == ()
    found = listed(folder, labels="folder")
    assert found.classes == ("42", "archery", "walk")
    assert rows(found) == [("c.mp4", 0, ""), ("d.mp4", 1, ""), ("a.mp4", 2, ""), ("b.mp4", 2, "")]
    (tmp_path / "train.txt").write_text("set/walk/a.mp4\nset/archery/d.mp4\n")
    assert listed(tmp_path / "train.txt", labels="folder").classes == ("archery", "walk")
    video_files.write(folder / "e.mp4", [films.numbered(9)])
    with pytest.raises(ValueError, match="e.mp4 lies directly in .*in a folder that has the name"):
        listed(folder, labels="folder")
    with pytest.raises(ValueError, match="labels is \"\" .* got 'name'"):
        listed(folder, labels="name")


def test_each_file_is_a_class_on_request_named_below_the_folder_in_common(tmp_path):
    folder = class_folders(tmp_path)
    found = listed(folder, labels="file")
    assert found.classes == ("42/c.mp4", "archery/d.mp4", "walk/a.mp4", "walk/b.mp4")
    assert [item.label for item in found.items] == [0, 1, 2, 3]
    (tmp_path / "list.txt").write_text("set/walk/b.mp4\nset/walk/a.mp4\nset/walk/b.mp4\n")
    again = listed(tmp_path / "list.txt", labels="file")
    assert again.classes == ("a.mp4", "b.mp4") and [i.label for i in again.items] == [1, 0, 1]
    assert listed(folder / "walk" / "a.mp4", labels="file").classes == ("a.mp4",)


def test_a_clip_carries_the_label_and_the_caption_of_its_file(tmp_path):
    for n, name in enumerate("abc"):
        video_files.write(tmp_path / f"{name}.mp4", [films.numbered(5 + 20 * n)])
    (tmp_path / "list.csv").write_text(
        "path,label,caption\nc.mp4,walk,last\na.mp4,run,short\nb.mp4,walk,middle\n"
    )
    source = sources.VideoFiles(tmp_path / "list.csv")
    assert source.classes == source.of_length(9).classes == ("run", "walk")
    clips = [source.of_length(9).clip(j, Draw(), 9, 16, 16) for j in range(3)]
    assert [(c.name[-5:], c.label, c.caption) for c in clips] == [
        ("c.mp4", 1, "last"), ("c.mp4", 1, "last"), ("b.mp4", 1, "middle"),
    ]  # fmt: skip


def test_a_picture_carries_the_label_of_its_folder(tmp_path):
    import PIL.Image

    for n, name in enumerate(("cat/a.png", "dog/b.png", "cat/c.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        PIL.Image.fromarray(np.full((8, 8, 3), n, np.uint8)).save(tmp_path / name)
    source = images.ImageFiles(tmp_path, labels="folder")
    clips = [source.clip(j, Draw(), 1, 8, 8) for j in range(len(source))]
    assert sorted((clip.name[-5:], clip.label) for clip in clips) == [
        ("a.png", 0), ("b.png", 1), ("c.png", 0),
    ]  # fmt: skip


def test_a_caption_may_hold_any_character_that_json_allows(tmp_path):
    (tmp_path / "a.mp4").touch()
    text = "one\u2028two\u0085three"
    row = json.dumps({"path": "a.mp4", "caption": text}, ensure_ascii=False)
    (tmp_path / "list.jsonl").write_text(row + "\r\n", newline="")
    assert rows(listed(tmp_path / "list.jsonl")) == [("a.mp4", -1, text)]


@pytest.mark.parametrize("suffix", [".csv", ".TSV"])
def test_a_quote_that_is_not_closed_swallows_no_rows(tmp_path, suffix):
    separator = "," if suffix == ".csv" else "\t"
    lines = ["path,caption", 'a.mp4,"a 5', "b.mp4,three", "c.mp4,four"]
    path = tmp_path / f"list{suffix}"
    path.write_text("\n".join(line.replace(",", separator) for line in lines) + "\n")
    with pytest.raises(ValueError, match="up to line 4: a quote is not closed"):
        listed(path)
    path.write_text(path.read_text().replace("three", "t" * 200_000))
    with pytest.raises(ValueError, match=f"{path.name}, up to line"):  # more than csv takes
        listed(path)


def test_a_label_of_other_signs_is_a_name(tmp_path):
    (tmp_path / "list.csv").write_text("path,label\na.mp4,--5\nb.mp4,\n")
    assert listed(tmp_path / "list.csv").classes == ("--5",)


def test_files_of_a_list_may_belong_together(tmp_path):
    (tmp_path / "list.csv").write_text("path,group\na.mp4,film 1\nb.mp4,film 1\nc.mp4,\n")
    (tmp_path / "list.jsonl").write_text('{"path": "a.mp4", "group": 7}\n')
    assert [item.group for item in listed(tmp_path / "list.csv").items] == ["film 1", "film 1", ""]
    assert [item.group for item in listed(tmp_path / "list.jsonl").items] == ["7"]
    assert [item.key for item in items.of(tmp_path / "list.csv")[0]] == ["film 1", "film 1", ""]
