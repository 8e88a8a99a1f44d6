import json
import math

import pytest

from pv_vae_jax.core import json_files, storage


@pytest.mark.parametrize("text", ["", '{"a": 1', "\x00\x01"])
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match="a.json is damaged"):
        json_files.read(tmp_path / "a.json")


def test_a_line_that_a_killed_process_was_writing_is_left_out(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert json_files.lines(tmp_path / "a.jsonl") == [{"step": 1}, {"step": 2}]


def test_what_is_not_finite_becomes_none():
    found = json_files.finite({"a": math.nan, "b": {"c": math.inf, "d": 0.5}, "e": 1})
    assert found == {"a": None, "b": {"c": None, "d": 0.5}, "e": 1}
    json.dumps(found, allow_nan=False)


def test_a_full_disk_names_the_file_that_was_to_be_written(tmp_path):
    with pytest.raises(OSError, match="No space left") as error:
        with storage.whole(tmp_path / "a.npz"):
            raise OSError(28, "No space left on device")
    assert error.value.filename == str(tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []
