"""Parts of a report that are of results and runs: reconstruction, generation, training."""

import dataclasses
import shlex
from collections.abc import Sequence

from pv_vae_jax.analysis import report_charts, report_results, report_tables
from pv_vae_jax.analysis import report_part as part
from pv_vae_jax.analysis.report_charts import Chart
from pv_vae_jax.analysis.report_media import Media
from pv_vae_jax.analysis.report_part import Part
from pv_vae_jax.analysis.report_sources import Run, Source, Sources
from pv_vae_jax.evaluation import convergence, curves
from pv_vae_jax.evaluation.tables import differences, grouped

TEXTS = {
    "reconstruction": "Originals against what the decoder makes of their latents.",
    "generation": "Samples of generators on the latents against real videos.",
}
PAPER = {
    "reconstruction": ("k400-recon-256", "k400-recon-512"),
    "generation": ("ucf101-gen", "re10k-gen"),
}
SAMPLES = "samples/"  # of what runs record
TOLD = "These results keep no command: the one below is made of their fields."


def of(task: str, found: Sources, media: Media) -> Part | None:
    """The part of a task of evaluation/protocol.py; None where nothing was measured.

    Args:
      task: of ``TEXTS``.
      found: results and runs.
      media: of the page.
    """
    sources = [each for each in found.results if each.made["protocol"].get("task") == task]
    groups = grouped(sources, _differ)
    tables = [report_results.of_results([(s.label, s.made) for s in group]) for group in groups]
    notes = part.differences(groups, _differ)
    notes += part.notes((source.label, source.made.get("warnings", ())) for source in sources)
    charts: list[Chart] = []
    if task == "generation":
        charts = _curves(found.runs, [p for p in curves.PANELS if p.names[0].startswith(SAMPLES)])
        against, told = _converged(found.runs)
        tables, notes = tables + against, notes + told
    if not tables and not charts:
        return None
    if not all(source.made.get("command") for source in sources):
        notes.append(TOLD)
    entries = [(_command(s), s.made.get("date", ""), s.label, media.json(s.label, task, s.path))
               for s in sources]  # fmt: skip
    return Part(
        task,
        task.capitalize(),
        TEXTS[task],
        part.made(entries),
        part.fields(sources[0].made["protocol"] if sources else {}),
        tables,
        [report_results.of_paper(name) for name in PAPER[task]],
        charts,
        notes=notes,
        refused=[
            (s.label, key, why) for s in sources for key, why in s.made.get("replaced", {}).items()
        ],
    )


def _differ(one: Source, other: Source) -> list[str]:
    return differences(one.made, other.made)


def _command(source: Source) -> str:
    """That of a result, which tells it, or its fields."""
    result = source.made
    if result.get("command"):
        return result["command"]
    name, _, changed = result["protocol"]["name"].partition("+")
    parts = ["python", "-m", "launch.evaluate", "--protocol", name]
    for setting in changed.split(",") if changed else []:
        parts += ["--set", setting]
    subject = result["model"].get("file") or result["model"].get("name", source.label)
    kind = "--samples" if result["protocol"]["task"] == "generation" else "--model"
    return shlex.join([*parts, kind, subject, "--out", "OUT"])


def _converged(runs: Sequence[Run]) -> tuple[list[report_tables.Table], list[str]]:
    """A table of the runs that measured samples, or why there is none."""
    folders = [run.folder for run in runs if f"{SAMPLES}fvd" in run.history.values]
    if len(folders) < 2:
        return [], []
    try:
        found = convergence.compared(folders, "fvd")
    except ValueError as error:
        return [], [str(error)]
    return [report_results.of_convergence(found, "fvd")], []


def training(runs: Sequence[Run]) -> Part | None:
    """What runs recorded; None where there is nothing to draw."""
    charts = _curves(runs, [p for p in curves.PANELS if not p.names[0].startswith(SAMPLES)])
    if not charts:
        return None
    return Part(
        "training",
        "Training",
        "What the runs recorded; stages follow one another.",
        part.made(
            (command, date, run.history.name, "") for run in runs for command, date in run.starts
        ),
        [("run", run.folder) for run in runs],
        charts=charts,
    )


def _curves(runs: Sequence[Run], panels: Sequence[curves.Panel]) -> list[Chart]:
    """The panels that show anything but zeros."""
    histories = [_labelled(run.history) for run in runs]
    charts = []
    for number, panel in enumerate(panels):
        values = [history.values[n][1] for history in histories for n in panel.names
                  if n in history.values]  # fmt: skip
        if any(any(each) for each in values):
            charts += report_charts.drawn(
                lambda folder, panel=panel: curves.draw(folder / "a.svg", histories, [panel]),
                f"curve-{panel.names[0][:4]}-{number}",
                [panel.title],
            )
    return charts


def _labelled(history: curves.History) -> curves.History:
    begins = tuple((report_charts.plain(stage), begin) for stage, begin in history.begins)
    name = report_charts.plain(history.name)
    return dataclasses.replace(history, name=name, begins=begins)
