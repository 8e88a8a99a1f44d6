"""Writes a video VAE or a generator as one file that NumPy, or safetensors, alone can read."""

import argparse
from typing import Any

from launch import door, models

EPILOG = """\
The file holds the averaged (EMA) parameters, the latent mean and standard deviation, and a JSON
entry with the model's fields, latent specification, training config and version (the layout is
told in pv_vae_jax/checkpoint/export.py).  The suffix of --out decides the format: .npz for NumPy,
.safetensors for the libraries that read those.

examples:
  python -m launch.export --workdir runs/quickstart --out exports/demo.npz
  python -m launch.export --workdir runs/paper --out exports/5k.npz --stage predictive --step 5000
  python -m launch.export --workdir runs/quickstart --out exports/demo.safetensors

A run keeps the last two checkpoints of a stage, or as many as its --config.runtime.keep says.

A baseline's public checkpoint becomes such a file, and a baseline of any run or file goes back
under the names of its reference implementation:
  python -m launch.export --model wan2.1 --weights Wan2.1_VAE.pth --out exports/wan2.1.npz
  python -m launch.export --workdir runs/wan --layout diffusers --out wan.safetensors

and then in Python:
  vae = pv_vae_jax.load("exports/demo.npz")

exit code: 0 if the file was written, 2 after an error (one sentence on stderr).
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    it = argparse.ArgumentParser(
        prog="python -m launch.export",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = it.add_mutually_exclusive_group(required=True)
    source.add_argument("--workdir", metavar="DIR", help="folder of a run")
    source.add_argument("--model", metavar="EXPORT|NAME", help="as launch.reconstruct's")
    it.add_argument("--weights", metavar="FILE", help="as launch.reconstruct's, with --model")
    it.add_argument(
        "--layout",
        metavar="NAME",
        help="official or diffusers: .safetensors under the names of the baseline's reference",
    )
    it.add_argument("--out", required=True, metavar="FILE", help=".npz or .safetensors; replaced")
    it.add_argument(
        "--dtype",
        default="float32",
        help="of a video VAE in the file: float32 (default), or float16, half the size",
    )
    it.add_argument("--stage", metavar="NAME", help="default: the last one with a checkpoint")
    it.add_argument("--step", type=int, metavar="N", help="of the stage; default: its last one")
    it.add_argument(
        "--calibrate",
        type=int,
        metavar="N",
        help="measure the latent mean and standard deviation anew, on N training batches of the "
        "stage; 0: those of the checkpoint (default: 0 of a finished stage or a frozen encoder; "
        "before the end of a stage the run's runtime.calibration_batches, since a checkpoint then "
        "has those of the stage before)",
    )
    return it


def main(argv: list[str] | None = None) -> None:
    """Runs the door."""
    args = parser().parse_args(argv)
    if (args.calibrate or 0) < 0:
        raise ValueError(f"--calibrate is a number of batches, 0 or more, got {args.calibrate}.")
    if args.step is not None and args.stage is None:
        raise ValueError(f"--step {args.step} is of a stage: name it with --stage.")
    if args.weights is not None and args.model is None:
        raise ValueError(f"--weights {args.weights} is of a baseline: name it with --model.")
    model, training, told = _of_run(args) if args.workdir else _of_model(args)
    _write(args, model, training)
    print(f"{args.out}: {_name(model)}, {model.parameters:,} parameters, {told}")


def _write(args: argparse.Namespace, model: Any, training: dict[str, Any]) -> None:
    from pv_vae_jax.checkpoint import export, generator_export
    from pv_vae_jax.models.generator import Generator
    from pv_vae_jax.zoo import registry

    if isinstance(model, Generator):
        if args.layout or args.calibrate or args.dtype != "float32":
            raise ValueError(
                "--layout, --calibrate and --dtype are of video VAEs; this is a generator."
            )
        generator_export.save(args.out, model, training)
    elif args.layout and (args.calibrate or args.dtype != "float32"):
        raise ValueError(
            f"--layout {args.layout} writes what the reference has, float32 parameters alone: "
            "leave out --dtype and --calibrate."
        )
    elif args.layout:
        registry.to_reference(args.out, model, args.layout)
    else:
        export.save(args.out, model, training, args.dtype)


def _name(model: Any) -> str:
    from pv_vae_jax.models.generator import Generator

    spec = model.latents.identity["spec"] if isinstance(model, Generator) else model.spec
    return f"{model.config['name']} {spec}"


def _of_model(args: argparse.Namespace) -> tuple[Any, dict[str, Any], str]:
    """The model, what is known of its training, and a word on it for the reader."""
    if args.stage is not None or args.calibrate:
        raise ValueError("--stage, --step and --calibrate are of a run: name it with --workdir.")
    vae, about = models.load(args.model, args.weights)
    training = about["training"] or {"weights": about["file"], "sha256": about["sha256"]}
    return vae, training, f"from {about['file'] or 'fresh weights'}"


def _of_run(args: argparse.Namespace) -> tuple[Any, dict[str, Any], str]:
    from pv_vae_jax.core import storage
    from pv_vae_jax.models.video_vae import VideoVAE
    from pv_vae_jax.training import calibration, restore, runs

    folder = storage.path(args.workdir)
    run = runs.of_workdir(folder)
    model, position = restore.exported_model(folder, run, args.stage, args.step)
    stage = {each.name: each for each in run.stages}[position["stage"]]
    batches = args.calibrate
    if batches is None and isinstance(model, VideoVAE) and not position["finished"]:
        stale = run.calibrates(stage, model.params)
        batches = run.config["runtime"]["calibration_batches"] if stale else 0
    if batches and isinstance(model, VideoVAE):
        videos = run.calibration_videos(stage, batches)
        mean, std = calibration.latent_statistics(model.module, model.params, videos)
        model = VideoVAE(model.module, model.params, mean, std, model.config)
    training = position | {"frames": stage.data.frames, "config": run.config}
    training |= {"calibrated_on_batches": batches or None}
    told = f", latent statistics of {batches} batches" if batches else ""
    return model, training, f"stage {position['stage']}, step {position['step']}{told}"


if __name__ == "__main__":
    door.run(main)
