"""What the doors that sample share: which generator, which video VAE, and how samples are drawn."""

import argparse
from typing import Any

from launch import door


def add_generator(it: argparse.ArgumentParser) -> Any:
    """``--workdir`` or ``--generator`` (the group it returns), and what goes with them."""
    source = it.add_mutually_exclusive_group(required=True)
    source.add_argument("--workdir", metavar="DIR", help="folder of a generator's run")
    source.add_argument("--generator", metavar="FILE", help="a generator that launch.export wrote")
    it.add_argument("--stage", help="of the run; default: the last that has a checkpoint")
    it.add_argument("--step", type=int, metavar="N", help="of the stage; default: its last one")
    it.add_argument(
        "--vae", metavar="EXPORT|NAME",
        help="the video VAE that decodes (default: the tokenizer of the run)",
    )  # fmt: skip
    it.add_argument("--weights", metavar="FILE", help="public checkpoint of a baseline --vae")
    return source


def add_sampling(it: argparse.ArgumentParser) -> None:
    """How samples are drawn; by default as the run's config says."""
    it.add_argument("--seed", type=door.seed, default=0, help="of the samples (default: 0)")
    it.add_argument("--batch", type=int, default=8, help="samples at once (default: 8)")
    it.add_argument("--steps", type=int, help="of the solver (the paper: 100)")
    it.add_argument("--solver", help="euler (the paper) or heun")
    it.add_argument("--guidance", type=float, help="scale; 1 for none")
    it.add_argument("--shift", type=float, help="of the time grid; above 1: more steps in noise")
    it.add_argument(
        "--guided", metavar="A:B", help="times at which guidance is on, of 0 (noise) to 1 (data)"
    )


def loaded(args: argparse.Namespace) -> tuple[Any, Any, dict[str, Any]]:
    """The generator, its video VAE, and the config of its run ({} without one).

    Raises:
      ValueError: no such model, no VAE is named, or the latents are not those of the VAE.
      FileNotFoundError: there is no such file or run.
    """
    from launch import models
    from pv_vae_jax.checkpoint import generator_export
    from pv_vae_jax.core import storage
    from pv_vae_jax.training import restore, runs, workdir
    from pv_vae_jax.training.generator_run import GeneratorRun

    for flag in ("stage", "step"):
        if getattr(args, flag) is not None and not args.workdir:
            raise ValueError(f"--{flag} {getattr(args, flag)} is of a run: name it with --workdir.")
    if args.weights and not args.vae:
        raise ValueError(f"--weights {args.weights} is of a baseline: name it with --vae.")
    config: dict[str, Any] = {}
    if args.workdir:
        folder = storage.path(args.workdir)
        run = runs.of_workdir(folder)
        if not isinstance(run, GeneratorRun):
            raise ValueError(f"--workdir {args.workdir} is the run of a video VAE: name another.")
        generator, _ = restore.exported_model(folder, run, args.stage, args.step)
        config = workdir.read_config(folder)
        tokenizer = config["tokenizer"]
    else:
        generator = generator_export.load(args.generator)
        training = generator_export.read_metadata(args.generator)["training"]
        config = training.get("config", {})
        tokenizer = config.get("tokenizer", {"model": "", "weights": ""})
    named = args.vae, args.weights
    name, weights = named if args.vae else (tokenizer["model"], tokenizer["weights"])
    if not name:
        raise ValueError("no video VAE is known to decode these latents: name it with --vae.")
    vae, _ = models.load(name, weights or None)
    generator.check(vae)
    return generator, vae, config


def settings(args: argparse.Namespace, config: dict[str, Any]) -> Any:
    """How samples are drawn: the config's values, changed by the command line's.

    Raises:
      ValueError: a value that cannot be, or guidance that the generator was not trained for.
    """
    from pv_vae_jax.generation.sampler import Sampling
    from pv_vae_jax.training import generator_stages

    given = {name: getattr(args, name) for name in ("steps", "solver", "guidance", "shift")}
    if args.guided is not None:
        given["guided"] = pair("guided", args.guided, "two times")
    given = {name: value for name, value in given.items() if value is not None}
    found = Sampling(**(config.get("sampling", {}) | given))
    if config:
        generator_stages.check_guidance(config, found.guidance)
    return found


def pair(flag: str, text: str, what: str) -> tuple[float, float]:
    """The two numbers of a flag ``A:B``; ValueError says ``what`` they are."""
    try:
        first, last = map(float, text.split(":"))
    except ValueError as error:
        raise ValueError(f"--{flag} is A:B, {what}; got {text}.") from error
    return first, last


def named_vae(args: argparse.Namespace) -> tuple[str, str | None]:
    """``--vae``, which is wanted here, and its ``--weights``."""
    if not args.vae:
        raise ValueError("name the video VAE that decodes with --vae.")
    return args.vae, args.weights
