"""The model that a door works with: an export, a name, or a name with public weights."""

import argparse
import os
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
    from pv_vae_jax.pretrained import packages

    return {"file": path, "sha256": packages.sha256_of(path), "trained": True}
