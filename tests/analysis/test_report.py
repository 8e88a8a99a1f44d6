"""The page without a browser: what it links, what it escapes, what it says of each figure."""

import html.parser
import json
import re
import shutil
from importlib import resources

import numpy as np
import pytest

import pv_vae_jax.analysis
from pv_vae_jax.analysis import report, report_sources, report_tables
from pv_vae_jax.analysis.finding import Figure
from pv_vae_jax.analysis.report_media import Media, has_vp9
from pv_vae_jax.data import video_files
from pv_vae_jax.data.clips import ClipError
from tests.analysis import report_case
from tests.analysis.report_case import NASTY

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source"}


class Document(html.parser.HTMLParser):
    """Elements as (name, attributes, text within); fails where tags are not nested."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self._open = [], []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attributes):
        assert len(dict(attributes)) == len(attributes), f"an attribute twice: {attributes}"
        self.elements.append([tag, dict(attributes), "", [e[0] for e in self._open]])
        if tag not in VOID:
            self._open.append(self.elements[-1])

    def handle_startendtag(self, tag, attributes):
        self.elements.append([tag, dict(attributes), "", [e[0] for e in self._open]])

    def handle_endtag(self, tag):
        assert self._open and self._open[-1][0] == tag, f"</{tag}> in {self._open[-1:]}"
        self._open.pop()

    def handle_data(self, text):
        for element in self._open:
            element[2] += text

    def all(self, tag, **attributes):
        return [e for e in self.elements if e[0] == tag
                and all(attributes[k] in e[1].get(k, "").split() for k in attributes)]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("report")
    report.write(report_case.folders(place), place / "page", command="python -m door 'a b'")
    return place


@pytest.fixture(scope="module")
def page(place):
    return Document((place / "page" / "index.html").read_text())


def test_tags_are_nested_and_ids_are_unique(page):
    ids = [e[1]["id"] for e in page.elements if "id" in e[1]]
    assert len(ids) == len(set(ids)) > 30
    targets = [e[1][name] for e in page.elements for name in ("href", "for") if name in e[1]]
    anchors = [t.removeprefix("#") for t in targets if t[:1] == "#" or re.fullmatch("[a-z-]+", t)]
    assert anchors and set(anchors) <= set(ids)
    used = re.findall(r"url\(#([^)]+)\)", (page_text := str([e[1] for e in page.elements])))
    assert used and set(used) <= set(ids), page_text[:100]


def test_all_links_are_files_of_the_page_and_none_leads_to_a_network(place, page):
    links = [e[1][name] for e in page.elements for name in ("src", "href") if name in e[1]]
    files = [link for link in links if not link.startswith(("#", "data:,"))]
    assert len(files) > 30
    for link in files:
        assert not re.match(r"[a-z]+:|//|/|.*\.\.", link), link
        assert (place / "page" / link).stat().st_size > 0
    style = page.all("style")[0][2]
    assert "@import" not in style and "url(" not in style
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0][1]["content"]
    assert policy.startswith("default-src 'none'") and "http" not in policy
    kinds = {e[1]["type"] for e in page.all("source")}
    assert kinds == {"video/mp4", "video/webm"} if has_vp9() else {"video/mp4"}


def test_a_nasty_label_is_text_everywhere(place, page):
    text = (place / "page" / "index.html").read_text()
    assert len(page.all("script")) == 2 and "<script>alert" not in text
    assert NASTY in page.all("main")[0][2]
    labels = [e[2] for e in page.all("text")]
    assert NASTY in labels  # in a drawing, not a formula
    assert any(e[1].get("aria-label", "").count(NASTY) for e in page.all("video"))
    assert "set/<b>: no video stream" in page.all("section", id="ltd")[0][2]


def test_each_part_tells_command_date_protocol_and_json(place, page):
    sections = page.all("section")
    assert [e[1]["id"] for e in sections] == [
        "models", "videos", "prediction", "ltd", "pca", "probes_latents", "reconstruction",
        "generation", "correlation-0", "training",
    ]  # fmt: skip
    text = (place / "page" / "index.html").read_text()
    training = page.all("section", id="training")[0][2]
    assert (
        "python -m launch.train '--config=a b'" in training and "2026-01-01 00:00 UTC" in training
    )
    for name in [e[1]["id"] for e in sections[1:-1]]:
        part = text[text.index(f'<section id="{name}"') :].split("</section>")[0]
        made = part[part.index('<details class="made">') :]
        assert "python -m" in made.split("</code>")[0]
        assert "<dt>" in made and 'href="data/' in made
        assert "<time datetime=" in made or name == "correlation-0"
    assert "python -m a --b 'c d'" in page.all("section", id="ltd")[0][2]
    copy = json.loads((place / "page" / "data" / "predictive-ltd.json").read_text())
    assert copy["name"] == "ltd" and copy["model"]["label"] == "predictive"


def test_a_film_that_cannot_be_decoded_is_listed(page):
    part = page.all("section", id="videos")[0][2]
    assert len(re.findall("not decoded: ", part)) == 1 and "1 left out" in part
    assert re.search(r"predictive\s+rendered/\S+, reconstruction: ", part)
    assert len(page.all("video")) == 2 * 2 * 5 - 1
    assert all(int(e[1]["width"]) and int(e[1]["height"]) for e in page.all("video"))


def test_equal_films_are_one_file_and_nothing_is_made_twice(place, page, tmp_path, monkeypatch):
    names = {e[1]["src"] for e in page.all("source", type="video/mp4")}
    assert len(names) < len(page.all("video"))  # originals and flow are of both models
    shutil.copytree(place / "page", tmp_path / "page")
    folder = tmp_path / "page" / "media"
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}

    def encoded(*_):
        raise AssertionError("a film is encoded again")

    monkeypatch.setattr(video_files, "write", encoded)
    again = Media(tmp_path / "page")
    for path in sorted((place / "findings").rglob("*.mp4")):
        if path.stat().st_size > 400:  # not the damaged one
            assert again.film(path).frames == 9
    assert before == {path: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_film_in_vp9_has_the_frames_of_the_film(tmp_path):
    clip = np.arange(40, dtype=np.uint8)[:, None, None, None] * np.full((16, 32, 3), 5, np.uint8)
    video_files.write(tmp_path / "a.mp4", [clip], 8.0)
    made = Media(tmp_path / "page").film(tmp_path / "a.mp4")
    assert (made.frames, made.width, made.height) == (40, 32, 16)
    for path, kind in made.sources:
        again = np.concatenate(list(video_files.iterate(tmp_path / "page" / path, 4)))
        assert again.shape == clip.shape and np.abs(again.astype(int) - clip).mean() < 3, kind
        assert video_files.rate_of(tmp_path / "page" / path) == 8


def test_runs_against_the_first_stand_in_a_table_with_the_paper(page):
    part = page.all("section", id="generation")[0][2]
    assert re.search(r"g0\s+50\.00\s+150\s+150\s+0\s", part) and re.search(r"g1\s+60\.00", part)
    assert re.search(r"the paper\s*UCF101, FVD, against Wan2.2's latents\s+52", part)


def test_the_papers_row_stands_below_ours_only_where_the_protocol_is_the_papers(page):
    rows = [(e[2].split()[0], e) for e in page.all("tr", **{"class": "paper"})]
    part = page.all("section", id="reconstruction")[0][2]
    assert re.search(r"ours in the paper\s+3\.45\s+32\.26\s", part)
    assert re.search(r"other in the paper\s+3\.42\s+33\.78\s", part)
    assert "shorter in the paper" not in part
    assert "Table 2 is not to be compared with the first: frames: 17, 9" in part
    assert len(rows) > 8
    probes = page.all("section", id="probes_latents")[0][2]
    assert re.search(r"the paper's baseline\s*on Sintel\s+5\.92", probes)


def test_the_best_is_bold_the_second_underlined_and_the_paper_takes_no_place(page):
    rows = {e[2].split()[0]: e for e in page.all("tr")}
    assert {"ours", "other"} <= set(rows)
    found = [(e[0], e[2]) for e in page.elements if e[0] in ("b", "u")]
    assert ("b", "3.40") in found and ("u", "5.00") in found and ("u", "3.250") in found


def test_numbers_of_a_column_stand_below_each_other():
    cells = report_tables.column(
        [Figure("a", -1.5, -2, -1, "less", 3), Figure("a", 10.25, digits=3)]
    )
    assert [cell.text for cell in cells] == ["−1.500", "10.250"]
    assert cells[0].interval == "[−2.000, −1.000]" and cells[1].interval == ""
    assert [cell.place for cell in cells] == [0, 1]
    assert report_tables.printed(0.02, 4).text == "0.02" + 2 * report_tables.DIGIT
    assert report_tables.printed(5, 2).text == "5" + report_tables.POINT + 2 * report_tables.DIGIT
    assert report_tables.column([None])[0].text == "–"


def colours():
    style = (resources.files(pv_vae_jax.analysis) / "page" / "page.css").read_text()
    found = re.findall(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", style)
    return [{name: pair[theme] for name, *pair in found} for theme in (0, 1)]


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    """WCAG 2.2, relative luminance."""
    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_and_drawings_are_readable_in_both_themes(theme):
    known = colours()[theme]
    for ground in ("paper", "raised"):
        for name in ("ink", "quiet", "accent", "withheld"):
            assert contrast(known[name], known[ground]) >= 4.5, (name, ground)
        for name in [name for name in known if name.startswith("series")] + ["faint"]:
            assert contrast(known[name], known[ground]) >= 3.0, (name, ground)


def test_contrast_of_black_and_white_is_21():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_drawings_have_text_and_the_pages_colours_alone(page):
    charts = page.all("svg", **{"class": "chart"})
    assert len(charts) >= 5 and all(e[1]["role"] == "img" and e[1]["aria-label"] for e in charts)
    inside = [e for e in page.elements if "svg" in e[3]]
    assert any(e[0] == "text" for e in inside)
    styles = " ".join(str(e[1]) for e in inside)
    assert "var(--series-1)" in styles and "var(--ink)" in styles
    assert not re.findall("#[0-9a-f]{6}(?![0-9a-f])", styles)


def test_a_folder_with_nothing_or_none_at_all_is_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder .*x"):
        report_sources.read([tmp_path / "x"])
    (tmp_path / "results.json").write_text('{"samples/fvd": 3}')
    with pytest.raises(ValueError, match="has nothing for a report: name folders of launch"):
        report_sources.read([tmp_path])


def test_a_film_of_another_kind_or_none_is_refused(tmp_path):
    media = Media(tmp_path / "out")
    with pytest.raises(ClipError, match="no such file"):
        media.film(tmp_path / "a.mp4")
    (tmp_path / "a.mp4").write_bytes(b"nothing")
    with pytest.raises(ClipError, match="not a readable video"):
        media.film(tmp_path / "a.mp4")
    assert not list((tmp_path / "out").rglob("*"))


def test_a_run_that_is_named_twice_is_one(place):
    once = report_sources.read([place / "g0"])
    twice = report_sources.read([place / "g0", place / "g0"])
    assert len(once.runs) == len(twice.runs) == 1


def test_findings_within_the_folder_of_a_run_are_found(place, tmp_path):
    shutil.copytree(place / "g0", tmp_path / "run")
    shutil.copytree(place / "findings", tmp_path / "run" / "findings")
    within = report_sources.read([tmp_path / "run"])
    beside = report_sources.read([place / "findings"])
    assert len(within.runs) == 1 and len(within.findings) == len(beside.findings) > 0
    alone = report_sources.read([place / "g0"])
    assert len(within.results) == len(alone.results)  # its own evaluation is read once
