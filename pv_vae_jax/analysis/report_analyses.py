"""Parts of a report that are of findings: films, prediction, distance, components, probes."""

import dataclasses
from collections.abc import Sequence

from pv_vae_jax.analysis import drawing, report_charts, report_films, report_tables, tables
from pv_vae_jax.analysis import report_part as part
from pv_vae_jax.analysis.finding import Finding
from pv_vae_jax.analysis.report_charts import Chart
from pv_vae_jax.analysis.report_media import Media
from pv_vae_jax.analysis.report_part import Part
from pv_vae_jax.analysis.report_sources import Source
from pv_vae_jax.evaluation.tables import grouped

TEXTS = {
    "videos": (
        "Films",
        "One clip through each model, all films in step. Arrow keys step one frame, space plays; "
        "a prediction is marked where its frame was withheld.",
    ),
    "prediction": (
        "Frame prediction",
        "The latter half of each clip is withheld and the decoder gives the whole. Error of the "
        "withheld frames, beside two rules that need no model.",
    ),
    "ltd": (
        "Latent temporal distance",
        "How far latents move in time: L2 distance over channels at the same place. The paper "
        "prints curves, no numbers; of its model the adjacent distance is lower, and the distance "
        "rises with the interval.",
    ),
    "pca": (
        "Principal components and motion",
        "Do activations of latents follow optical flow? The paper shows pictures; here the "
        "correlation is a number.",
    ),
    "probes_latents": (
        "Probes on latents",
        "What small decoders read from latents: optical flow, the next frame, tracks of points. "
        "The paper probes the features of a generator.",
    ),
    "probes_features": (
        "Probes on the generator's features",
        "What small decoders read from features of the generator: optical flow, the next frame, "
        "tracks of points (the paper's Table 3).",
    ),
}
DRAWN = {
    "prediction": ["error of each withheld frame"],
    "ltd": ["histogram of adjacent distances, and distance over the interval"],
    "pca": ["correlation of activations with the magnitude of flow"],
}


def of(name: str, sources: Sequence[Source], media: Media) -> Part:
    """The part of an analysis; one that is not known here has its name as its title.

    Args:
      name: of the analysis.
      sources: its findings.
      media: of the page.
    """
    findings = [source.made for source in sources]
    groups = grouped(findings, tables.differences)
    title, text = TEXTS.get(name, (name, ""))
    players = report_films.players(sources, media) if name == "videos" else []
    refused = [(e.model["label"], key, why) for e in findings for key, why in e.refused.items()]
    entries = [(s.made.command, s.made.date, s.label, media.json(s.label, name, s.path))
               for s in sources]  # fmt: skip
    told = part.notes((each.model["label"], each.notes) for each in findings)
    return Part(
        name,
        title,
        text,
        part.made(entries),
        part.fields({**findings[0].protocol, **findings[0].settings}),
        [report_tables.of_findings(group) for group in groups if group[0].figures],
        charts=_charts(name, groups),
        players=players,
        notes=part.differences(groups, tables.differences) + told,
        refused=refused + report_films.refused(players),
    )


def _charts(name: str, groups: Sequence[Sequence[Finding]]) -> list[Chart]:
    charts = []
    for number, group in enumerate(groups):
        if name in DRAWN:
            labelled = [_labelled(each) for each in group]
            charts += report_charts.drawn(
                lambda folder, labelled=labelled: drawing.draw(folder, labelled),
                f"{name}-{number}",
                DRAWN[name],
            )
    return charts


def _labelled(finding: Finding) -> Finding:
    label = report_charts.plain(finding.model["label"])
    return dataclasses.replace(finding, model={**finding.model, "label": label})
