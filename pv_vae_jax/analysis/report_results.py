"""Tables of results: reconstruction, generation, convergence, correlation, and the paper's rows.

The paper's row of a model stands below ours only where the protocol is the paper's; its whole
table is a table of its own.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from pv_vae_jax.analysis.finding import Figure
from pv_vae_jax.analysis.report_tables import Cell, Line, Table, about, caption, column, printed
from pv_vae_jax.evaluation import protocol, published, tables
from pv_vae_jax.evaluation.convergence import Convergence
from pv_vae_jax.evaluation.tables import COLUMNS, HEADS

PRINTED = {"ssim": 2, "lpips": 3}  # digits of the paper, else 2


def of_results(labelled: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    """Of (label, result of launch.evaluate), all of one protocol."""
    figures = [_figures(result) for _, result in labelled]
    names = [name for name in COLUMNS if any(name in each for each in figures)]
    columns = [column([each.get(name) for each in figures]) for name in names]
    used, lines = labelled[0][1]["protocol"], []
    for i, (label, result) in enumerate(labelled):
        model = result["model"]
        lines.append(Line(label, about(model), [cells[i] for cells in columns]))
        if paper := published.beside(used, model.get("name", "")):
            cells = [printed(paper.get(name), COLUMNS[name][0]) for name in names]
            lines.append(Line(f"{label} in the paper", "", cells, paper=True))
    return Table(caption(used), [_head(name) for name in names], lines)


def _figures(result: Mapping[str, Any]) -> dict[str, Figure]:
    found = tables.values(result)
    return {name: _figure(name, COLUMNS[name][0], **each) for name, each in found.items()}


def _figure(name: str, digits: int, value: float, low=None, high=None, method="", **_: Any):
    title, better = _head(name)
    return Figure(title, value, low, high, better, digits, method)


def _head(name: str) -> tuple[str, str]:
    return HEADS.get(name, name), COLUMNS[name][1]


def of_paper(used: str) -> Table:
    """What the paper prints for a protocol, best and second among its own rows."""
    found = {model: published.row(used, model) for model in published.FIGURES[used]}
    names = list(next(iter(found.values())))
    columns = [
        column([_figure(name, PRINTED.get(name, 2), each[name]) for each in found.values()])
        for name in names
    ]
    lines: dict[str, Line] = {}
    for i, model in enumerate(found):
        cells = [cells[i] for cells in columns]
        key = "|".join(cell.text for cell in cells)  # one architecture of two names
        label = f"{lines[key].label}, {model}" if key in lines else model
        lines[key] = Line(label, "", cells, paper=True)
    told = caption(dataclasses.asdict(protocol.named(used)))
    return Table(told, [_head(name) for name in names], list(lines.values()))


def of_convergence(found: Sequence[Convergence], figure: str) -> Table:
    """Of runs against the first one."""
    heads = [
        (f"last {figure.upper()}", "less"),
        ("at step", ""),
        ("as good as the first after", ""),
        ("less training, %", "more"),
    ]
    last = column([_figure(figure, 2, run.values[-1]) for run in found])
    less = column(
        [None if run.less is None else Figure(heads[3][0], 100 * run.less, digits=0)
         for run in found]
    )  # fmt: skip
    lines = []
    for i, run in enumerate(found):
        bound = "at most " if run.at_first and run.less else ""
        reached = "never" if run.reached is None else f"{bound}{run.reached:,.0f}"
        lines.append(
            Line(run.name, "", [last[i], Cell(f"{run.steps[-1]:,}"), Cell(reached), less[i]])
        )
    paper = [Cell(""), Cell(""), Cell(""), printed(52, 0)]
    lines.append(Line("the paper", "UCF101, FVD, against Wan2.2's latents", paper, paper=True))
    return Table("the first run is the baseline", heads, lines, "run")


def of_correlation(known: Mapping[str, Any]) -> Table:
    """Of the points of analysis/correlation.py."""
    name, points = known["figure"], known["points"]
    heads = [("steps of the video VAE", ""), ("prediction MSE", "less"), (name.upper(), "less")]
    error = column([Figure(heads[1][0], **p["prediction"], better="less", digits=5)
                    for p in points])  # fmt: skip
    distance = column([_figure(name, 2, **point["generation"]) for point in points])
    lines = []
    for i, point in enumerate(points):
        step = "–" if point["step"] is None else f"{point['stage']} {point['step']:,}"
        lines.append(Line(point["label"], point["series"], [Cell(step), error[i], distance[i]]))
    return Table("a point for each video VAE and the generator on its latents", heads, lines)
