"""The door of the report as a user meets it."""

import sys

import pytest

from launch import report as door
from tests.analysis import report_case


@pytest.fixture
def probes(tmp_path):
    return str(report_case.probes(tmp_path))


def test_the_page_is_written_and_tells_the_command(tmp_path, probes, capsys):
    out = tmp_path / "a page"
    door.main([probes, "--title", "Two <models>", "--out", str(out)])
    assert capsys.readouterr().out.strip() == f"report: {out / 'index.html'}"
    text = (out / "index.html").read_text()
    assert "<title>Two &lt;models&gt;</title>" in text
    assert f"python -m launch.analyse report {probes} --title" in text
    assert sorted(path.name for path in (out / "data").iterdir())[1:] == [
        "predictive-probes_latents.json"
    ]


def test_without_the_template_library_it_says_what_to_install(tmp_path, probes, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ValueError, match=r'wants jinja2, .*pip install -e "\.\[report\]"'):
        door.main([probes, "--out", str(tmp_path / "page")])
    assert not (tmp_path / "page").exists()


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder nowhere"):
        door.main(["nowhere", "--out", str(tmp_path)])
