"""The analysis "probes": what small decoders read from latents, or from a generator's features.

    data -> features (probe_features.py) -> probes of several seeds (probe_tasks.py)
         -> figures of test clips (probe_figures.py) -> finding

Of one model "probes_latents", with a generator "probes_features".  A task that is done is kept
in OUT/LABEL/NAME/TASK.json, so a killed command goes on with the next one.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pv_vae_jax.analysis import finding, probe_clips, probe_figures, probe_tasks, sintel, tap_vid
from pv_vae_jax.analysis.finding import Finding
from pv_vae_jax.analysis.probe_clips import Data
from pv_vae_jax.analysis.probe_features import TIME, Fed
from pv_vae_jax.analysis.probe_network import GRID
from pv_vae_jax.analysis.probe_tasks import TASKS
from pv_vae_jax.analysis.probe_training import BUDGETS, Budget
from pv_vae_jax.core import json_files, storage, trees
from pv_vae_jax.evaluation import evaluate
from pv_vae_jax.evaluation.protocol import Protocol
from pv_vae_jax.models.generator import Generator
from pv_vae_jax.models.video_vae import VideoVAE


@dataclasses.dataclass(frozen=True)
class Setup:
    """How models are probed; the same for all that are to be compared.

    Attributes:
      used: T, size, stride, seed, precision and the data sets for the next frame.
      data: folders of these data sets, by name.
      out: folder of the findings, a path or a URL.
      tasks: some of ``TASKS``.
      train: clips to train on (not of Sintel, which gives all it has).
      test: clips to test on (not of Sintel and TAP-Vid).
      budget: of each probe.
      sintel: folder of MPI Sintel; None: flow of rendered scenes.
      tap_vid: tapvid_davis.pkl; None: tracks of rendered scenes.
      batch: clips at once on each device, for features.
      grid: pixels of the probes' cells (probe_network.py).
      command: for the findings.
    """

    used: Protocol
    data: Mapping[str, str]
    out: Any
    tasks: Sequence[str] = tuple(TASKS)
    train: int = 256
    test: int = 48
    budget: Budget = BUDGETS["small"]
    sintel: str | None = None
    tap_vid: str | None = None
    batch: int = 1
    grid: int = GRID
    command: str = ""

    def __post_init__(self):
        if unknown := [name for name in self.tasks if name not in TASKS]:
            raise ValueError(f"the probes are {', '.join(TASKS)}; got {unknown[0]!r}.")
        if min(self.train, self.test, self.batch) < 1:
            raise ValueError(
                f"probes want clips to train on, to test on, and at once from 1; got {self.train}, "
                f"{self.test}, {self.batch}."
            )

    def data_of(self, task: str) -> Data:
        """The clips of a task."""
        if task == "next_frame":
            return probe_clips.of_videos(self.used, self.data, self.train, self.test)
        if task == "flow" and self.sintel:
            return sintel.data(self.used, self.sintel)
        rendered = probe_clips.rendered(self.used, self.train, self.test)
        if task == "tracking" and self.tap_vid:
            return tap_vid.data(self.used, self.tap_vid, rendered)
        return rendered

    @property
    def protocol(self) -> dict[str, Any]:
        """What a finding says of the clips; data and their numbers are in its settings."""
        names = ("name", "frames", "stride", "height", "width", "precision", "seed")
        return {name: getattr(self.used, name) for name in names}


def probe(
    setup: Setup,
    vae: VideoVAE,
    about: Mapping[str, Any],
    generator: Generator | None = None,
    layer: int | None = None,
    time: float = TIME,
) -> Finding:
    """Probes a model, and writes the finding into ``OUT/LABEL``; for one host.

    Args:
      setup: how.
      vae: the model; it computes in the protocol's precision.
      about: what a finding says of it: label, name, spec, parameters, trained, training.
      generator: whose features are probed; None: the latents.
      layer: of the generator, by default the middle.
      time: from 0 (noise) to 1 (data), of what the generator sees.

    Raises:
      ValueError: clips that do not fit the model, too few videos, or a result that is not finite.
      FileNotFoundError: a data set is missing; the message says what to get.
    """
    used = setup.used
    vae.spec.latent_shape(used.frames, used.height, used.width)  # or a sentence
    about = finding.described(vae, about)
    folder = finding.open_folder(storage.path(setup.out) / about["label"], about)
    fed = Fed(evaluate.placed(vae, used.precision), generator, layer, time)
    if generator is not None:
        about["generator"] = generator.config["name"]
        about["digest"] += f" {trees.digest(generator.params)}"
    name, data = f"probes_{fed.name}", {task: setup.data_of(task) for task in setup.tasks}
    settings = fed.settings | {
        "budget": dataclasses.asdict(setup.budget) | {"grid": setup.grid},
        "tasks": {task: dict(each.settings) for task, each in data.items()},
    }
    if found := finding.kept(folder, name, about, setup.protocol, settings):
        return found
    base = Finding(name, about, setup.protocol, settings, {}, command=setup.command)
    tasks, read = {}, probe_tasks.Read(fed, setup.batch)
    for task, each in data.items():
        path, made = folder / name / f"{task}.json", _made(base, task)
        if storage.exists(path) and (known := json_files.read(path))["made"] == made:
            tasks[task] = known
            continue
        form = setup.budget, setup.grid, about["label"]
        tasks[task] = probe_tasks.result(task, each, read, *form) | {"made": made}
        storage.write(path, json.dumps(tasks[task], indent=1) + "\n")
    return finding.write(folder, probe_figures.summary(base, tasks, setup.budget.seeds))


def _made(base: Finding, task: str) -> dict[str, Any]:
    """What one task depends on."""
    settings = {**base.settings, "tasks": base.settings["tasks"][task]}
    made = {"model": base.model["digest"], "protocol": base.protocol, "settings": settings}
    return json.loads(json.dumps(made))
