"""A study as a value: a grid of cells, each of steps, and what is read off them.

    study = cells = variants x seeds,   cell -> steps -> figures

Cells share the steps that they have in common (step.py); parts of a study share none.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from pv_vae_jax.study.step import Step


@dataclasses.dataclass(frozen=True)
class Measure:
    """A figure of a cell: where it stands in what a step wrote.

    Attributes:
      title: head of its column.
      kind: of the step.
      file: below the step's folder, JSON.
      path: keys in it.
      better: "less", "more" or "".
      digits: after the point.
    """

    title: str
    kind: str
    file: str
    path: tuple[str, ...]
    better: str = "less"
    digits: int = 3

    @property
    def told(self) -> str:
        """Its title, with an arrow to where it is better."""
        return self.title + {"less": " ↓", "more": " ↑", "": ""}[self.better]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One variant with one seed."""

    variant: str
    seed: int
    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        """As ``--cells`` takes it."""
        return f"{self.variant}/{self.seed}"

    def ordered(self) -> list[Step]:
        """Its steps and all that they need, each once, after what it needs."""
        found: dict[Step, None] = {}

        def add(step: Step) -> None:
            for needed in step.needs:
                add(needed)
            found.setdefault(step)

        for step in self.steps:
            add(step)
        return list(found)

    def step(self, kind: str) -> Step | None:
        """The last of its steps of a kind: the one that others do not replace."""
        return next((s for s in reversed(self.ordered()) if s.kind == kind), None)


@dataclasses.dataclass(frozen=True)
class Curves:
    """Figures of rows against a number, such as the updates of a training.

    Attributes:
      across: title of the number.
      panels: title of a panel, then name of a line, to its points (number, variant, measure).
    """

    across: str
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, str, str]]]]


@dataclasses.dataclass(frozen=True)
class Study:
    """A grid of cells and what is read off them.

    Attributes:
      name: of the study, and of its table.
      family: studies of one family share cells, and the folder of their results.
      question: a sentence, for the head of its table.
      cells: in the order in which they are run.
      measures: figures by name.
      control: the variant that others are compared with, seed by seed.
      primary: names of the measures that the question is decided by.
      exports: step kind to file that is kept with a cell's results.
      titles: rows of the table, variant to text.
      published: the paper's figures beside a row, variant to text.
      curves: what its figure draws instead of rows with their seeds.
      contrasts: title to variant to its weight: sums that are told beside the differences.
    """

    name: str
    family: str
    question: str
    cells: tuple[Cell, ...]
    measures: Mapping[str, Measure]
    control: str
    primary: Sequence[str] = ()
    exports: Mapping[str, str] = dataclasses.field(default_factory=dict)
    titles: Mapping[str, str] = dataclasses.field(default_factory=dict)
    published: Mapping[str, str] = dataclasses.field(default_factory=dict)
    curves: Curves | None = None
    contrasts: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        names = [cell.name for cell in self.cells]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"study {self.name} has twice: {', '.join(sorted(twice))}.")
        if self.control not in self.variants:
            raise ValueError(f"the control {self.control!r} of study {self.name} is no variant.")
        named = {variant for weights in self.contrasts.values() for variant in weights}
        if unknown := sorted(named - {*self.variants}):
            raise ValueError(f"contrasts of study {self.name}: {', '.join(unknown)} is no variant.")

    @property
    def variants(self) -> tuple[str, ...]:
        """In the order of their rows."""
        return tuple(dict.fromkeys(cell.variant for cell in self.cells))

    def chosen(self, names: Sequence[str]) -> "Study":
        """The study of some cells: ``VARIANT`` or ``VARIANT/SEED`` each; all if there are none.

        Raises:
          ValueError: there is no such cell.
        """
        known = {c.variant for c in self.cells} | {c.name for c in self.cells}
        for name in names:
            if name not in known:
                raise ValueError(
                    f"--cells {name}: the study {self.name} has the variants "
                    f"{', '.join(self.variants)}, with seeds as {self.cells[0].name}."
                )
        wanted = [c for c in self.cells if not names or {c.variant, c.name} & set(names)]
        there = {c.variant for c in wanted}
        control = self.control if self.control in there else wanted[0].variant
        contrasts = {title: w for title, w in self.contrasts.items() if w.keys() <= there}
        return dataclasses.replace(self, cells=tuple(wanted), control=control, contrasts=contrasts)

    def part(self, index: int, count: int) -> "Study":
        """Part ``index`` of ``count``: cells that share a step are in the same part.

        Raises:
          ValueError: an index out of range, or nothing for this part to do.
        """
        if not 0 <= index < count:
            raise ValueError(f"--part {index}/{count}: parts are 0/{count} to {count - 1}/{count}.")
        mine = [group for n, group in enumerate(self._groups()) if n % count == index]
        if not mine:
            raise ValueError(
                f"--part {index}/{count}: the study falls into {len(list(self._groups()))} parts "
                "that share nothing."
            )
        return self.chosen([cell.name for group in mine for cell in group])

    def _groups(self) -> Iterator[list[Cell]]:
        """Cells that share a step, as lists, in the order of the first of each."""
        left = [(cell, set(cell.ordered())) for cell in self.cells]
        while left:
            group, steps = [left[0][0]], set(left[0][1])
            left, grown = left[1:], True
            while grown:
                grown = [pair for pair in left if pair[1] & steps]
                left = [pair for pair in left if not pair[1] & steps]
                for cell, more in grown:
                    group.append(cell)
                    steps |= more
            yield group
