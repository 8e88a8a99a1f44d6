"""The parts of a report, in the order of the page.

films | prediction | LTD | PCA | probes | others | reconstruction | generation | correlation |
training
"""

from collections.abc import Mapping
from typing import Any

from pv_vae_jax.analysis import (
    correlation,
    report_analyses,
    report_charts,
    report_measured,
    report_results,
)
from pv_vae_jax.analysis import report_part as part
from pv_vae_jax.analysis.report_media import Media
from pv_vae_jax.analysis.report_part import Part
from pv_vae_jax.analysis.report_sources import Source, Sources


def parts(found: Sources, media: Media) -> list[Part]:
    """All parts that there is something for."""
    names = [source.made.name for source in found.findings]
    order = dict.fromkeys([*(name for name in report_analyses.TEXTS if name in names), *names])
    made = [
        report_analyses.of(name, [s for s in found.findings if s.made.name == name], media)
        for name in order
    ]
    made += [report_measured.of(task, found, media) for task in report_measured.TEXTS]
    made += [_correlation(source, i, media) for i, source in enumerate(found.correlations)]
    made.append(report_measured.training(found.runs))
    return [each for each in made if each is not None]


def _correlation(source: Source, number: int, media: Media) -> Part:
    known = source.made
    head = known["figure"].upper()
    charts = report_charts.drawn(
        lambda folder: correlation.draw(folder, _labelled(known)),
        f"correlation-{number}",
        [f"{head} against prediction error, and against training steps"],
    )
    command = known.get(
        "command", f"python -m launch.analyse correlation POINTS --figure {known['figure']}"
    )
    path = media.json(source.label, "correlation", source.path)
    return Part(
        f"correlation-{number}",
        "Prediction and generation",
        "Does the error of prediction tell what a generator makes of the latents? In the paper "
        "they go together, and predictive training keeps improving.",
        part.made([(command, known.get("date", ""), source.label, path)]),
        [("figure", known["figure"]), ("points", str(len(known["points"])))],
        [report_results.of_correlation(known)],
        charts=charts,
        notes=correlation.sentences(known),
    )


def _labelled(known: Mapping[str, Any]) -> dict[str, Any]:
    points = [{**p, "series": report_charts.plain(p["series"])} for p in known["points"]]
    return {**known, "points": points}
