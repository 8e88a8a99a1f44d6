"""A study as a value: a grid of cells, each of steps, each step one door with its arguments.

    cell = variant x seed -> steps                                                          (1)
    folder of a step = KIND-sha256(door, arguments, config, folders of the steps it reads)  (2)

By (2) two cells that need the same thing share it: a baseline's VAE is trained once, whether its
row has a fine-tuned decoder or not, and a frozen encoder's latents and generator are those of the
row before.  A step that has other arguments has another folder; nothing is ever out of date.
"""

import dataclasses
import functools
import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Output:
    """A path below the folder of a step, or of the step that the argument is of (``step`` None)."""

    step: "Step | None"
    path: str = ""
    prefix: str = ""  # in front of it, such as "--workdir="
    suffix: str = ""

    def told(self, folder: str) -> str:
        """The argument, where the step's folder is ``folder``."""
        place = f"{folder}/{self.path}" if self.path else folder
        return f"{self.prefix}{place}{self.suffix}"


def own(path: str = "", prefix: str = "") -> Output:
    """A path below the folder of the step that has this argument."""
    return Output(None, path, prefix)


@dataclasses.dataclass(frozen=True)
class Step:
    """One door.

    Attributes:
      kind: what it makes, a word: "vae", "latents", "generator".
      door: ``python -m launch.DOOR``.
      arguments: texts, and paths of :class:`Output`.
      makes: a path below its folder that is there when it is done.
      config: what a config file says that an argument names, as text: another text, another step.
      about: JSON values for the results, such as the number of training steps.
    """

    kind: str
    door: str
    arguments: tuple[str | Output, ...]
    makes: str
    config: str = ""
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False, compare=False)

    def file(self, path: str = "", prefix: str = "", suffix: str = "") -> Output:
        """A path below this step's folder, as an argument of another step."""
        return Output(self, path, prefix, suffix)

    @property
    def needs(self) -> tuple["Step", ...]:
        """The steps whose outputs it reads."""
        read = (a.step for a in self.arguments if isinstance(a, Output) and a.step is not None)
        return tuple(dict.fromkeys(read))

    @functools.cached_property
    def folder(self) -> str:
        """Equation (2)."""
        told = [
            a if isinstance(a, str) else a.told(a.step.folder if a.step else "OWN")
            for a in self.arguments
        ]
        digest = hashlib.sha256(json.dumps([self.door, told, self.config]).encode()).hexdigest()
        return f"{self.kind}-{digest[:10]}"

    def command(self, root: str) -> list[str]:
        """``launch.DOOR`` and its arguments, with folders below ``root``."""
        told = [
            a if isinstance(a, str) else a.told(f"{root}/{(a.step or self).folder}")
            for a in self.arguments
        ]
        return [f"launch.{self.door}", *told]

    def typed(self, root: str) -> str:
        """The command as it is typed into a shell."""
        return shlex.join(["python", "-m", *self.command(root)])


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

    def __post_init__(self):
        names = [cell.name for cell in self.cells]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"study {self.name} has twice: {', '.join(sorted(twice))}.")
        if self.control not in self.variants:
            raise ValueError(f"the control {self.control!r} of study {self.name} is no variant.")

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
        control = self.control if any(c.variant == self.control for c in wanted) else None
        return dataclasses.replace(self, cells=tuple(wanted), control=control or wanted[0].variant)

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
