"""One task on one model: features, a probe for each seed, figures of the test clips.

    figures [seeds, clips] -> their mean over clips, by seed; their mean over seeds, by clip

The clips and their features are made once for all tasks that share them.
"""

from typing import Any

import numpy as np

from pv_vae_jax.analysis.flow_probe import FlowProbe
from pv_vae_jax.analysis.next_frame_probe import NextFrameProbe
from pv_vae_jax.analysis.probe_clips import SPLITS, Clips, Data
from pv_vae_jax.analysis.probe_features import Fed
from pv_vae_jax.analysis.probe_network import Probe
from pv_vae_jax.analysis.probe_training import Budget, Training
from pv_vae_jax.analysis.tracking_probe import TrackingProbe

TASKS = {task.name: task for task in (FlowProbe(), NextFrameProbe(), TrackingProbe())}
FIRST = {"train": 0, "test": 2**31}  # number of the first example, for its noise


class Read:
    """Clips and features by the name of their data, each made once."""

    def __init__(self, fed: Fed, batch: int):
        self.fed, self._batch = fed, batch
        self._known: dict[tuple[str, str], tuple[Clips, np.ndarray]] = {}

    def __call__(self, data: Data, split: str) -> tuple[Clips, np.ndarray]:
        """The clips of a split, and their features ``[N, G, h, w, C]``."""
        key = data.names[split], split
        if key not in self._known:
            clips = data.read(split)
            title = f"{self.fed.name} of {', '.join(key)}"
            made = self.fed.of(clips.clips, FIRST[split], self._batch, title)
            self._known[key] = clips, made
        return self._known[key]


def result(
    name: str, data: Data, read: Read, budget: Budget, grid: int, label: str
) -> dict[str, Any]:
    """Trains and measures the probes of a task.

    Args:
      name: of ``TASKS``.
      data: its clips.
      read: makes them and their features.
      budget: of each probe.
      grid: pixels of its cells.
      label: of the model, for progress.

    Returns:
      JSON values: "seeds" and "clips" (figures by seed and by clip), "counts" of clips,
      "parameters" of the probe, "refused" videos.

    Raises:
      ValueError: clips do not fit, or a figure is not finite.
    """
    task = TASKS[name]
    (train, seen), (test, held) = (read(data, split) for split in SPLITS)
    form = task.outputs, read.fed.vae.spec.temporal, read.fed.cell, task.stride
    network = Probe(*form, budget.width, budget.blocks, budget.fine, grid)
    training = Training(network, task.loss, budget, seen)
    targets = {key: train.targets[key] for key in task.targets}
    measured: dict[str, list[np.ndarray]] = {key: [] for key in task.figures}
    for seed in range(budget.seeds):
        params = training.trained(targets, seed, f"{label}: {name} probe {seed}")
        parts: dict[str, list[np.ndarray]] = {key: [] for key in task.figures}
        for rows, found in training.applied(params, held):
            own = {key: test.targets[key][rows] for key in task.targets}
            for key, values in task.measured(found, test.clips[rows], own).items():
                parts[key].append(values)
        for key, values in parts.items():
            measured[key].append(np.concatenate(values))
    if not all(np.isfinite(values).all() for values in measured.values()):
        raise ValueError(f"{label}: a figure of the {name} probe is not finite.")
    return {
        "seeds": {key: [float(v.mean()) for v in values] for key, values in measured.items()},
        "clips": {key: np.mean(values, axis=0).tolist() for key, values in measured.items()},
        "counts": {"train": len(seen), "test": len(held)},
        "parameters": training.parameters(),
        "refused": {**train.refused, **test.refused},
    }
