"""A process that answers: a line of JSON at its start, then one for each line that it is sent.

Benchmarks that set two programs beside one another keep a process of each, so that only one works
at a time and each has its own memory and interpreter.
"""

import json
import pathlib
import subprocess
from collections.abc import Sequence
from typing import Any


class Answering:
    """Such a process.

    Attributes:
      said: its first line.
    """

    def __init__(self, command: Sequence[str], folder: pathlib.Path | None = None):
        """Starts it in a folder, by default that of this process."""
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder
        )
        self.said = self._read()

    def ask(self, line: str) -> Any:
        """The answer to a line; ValueError if the process has ended."""
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        line = self._process.stdout.readline()
        if not line:
            raise ValueError("a process of this benchmark ended: see its message above.")
        return json.loads(line)

    def close(self) -> None:
        """Ends it."""
        self._process.stdin.close()
        self._process.wait()
