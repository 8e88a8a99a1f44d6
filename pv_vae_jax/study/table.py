"""The table of a study: each row over its seeds, and its difference from the control by seed.

    mean +- q sqrt(s^2 / n),   q = t quantile of n - 1,   s^2 = sum of squares / (n - 1)       (1)
    difference: (1) of  figure(variant, seed) - figure(control, seed)  over common seeds      (2)

Pairing takes out what a seed does to both: initial weights, the order of clips, the noise of the
generator and of its samples.  An interval over seeds tells how much training scatters; that of one
result over its videos is in the result.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from pv_vae_jax.core import markdown
from pv_vae_jax.metrics import intervals
from pv_vae_jax.study import results
from pv_vae_jax.study.plan import Measure, Study

Found = dict[str, dict[int, dict[str, Any]]]


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Equation (1).

    Attributes:
      mean: over seeds.
      low: lower end of the interval, None for a single seed.
      high: upper end.
      seeds: which.
    """

    mean: float
    low: float | None
    high: float | None
    seeds: tuple[int, ...]

    @classmethod
    def of(cls, numbers: Sequence[float], seeds: Sequence[int]) -> "Estimate":
        """Equation (1) of a number for each seed."""
        if len(numbers) < 2:
            return cls(float(np.mean(numbers)), None, None, tuple(seeds))
        found = intervals.jackknife(np.mean, [np.array(numbers)], seeds)  # of a mean it is (1)
        return cls(found.value, found.low, found.high, tuple(seeds))

    @property
    def half(self) -> float | None:
        """Half of the interval; None for a single seed."""
        return None if self.high is None else self.high - self.mean

    @property
    def clear(self) -> bool:
        """Whether the interval does not hold 0."""
        return self.low is not None and (self.low > 0 or self.high < 0)


def seeds_of(found: Found, variant: str, name: str) -> list[int]:
    """The seeds whose cells have the figure."""
    cells = found.get(variant, {})
    return sorted(seed for seed, cell in cells.items() if cell["figures"].get(name) is not None)


def figure(found: Found, variant: str, name: str) -> Estimate | None:
    """Equation (1) of a figure; None where no cell has it."""
    seeds = seeds_of(found, variant, name)
    return Estimate.of(results.values(found, variant, name, seeds), seeds) if seeds else None


def difference(found: Found, variant: str, control: str, name: str) -> Estimate | None:
    """Equation (2); None where the two have no seed in common."""
    seeds = sorted({*seeds_of(found, variant, name)} & {*seeds_of(found, control, name)})
    if variant == control or not seeds:
        return None
    pairs = zip(*(results.values(found, v, name, seeds) for v in (variant, control)), strict=True)
    return Estimate.of([one - other for one, other in pairs], seeds)


def numbers(study: Study, found: Found) -> dict[str, Any]:
    """All estimates as JSON values: variant, then "figures" and "differences" by name."""
    return {
        variant: {
            "figures": _plain({n: figure(found, variant, n) for n in study.measures}),
            "differences": _plain(
                {n: difference(found, variant, study.control, n) for n in study.measures}
            ),
            "seconds": float(np.mean([cell["seconds"] for cell in found[variant].values()])),
        }
        for variant in study.variants
        if variant in found
    }


def _plain(estimates: dict[str, Estimate | None]) -> dict[str, Any]:
    return {name: each and dataclasses.asdict(each) for name, each in estimates.items()}


def text(study: Study, found: Found) -> str:
    """Markdown: the question, the figures, the differences; bold where an interval excludes 0."""
    there = [variant for variant in study.variants if variant in found]
    others = [variant for variant in there if variant != study.control]
    paper = ["the paper", *(study.published.get(variant, "") for variant in there)]
    last = [*_spent(found, there), *([paper] if any(paper[1:]) else [])]
    parts = [
        f"**{study.question}**",
        "Mean over seeds, with the 95% t interval over seeds; primary figures in italics.",
        _table(study, found, there, lambda v, n, m: _told(figure(found, v, n), m))
        + "".join(f"\n{markdown.row(cells)}" for cells in last),
    ]
    if others:
        parts += [
            f'Difference from "{study.titles.get(study.control, study.control)}", paired by seed, '
            "with its 95% interval; bold where that excludes 0.",
            _table(
                study,
                found,
                others,
                lambda v, n, m: _differs(difference(found, v, study.control, n), m),
                study.control,
            ),
        ]
    return "\n\n".join(parts)


def _table(study: Study, found: Found, variants: Sequence[str], of: Any, pair: str = "") -> str:
    """A column for each variant, a row for each measure; seeds are those that ``pair`` has too."""
    heads = ["", *(study.titles.get(variant, variant) for variant in variants)]
    shared = [set(found[variant]) & set(found.get(pair, found[variant])) for variant in variants]
    rows = [["seeds", *(str(len(seeds)) for seeds in shared)]]
    for name, measure in study.measures.items():
        if any(seeds_of(found, variant, name) for variant in variants):
            head = f"*{measure.told}*" if name in study.primary else measure.told
            rows.append([head, *(of(variant, name, measure) for variant in variants)])
    return markdown.table(heads, rows)


def _spent(found: Found, variants: Sequence[str]) -> list[list[str]]:
    """What the rows cost: updates of each training, minutes of a cell with all its steps."""
    cells = {variant: list(found[variant].values()) for variant in variants}
    return [
        ["updates", *(_updates(cells[variant][0]) for variant in variants)],
        ["minutes", *(f"{np.mean([c['seconds'] for c in cells[v]]) / 60:.0f}" for v in variants)],
    ]


def _updates(cell: dict[str, Any]) -> str:
    told = [(step["kind"], step["about"].get("updates")) for step in cell["steps"]]
    return ", ".join(f"{kind} {count}" for kind, count in told if count)


def _told(found: Estimate | None, measure: Measure) -> str:
    if found is None:
        return ""
    text = f"{found.mean:.{measure.digits}f}"
    return text if found.half is None else f"{text} ± {found.half:.{measure.digits}f}"


def _differs(found: Estimate | None, measure: Measure) -> str:
    if found is None:
        return ""
    text = f"{found.mean:+.{measure.digits}f}"
    if found.low is None:
        return text
    text += f" [{found.low:+.{measure.digits}f}, {found.high:+.{measure.digits}f}]"
    return f"**{text}**" if found.clear else text
