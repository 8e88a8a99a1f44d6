"""From a stage's start or a checkpoint to a train state, and from a run's folder to a model.

first stage            fresh parameters
``init_from``          the model of an export, of the folder of another run (with its discriminator
                       if both have one of a form), or of the public checkpoint of a baseline;
                       paddings that it lacks are fresh
later stages           the model at the end of the stage before: its EMA, its statistics, its
                       discriminator
a stage with a checkpoint     that checkpoint, every bit of it
"""

import functools
import pathlib
from typing import Any

import jax
from jax.sharding import NamedSharding

from pv_vae_jax.checkpoint.manager import Checkpoints
from pv_vae_jax.core import storage, trees
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import placement as placements
from pv_vae_jax.training import runs
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


def _source(path: str, run: Run) -> tuple[Any, Any]:
    """The model of ``init_from``, and the adversary where it is the folder of a run with a GAN."""
    if not storage.is_folder(path):
        return run.read_model(path), None
    other = runs.of_workdir(path)
    state, _ = kept_state(storage.path(path), other)
    return model_of(other, state), meshes.to_host(state.adversary)


def _discriminator(run: Run, stage: Stage, adversary: Any) -> trees.Tree:
    """That of the adversary where it has the form of a fresh one, else a fresh one."""
    if adversary:
        known = run.initial_discriminator(stage, adversary)
        fresh = jax.eval_shape(lambda: run.initial_discriminator(stage))
        one, other = ({p: x.shape for p, x in trees.flatten(t).items()} for t in (known, fresh))
        if one == other:
            return known
    return run.initial_discriminator(stage)


def begin(run: Run, placement: Placement, before: states.TrainState | None) -> states.TrainState:
    """The state at the first step of a stage; ``before`` is the end of the stage before it.

    Slots and EMA are made where they lie: no device, and no host, ever holds all of them.

    Raises:
      ValueError: ``init_from`` holds a model of another form.
    """
    stage = placement.stage
    adversary = before.adversary if before else None
    if stage.init_from:
        source, theirs = _source(stage.init_from, run)
        adversary = theirs or adversary
        fresh = trees.flatten(jax.eval_shape(run.initial_params))
        found = run.leaves_of(source, stage.init_from)
        wrong = [
            path for path in sorted(set(fresh) | set(found))
            if getattr(fresh.get(path), "shape", None) != getattr(found.get(path), "shape", None)
        ]  # fmt: skip
        if wrong:
            raise ValueError(
                f"config.stages.{stage.name}.init_from: {stage.init_from} is not a model of this "
                f"form; {len(wrong)} parameters differ, the first is {wrong[0]}."
            )
        params, mean, std = trees.unflatten(found), source.mean, source.std
    elif before is not None:
        params = states.model_params(before)
        mean, std = before.latent_mean, before.latent_std
    else:
        params = run.initial_params()
        mean, std = run.initial_statistics()
    return _placed(run, placement, params, mean, std, _discriminator(run, stage, adversary))


def _placed(run: Run, placement: Placement, params, *others) -> states.TrainState:
    """placements.start under jit; what is not on the mesh yet gets there leaf by leaf."""

    def onto(leaf, sharding):
        on_mesh = isinstance(getattr(leaf, "sharding", None), NamedSharding)
        return leaf if on_mesh else meshes.put(sharding, leaf)

    whole = meshes.replicated(placement.mesh)
    params = jax.tree.map(onto, params, placement.shardings.params)
    others = jax.tree.map(lambda leaf: onto(leaf, whole), others)
    start = functools.partial(placements.start, run, placement.stage)
    return jax.jit(start, out_shardings=placement.shardings)(params, *others)


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
