"""Figures of probes over seeds, and of two models seed by seed.

    figure     = mean over seeds of the mean over test clips; its interval is over seeds    (1)
    difference = mean over seeds of (other - one), one being probed with the same seed      (2)

Seeds tell how much a probe's training scatters, not how much other clips would change.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pv_vae_jax.analysis.finding import Figure, Finding
from pv_vae_jax.analysis.probe_tasks import TASKS


def summary(base: Finding, tasks: Mapping[str, Any], seeds: int) -> Finding:
    """The finding of all tasks.

    Args:
      base: model, protocol, settings and command.
      tasks: what probe_tasks.result gave, by name.
      seeds: how many there were.
    """
    figures, values, refused = {}, {}, {}
    for name, made in tasks.items():
        task = TASKS[name]
        for key, (title, better, digits) in task.figures.items():
            figures[key] = over_seeds(title, made["seeds"][key], better, digits)
        values[name] = {k: v for k, v in made.items() if k not in ("made", "refused")}
        values[name]["paper"] = task.paper
        refused |= made["refused"]
    counts = {name: made["counts"] for name, made in tasks.items()}
    notes = [f"Probes: intervals over {seeds} seeds, on the same clips."]
    notes += [f"{name}: {n['train']} clips to train on, {n['test']} to test on."
              for name, n in counts.items()]  # fmt: skip
    return dataclasses.replace(base, figures=figures, values=values, refused=refused, notes=notes)


def over_seeds(title: str, values: Sequence[float], better: str, digits: int) -> Figure:
    """Equation (1): a mean with its t interval; what no probe decides has none.

    Args:
      title: head of its column.
      values: one of each seed.
      better: "more", "less", or "" for what is the same whatever the probe says.
      digits: after the point.
    """
    if not better:
        return Figure(title, float(np.mean(values)), digits=digits, method="the same for all seeds")
    seeds = [str(seed) for seed in range(len(values))]
    found = Figure.over_sources(title, np.mean, [np.array(values)], seeds, better, digits)
    how = "t interval over seeds" if found.low is not None else "no interval: one seed"
    return dataclasses.replace(found, method=f"{how}, {len(values)} of them")


def paired(one: Finding, other: Finding) -> dict[str, Figure]:
    """Equation (2), by figure; where ``better`` is "less", a negative one is for ``other``.

    Raises:
      ValueError: their protocols, data or budgets differ.
    """
    if one.protocol != other.protocol or one.settings != other.settings:
        raise ValueError(
            f"the probes of {one.model['label']} and {other.model['label']} were made otherwise: "
            "probe both with one protocol, the same data and the same budget."
        )
    found = {}
    for name in one.values:
        for key, (title, better, digits) in TASKS[name].figures.items():
            if better:
                pair = (np.array(each[name]["seeds"][key]) for each in (one.values, other.values))
                first, second = pair
                found[key] = over_seeds(title, second - first, better, digits)
    return found
