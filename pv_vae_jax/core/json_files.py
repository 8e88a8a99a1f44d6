"""JSON in files: one value, or a value a line; a file that is damaged is named."""

import json
import math
from typing import Any

from pv_vae_jax.core import storage


def read(where: storage.Where) -> Any:
    """The value of a file.

    Raises:
      OSError: it is not there, or may not be read.
      ValueError: it is empty, cut off or no JSON; the message names it.
    """
    try:
        return json.loads(storage.read(where))
    except ValueError as error:
        raise ValueError(
            f"{where} is damaged ({error}): restore it, or remove it and make it again."
        ) from error


def lines(where: storage.Where) -> list[Any]:
    """The value of each line; one that a killed process was writing is left out.

    Raises:
      OSError: it is not there, or may not be read.
    """
    found = []
    for line in storage.read(where).decode(errors="replace").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def finite(value: Any) -> Any:
    """A value, or nested dicts of them, as strict JSON has it: what is not finite becomes None."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
