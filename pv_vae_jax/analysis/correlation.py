"""Does what a tokenizer predicts tell what a generator makes of it?  Over checkpoints and runs.

    points  (error of prediction, FVD) of MODEL = GENERATION
    rho     Spearman's rank correlation; p two-sided, over all pairings of the n points (n! up to
            DRAWS, else as many random ones)                                                (1)
    trend   Spearman's correlation of FVD with the training steps of MODEL, in each series   (2)

MODEL is a folder OUT/LABEL of launch.analyse with the finding "prediction"; GENERATION a folder of
a generator's run that measured its samples, or a result of launch.evaluate --samples.  A series is
a recipe (plain, predictive) whose checkpoints are its points.  All points are of equal protocols.
"""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from pv_vae_jax.analysis import drawing, finding
from pv_vae_jax.core import markdown, storage
from pv_vae_jax.evaluation import protocol, result_files
from pv_vae_jax.models import identity
from pv_vae_jax.training import workdir

FIGURES = ("fvd", "kvd")
LEAST, DRAWS = 3, 10_000
_SERIES = re.compile("(?:([^:/]+):(?!//))?(.*)")  # gs://a has none, plain:gs://a has


@dataclasses.dataclass(frozen=True)
class Point:
    """One model, and the generator on its latents.

    Attributes:
      label: of the model.
      series: its recipe.
      prediction: value, low, high of the error of prediction.
      generation: value, low, high of the figure of the samples.
      stage: of the model's training, "" if it is not known.
      step: of that stage, None if it is not known.
      generator: the folder of the generator's run, None for a result.
    """

    label: str
    series: str
    prediction: dict[str, float | None]
    generation: dict[str, float | None]
    stage: str
    step: int | None
    generator: str | None


def points(texts: Sequence[str], figure: str = "fvd") -> list[Point]:
    """The points of ``[SERIES:]MODEL=GENERATION`` each.

    Raises:
      ValueError: another form or figure, a generator of another model's latents, or points that
        were measured otherwise.
      FileNotFoundError: a folder has no finding or result.
    """
    if figure not in FIGURES:
        raise ValueError(f"--figure is one of {', '.join(FIGURES)}; got {figure!r}.")
    if len(texts) < LEAST:
        raise ValueError(f"a correlation wants {LEAST} points or more, got {len(texts)}.")
    found, used = [], []
    for text in texts:
        series, where, generation = _parts(text)
        known = finding.read(where, "prediction")
        result, run = _result(generation)
        if run is not None:
            latents = workdir.read_latents(run)
            if latents is not None:
                what = f"the latents of {run}"
                identity.check(known.model["identity"], latents.identity, what)
        if figure not in result["figures"]:
            raise ValueError(f"{generation} has no {figure} of samples.")
        training = known.model.get("training", {})
        found.append(
            Point(
                known.model["label"],
                series,
                _ends(dataclasses.asdict(known.figures["prediction"])),
                _ends(result["figures"][figure]),
                training.get("stage", ""),
                training.get("step"),
                run,
            )
        )
        used.append({"prediction": dict(known.protocol), "samples": result["protocol"]})
    for text, other in zip(texts, used, strict=True):
        if told := protocol.differences(used[0], other):
            raise ValueError(f"{texts[0]} and {text} were measured otherwise: {'; '.join(told)}.")
    return found


def _parts(text: str) -> tuple[str, str, str]:
    where, equals, generation = text.partition("=")
    series, model = _SERIES.match(where).groups(default="")
    if not (equals and model and generation):
        raise ValueError(f"a point is [SERIES:]MODEL=GENERATION, two folders; got {text!r}.")
    return series, model, generation


def _ends(figure: dict[str, Any]) -> dict[str, float | None]:
    return {name: figure[name] for name in ("value", "low", "high")}


def _result(folder: str) -> tuple[dict[str, Any], str | None]:
    """The last result of a generator's samples, and its run."""
    if not storage.exists(storage.path(folder) / "metrics.jsonl"):
        return dict(result_files.read(folder)), None
    found = result_files.last(folder)
    if found is None:
        raise ValueError(
            f"{folder} has no results of its samples: train it with --config.runtime.protocol=NAME "
            "and runtime.evaluate_every."
        )
    return dict(found[1]), str(folder)


def ranks(one: Sequence[float], other: Sequence[float]) -> dict[str, Any]:
    """Equation (1): ``rho``, ``p``, and how p was found; rho is 0 where nothing varies."""
    one, other = (stats.rankdata(each) - (len(each) + 1) / 2 for each in (one, other))
    scale = np.linalg.norm(one) * np.linalg.norm(other)
    if scale == 0:
        return {"rho": 0.0, "p": 1.0, "method": "all values are equal"}
    test = stats.permutation_test(
        (one,),
        lambda x, axis: x @ other / scale,
        permutation_type="pairings",
        vectorized=True,
        n_resamples=DRAWS,
        rng=np.random.default_rng(0),
    )
    exact = math.factorial(len(one)) <= DRAWS
    method = f"all {math.factorial(len(one))} pairings" if exact else f"{DRAWS} random pairings"
    return {"rho": float(test.statistic), "p": float(test.pvalue), "method": method}


def values(found: Sequence[Point], figure: str) -> dict[str, Any]:
    """Equations (1) and (2) as JSON values."""
    series = {}
    for name, stage in dict.fromkeys((point.series, point.stage) for point in found):
        chosen = [p for p in found if (p.series, p.stage) == (name, stage) and p.step is not None]
        if len(chosen) >= LEAST:
            alone = {point.stage for point in found if point.series == name} == {stage}
            told = name if alone else f"{name or 'the models'} in {stage or 'no stage'}"
            steps = [point.step for point in chosen]  # each stage counts its own
            series[told] = ranks(steps, [point.generation["value"] for point in chosen])
    return {
        "figure": figure,
        "points": [dataclasses.asdict(point) for point in found],
        "correlation": ranks(
            [point.prediction["value"] for point in found],
            [point.generation["value"] for point in found],
        ),
        "trends": series,
    }


def text(known: dict[str, Any]) -> str:
    """Markdown of :func:`values`."""
    head = known["figure"].upper()
    heads, rows = ["series", "model", "step", "prediction MSE", head], []
    for point in known["points"]:
        step = "-" if point["step"] is None else f"{point['stage']} {point['step']:,}"
        pair = f"{point['prediction']['value']:.5f}", f"{point['generation']['value']:.2f}"
        rows.append([point["series"] or "-", point["label"], step, *pair])
    return "\n\n".join([markdown.table(heads, rows), *sentences(known)])


def sentences(known: Mapping[str, Any]) -> list[str]:
    """What :func:`values` found, a sentence for each rank correlation."""
    head = known["figure"].upper()
    pairs = [(f"Prediction error against {head}", known["correlation"])]
    for name, trend in known["trends"].items():
        pairs.append((f"{head} against training steps of {name or 'the models'}", trend))
    return [
        f"{what}: rank correlation {found['rho']:.3f}, p = {found['p']:.3f} ({found['method']})."
        for what, found in pairs
    ]


def draw(out: Any, known: dict[str, Any]) -> list[str]:
    """``out/correlation.png`` and ``.svg``: the scatter, and the figure against steps."""

    def fill(axes: list[Any]) -> None:
        head = known["figure"].upper()
        for number, name in enumerate(dict.fromkeys(p["series"] for p in known["points"])):
            chosen = [point for point in known["points"] if point["series"] == name]
            across, up = (
                np.array([point[kind]["value"] for point in chosen])
                for kind in ("prediction", "generation")
            )
            bars = (
                drawing.errors(each, [point[kind] for point in chosen])
                for each, kind in ((up, "generation"), (across, "prediction"))
            )
            style = {"color": f"C{number}", "label": name or None, "capsize": 2}
            axes[0].errorbar(across, up, *bars, fmt="o", **style)
            dated = sorted(
                (point["step"], point["generation"]["value"])
                for point in chosen
                if point["step"] is not None
            )
            if dated:
                axes[1].plot(*zip(*dated, strict=True), "o-", color=f"C{number}")
        axes[0].set_xlabel("prediction MSE", fontsize=8)
        axes[1].set_xlabel("training steps of the video VAE", fontsize=8)
        axes[0].set_title(f"{head}: rho {known['correlation']['rho']:.2f}", fontsize=9)
        axes[1].set_title(head, fontsize=9)

    return drawing.saved(out, "correlation", 2, fill)
