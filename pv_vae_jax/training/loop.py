"""The training loop: every stage in turn, resumed where it was, stopped where all hosts agree.

    for each stage: resume or begin -> steps -> calibrate the latent statistics -> last checkpoint

The host waits for the device only on logging steps.  A run that is stopped, killed or preempted
goes on bit for bit when the same command is given again.
"""

import pathlib
import time
from collections.abc import Callable

import jax

from pv_vae_jax.core import trees
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import calibration, reporting, restore, vae_step
from pv_vae_jax.training import state as states
from pv_vae_jax.training.run import Run
from pv_vae_jax.training.stages import Stage
from pv_vae_jax.training.stopping import StopRequests

# (model, stage, folder for pictures) -> values to record
Evaluator = Callable[[VideoVAE, Stage, pathlib.Path], dict[str, float]]


class Clock:
    """Where the time of a logging interval went: data wait, checkpoint, evaluation, the steps."""

    def __init__(self):
        self._begin = time.perf_counter()
        self._spent = {"data": 0.0, "checkpoint": 0.0, "evaluation": 0.0}

    def timed(self, what: str, function: Callable, *args):
        """Calls ``function(*args)`` and books its time."""
        begin = time.perf_counter()
        result = function(*args)
        self._spent[what] += time.perf_counter() - begin
        return result

    def lap(self, steps: int, examples: int) -> dict[str, float]:
        """Seconds per step of each part since the last lap, and examples per second."""
        now = time.perf_counter()
        whole = now - self._begin
        values = {f"seconds/{what}": spent / steps for what, spent in self._spent.items()}
        values["seconds/step"] = (whole - sum(self._spent.values())) / steps
        values["examples_per_second"] = examples / (whole - self._spent["evaluation"])
        self.__init__()
        return values


class StageLoop:
    """One stage of a run, from ``state`` to its end or a stop request."""

    def __init__(
        self,
        run: Run,
        stage: Stage,
        workdir: pathlib.Path,
        evaluate: Evaluator | None,
        offset: int,
    ):
        """Prepares; ``offset`` is the number of steps of the stages before."""
        self.run, self.stage, self.workdir, self.evaluate = run, stage, workdir, evaluate
        self.offset = offset
        self.runtime = run.config["runtime"]
        self.mesh = meshes.make_mesh()
        self.checkpoints = restore.checkpoints_of(workdir, stage, self.runtime["keep"])
        for _, _, batch, _ in stage.data.buckets:
            meshes.check_batch(self.mesh, batch, stage.optimizer.accumulate)
        self._steps: dict[int, Callable] = {}

    def finished(self) -> bool:
        """Whether the stage's last step, calibration included, is in a checkpoint."""
        return self.checkpoints.latest() == self.stage.steps

    def state(self, before: states.TrainState | None) -> states.TrainState:
        """The state to go on from."""
        if self.checkpoints.latest() is None:
            return restore.begin(self.run, self.stage, before, self.mesh)
        return restore.resume(self.run, self.stage, self.checkpoints, self.mesh)[0]

    def _step_for(self, withheld: int) -> Callable:
        if withheld not in self._steps:
            self._steps[withheld] = vae_step.compiled(
                self.run.module, self.stage, self.run.seed, withheld,
                meshes.replicated(self.mesh), meshes.over_data(self.mesh),
            )  # fmt: skip
        return self._steps[withheld]

    def _save(self, state: states.TrainState, step: int) -> None:
        position = {"stage": self.stage.name, "step": step, "finished": step == self.stage.steps}
        self.checkpoints.save(step, state, position)

    def _evaluate(self, state: states.TrainState, step: int) -> dict[str, float]:
        if self.evaluate is None or jax.process_index():
            return {}
        folder = self.workdir / "pictures" / f"{self.stage.name}-{step:07d}"
        return self.evaluate(restore.video_vae(self.run, state), self.stage, folder)

    def train(
        self, state: states.TrainState, stop: StopRequests, earlier: tuple[str, ...]
    ) -> tuple[states.TrainState, bool]:
        """Runs the steps.

        Returns:
          The last state, and whether the stage is complete (False: stopped on request).

        Raises:
          FloatingPointError: ``runtime.skip_limit`` updates in a row were skipped.
        """
        start, last, every = int(state.step), self.stage.steps, self.runtime
        data = self.run.training_data(self.stage)
        batches = data.batches(
            start, jax.process_index(), jax.process_count(), every["workers"], every["threads"]
        )
        reporter = reporting.Reporter(
            self.workdir, self.stage.name, earlier, start, last, jax.process_index() == 0
        )
        reports, clock, examples = [], Clock(), 0
        try:
            for step in range(start, last):
                if stop.reached(self.offset + step):
                    self._save(state, step)
                    reporter.say(f"stopped on request at step {step} of {self.stage.name}; saved.")
                    return state, False
                batch = clock.timed("data", next, batches)
                way = self.stage.withholding.way
                withheld = int((~batch.observed[0]).sum()) if way == "slice" else 0
                examples += batch.video.shape[0] * jax.process_count()
                batch = meshes.put_batch(self.mesh, batch)
                state, report = self._step_for(withheld)(state, batch)
                reports.append(report)
                done = step + 1
                reporter.advance()
                values = {}
                if done % every["log_every"] == 0 or done == last:
                    values = reporting.merged(reports)
                    values |= clock.lap(len(reports), examples)
                    values["replaced_clips"] = sum(count for count, _ in data.replaced.values())
                    reports, examples = [], 0
                    self._check_skips(state, done)
                if every["evaluate_every"] and (done % every["evaluate_every"] == 0 or done == last):
                    values |= clock.timed("evaluation", self._evaluate, state, done)
                if values:
                    reporter.record(done, values)
                if done % every["checkpoint_every"] == 0 and done < last:
                    clock.timed("checkpoint", self._save, state, done)
        finally:
            reporter.close()
        return state, True

    def _check_skips(self, state: states.TrainState, step: int) -> None:
        in_row = int(state.skipped_in_row)
        if in_row >= self.runtime["skip_limit"]:
            self._save(state, step)
            self.checkpoints.close()
            raise FloatingPointError(
                f"the gradient was not finite in the last {in_row} updates before step {step} of "
                f"{self.stage.name} (limit: runtime.skip_limit = {self.runtime['skip_limit']}). The "
                "run is saved; parameters are those of the last good update. Lower "
                f"config.stages.{self.stage.name}.optimizer.learning_rate, or look at the data."
            )

    def finish(self, state: states.TrainState) -> states.TrainState:
        """Calibrates the latent statistics if the stage trained the encoder, and saves."""
        trained, _ = trees.partition(state.params, self.stage.trainable)
        if "encoder" in trained:
            videos = self.run.calibration_videos(self.stage, self.runtime["calibration_batches"])
            mean, std = calibration.latent_statistics(
                self.run.module, jax.device_get(states.model_params(state)), videos
            )
            statistics = meshes.put_replicated(self.mesh, {"latent_mean": mean, "latent_std": std})
            state = state.replace(**statistics)
        self._save(state, self.stage.steps)
        return state


def train(run: Run, workdir: pathlib.Path, evaluate: Evaluator | None = None) -> VideoVAE | None:
    """Runs all stages; the same call goes on where it was.

    Args:
      run: what to train.
      workdir: made by training/workdir.py.
      evaluate: called on the first process every ``runtime.evaluate_every`` steps.

    Returns:
      The trained model, or None if it was asked to stop.
    """
    before, offset, earlier = None, 0, ()
    with StopRequests() as stop:
        for stage in run.stages:
            loop = StageLoop(run, stage, workdir, evaluate, offset)
            state, complete = loop.state(before), True
            if not loop.finished():
                state, complete = loop.train(state, stop, earlier)
                if complete:
                    state = loop.finish(state)
            loop.checkpoints.close()
            if not complete:
                return None
            before, offset, earlier = state, offset + stage.steps, (*earlier, stage.name)
    return restore.video_vae(run, before)
