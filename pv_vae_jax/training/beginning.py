"""The state at the first step of a stage.

first stage            fresh parameters
``init_from``          the model of an export, of the folder of another run (with its discriminator
                       if both have one of a form), or of the public checkpoint of a baseline;
                       paddings that it lacks are fresh
later stages           the model at the end of the stage before: its EMA, its statistics, its
                       discriminator
"""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import NamedSharding

from pv_vae_jax.core import storage, trees
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import placement as placements
from pv_vae_jax.training import restore, runs
from pv_vae_jax.training import state as states
from pv_vae_jax.training.placement import Placement
from pv_vae_jax.training.run import Run, Stage


class Source(NamedTuple):
    """What a stage starts from: parameters, statistics, the side of a discriminator or None."""

    params: trees.Tree
    mean: np.ndarray
    std: np.ndarray
    adversary: Any


def _opened(path: str, run: Run) -> tuple[Any, Any]:
    """The model of a path, and the adversary where it is the folder of a run with a GAN."""
    if not storage.is_folder(path):
        return run.read_model(path), None
    other = runs.of_workdir(path)
    if type(other) is not type(run):
        raise ValueError(f"{path} is a run of {other.name}.")
    state, _ = restore.kept_state(storage.path(path), other)
    return restore.model_of(other, state), meshes.to_host(state.adversary)


def source(run: Run, stage: Stage) -> Source:
    """What ``init_from`` of a stage names, read and compared.

    Raises:
      ValueError: it holds a model of another form, or no model.
      OSError: it cannot be read.
    """
    key, path = f"config.stages.{stage.name}.init_from", stage.init_from
    try:
        model, adversary = _opened(path, run)
        found = run.leaves_of(model, path)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error
    fresh = trees.flatten(jax.eval_shape(run.initial_params))
    wrong = [
        leaf for leaf in sorted(set(fresh) | set(found))
        if getattr(fresh.get(leaf), "shape", None) != getattr(found.get(leaf), "shape", None)
    ]  # fmt: skip
    if wrong:
        raise ValueError(
            f"{key}: {path} is not a model of this form; {len(wrong)} parameters differ, the "
            f"first is {wrong[0]}."
        )
    return Source(trees.unflatten(found), model.mean, model.std, adversary)


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

    Errors are those of :func:`source`.
    """
    stage = placement.stage
    adversary = before.adversary if before else None
    if stage.init_from:
        known = source(run, stage)
        params, mean, std = known.params, known.mean, known.std
        adversary = known.adversary or adversary
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
