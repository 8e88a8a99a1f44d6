"""The table of a study: each row over its seeds, and its difference from the control by seed.

    mean +- q sqrt(s^2 / n),   q = t quantile of n - 1,   s^2 = sum of squares / (n - 1)       (1)
    contrast: (1) of  sum over variants of weight x figure(variant, seed)  over common seeds  (2)

The figure of a row is the contrast of weight 1, its difference from the control of 1 and -1.

Pairing takes out what a seed does to both: initial weights, the order of clips, the noise of the
generator and of its samples.  An interval over seeds tells how much training scatters; that of one
result over its videos is in the result.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pv_vae_jax.core import markdown
from pv_vae_jax.metrics import intervals
from pv_vae_jax.study import results
from pv_vae_jax.study.plan import Measure, Study

Found = dict[str, dict[int, dict[str, Any]]]
Weights = Mapping[str, float]  # of variants


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


def contrast(found: Found, weights: Weights, name: str) -> Estimate | None:
    """Equation (2); None where the variants have no seed in common."""
    of_each = [{*seeds_of(found, variant, name)} for variant in weights]
    seeds = sorted(set.intersection(*of_each)) if of_each else []
    if not seeds:
        return None
    of_variant = [results.values(found, variant, name, seeds) for variant in weights]
    return Estimate.of(np.transpose(of_variant) @ list(weights.values()), seeds)


def differences(study: Study, variants: Sequence[str]) -> dict[str, Weights]:
    """From the control, of all other variants."""
    others = (variant for variant in variants if variant != study.control)
    return {variant: {variant: 1.0, study.control: -1.0} for variant in others}


def numbers(study: Study, found: Found) -> dict[str, Any]:
    """All estimates as JSON values: variant, then "figures" and "differences" by name.

    Beside the variants "contrasts" by title, where the study has some.
    """

    def estimates(weights: Weights) -> dict[str, Any]:
        each = {name: contrast(found, weights, name) for name in study.measures}
        return {name: one and dataclasses.asdict(one) for name, one in each.items()}

    there = [variant for variant in study.variants if variant in found]
    from_control = differences(study, there)
    rows = {
        variant: {
            "figures": estimates({variant: 1.0}),
            "differences": estimates(from_control.get(variant, {})),
            "seconds": float(np.mean([cell["seconds"] for cell in found[variant].values()])),
        }
        for variant in there
    }
    contrasts = {title: estimates(weights) for title, weights in study.contrasts.items()}
    return rows | ({"contrasts": contrasts} if contrasts else {})


def text(study: Study, found: Found) -> str:
    """Markdown: the question, the figures, the differences; bold where an interval excludes 0."""
    there = [variant for variant in study.variants if variant in found]
    paper = ["the paper", *(study.published.get(variant, "") for variant in there)]
    last = [*_spent(found, there), *([paper] if any(paper[1:]) else [])]
    titles = {variant: study.titles.get(variant, variant) for variant in study.variants}

    def columns(of: Mapping[str, Weights]) -> list[tuple[str, Weights]]:
        return [(titles[variant], weights) for variant, weights in of.items()]

    parts = [
        f"**{study.question}**",
        "Mean over seeds, with the 95% t interval over seeds; primary figures in italics.",
        _table(study, found, columns({variant: {variant: 1.0} for variant in there}), _told)
        + "".join(f"\n{markdown.row(cells)}" for cells in last),
    ]
    if from_control := differences(study, there):
        parts += [
            f'Difference from "{titles[study.control]}", paired by seed, with its 95% interval; '
            "bold where that excludes 0.",
            _table(study, found, columns(from_control), _differs),
        ]
    if study.contrasts:
        parts += [
            "Difference from row to row, paired by seed, with its 95% interval; bold where that "
            "excludes 0.",
            _table(study, found, list(study.contrasts.items()), _differs),
        ]
    return "\n\n".join(parts)


def _table(
    study: Study,
    found: Found,
    columns: Sequence[tuple[str, Weights]],
    told: Callable[[Estimate | None, Measure], str],
) -> str:
    """A column for each contrast under its title, a row for each measure that a variant has."""
    shared = [set.intersection(*(set(found.get(v, {})) for v in w)) for _, w in columns]
    rows = [["seeds", *(str(len(seeds)) for seeds in shared)]]
    for name, measure in study.measures.items():
        if any(seeds_of(found, variant, name) for _, weights in columns for variant in weights):
            head = f"*{measure.told}*" if name in study.primary else measure.told
            rows.append([head, *(told(contrast(found, w, name), measure) for _, w in columns)])
    return markdown.table(["", *(title for title, _ in columns)], rows)


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
