"""The config of a compilation, and ``key=value`` changes to it."""

import ast
from collections.abc import Sequence
from typing import Any

from launch import config_file


def read(text: str, changes: Sequence[str] = ()) -> dict[str, Any]:
    """The config of ``FILE`` or ``FILE:ARGUMENT`` as plain dicts, with changes.

    Raises:
      ValueError: no such config, no such key, or a value of another type.
    """
    config = config_file.read(text).to_dict()
    for change in changes:
        _set(config, change)
    return config


def _set(config: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals:
        raise ValueError(f"--set {change}: write it as key=value, such as model.fields.remat=none.")
    *branches, leaf = key.removeprefix("config.").split(".")
    at = config
    for branch in branches:
        at = at.get(branch) if isinstance(at, dict) else None
    if not isinstance(at, dict) or leaf not in at:
        there = ", ".join(at) if isinstance(at, dict) else "none"
        raise ValueError(f"--set {change}: the config has no key {key}; the keys there: {there}.")
    old, new = at[leaf], _value(text)
    if isinstance(old, float) and type(new) is int:
        new = float(new)
    if isinstance(old, dict) or type(new) is not type(old):
        raise ValueError(
            f"--set {change}: {key} is {old!r}, a {type(old).__name__}; got a {type(new).__name__}."
        )
    at[leaf] = new


def _value(text: str) -> Any:
    """A Python literal, or the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def only(
    config: dict[str, Any], stage: str, bucket: int, per_device: int, parts: int, what: str
) -> dict[str, Any]:
    """The config of one stage and one bucket.

    Its batch is that of the config, or ``per_device`` clips at once on each of ``parts``.

    Raises:
      ValueError: no such stage or bucket, or fewer clips than one.
    """
    if per_device < 0:
        raise ValueError(f"--per-device {per_device}: a number of clips, or 0 for the config's.")
    stage = stage or config["run"][0]
    if stage not in config["stages"]:
        raise ValueError(f"--stage {stage}: the stages are {', '.join(config['stages'])}.")
    one = config["stages"][stage]
    buckets = one["data"]["buckets"]
    if not 0 <= bucket < len(buckets):
        raise ValueError(f"--bucket {bucket}: {stage} has {len(buckets)} bucket(s), from 0.")
    height, width, batch, *rest = buckets[bucket]
    if per_device:
        times = one["optimizer"]["accumulate"] if what == "train" else 1
        batch = per_device * parts * times
    data = one["data"] | {"buckets": ((height, width, batch, *rest),)}
    stages = config["stages"] | {stage: one | {"data": data, "init_from": ""}}
    return config | {"run": (stage,), "stages": stages}
