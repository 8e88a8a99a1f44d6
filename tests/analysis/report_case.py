"""Folders for a report: real findings of small models, a result, runs, a correlation."""

import contextlib
import json

import pytest

from pv_vae_jax.analysis import analyse, correlation, finding
from pv_vae_jax.analysis.analyse import Setup
from pv_vae_jax.analysis.finding import Figure, Finding
from pv_vae_jax.evaluation import protocol
from tests.analysis import pixels
from tests.analysis.test_correlation import points_of

NASTY = "plain<script>alert('x')</script>&\"$a_b$"
USED = protocol.named("small-ltd").changed(
    ["datasets=rendered", "videos=3", "frames=9", "height=16", "width=16"]
)
LABELS = (NASTY, "predictive")


@contextlib.contextmanager
def as_it_is():
    """The model is not of the registry, which would build it anew in another type."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analyse.evaluate, "placed", lambda vae, dtype: vae)
        yield


def findings(out):
    """Of two models, all analyses; one film is damaged, one video was refused."""
    with as_it_is():
        for scale, label in enumerate(LABELS, 1):
            about = pixels.about("model" if label == NASTY else label)
            setup = Setup(USED, {}, out, flow="exact", shown=2, command="python -m a --b 'c d'")
            analyse.analyse(setup, pixels.vae(float(scale)), about)
    for path in (out / "model").rglob("*.json"):  # a folder cannot have its name
        text = path.read_text().replace('"label": "model"', f'"label": {json.dumps(NASTY)}')
        path.write_text(text)
    path = out / "predictive" / "ltd" / "finding.json"
    made = json.loads(path.read_text())
    path.write_text(json.dumps(made | {"refused": {"set/<b>": "no video stream"}}))
    return out


def damage(folder):
    """One film of the second clip can no longer be decoded."""
    film = sorted((folder / "predictive" / "videos").rglob("reconstruction.mp4"))[1]
    film.write_bytes(film.read_bytes()[:400])


def probes(folder):
    """Made by hand: figures beside those of the paper."""
    for label, error in zip(LABELS, (3.25, 2.5), strict=True):
        about = pixels.about(label) | {"digest": label}
        task = {"paper": {"flow_epe": {"baseline": 5.92, "PV-VAE": 5.18, "on": "Sintel"}}}
        made = Finding(
            "probes_latents",
            about,
            {"name": "small-ltd", "frames": 9, "height": 16, "width": 16},
            {"seeds": 2},
            {
                "flow_epe": Figure("flow, EPE", error, error - 0.5, error + 0.5, "less", 3),
                "flow_still": Figure("EPE of no motion", 4.0),
                "next_frame_mse": Figure("next frame, MSE", error / 9, better="less", digits=4),
                "tracking_area": Figure("tracking, area", 9 * error, 1.0, 99.0, "more", 2),
            },
            values={"flow": task},
            notes=["Probes: intervals over 2 seeds."],
            command="python -m launch.analyse probes",
        )
        finding.write(folder / "probes" / label[:5], made)
    return folder / "probes"


def result(folder, label, name, rfvd, **fields):
    """As launch.evaluate leaves it."""
    used = {"name": "k400-recon-256", "task": "reconstruction", "datasets": ["kinetics400"],
            "videos": 2048, "frames": 17, "height": 256, "width": 256} | fields  # fmt: skip
    used["name"] += "".join(f"+{field}={value}" for field, value in fields.items())
    made = {
        "model": pixels.about(label) | {"name": name},
        "protocol": used,
        "figures": {
            "rfvd": {"value": rfvd, "low": rfvd - 1, "high": rfvd + 1, "method": "jackknife"},
            "psnr": {"value": 30.0, "low": 29.5, "high": 30.5},
        },
        "warnings": ["A warning."],
        "replaced": {"kinetics400/<i>": "not a readable video"},
        "date": "2026-01-02T03:04:05+00:00",
    }
    place = folder / "results" / label
    place.mkdir(parents=True)
    (place / "results.json").write_text(json.dumps(made))


def correlated(folder):
    """Three points, and the folder that the door leaves; their generators' runs lie beside."""
    texts = points_of(folder, [(0.1, 50), (0.2, 60), (0.3, 90)])
    known = correlation.values(correlation.points(texts), "fvd")
    for path in folder.glob("g*/evaluation/*/results.json"):  # with all that a result has
        made = json.loads(path.read_text())
        about = pixels.about("samples") | {"name": "samples", "spec": "", "parameters": 0}
        made["protocol"] |= {"task": "generation"}
        path.write_text(json.dumps(made | {"model": about, "date": "2026-01-02T00:00:00+00:00"}))
        run = path.parents[2]
        record = {"stage": NASTY, "step": 50, "samples/fvd": 99.0, "gradient_norm": 0.5}
        told = (run / "metrics.jsonl").read_text()
        (run / "metrics.jsonl").write_text(json.dumps(record) + "\n" + told)
        start = {"command": ["train.py", "--config=a b"], "date": "2026-01-01T00:00:00+00:00"}
        (run / "runs.jsonl").write_text(json.dumps(start) + "\n")
    (folder / "correlation").mkdir()
    (folder / "correlation" / "correlation.json").write_text(json.dumps(known))
    return [folder / "correlation", *(folder / f"g{n}" for n in range(2))]


def folders(place):
    """All of it; a list for report.write."""
    damage(findings(place / "findings"))
    result(place, "ours", "pv_vae_661m", 3.4)
    result(place, "other", "wan2.2", 5.0)
    result(place, "shorter", "ssvae", 6.0, frames=9)
    return [place / "findings", probes(place), place / "results", *correlated(place)]
