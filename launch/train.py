"""Trains a video VAE or a generator: all stages of a config, resumed where the run was.

    python -m launch.train --config=configs/quickstart.py --workdir=runs/quickstart

A config takes an argument after a colon, and any value on the command line:

    --config=configs/quickstart.py:rendered
    --config.data.videos=/path/to/videos  --config.stages.predictive.steps=2000

The same command goes on where a killed or stopped run was, bit for bit.  SIGTERM (or Ctrl-C) saves
and stops.  Several processes (hosts) share one --workdir; they find one another by --coordinator,
--processes and --process, or by --cluster (launch/hosts.py, docs/many_hosts.md).

The workdir holds config.json, metrics.jsonl, tensorboard/, pictures/, checkpoints/, and in
parameters.txt which device holds what (docs/scaling.md).
"""

import re
import sys

from launch import door

door.prepare()

import jax  # noqa: E402  (door.prepare sets what JAX reads when it is imported)
from absl import app, flags, logging  # noqa: E402
from ml_collections import config_flags  # noqa: E402

from launch import config_file, hosts  # noqa: E402

CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Config file, with an optional argument after a colon.", lock_config=True
)
WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run, made if missing; or a URL such as gs://bucket/run."
)

STOPPED_CODE = flags.DEFINE_integer(
    "stopped_code", 0, "Exit code of a run that was asked to stop before its end.", 0, 255
)


def _parse(arguments: list[str]) -> list[str]:
    """The command line; a sentence for a config, key or value that is not taken."""
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if given := re.fullmatch("--?config(=(.*))?", argument):
            config_file.read(following if given[1] is None else given[2])
    try:
        return flags.FLAGS(arguments)
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(_why(error, arguments)) from error


def _why(error: BaseException, arguments: list[str]) -> str:
    """What a flag is refused for, after its name."""
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]  # ml_collections raises AttributeError(KeyError("'sead'\n..."))
    why = " ".join(str(error.args[0] if error.args else error).split())
    keys = [argument.split("=")[0] for argument in arguments if "--config." in argument]
    if isinstance(error, KeyError):
        key, _, hint = why.partition(" ")
        why = f"the config has no key {key}. {hint}".strip()
        named = [flag for flag in keys if key.strip("'") in flag.split(".")[1:]]
    else:
        named = [flag for flag in keys if flag.split(".")[-1] in why]
    return f"{named[0]}: {why}" if named and named[0] not in why else why


def main(arguments: list[str]) -> int:
    """Runs the door."""
    if len(arguments) > 1:
        raise ValueError(f"unknown argument {arguments[1]!r}; options begin with --.")
    logging.set_verbosity(logging.WARNING)
    hosts.connect()
    from pv_vae_jax.core import storage
    from pv_vae_jax.evaluation import during_training, generator_during_training
    from pv_vae_jax.sharding import agreement
    from pv_vae_jax.training import loop, placement, runs, workdir
    from pv_vae_jax.training.generator_run import GeneratorRun

    config = CONFIG.value.to_dict()
    hosts.check_agreement(config)
    run = runs.of(config)
    folder = storage.path(WORKDIR.value)
    placements = placement.of_run(run)
    workdir.lock(folder)
    changes = workdir.open_workdir(folder, config)
    if isinstance(run, GeneratorRun):
        workdir.open_latents(folder, run.latents)
    if jax.process_index() == 0:
        for path, (old, new) in changes.items():
            print(f"config.{path.replace('/', '.')} was {old!r} and is now {new!r}.")
        print(run.summary(placements[0].shapes.params))
        for each in placements:
            print(each.summary())
        placement.write(folder / "parameters.txt", placements)
    of_kind = generator_during_training if isinstance(run, GeneratorRun) else during_training
    evaluate = of_kind.Evaluate(run)
    with hosts.failure_log(folder):
        model = loop.train(run, folder, evaluate, placements)
        if model is not None:
            if jax.process_index() == 0:
                print(evaluate.report(model, run.stages[-1], folder))
            agreement.wait("report")  # the end of JAX waits --lost_after alone
    if model is None:
        print("stopped; the same command goes on.", file=sys.stderr)
        return STOPPED_CODE.value
    return 0


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "workdir"])
    door.run(lambda: app.run(main, flags_parser=_parse))
