import argparse
import importlib.metadata
import subprocess
import sys

import pytest

from launch import door
from pv_vae_jax.data.clips import ClipError


@pytest.fixture
def environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XLA_FLAGS", "--mine=1")
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path))
    for name in ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.delenv("PV_VAE_JAX_TRACEBACK", raising=False)
    return monkeypatch


def test_flags_of_xla_are_set_once_before_the_users_and_only_for_tried_versions(environment):
    import os

    environment.setattr(importlib.metadata, "version", lambda name: "1.2.3")
    door.prepare()
    assert os.environ["XLA_FLAGS"] == "--mine=1"
    environment.setitem(door.XLA_FLAGS, "1.2.3", "--ours=1")
    door.prepare()
    door.prepare()
    assert os.environ["XLA_FLAGS"] == "--ours=1 --mine=1"


def test_compiled_programs_are_kept_where_the_user_says(environment, tmp_path):
    import os

    door.prepare()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "xla")
    environment.setenv("JAX_COMPILATION_CACHE_DIR", "elsewhere")
    door.prepare()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "elsewhere"
    program = "from launch import door; door.prepare(); import jax; c = jax.config; print("
    program += "c.jax_compilation_cache_dir, c.jax_persistent_cache_min_compile_time_secs)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["elsewhere", "0.5"], done.stderr


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("17 frames."), "error: 17 frames.\n"),
        (FileNotFoundError("there is no model file x."), "error: there is no model file x.\n"),
        (PermissionError(13, "Permission denied", "out"), "error: out: permission denied.\n"),
        (ClipError("a.mp4", "no such file"), "error: a.mp4: no such file\n"),
    ],
)
def test_a_users_error_is_a_sentence_and_exit_code_2(environment, capsys, error, told):
    def main():
        raise error

    with pytest.raises(SystemExit) as exit:
        door.run(main)
    assert exit.value.code == 2
    assert capsys.readouterr().err == told
    environment.setenv("PV_VAE_JAX_TRACEBACK", "1")
    with pytest.raises(type(error)):
        door.run(main)


def test_a_seed_is_one_of_those_that_differ():
    assert door.seed("0") == 0 and door.seed(str(2**32 - 1)) == 2**32 - 1
    for text in ("-1", str(2**32), "1.5"):
        with pytest.raises(argparse.ArgumentTypeError, match=f"0 to 4294967295, got {text}"):
            door.seed(text)


def test_a_python_without_the_packages_is_told_of_the_environment(environment, capsys):
    def main():
        raise ModuleNotFoundError("No module named 'flax'", name="flax")

    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    told = f"error: {sys.executable} has no package %s: activate the environment that "
    for lacks in ("flax", "jaxlib"):
        with pytest.raises(SystemExit) as exit:
            door.run(main)
        assert exit.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(told % lacks) and ". .venv/bin/activate" in line
        environment.setattr(importlib.metadata, "version", version)
    environment.setenv("PV_VAE_JAX_TRACEBACK", "1")
    with pytest.raises(ModuleNotFoundError):
        door.run(main)


def test_a_fault_of_ours_keeps_its_traceback(environment):
    with pytest.raises(ZeroDivisionError):
        door.run(lambda: 1 / 0)

    def main():
        raise ModuleNotFoundError("No module named 'launch.x'", name="launch.x")

    with pytest.raises(ModuleNotFoundError):
        door.run(main)


@pytest.mark.parametrize("name", ["reconstruct", "export"])
def test_help_is_a_page_and_needs_no_jax(name):
    code = (
        f"import sys; from launch import {name} as door; text = door.parser().format_help(); "
        "assert 'jax' not in sys.modules; print(text)"
    )
    page = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert f"python -m launch.{name} --" in page.stdout
    assert "examples:" in page.stdout and "exit code:" in page.stdout
