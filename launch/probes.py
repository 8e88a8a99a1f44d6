"""The part of launch.analyse that probes: what small decoders read from latents or features."""

import argparse
from collections.abc import Mapping
from typing import Any

NAME = "probes"


def add_arguments(it: argparse.ArgumentParser) -> None:
    """What probes alone look at."""
    it.add_argument(
        "--generator",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help="a generator on the model's latents (an export), whose features are probed too; with "
        "the name of its --model where there are several",
    )
    it.add_argument("--layer", type=int, metavar="N", help="of the generator (default: the middle)")
    it.add_argument(
        "--time", type=float, metavar="T", help="what the generator sees, 0 (noise) to 1 (data)"
    )
    it.add_argument("--tasks", metavar="NAMES", help="some of flow,next_frame,tracking")
    it.add_argument(
        "--budget", default="small", help="of each probe: small (default), long or full"
    )
    it.add_argument(
        "--grid",
        type=int,
        default=16,
        metavar="PIXELS",
        help="cells of the probes' common grid (default: 16; 8 for frames of 32 pixels, which have "
        "few of them)",
    )
    it.add_argument(
        "--clips",
        nargs=2,
        type=int,
        default=(256, 48),
        metavar=("TRAIN", "TEST"),
        help="of a probe (default: 256 48)",
    )
    it.add_argument("--sintel", metavar="DIR", help="MPI Sintel, instead of rendered flow")
    it.add_argument(
        "--tap-vid", metavar="FILE", help="tapvid_davis.pkl, instead of rendered tracks"
    )


def check(args: argparse.Namespace, probing: bool) -> None:
    """Raises ValueError for a flag that would do nothing, or a grid that is none."""
    of_probes = ("generator", "layer", "time", "tasks", "sintel", "tap_vid")
    of_generators = ("layer", "time")
    for names, there, what in (
        (of_probes, probing, f"of probes, which --only {args.only} leaves out"),
        (of_generators, args.generator, "of a --generator, and none is given"),
    ):
        given = [name for name in names if getattr(args, name) not in (None, [])]
        if given and not there:
            raise ValueError(f"--{given[0].replace('_', '-')} is {what}.")
    if args.grid < 2 or args.grid % 2:
        raise ValueError(f"--grid is an even number of pixels from 2; got {args.grid}.")


def setup(args: argparse.Namespace, used: Any, data: Mapping[str, str], command: str) -> Any:
    """How all models of a command are probed.

    Raises:
      ValueError: a task or budget that there is not.
    """
    from pv_vae_jax.analysis import probe_tasks, probes
    from pv_vae_jax.analysis.probe_training import BUDGETS

    if args.budget not in BUDGETS:
        raise ValueError(f"--budget is one of {', '.join(BUDGETS)}; got {args.budget!r}.")
    return probes.Setup(
        used,
        data,
        args.out,
        tasks=args.tasks.split(",") if args.tasks else tuple(probe_tasks.TASKS),
        train=args.clips[0],
        test=args.clips[1],
        budget=BUDGETS[args.budget],
        sintel=args.sintel,
        tap_vid=args.tap_vid,
        batch=args.batch,
        grid=args.grid,
        command=command,
    )


def probed(
    args: argparse.Namespace, it: Any, vae: Any, about: Any, generator: str | None
) -> list[Any]:
    """Findings of one model: of its latents, and of its generator's features if there is one.

    Args:
      args: the command line.
      it: of :func:`setup`.
      vae: the model.
      about: what findings say of it.
      generator: an export, or None.
    """
    from pv_vae_jax.analysis import probes
    from pv_vae_jax.checkpoint import generator_export

    found = [probes.probe(it, vae, about)]
    if generator is not None:
        time = {} if args.time is None else {"time": args.time}
        known = generator_export.load(generator)
        found.append(probes.probe(it, vae, about, known, args.layer, **time))
    return found
