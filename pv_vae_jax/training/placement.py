"""Where the train state of each stage lies: its shapes, its shardings, what a start prints.

Made for all stages before the first one begins, so that a rule, an axis or a batch that does not
fit ends a run at its start and not days later.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import Mesh

from pv_vae_jax.core import storage, trees
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.sharding import rules, table
from pv_vae_jax.sharding.shapes import placed
from pv_vae_jax.training import state as states
from pv_vae_jax.training.run import Run, Stage


def start(
    run: Run, stage: Stage, params: trees.Tree, mean: Any, std: Any, discriminator: trees.Tree
) -> states.TrainState:
    """The state at the first step of a stage; ``discriminator``: its variables, {} without one."""
    return states.start(params, mean, std, stage, run.initial_adversary(stage, discriminator))


@dataclasses.dataclass(frozen=True)
class Placement:
    """Of one stage.

    Attributes:
      stage: the stage.
      mesh: of all its devices.
      shapes: the train state as ``jax.ShapeDtypeStruct``.
      shardings: a sharding for each leaf.
      undivided: parameters that FSDP could not split.
    """

    stage: Stage
    mesh: Mesh
    shapes: states.TrainState
    shardings: states.TrainState
    undivided: tuple[str, ...] = ()

    @property
    def state(self) -> states.TrainState:
        """The train state as shapes with shardings."""
        return placed(self.shapes, self.shardings)

    def rows(self) -> list[table.Row]:
        """The table of the state."""
        return table.rows(self.shapes, self.shardings)

    def batches(self) -> str:
        """A line for each bucket: the global batch and what a device gets of it."""
        data, accumulate = self.mesh.shape["data"], self.stage.optimizer.accumulate
        lines = []
        for height, width, batch, _ in self.stage.data.buckets:
            line = f"{batch} clips of {self.stage.data.frames} x {height} x {width} a step"
            line += f", {batch // data} on each of {data} parts"
            if accumulate > 1:
                line += f" in {accumulate} micro-batches of {batch // data // accumulate}"
            lines.append(line)
        return "\n".join(lines)

    def summary(self) -> str:
        """What a person reads at the start."""
        count = self.mesh.devices.size
        mesh = f"{self.stage.name}: {count} devices, data {self.mesh.shape['data']} x "
        mesh += f"model {self.mesh.shape['model']}, {jax.process_count()} processes"
        parts = [mesh, self.batches(), table.short(self.rows())]
        if self.undivided:
            parts.append(
                f"FSDP leaves {len(self.undivided)} large parameters whole, no axis divides by "
                f"{self.mesh.shape['data']}: {', '.join(self.undivided[:3])}"
                + (", ..." if len(self.undivided) > 3 else "")
            )
        return "\n".join(parts)


def mesh_of(run: Run) -> Mesh:
    """The mesh of ``config.runtime.mesh``."""
    return meshes.make_mesh(**run.config["runtime"]["mesh"])


def of(run: Run, stage: Stage, mesh: Mesh, params: trees.Tree | None = None) -> Placement:
    """The placement of a stage by ``config.runtime.sharding``.

    Args:
      run: whose config.
      stage: one of its stages.
      mesh: of the devices.
      params: their shapes, where they are known.

    Raises:
      ValueError: a rule, an axis, the batch or a split does not fit; the message has the numbers.
    """
    for _, _, batch, _ in stage.data.buckets:
        meshes.check_batch(mesh, batch, stage.optimizer.accumulate)
    run.check_placement(stage, mesh, params)
    return of_state(stage, mesh, shapes(run, stage, params), **settings(run))


def of_state(stage: Stage, mesh: Mesh, state: states.TrainState, **settings: Any) -> Placement:
    """The placement of a state, or of its shapes; ``settings`` are those of rules.shardings.

    Without any every device holds the whole.
    """
    shardings, undivided = rules.shardings(mesh, state, **settings)
    return Placement(stage, mesh, jax.eval_shape(lambda: state), shardings, tuple(undivided))


def settings(run: Run) -> dict[str, Any]:
    """``config.runtime.sharding`` as arguments of rules.shardings."""
    return dict(run.config["runtime"]["sharding"]) | {"channels": not run.split}


def shapes(run: Run, stage: Stage, params: trees.Tree | None = None) -> states.TrainState:
    """The train state of a stage as ``jax.ShapeDtypeStruct``; nothing is allocated."""
    params = jax.eval_shape(run.initial_params) if params is None else params
    statistics = run.initial_statistics()

    def fresh(params):
        return start(run, stage, params, *statistics, run.initial_discriminator(stage))

    return jax.eval_shape(fresh, params)


def of_run(run: Run) -> tuple[Placement, ...]:
    """The placements of all stages, on the mesh of the config.

    Raises:
      ValueError: as :func:`of` and ``mesh.make_mesh``.
    """
    mesh = mesh_of(run)
    meshes.data_part(mesh)
    params = jax.eval_shape(run.initial_params)
    return tuple(of(run, stage, mesh, params) for stage in run.stages)


def write(path: storage.Where, placements: Sequence[Placement]) -> None:
    """The whole tables of all stages, as text."""
    parts = [f"{each.summary()}\n\n{table.text(each.rows())}\n" for each in placements]
    storage.write(path, "\n\n".join(parts))
