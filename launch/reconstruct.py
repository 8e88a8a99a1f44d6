"""Shows what a model makes of videos: reconstruction, and prediction of frames it did not see."""

import argparse
import dataclasses
import json
import pathlib
import tempfile
from typing import Any

from launch import door, models

EPILOG = """\
For every video FILE two pictures are written, OUT/FILE/side_by_side.mp4 and OUT/FILE/strip.png
(predicted frames have an orange border), and for all of them OUT/metrics.json: PSNR and SSIM of
each video, prediction error with --observe beside that of repeating the last observed frame, the
protocol of these numbers, and the files that could not be used with their reasons.

Videos may have any length and size: the last frame, row and column are repeated up to the next
valid form (1 + 4n frames, a multiple of the model's factor) and cropped off again; --strict
refuses such videos and names the nearest form.  Without --observe a video of any length is done
piece by piece, in memory that does not grow (docs/long_video.md); frames that are too large go
through the model in tiles (--tile).  Sound is left out.  To keep the latents: python -m
launch.encode and launch.decode.

examples:
  python -m launch.reconstruct --model exports/demo.npz --input clips/ --out pictures/
  python -m launch.reconstruct --model exports/demo.npz --input a.mp4 --out pictures/ \\
      --observe 9 --frames 17 --size 128
  python -m launch.reconstruct --model exports/demo.npz --input film.mp4 --out out/ --tile 512x512
  python -m launch.reconstruct --model wan2.2 --weights Wan2.2_VAE.pth --input clips/ --out out/

exit code: 0 if at least one video was done, 2 after an error (one sentence on stderr).
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    it = argparse.ArgumentParser(
        prog="python -m launch.reconstruct",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    models.add_arguments(it)
    it.add_argument(
        "--input", required=True, metavar="PATH", help="a video, or a folder of them (recursive)"
    )
    it.add_argument(
        "--out", required=True, metavar="DIR", help="folder of the results, made; or a URL"
    )
    it.add_argument(
        "--observe",
        type=int,
        metavar="N",
        help="also predict: show the model the first N frames (1 + 4n) and let it make the rest",
    )
    it.add_argument(
        "--frames",
        type=int,
        metavar="T",
        help="only the first T frames (default: all; with --observe the length of the clips that "
        "the model was trained on, or 17)",
    )
    it.add_argument(
        "--size",
        type=int,
        metavar="S",
        help="resize so that the shorter side has S pixels (default: as it is)",
    )
    it.add_argument(
        "--strict", action="store_true", help="refuse a video that would have to be padded"
    )
    models.add_tiles(it)
    return it


def main(argv: list[str] | None = None) -> None:
    """Runs the door."""
    args = parser().parse_args(argv)
    from pv_vae_jax.core import storage
    from pv_vae_jax.data import manifest
    from pv_vae_jax.evaluation import held_out
    from pv_vae_jax.evaluation.folder import reconstruct_folder
    from pv_vae_jax.evaluation.reconstruction import Form
    from pv_vae_jax.metrics import fidelity

    out = _writable(args.out, args.input)
    entries = manifest.of(args.input)
    vae, model = models.load(args.model, args.weights)
    vae = models.tiled(vae, args)
    frames = args.frames
    if frames is None and args.observe is not None:
        frames = model["training"].get("frames", 17)
    form = Form(frames, args.observe, args.size)
    protocol = {
        "pixels": fidelity.PROTOCOL,
        "prediction": held_out.PROTOCOL,
        "padding": "last frame, row and column repeated; cropped before anything is measured",
    }
    if args.tile:
        protocol["tiles"] = dataclasses.asdict(vae.tiles)
    found = reconstruct_folder(vae, entries, out, form, args.strict)
    report = {"model": model, "protocol": protocol | dataclasses.asdict(form)} | found
    path = out / "metrics.json"
    storage.write(path, json.dumps(report, indent=1, allow_nan=False) + "\n")
    figures = ", ".join(f"{name} {value:.4g}" for name, value in report["mean"].items())
    print(
        f"done: {len(report['videos'])}, skipped: {len(report['skipped'])}; mean {figures}\n"
        f"pictures and metrics: {path}, {out}/{report['videos'][0]['file']}/ ..."
    )


def _writable(where: str, source: str) -> Any:
    from pv_vae_jax.core import storage

    if storage.is_url(where):
        storage.exists(where)  # the store answers before there is work to lose
        return storage.path(where)
    out, videos = pathlib.Path(where), pathlib.Path(source)
    if videos.is_dir() and out.resolve().is_relative_to(videos.resolve()):
        raise ValueError(
            f"--out {out} lies inside --input {videos}, where its films would be read as videos: "
            "choose another folder."
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            return out
    except OSError as error:
        raise ValueError(
            f"--out {out} cannot be written ({error.strerror}): choose another folder."
        ) from error


if __name__ == "__main__":
    door.run(main)
