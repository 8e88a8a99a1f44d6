"""One stage of a run: resume or begin -> steps -> finish -> last checkpoint.

The host waits for the device only on logging steps.  A stage that is stopped, killed or preempted
goes on bit for bit from its last checkpoint, whose position says:

    {"stage", "step", "finished": whether the stage has ended, "data": digest of its sources}    (1)
"""

import contextlib
import functools
import pathlib
from collections.abc import Callable
from typing import Any

import jax

from pv_vae_jax.sharding import agreement
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import beginning, reporting, restore
from pv_vae_jax.training import state as states
from pv_vae_jax.training import workdir as workdirs
from pv_vae_jax.training.intervals import Interval
from pv_vae_jax.training.placement import Placement
from pv_vae_jax.training.profiling import Profile
from pv_vae_jax.training.programs import Programs
from pv_vae_jax.training.run import Run, Stage
from pv_vae_jax.training.stopping import StopRequests

# (model, stage, folder for pictures) -> values to record
Evaluator = Callable[[Any, Stage, pathlib.Path], dict[str, float]]


class StageLoop:
    """One stage of a run, from ``state`` to its end or a stop request."""

    def __init__(
        self,
        run: Run,
        placement: Placement,
        workdir: pathlib.Path,
        evaluate: Evaluator | None,
        offset: int,
    ):
        """Prepares; ``offset`` is the number of steps of the stages before."""
        self.run, self.placement, self.workdir, self.evaluate = run, placement, workdir, evaluate
        self.offset = offset
        self.runtime = run.config["runtime"]
        self.stage, self.mesh = placement.stage, placement.mesh
        self.part, self.parts = meshes.data_part(self.mesh)
        self.checkpoints = restore.checkpoints_of(workdir, self.stage, self.runtime["keep"])
        self.finished = False  # whether the stage's last step, calibration included, is kept
        self._data = ""  # the digest of the data that the checkpoint was trained on
        self._kinds = [device.device_kind for device in self.mesh.devices.flat]

    @functools.cached_property
    def _constants(self) -> Any:
        """Loaded when the first update asks: a stage that is finished needs none."""
        return meshes.put_replicated(self.mesh, self.run.constants(self.stage))

    def state(self, before: states.TrainState | None) -> states.TrainState:
        """The state to go on from.

        Raises:
          ValueError: the stage has fewer steps now than are behind it.
        """
        latest, steps = self.checkpoints.latest(), self.stage.steps
        if latest is None:
            return beginning.begin(self.run, self.placement, before)
        state, position = restore.resume(self.checkpoints, self.placement)
        self.finished, self._data = position["finished"] and latest == steps, position.get("data")
        if latest >= steps and not self.finished:
            least = latest if position["finished"] else latest + 1
            raise ValueError(
                f"config.stages.{self.stage.name}.steps is {steps}, and {latest} updates of that "
                f"stage are behind this run: give {least} or more."
            )
        return state

    def _save(self, state: states.TrainState, step: int, finished: bool = False) -> None:
        position = {"stage": self.stage.name, "step": step, "finished": finished}
        position["data"] = self._data
        self.checkpoints.save(step, state, position)

    def _evaluate(self, state: states.TrainState, step: int) -> dict[str, float]:
        if self.evaluate is None:
            return {}
        model = restore.model_of(self.run, state)  # gathered by all processes, judged by one
        if jax.process_index():
            return {}
        folder = self.workdir / "pictures" / f"{self.stage.name}-{step:07d}"
        return self.evaluate(model, self.stage, folder)

    def train(
        self, state: states.TrainState, stop: StopRequests, earlier: tuple[str, ...]
    ) -> tuple[states.TrainState, bool]:
        """Runs the steps.

        Returns:
          The last state, and whether the stage is complete (False: stopped on request).

        Raises:
          FloatingPointError: ``runtime.skip_limit`` updates in a row were skipped.
          ValueError: hosts see other data than one another.
        """
        start, last = int(state.step), self.stage.steps
        data = self.run.training_data(self.stage)
        _check_hosts(data.sha256)
        changed = self._data and self._data != data.sha256
        self._data = data.sha256
        batches = data.batches(
            start,
            self.part,
            self.parts,
            self.runtime["workers"],
            self.runtime["threads"],
        )
        reporter = reporting.Reporter(
            self.workdir,
            self.stage.name,
            earlier,
            start,
            last,
            jax.process_index() == 0,
            self.run.shown,
        )
        programs = Programs(self.run, self.placement, data, self._constants, start, last)
        profile = Profile(self.run.config["profile"], self.workdir)
        with (
            contextlib.closing(reporter),
            contextlib.closing(programs),
            contextlib.closing(profile),
        ):
            if jax.process_index() == 0 and data.classes:
                for line in workdirs.keep_classes(self.workdir, data.classes):
                    reporter.say(line)
            if changed:
                reporter.say(
                    f"the data of {self.stage.name} has changed since step {start}: from here on "
                    "its clips come in another order."
                )
            interval = Interval(self._kinds)
            for step in range(start, last):
                if stop.reached(self.offset + step):
                    self._save(state, step)
                    reporter.say(f"stopped on request before step {step + 1}; saved.")
                    return state, False
                batch = interval.timed("data", next, batches)
                profile.before(self.offset + step)
                state = self._update(programs, interval, state, step, batch)
                reporter.advance()
                done = step + 1
                if self._is_due("log_every", done):
                    self._check_skips(state, done)
                    values = interval.values()
                    values["refused_files"] = len(data.refused)
                    values["replaced_clips"] = sum(count for count, _ in data.replaced.values())
                    interval = Interval(self._kinds)
                    reporter.record(done, values)
                if self._is_due("evaluate_every", done):
                    values = interval.timed("evaluation", self._evaluate, state, done)
                    reporter.record(done, values)
                if self._is_due("checkpoint_every", done) and done < last:
                    reporter.flush()
                    interval.timed("checkpoint", self._save, state, done)
        return state, True

    def _is_due(self, what: str, step: int) -> bool:
        """Every ``runtime[what]`` steps and at the last; never if it is 0."""
        every = self.runtime[what]
        return bool(every) and (step % every == 0 or step == self.stage.steps)

    def _update(
        self, programs: Programs, interval: Interval, state: states.TrainState, step: int,
        batch: Any,
    ) -> states.TrainState:  # fmt: skip
        """Update number ``step`` with this host's rows of the batch."""
        program, flops = interval.timed("compile", programs.at, step)
        with jax.profiler.StepTraceAnnotation("update", step_num=step):
            state, report = program(state, meshes.put_batch(self.mesh, batch), self._constants)
        interval.add(report, len(batch.index) * self.parts, flops)
        return state

    def _check_skips(self, state: states.TrainState, step: int) -> None:
        in_row = int(state.skipped_in_row)
        if in_row >= self.runtime["skip_limit"]:
            if step < self.stage.steps:  # the last step is kept when the stage has ended well
                self._save(state, step)
            kept = self.checkpoints.latest()
            self.checkpoints.close()
            raise FloatingPointError(
                f"the gradient was not finite in the last {in_row} updates before step {step} of "
                f"{self.stage.name}, the limit of runtime.skip_limit. Saved is step {kept or 0}; "
                "parameters of skipped updates are those of the last good one. Lower "
                f"config.stages.{self.stage.name}.optimizer.learning_rate, or look at the data."
            )

    def finish(self, state: states.TrainState) -> states.TrainState:
        """Ends the stage as its run says, and saves."""
        state = self.run.finish(self.stage, self.mesh, state)
        self._save(state, self.stage.steps, finished=True)
        return state


def _check_hosts(digest: str) -> None:
    """Raises ValueError on every process if the data of one is not that of the first."""
    (other,) = agreement.unlike_first([bytes.fromhex(digest)])
    if other:
        raise ValueError(
            f"the training data of process {', '.join(map(str, other))} is not that of process 0: "
            "all hosts need the same files, readable and complete, at the same place."
        )
