"""Checkpoints of a stage: Orbax, asynchronous, complete or invisible.

    workdir/checkpoints/00-predictive/500/{state,position}

``state`` is the whole train state (training/state.py), ``position`` a JSON entry that says where
the run is.  A checkpoint is written under a temporary name and renamed when it is complete, so a
killed run never leaves one that would be picked up.
"""

from typing import Any

import orbax.checkpoint as ocp

from pv_vae_jax.core import storage


class Checkpoints:
    """The checkpoints of one stage in one folder.

    Args:
      folder: a path or a URL; created if missing, by the first process.
      keep: how many of the last checkpoints stay.
    """

    def __init__(self, folder: storage.Where, keep: int = 2):
        self._manager = ocp.CheckpointManager(
            storage.absolute(folder), options=ocp.CheckpointManagerOptions(max_to_keep=keep)
        )

    def latest(self) -> int | None:
        """The step of the last complete checkpoint."""
        return self._manager.latest_step()

    def steps(self) -> tuple[int, ...]:
        """The steps that can be restored, in order."""
        return tuple(sorted(self._manager.all_steps()))

    def save(self, step: int, state: Any, position: dict[str, Any]) -> None:
        """Starts to write; returns when the arrays have left the device.  Once per step."""
        if step in self._manager.all_steps():
            return
        self._manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(state), position=ocp.args.JsonSave(position)
            ),
        )

    def restore(self, abstract: Any, step: int | None = None) -> tuple[Any, dict[str, Any]]:
        """The state and position of a step (the latest by default).

        Args:
          abstract: shapes with shardings (sharding/shapes.py) of the state's structure, maybe of
            another mesh or number of devices than what was saved.
          step: which; one of :meth:`steps`.

        Raises:
          ValueError: there is no such checkpoint, or it is damaged.
        """
        step = self.latest() if step is None else step
        if step not in self.steps():
            there = ", ".join(map(str, self.steps())) or "none"
            raise ValueError(f"{self._manager.directory} has no step {step}; it has: {there}.")
        parts = ocp.args.Composite(
            state=ocp.args.StandardRestore(abstract), position=ocp.args.JsonRestore()
        )
        try:
            restored = self._manager.restore(step, args=parts)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ValueError(
                f"the checkpoint {self._manager.directory}/{step} cannot be read ({why}): it is "
                "damaged, or of another model. Without its folder a run goes on from the one "
                "before it."
            ) from error
        return restored["state"], restored["position"]

    def close(self) -> None:
        """Waits until everything is written."""
        self._manager.wait_until_finished()
        self._manager.close()
