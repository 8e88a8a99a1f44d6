import json

import PIL.Image
import pytest

from launch import curves as door
from pv_vae_jax.evaluation import curves


@pytest.fixture
def workdir(tmp_path):
    records = [
        {"stage": "predictive", "step": 10, "mse": 0.5, "total": 1.0},
        {"stage": "predictive", "step": 20, "mse": 0.25},
        {"stage": "predictive", "step": 20, "held_out/videos/psnr": 20.0},
        {"stage": "decoder", "step": 10, "mse": 0.2},
    ]
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return folder


def test_stages_follow_one_another_on_one_axis_of_steps(workdir):
    history = curves.read(workdir)
    assert history.begins == (("predictive", 0), ("decoder", 20))
    assert history.values["mse"] == ([10, 20, 30], [0.5, 0.25, 0.2])
    assert history.values["held_out/videos/psnr"] == ([20], [20.0])


def test_a_picture_has_a_panel_for_each_group_of_values_that_a_run_has(workdir, tmp_path):
    door.main(["--workdir", str(workdir), str(workdir), "--out", str(tmp_path / "all.png")])
    door.main(["--workdir", str(workdir), "--out", str(tmp_path / "one.png"), "--values", "mse"])
    sizes = []
    for name in ("all", "one"):
        with PIL.Image.open(tmp_path / f"{name}.png") as picture:
            sizes.append(picture.size)
    wide, narrow = sizes
    assert wide[0] == 2 * narrow[0] and wide[1] == narrow[1]  # terms, held-out PSNR
    with pytest.raises(ValueError, match="--values gan: the runs have .*mse"):
        door.main(["--workdir", str(workdir), "--out", "x.png", "--values", "mse", "gan"])


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="it has no metrics.jsonl"):
        curves.read(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(ValueError, match="holds no record yet"):
        curves.read(tmp_path)
