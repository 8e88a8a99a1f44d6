import dataclasses
import json

import numpy as np
import pytest

from pv_vae_jax.analysis import finding
from pv_vae_jax.analysis.finding import Figure, Finding
from tests.analysis import pixels

PROTOCOL = {"name": "small-ltd", "datasets": ("rendered",), "videos": 4}


def made(**fields):
    about = pixels.about() | {"digest": finding.digest(pixels.vae())}
    known = {
        "name": "ltd",
        "model": about,
        "protocol": PROTOCOL | {"list_sha256": "0" * 64},
        "settings": {"flow": "exact"},
        "figures": {"median": Figure("median", 1.5, 1.0, 2.0, "less", 2, "jackknife")},
        "media": {"curve": "a.png", "set/b": {"flow": "b.mp4"}},
        "refused": {"set/c": "no video stream"},
    }
    return Finding(**(known | fields))


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.mp4"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def kept(folder, **other):
    known = made()
    about = known.model | other.pop("model", {})
    arguments = {"protocol": PROTOCOL, "settings": known.settings} | other
    return finding.kept(folder, "ltd", about, **arguments)


def test_a_finding_is_read_as_it_was_written_with_its_date(folder):
    written = finding.write(folder, made())
    assert written == finding.read(folder, "ltd") and written.date[:2] == "20"
    again = dataclasses.replace(written, date="")
    assert json.dumps(dataclasses.asdict(again)) == json.dumps(dataclasses.asdict(made()))


def test_a_finding_is_kept_for_the_same_model_protocol_and_settings_alone(folder):
    assert kept(folder) is None
    written = finding.write(folder, made())
    assert kept(folder) == written
    assert kept(folder, model={"digest": "1" * 64}) is None
    assert kept(folder, protocol=PROTOCOL | {"videos": 5}) is None
    assert kept(folder, settings={"flow": "dis"}) is None
    (folder / "b.mp4").unlink()
    assert kept(folder) is None


def test_a_finding_without_its_media_or_with_nan_is_not_written(folder):
    with pytest.raises(ValueError, match="ltd names c.png, which is not there"):
        finding.write(folder, made(media={"c": "c.png"}))
    with pytest.raises(ValueError, match="a number of the finding ltd of pixels is not finite"):
        finding.write(folder, made(values={"x": [float("nan")]}))
    assert not (folder / "ltd").exists()


def test_a_damaged_or_missing_finding_is_a_sentence(folder):
    with pytest.raises(FileNotFoundError, match="make it by python -m launch.analyse --only ltd"):
        finding.read(folder, "ltd")
    finding.write(folder, made())
    path = folder / "ltd" / "finding.json"
    path.write_text(path.read_text()[:-9])
    with pytest.raises(ValueError, match="finding.json is damaged"):
        finding.read(folder, "ltd")


def test_a_folder_is_of_one_model(tmp_path):
    about = pixels.about() | {"digest": finding.digest(pixels.vae())}
    finding.open_folder(tmp_path / "pixels", about)
    finding.open_folder(tmp_path / "pixels", about)
    other = about | {"digest": finding.digest(pixels.vae(scale=2.0))}
    with pytest.raises(ValueError, match="holds findings of another model .*choose another --out"):
        finding.open_folder(tmp_path / "pixels", other)


def test_models_that_differ_in_a_parameter_or_a_statistic_have_other_digests():
    other = pixels.vae()
    other.mean = other.mean + 1
    found = {finding.digest(vae) for vae in (pixels.vae(), pixels.vae(), pixels.vae(2.0), other)}
    assert len(found) == 3


def test_an_interval_is_over_sources_and_its_absence_has_a_reason():
    column = np.array([1.0, 3.0, 5.0, 7.0])
    four, two = (
        Figure.over_sources("mean", np.mean, [column], sources) for sources in ("abcd", "aabb")
    )
    assert four.value == two.value == 4 and two.high - two.low > four.high - four.low
    one = Figure.over_sources("mean", np.mean, [column], "aaaa")
    assert one.low is None and one.method == "no interval: 1 source videos, 2 are wanted"
    with pytest.raises(ValueError, match="better is one of"):
        Figure("mean", 1.0, better="most")
