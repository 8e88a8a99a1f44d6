import json

import pytest

from pv_vae_jax.evaluation import result_files


def test_a_folder_without_a_result_or_with_half_of_one_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="results.json: name a folder that launch.evaluate"):
        result_files.read(tmp_path)
    (tmp_path / "results.json").write_text(json.dumps({"figures": {}})[:-1])
    with pytest.raises(ValueError, match=r"results.json is damaged .*make it again"):
        result_files.read(tmp_path)


def test_the_last_result_of_a_run_is_the_last_by_date_and_not_by_name(tmp_path):
    assert result_files.last(tmp_path) is None
    (tmp_path / "results.json").write_text("{}")  # what the run itself found is none of samples
    assert result_files.last(tmp_path) is None
    for day, name in enumerate(("warm-up-0000100", "generator-0000100", "generator-0000200"), 1):
        folder = tmp_path / "evaluation" / name
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(
            json.dumps({"protocol": {}, "date": f"2026-01-0{day}"})
        )
    folder, found = result_files.last(tmp_path)
    assert folder.endswith("/evaluation/generator-0000200") and found["date"] == "2026-01-03"
