"""Makes the golden values of the judges; needs torch, which the tests do not.

    python -m tests.golden.make_judges I3D_CHECKPOINT

The checkpoint is i3d-kinetics-400.ckpt of the pinned package (pretrained/weights.py); here its
batch norms stay batch norms.
"""

import pathlib
import runpy
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from launch.bench import judges_worker
from tests.golden import judges

HERE = pathlib.Path(__file__).parent
# By its file: the package itself imports JAX, which need not be here.
pickles = runpy.run_path(str(HERE.parents[1] / "pv_vae_jax" / "pretrained" / "pickles.py"))
PARTS = {
    "enter/a": "Branch_0/Conv3d_0a_1x1",
    "enter/b": "Branch_1/Conv3d_0a_1x1",
    "b": "Branch_1/Conv3d_0b_3x3",
    "enter/c": "Branch_2/Conv3d_0a_1x1",
    "c": "Branch_2/Conv3d_0b_3x3",
    "pooled": "Branch_3/Conv3d_0b_1x1",
}
STEM = {"conv_1a": "Conv3d_1a_7x7", "conv_2b": "Conv3d_2b_1x1", "conv_2c": "Conv3d_2c_3x3"}


def frames_of(video, size, aligned=False):
    """``[B, T, H, W, C]`` to float ``[B, C, T, *size]``, values in [0, 255]."""
    b, t = video.shape[:2]
    frames = torch.tensor(video).float().flatten(0, 1).permute(0, 3, 1, 2)
    frames = functional.interpolate(frames, size, mode="bilinear", align_corners=aligned)
    return frames.reshape(b, t, 3, *size).transpose(1, 2)


def i3d(checkpoint):
    tree = pickles["arrays"](pathlib.Path(checkpoint).read_bytes())
    flat = {}

    def walk(branch, path):
        for key, value in branch.items():
            walk(value, f"{path}{key}/") if isinstance(value, dict) else flat.update(
                {path + key: torch.tensor(value)}
            )

    walk(tree, "")

    def unit(name, x, stride):
        block, _, part = name.partition("/")
        theirs = f"M{block[1:]}/{PARTS[part]}" if part else STEM[name]
        kernel = flat[f"params/{theirs}/Conv_0/kernel"].permute(4, 3, 0, 1, 2)
        norm = [
            flat[f"batch_stats/{theirs}/BatchNorm_0/{leaf}"].flatten() for leaf in ("mean", "var")
        ]
        offset = flat[f"params/{theirs}/BatchNorm_0/bias"].flatten()
        x = judges_worker.convolve(x, kernel, None, stride)
        return functional.relu(functional.batch_norm(x, *norm, None, offset, eps=1e-3))

    last = "params/Logits/Conv3d_0c_1x1/Conv_0"
    logits = flat[f"{last}/kernel"].reshape(1024, 400).T, flat[f"{last}/bias"].flatten()
    return {
        name: judges_worker.i3d(frames_of(judges.clip(*size), (224, 224)) / 127.5 - 1, unit, logits)
        for name, size in judges.CLIPS.items()
    }


def c3d():
    state = {name: torch.tensor(value) for name, value in judges.small_c3d().items()}
    full = {n: (state[f"{n}.weight"], state[f"{n}.bias"]) for n in ("fc6", "fc7", "fc8")}

    def unit(name, x, stride):
        kernel, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        return functional.relu(functional.conv3d(x, kernel, bias, stride, padding=1))

    video = judges.clip(*judges.C3D_CLIP)[:, :16]
    mean = torch.tensor(judges.mean_clip())[None]
    cropped = frames_of(video, (128, 171))[:, [2, 1, 0]] - mean
    whole = frames_of(video, (112, 112), aligned=True)[:, [2, 1, 0]]
    inputs = {
        "c3d": cropped[..., 8:120, 29:141],
        "tgan2": whole - mean[..., 8:120, 8:120],
    }
    return {
        f"{way}/{'pytorch' if centred else 'caffe'}": judges_worker.c3d(x, unit, full, centred)
        for way, x in inputs.items()
        for centred in (False, True)
    }


class Unit(nn.Module):
    def __init__(self, channels, width, size, norm):
        super().__init__()
        self.conv3d = nn.Conv3d(channels, width, size, bias=not norm)
        self.sizes = [1, 2, 3]
        self.padding: list[tuple[int, int]] = [(0, 1)]
        self.activation = None
        if norm:
            self.batch3d = nn.BatchNorm3d(width)

    def forward(self, x):
        return self.conv3d(x)


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        first, second = Unit(3, 4, 1, False), Unit(4, 2, 1, False)
        del first.conv3d.bias
        first.conv3d.register_parameter("bias", None)
        self.branch_1 = nn.Sequential(first, second)

    def forward(self, x):
        return self.branch_1(x)


class Scripted(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv3d_1a = Unit(2, 3, (1, 2, 2), True)
        self.mixed = Mixed()

    def forward(self, x, rescale: bool = False):
        return self.mixed(self.conv3d_1a(x / 255 if rescale else x))


def main():
    for name, values in (("i3d", i3d(sys.argv[1])), ("c3d", c3d())):
        values = {key: value.numpy() for key, value in values.items()}
        np.savez(HERE / f"{name}.npz", **values)
        for key, value in values.items():
            print(name, key, value.shape, value.reshape(-1)[:6])
    module = Scripted()
    module.load_state_dict({k: torch.tensor(v) for k, v in judges.scripted_state().items()})
    torch.jit.save(torch.jit.script(module.eval()), HERE / "torch_script.pt")


if __name__ == "__main__":
    with torch.no_grad():
        main()
