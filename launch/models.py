"""The model that a door works with: an export, a name, or a name with public weights; its tiles."""

import argparse
import os
import re
import sys
from typing import Any


def add_arguments(it: argparse.ArgumentParser) -> None:
    """``--model`` and ``--weights``."""
    it.add_argument(
        "--model",
        required=True,
        metavar="EXPORT|NAME",
        help="a file that launch.export wrote, or the name of a model (untrained, unless --weights "
        "gives its public checkpoint)",
    )
    it.add_argument(
        "--weights",
        metavar="FILE",
        help="the public checkpoint of a baseline, .safetensors, .pth or .ckpt, as its authors or "
        "diffusers name its tensors",
    )


def add_protocol(it: argparse.ArgumentParser, which: str) -> None:
    """``--protocol``, ``--set``, ``--data``, and ``--weights`` of several models."""
    it.add_argument("--protocol", required=True, metavar="NAME", help=which)
    it.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="of the protocol, changed"
    )
    it.add_argument(
        "--weights",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help="a baseline's public checkpoint; with its name where there are several models",
    )
    it.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="[NAME=]DIR",
        help="the data set; with its name where the protocol has several (docs/datasets.md)",
    )


def add_tiles(it: argparse.ArgumentParser) -> None:
    """``--tile``, ``--overlap`` and ``--blend``, for frames that are too large."""
    it.add_argument(
        "--tile",
        metavar="ROWSxCOLUMNS",
        help="large frames: run the model in tiles of so many pixels, in a fraction of the memory "
        "and with the result of whole frames (PV-VAE's CNN and hybrid; other models: --blend)",
    )
    it.add_argument(
        "--overlap",
        type=int,
        metavar="N",
        help="pixels that neighbouring tiles share (default: the least that is exact; with --blend "
        "a quarter of a tile)",
    )
    it.add_argument(
        "--blend",
        action="store_true",
        help="cheaper tiles, for any model: blended over what they share, with seams",
    )


def tiled(vae: Any, args: argparse.Namespace) -> Any:
    """The model in tiles, if :func:`add_tiles`'s arguments ask for them.

    Raises:
      ValueError: tiles that do not fit the model, or flags that say nothing without ``--tile``.
    """
    from pv_vae_jax.models import tiled_vae

    if args.tile is None:
        if args.overlap is not None or args.blend:
            raise ValueError("--overlap and --blend are of tiles: say --tile ROWSxCOLUMNS as well.")
        return vae
    return tiled_vae.tile(vae, *tile_sides(args.tile), args.overlap, args.blend)


def tile_sides(text: str) -> tuple[int, int]:
    """(rows, columns) of ``--tile``; ValueError if it is written otherwise."""
    sides = re.fullmatch(r"(\d+)x(\d+)", text)
    if sides is None:
        raise ValueError(f"--tile is ROWSxCOLUMNS in pixels, such as 256x256; got {text!r}.")
    return int(sides.group(1)), int(sides.group(2))


def label_of(subject: str) -> str:
    """What tables call a model or samples: the last part of a path, without an export's ending."""
    name = subject.rstrip("/").rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[0] if name.endswith((".npz", ".safetensors")) else name


def load(name: str, weights: str | None = None) -> tuple[Any, dict[str, Any]]:
    """The VideoVAE, and what a report says of it.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: no such name, or the file is not of this model.
    """
    from pv_vae_jax.checkpoint import export
    from pv_vae_jax.zoo import registry

    if weights is not None:
        vae = registry.from_reference(name, weights)
        about = _about(weights) | {"training": {}}
    elif name.endswith(export.SUFFIXES):
        vae, training = export.load(name), export.read_metadata(name)["training"]
        about = _about(name) | {"training": training}
    elif os.sep in name or os.path.exists(name):
        raise ValueError(
            f"--model {name} is no {' or '.join(export.SUFFIXES)} file: make one by python -m "
            "launch.export, or give a public checkpoint by --model NAME --weights FILE."
        )
    else:
        vae = registry.create(name, seed=0)
        print(f"note: {name} has fresh weights (seed 0): it is not trained.", file=sys.stderr)
        about = {"file": None, "sha256": None, "trained": False, "training": {}}
    described = {"name": vae.config["name"], "spec": str(vae.spec), "parameters": vae.parameters}
    return vae, described | about


def _about(path: str) -> dict[str, Any]:
    from pv_vae_jax.core import storage

    return {"file": path, "sha256": storage.sha256(path), "trained": True}
