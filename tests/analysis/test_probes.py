"""The probes of a model, and of a generator on it, as findings."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from pv_vae_jax.analysis import finding, probe_figures, probe_tasks, probes, sintel, tap_vid
from pv_vae_jax.analysis.probe_tasks import TASKS
from pv_vae_jax.analysis.probe_training import Budget
from pv_vae_jax.analysis.probes import Setup
from pv_vae_jax.evaluation import protocol
from pv_vae_jax.models import identity, latte_sizes
from pv_vae_jax.models.generator import Generator, LatentForm
from tests.analysis import pixels

USED = protocol.named("small-ltd").changed(
    ["datasets=rendered", "frames=5", "height=16", "width=16"]
)
BUDGET = Budget(width=8, blocks=1, fine=4, steps=3, batch=4, seeds=2)


@pytest.fixture(autouse=True)
def as_it_is(monkeypatch):
    """The model is not of the registry, which would build it anew in another type."""
    monkeypatch.setattr(probes.evaluate, "placed", lambda vae, dtype: vae)


def setup(out, **fields):
    known = {"train": 8, "test": 3, "budget": BUDGET, "grid": 8, "command": "the command"}
    return Setup(USED, {}, out, **(known | fields))


def generator_of(vae):
    fields = latte_sizes.fields("latte_tiny", channels=3, width=16, depth=2, heads=2, patch=8)
    module = latte_sizes.build("latte_tiny", **fields)
    params = jax.jit(lambda key: latte_sizes.initial(module, key))(jax.random.key(0))
    form = LatentForm(identity.identity(vae), (5, 16, 16, 3))
    return Generator(module, params, form, {"name": "latte_tiny", "fields": fields})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes.evaluate, "placed", lambda vae, dtype: vae)
        return out, probes.probe(setup(out), pixels.vae(), pixels.about())


@pytest.fixture
def never(monkeypatch):
    """Makes what trains a probe of these tasks fail."""

    def start(*names):
        real = probe_tasks.result

        def result(name, *rest):
            assert name not in names, f"{name} is probed again"
            return real(name, *rest)

        monkeypatch.setattr(probe_tasks, "result", result)

    return start


@pytest.mark.slow
def test_a_finding_has_figures_of_all_tasks_over_seeds(whole):
    out, found = whole
    assert found == finding.read(out / "pixels", "probes_latents")
    assert list(found.figures) == [key for task in TASKS.values() for key in task.figures]
    for name, task in TASKS.items():
        values = found.values[name]
        assert values["counts"] == {"train": 8, "test": 3} and values["paper"] == task.paper
        for key in task.figures:
            seeds, clips = values["seeds"][key], values["clips"][key]
            assert (len(seeds), len(clips)) == (2, 3)
            assert found.figures[key].value == pytest.approx(np.mean(seeds))
            assert np.mean(clips) == pytest.approx(np.mean(seeds))
    epe, still = (found.figures[f"flow_{name}"] for name in ("epe", "still"))
    assert epe.low < epe.value < epe.high and still.low is None
    assert (
        found.values["flow"]["seeds"]["flow_epe"][0] != found.values["flow"]["seeds"]["flow_epe"][1]
    )
    assert found.command == "the command" and found.settings["fed"] == "latents"
    sizes = [found.values[name]["parameters"] for name in TASKS]
    assert {size["projection"] for size in sizes} == {8 * (3 * 64 + 1)}


def test_the_same_is_not_made_again_and_what_is_done_is_gone_on_with(whole, never):
    out, found = whole
    never(*TASKS)
    assert probes.probe(setup(out), pixels.vae(), pixels.about()) == found
    (out / "pixels/probes_latents/finding.json").unlink()
    again = probes.probe(setup(out), pixels.vae(), pixels.about())
    assert dataclasses.replace(again, date="") == dataclasses.replace(found, date="")


def test_another_setting_is_made_again(whole, never):
    out, found = whole
    never("next_frame", "tracking")
    changed = setup(out, tasks=("flow",), test=2)
    other = probes.probe(changed, pixels.vae(), pixels.about())
    assert other.values["flow"]["counts"]["test"] == 2
    finding.write(out / "pixels", found)


def test_another_model_is_refused_and_models_are_compared_by_seed(whole, tmp_path):
    out, found = whole
    with pytest.raises(ValueError, match="another model"):
        probes.probe(setup(out), pixels.vae(2.0), pixels.about())
    values = json.loads(json.dumps(found.values))
    seeds = values["flow"]["seeds"]["flow_epe"]
    values["flow"]["seeds"]["flow_epe"] = [seeds[0] + 1, seeds[1] + 2]
    other = dataclasses.replace(found, values=values)
    difference = probe_figures.paired(found, other)
    assert "flow_still" not in difference and difference["tracking_area"].value == 0
    figure = difference["flow_epe"]
    # t quantile of 1 degree of freedom times the standard error 1/2
    assert figure.value == pytest.approx(1.5)
    assert figure.high - figure.value == pytest.approx(12.7062 / 2, rel=1e-4)
    elsewhere = dataclasses.replace(found, settings={**found.settings, "budget": {}})
    with pytest.raises(ValueError, match="probe both with one protocol"):
        probe_figures.paired(found, elsewhere)


def test_one_seed_has_no_interval():
    figure = probe_figures.over_seeds("a", [3.0], "less", 2)
    assert (figure.value, figure.low) == (3.0, None) and "one seed" in figure.method


def test_a_generator_has_a_finding_of_its_own_beside_that_of_its_latents(whole, never):
    out, latents = whole
    vae = pixels.vae()
    generator = generator_of(vae)
    wanted = setup(out, tasks=("flow",))
    found = probes.probe(wanted, vae, pixels.about(), generator, layer=2, time=0.5)
    assert found.name == "probes_features" and finding.read(out / "pixels", latents.name)
    told = {"fed": "features", "layer": 2, "depth": 2, "time": 0.5, "seed": 0}
    assert {name: found.settings[name] for name in told} == told
    assert found.model["digest"].startswith(latents.model["digest"])
    assert (
        found.values["flow"]["parameters"]["decoder"]
        == (latents.values["flow"]["parameters"]["decoder"])
    )
    never("flow")
    assert probes.probe(wanted, vae, pixels.about(), generator, layer=2, time=0.5) == found
    with pytest.raises(AssertionError, match="flow is probed again"):
        probes.probe(wanted, vae, pixels.about(), generator, layer=1, time=0.5)
    generator.params = jax.tree.map(lambda p: p + 1, generator.params)
    with pytest.raises(AssertionError, match="flow is probed again"):
        probes.probe(wanted, vae, pixels.about(), generator, layer=2, time=0.5)


def test_clips_of_two_tasks_are_made_and_fed_once():
    made = []

    class Fed:
        name = "latents"

        def of(self, clips, first, batch, title):
            made.append((len(clips), first))
            return clips

    read = probe_tasks.Read(Fed(), 1)
    for task in ("flow", "tracking"):
        for split in ("train", "test"):
            read(setup("").data_of(task), split)
    assert made == [(8, 0), (3, 2**31)]


def test_sintel_and_tap_vid_take_the_places_of_scenes_where_they_are_given(monkeypatch):
    monkeypatch.setattr(sintel, "data", lambda used, folder: ("sintel", folder))
    monkeypatch.setattr(tap_vid, "data", lambda used, file, scenes: ("tap_vid", file, scenes.names))
    wanted = setup("", sintel="a", tap_vid="b")
    assert wanted.data_of("flow") == ("sintel", "a")
    assert wanted.data_of("tracking") == (
        "tap_vid",
        "b",
        {"train": "rendered", "test": "rendered"},
    )


def test_wrong_settings_are_sentences(tmp_path):
    with pytest.raises(ValueError, match="probes are flow, next_frame, tracking; got 'depth'"):
        setup("", tasks=("depth",))
    with pytest.raises(ValueError, match="from 1; got 0"):
        setup("", train=0)
    with pytest.raises(ValueError, match="do not divide into the probes' cells of 32"):
        wanted = setup(tmp_path, tasks=("flow",), grid=32)
        probes.probe(wanted, pixels.vae(), pixels.about())
