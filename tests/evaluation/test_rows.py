import numpy as np
import pytest

from pv_vae_jax.evaluation.rows import Folder, Row


def row(key, **kwargs):
    features = {"original": np.float32([1.5, 2.5])}
    return Row(key, "film", "abc", values={"psnr": 1 / 3}, features=features, **kwargs)


def test_a_row_comes_back_bit_for_bit(tmp_path):
    folder = Folder(tmp_path / "out")
    folder.open({"a": 1})
    assert not folder.has("set/a b.mp4")
    folder.write(row("set/a b.mp4"))
    folder.write(Row("set/c", "film", reason="too short"))
    assert folder.has("set/a b.mp4") and not folder.has("set/c")
    found, bad = folder.read(["set/a b.mp4", "set/none", "set/c"])
    assert (found.key, found.source, found.digest) == ("set/a b.mp4", "film", "abc")
    assert found.values == {"psnr": 1 / 3}
    np.testing.assert_array_equal(found.features["original"], np.float32([1.5, 2.5]))
    assert bad.reason == "too short" and not bad.features


def test_a_folder_of_another_protocol_or_model_is_refused(tmp_path):
    Folder(tmp_path).open({"model": "a", "clip": {"frames": 17}})
    Folder(tmp_path).open({"model": "a", "clip": {"frames": 17}})
    with pytest.raises(ValueError, match="an evaluation with another model .*choose another --out"):
        Folder(tmp_path).open({"model": "b", "clip": {"frames": 17}})
    with pytest.raises(ValueError, match="another clip"):
        Folder(tmp_path).open({"model": "a", "clip": {"frames": 9}})
    for more, less in (("classifier", {"model": "a"}), ("through", {"model": "b"})):
        Folder(tmp_path / more).open(less | {more: "c"})
        with pytest.raises(ValueError, match=f"another {more} .c instead of None"):
            Folder(tmp_path / more).open(less)


def test_where_it_may_be_made_anew_rows_of_another_protocol_are_gone(tmp_path):
    folder = Folder(tmp_path)
    folder.open({"model": "a"})
    folder.write(row("set/a"))
    folder.open({"model": "a"}, anew=True)
    assert folder.has("set/a")
    folder.open({"model": "b"}, anew=True)
    assert not folder.has("set/a")
    folder.write(row("set/a"))
    Folder(tmp_path).open({"model": "b"})


def test_a_damaged_row_is_named(tmp_path):
    folder = Folder(tmp_path)
    folder.open({})
    folder.write(row("a"))
    (file,) = (tmp_path / "rows").iterdir()
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(ValueError, match=file.name):
        folder.read(["a"])
