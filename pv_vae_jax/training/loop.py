"""The training loop: every stage in turn (stage_loop.py), stopped where all hosts agree.

    for each stage: resume or begin -> steps -> finish -> last checkpoint

A stage after which another has begun is behind the run: it is neither read nor trained further.
Video VAE and generator alike (run.py); a video VAE calibrates its latent statistics to finish.
A run that is stopped, killed or preempted goes on bit for bit when the same command is given again.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

from pv_vae_jax.training import beginning, restore
from pv_vae_jax.training.placement import Placement, of_run
from pv_vae_jax.training.run import Run, Stage
from pv_vae_jax.training.stage_loop import Evaluator, StageLoop
from pv_vae_jax.training.stopping import StopRequests


def train(
    run: Run,
    workdir: pathlib.Path,
    evaluate: Evaluator | None = None,
    placements: Sequence[Placement] | None = None,
) -> Any:
    """Runs all stages; the same call goes on where it was.

    Args:
      run: what to train.
      workdir: made by training/workdir.py.
      evaluate: called on the first process every ``runtime.evaluate_every`` steps.
      placements: of the stages, by default those of the config on all devices.

    Returns:
      The trained model, or None if it was asked to stop.
    """
    state, offset, earlier = None, 0, ()
    placements = placements or of_run(run)
    stages = [placement.stage for placement in placements]
    kept = [restore.latest_of(workdir, stage) for stage in stages]
    behind = _behind(workdir, stages, kept)
    for stage, step in list(zip(stages, kept, strict=True))[1:]:
        if stage.init_from and step is None and stage.name not in behind:
            beginning.source(run, stage)  # a mistake there is told before anything is trained
    with StopRequests() as stop:
        for placement in placements:
            stage = placement.stage
            if stage.name not in behind:
                loop = StageLoop(run, placement, workdir, evaluate, offset)
                state, complete = loop.state(state), True  # that of the stage before is let go
                if not loop.finished:
                    state, complete = loop.train(state, stop, earlier)
                    if complete:
                        state = loop.finish(state)
                loop.checkpoints.close()
                if not complete:
                    return None
            offset, earlier = offset + stage.steps, (*earlier, stage.name)
    return restore.model_of(run, state)


def _behind(workdir: pathlib.Path, stages: Sequence[Stage], kept: Sequence[int | None]) -> set[str]:
    """Names of the stages after which another has begun, whether they are kept or not.

    Raises:
      ValueError: one has other steps now than that other stage went on from.
    """
    last = max((n for n, step in enumerate(kept) if step is not None), default=0)
    for stage, step in zip(stages[:last], kept[:last], strict=True):
        if step not in (None, stage.steps):
            raise ValueError(
                f"config.stages.{stage.name}.steps is {stage.steps}, but {stages[last].name} has "
                f"gone on from its {step} updates: give {step}, or take another --workdir."
            )
    return {stage.name for stage in stages[:last]}
