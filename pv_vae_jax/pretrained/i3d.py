"""I3D of Kinetics-400 as a judge: its 400 logits are the features of FVD and KVD.

    logits = mean over t of I3D(resize(x))_t,   x = u / 127.5 - 1                           (1)

Frames are resized to 224x224, whatever their shape, bilinearly, WITHOUT antialiasing, with
half-pixel centres (``align_corners=False``), as the TorchScript detector that most papers use does.
(The first FVD code, in TensorFlow 1, differs in the centres: source pixel = target pixel x scale.)
A figure is to be called I3D-FVD with the checksum of the weights: those of the pinned package are a
port that was not compared with the original's outputs.
"""

import os

import jax
import jax.numpy as jnp

from pv_vae_jax.core import pixels, trees
from pv_vae_jax.pretrained import i3d_network, judge, weights

NAME, FEATURES = "i3d-kinetics400", 400
PREPARED = "bilinear to 224x224 without antialiasing (half-pixel centres), values in [-1, 1]"
# sha256 of weights to the first logits of judge.waves(9); of the pinned package's, which agree with
# the network in PyTorch (tests/golden/i3d.npz).
ANSWERS = {
    "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd": (
        1.6234, 4.0014, 9.0452, 4.5845, 2.1649, 7.5634, 2.3910, -6.5205,
        -4.9764, 5.9827, -2.2445, -3.7146, 10.8788, 0.8319, -3.6540, 4.2917,
    )
}  # fmt: skip


@jax.jit
def prepare(video: jax.Array) -> jax.Array:
    """uint8, or floats in [-1, 1], ``[B, T, H, W, 3]``, to float32 ``[B, T, 224, 224, 3]``."""
    video = pixels.to_float(video) if video.dtype == jnp.uint8 else video.astype(jnp.float32)
    return judge.resize(video, i3d_network.SIDE, i3d_network.SIDE)


def load(file: str | os.PathLike | None = None) -> judge.Judge:
    """The judge.

    Args:
      file: a user's own weights: ``i3d_torchscript.pt``, or a state dict with the names of
        i3d_names.py as .pt, .pth, .safetensors or .npz.  None: the pinned package's.

    Raises:
      ValueError: the file is refused, or holds something else.
      FileNotFoundError: there is no such file; or no weights in the cache, nor to be fetched.
    """
    files = [] if file is None else [file]
    params = {name: jnp.asarray(value) for name, value in weights.get("i3d", files).items()}
    sha256 = weights.origin("i3d", files)
    return judge.Judge(
        name=NAME,
        sha256=sha256,
        prepared=PREPARED,
        least_frames=i3d_network.LEAST_FRAMES,
        features=FEATURES,
        network=i3d_network.I3D(),
        params=trees.unflatten(params),
        prepare=prepare,
        answer=ANSWERS.get(sha256, ()),
    )
