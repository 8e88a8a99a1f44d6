"""Studies of the paper's tables and figures: rows by seeds, and what their tables and curves show.

study         whole cells (cells.py), a row of the table for each variant
convergence   their generators alone, measured at each quarter of the updates
"""

import dataclasses
from collections.abc import Mapping, Sequence

from configs.studies import rows
from configs.studies.cells import cell
from configs.studies.measures import MEASURES, PRIMARY, figure
from configs.studies.scales import Scale, scale
from pv_vae_jax.study.plan import Cell, Curves, Measure, Study

_ACROSS = {  # what a curve of rows may be drawn against
    "updates of the VAE": lambda row, at: round(row.share * at.updates["vae"]),
    "width of the VAE": lambda row, at: row.width,
}


def study(
    name: str,
    question: str,
    variants: Sequence[tuple[str, int]],
    argument: str,
    control: str = "baseline",
    measures: Sequence[str] = (),
    titles: Mapping[str, str] | None = None,
    lines: Mapping[str, Sequence[str]] | None = None,
    across: str = "updates of the VAE",
    contrasts: Mapping[str, Mapping[str, float]] | None = None,
) -> Study:
    """A study of rows, each with so many seeds; seed by seed, so that pairs are complete early.

    Args:
      name: of the study.
      question: of its table.
      variants: a row of rows.py, and how many seeds.
      argument: of :func:`scales.scale`.
      control: the row that others are compared with.
      measures: names of MEASURES in its table; if there are none, all that its cells measure.
      titles: of rows that have another than in rows.py.
      lines: name of a line to its rows, for a study that is drawn as curves.
      across: what they are drawn against, a key of _ACROSS.
      contrasts: title to row to its weight.
    """
    at = scale(argument)
    made = [cell(row, seed, at) for row, seed in _grid(variants)]
    kinds = {step.kind for step in made[0].ordered()}
    names = [name for name in measures or MEASURES if name not in at.unmeasured]
    shown = {n: MEASURES[n] for n in names if MEASURES[n].kind in kinds}
    primary = [each for each in PRIMARY if each in shown]
    exports = {"model": "model.npz", "samples": "samples/grid.png"}
    family = f"{at.name}_{at.world}"
    told = _told(variants)
    told["titles"] |= titles or {}
    curves = _curves(lines, across, shown, at) if lines else None
    return Study(
        name, family, question, tuple(made), shown, control, primary, exports, curves=curves,
        contrasts=contrasts or {}, **told,
    )  # fmt: skip


def _curves(
    lines: Mapping[str, Sequence[str]], across: str, measures: Mapping[str, Measure], at: Scale
) -> Curves:
    def points(passed: Sequence[str], name: str) -> list[tuple[float, str, str]]:
        return [(_ACROSS[across](rows.row(row), at), row, name) for row in passed]

    panels = {
        measure.told: {line: points(passed, name) for line, passed in lines.items()}
        for name, measure in measures.items()
    }
    return Curves(across, panels)


def _grid(variants: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    most = max(seeds for _, seeds in variants)
    return [(row, seed) for seed in range(most) for row, seeds in variants if seed < seeds]


def _told(variants: Sequence[tuple[str, int]]) -> dict[str, dict[str, str]]:
    known = {row: rows.row(row) for row, _ in variants}
    papers = {row: each.paper for row, each in known.items() if each.paper}
    return {"titles": {row: each.title for row, each in known.items()}, "published": papers}


def convergence(
    name: str, question: str, variants: Sequence[tuple[str, int]], argument: str
) -> Study:
    """A study of how fast generators train: 256 samples are measured at each quarter.

    The generators are trained as those of :func:`cell`, with samples at intervals; samples, probes
    and the rest are left out.  Arguments as of :func:`study`.
    """
    at = scale(argument)
    every = max(1, at.updates["generator"] // 4)
    pairs = list(zip(at.generation[::2], at.generation[1::2], strict=True))
    changed = [text for flag, text in pairs if flag == "--set" and not text.startswith("videos=")]
    used = [dict(pairs)["--protocol"], f"videos={min(256, at.samples[0])}", *changed]
    watched = [f"--config.runtime.protocol={'+'.join(used)}"]
    watched += [f"--config.runtime.evaluate_every={every}"]
    watched += [f"--config.runtime.protocol_data=('{d}',)" for flag, d in pairs if flag == "--data"]
    before, after, more = at.generator
    at = dataclasses.replace(at, generator=(before, after, (*more, *watched)))
    labels = {n * every: f"generator-{n * every:07d}" for n in (1, 2, 3)} | {4 * every: "final"}
    measures = {
        f"{name}_{count}": figure(
            f"{name.upper()}, {count} updates",
            "generator",
            f"run/evaluation/{label}/results.json",
            name,
            digits=2 if name == "kvd" else 1,
        )
        for name in ("kvd", "fvd")
        for count, label in labels.items()
    }
    titles = {row: rows.row(row).title for row, _ in variants}
    panels = {
        f"{name.upper()} of 256 samples ↓": {
            title: [(count, f"{row}_curve", f"{name}_{count}") for count in labels]
            for row, title in titles.items()
        }
        for name in ("kvd", "fvd")
    }
    whole = {each: cell(*each, at) for each in _grid(variants)}
    made = [Cell(f"{v}_curve", s, (c.step("generator"),)) for (v, s), c in whole.items()]
    told = {
        key: {f"{v}_curve": t for v, t in texts.items()} for key, texts in _told(variants).items()
    }
    control, family = f"{variants[0][0]}_curve", f"{at.name}_{at.world}"
    curves = Curves("updates of the generator", panels)
    return Study(name, family, question, tuple(made), measures, control, curves=curves, **told)
