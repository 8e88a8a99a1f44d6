"""A step of a study as a value: one door with its arguments, and a folder of its own.

    folder = KIND-sha256(door, arguments, config, folders of the steps it reads)          (1)

By (1) two cells that need the same thing share it: a baseline's VAE is trained once, whether its
row has a fine-tuned decoder or not, and a frozen encoder's latents and generator are those of the
row before.  A step that has other arguments has another folder; what they do not tell, defaults and
protocols, is a study's own to keep (RECIPE of configs/studies/scales.py).
"""

import dataclasses
import functools
import hashlib
import json
import shlex
from collections.abc import Mapping
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
        """Equation (1)."""
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
