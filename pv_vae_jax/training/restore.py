"""From a checkpoint to a train state, every bit of it, and from a run's folder to a model."""

import pathlib
from typing import Any

from pv_vae_jax.checkpoint.manager import Checkpoints
from pv_vae_jax.core import storage
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import placement as placements
from pv_vae_jax.training import state as states
from pv_vae_jax.training.placement import Placement
from pv_vae_jax.training.run import Run, Stage


def checkpoints_of(workdir: pathlib.Path, stage: Stage, keep: int = 2) -> Checkpoints:
    """The checkpoints of a stage of a run."""
    return Checkpoints(workdir / "checkpoints" / stage.name, keep)


def latest_of(workdir: pathlib.Path, stage: Stage) -> int | None:
    """The step of a stage's last checkpoint, None if it has none."""
    if not storage.is_folder(workdir / "checkpoints" / stage.name):
        return None
    checkpoints = checkpoints_of(workdir, stage)
    latest = checkpoints.latest()
    checkpoints.close()
    return latest


def model_of(run: Run, state: states.TrainState) -> Any:
    """The model that a state holds, as arrays of this host; all processes call it together."""
    held = meshes.to_host((states.model_params(state), state.latent_mean, state.latent_std))
    return run.model(*held)


def resume(
    checkpoints: Checkpoints, placement: Placement, step: int | None = None
) -> tuple[states.TrainState, dict[str, Any]]:
    """The state and position of a stage's checkpoint, the latest by default.

    The mesh that wrote it, and the number of devices, may have been others.
    """
    return checkpoints.restore(placement.state, step)


def exported_model(
    workdir: pathlib.Path, run: Run, stage: str | None = None, step: int | None = None
) -> tuple[Any, dict[str, Any]]:
    """The model of a run, with where it stands: the last stage with a checkpoint by default.

    Arguments and errors are those of :func:`kept_state`.
    """
    state, position = kept_state(workdir, run, stage, step)
    return model_of(run, state), position


def kept_state(
    workdir: pathlib.Path, run: Run, stage: str | None = None, step: int | None = None
) -> tuple[states.TrainState, dict[str, Any]]:
    """The state of a checkpoint of a run, on all devices here, and where it stands.

    Args:
      workdir: of the run.
      run: its config.
      stage: name of the stage.
      step: of the stage, the latest checkpoint by default.

    Raises:
      ValueError: there is no such stage or checkpoint.
    """
    known = {each.name: each for each in run.stages}
    if stage is not None and stage not in known:
        raise ValueError(f"{workdir} has no stage {stage!r}; its stages are: {', '.join(known)}.")
    mesh = meshes.make_mesh()  # of the devices here, whatever the run was trained on
    for each in reversed(run.stages) if stage is None else (known[stage],):
        if latest_of(workdir, each) is not None:
            shapes = placements.shapes(run, each)  # split, so that any run's state has room
            placement = placements.of_state(each, mesh, shapes, fsdp=True)
            checkpoints = checkpoints_of(workdir, each)
            state, position = resume(checkpoints, placement, step)
            checkpoints.close()
            return state, position
    raise ValueError(f"{workdir} has no complete checkpoint yet.")
