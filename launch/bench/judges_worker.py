"""The judges' networks in PyTorch: the other side of `launch.bench judges`, and of golden values.

Reads a line of stdin for each run, answers with seconds; needs torch and numpy, nothing of ours.
"""

import json
import pathlib
import sys
import time

import numpy as np
import torch
from torch.nn import functional

BLOCKS = "3b 3c 4b 4c 4d 4e 4f 5b 5c".split()
POOLS = {"4b": (3, 2), "5b": (2, 2)}


def padding(shape, size, stride):
    """TensorFlow's SAME, as ``functional.pad`` wants it: the last dimension first."""
    pads = []
    for n, k, s in reversed(list(zip(shape, size, stride, strict=True))):
        total = max(0, (-(-n // s) - 1) * s + k - n)
        pads += [total // 2, total - total // 2]
    return pads


def convolve(x, kernel, bias, stride=1):
    """SAME, without the ReLU: ``[B, C, T, H, W]`` and ``[O, C, k, k, k]``."""
    pads = padding(x.shape[2:], kernel.shape[2:], (stride,) * 3)
    if pads[::2] == pads[1::2]:
        return functional.conv3d(x, kernel, bias, stride, tuple(reversed(pads[::2])))
    return functional.conv3d(functional.pad(x, pads), kernel, bias, stride)


def max_pool(x, size, stride):
    """SAME."""
    pads = padding(x.shape[2:], size, stride)
    if pads[::2] == pads[1::2]:
        return functional.max_pool3d(x, size, stride, tuple(reversed(pads[::2])))
    return functional.max_pool3d(functional.pad(x, pads, value=-torch.inf), size, stride)


def i3d(x, unit, logits):
    """I3D as its authors draw it.

    Args:
      x: ``[B, 3, T, 224, 224]`` in [-1, 1].
      unit: (name, x, stride) to the convolution of that name with its ReLU.
      logits: kernel ``[O, C]`` and bias.
    """
    x = max_pool(unit("conv_1a", x, 2), (1, 3, 3), (1, 2, 2))
    x = unit("conv_2c", unit("conv_2b", x, 1), 1)
    x = max_pool(x, (1, 3, 3), (1, 2, 2))
    for number in BLOCKS:
        if number in POOLS:
            size, stride = POOLS[number]
            x = max_pool(x, (size,) * 3, (stride,) * 3)
        name = f"mixed_{number}"
        branches = [unit(f"{name}/enter/a", x, 1)]
        branches += [unit(f"{name}/{p}", unit(f"{name}/enter/{p}", x, 1), 1) for p in "bc"]
        branches.append(unit(f"{name}/pooled", max_pool(x, (3, 3, 3), (1, 1, 1)), 1))
        x = torch.cat(branches, dim=1)
    x = functional.avg_pool3d(x, (2, 7, 7), (1, 1, 1))[..., 0, 0]
    kernel, bias = logits
    return (torch.einsum("bct,oc->bto", x, kernel) + bias).mean(dim=1)


def c3d(x, unit, full, centred):
    """C3D.

    Args:
      x: ``[B, 3, 16, 112, 112]``.
      unit: (name, x, stride) to the convolution of that name with its ReLU.
      full: name to weight and bias of fc6, fc7, fc8.
      centred: the last maximum pads by one all around.
    """
    for number, names in enumerate(("conv1", "conv2", "conv3a conv3b", "conv4a conv4b")):
        for name in names.split():
            x = unit(name, x, 1)
        x = functional.max_pool3d(x, (2 if number else 1, 2, 2))
    x = unit("conv5b", unit("conv5a", x, 1), 1)
    if centred:
        x = functional.max_pool3d(x, (2, 2, 2), padding=(0, 1, 1))
    else:
        x = functional.max_pool3d(x, (2, 2, 2), ceil_mode=True)
    x = x.flatten(1)
    for name in ("fc6", "fc7", "fc8"):
        x = functional.linear(x, *full[name])
        x = x if name == "fc8" else functional.relu(x)
    return x


class Network:
    """A network with the arrays of our side."""

    def __init__(self, judge, file, layout):
        arrays = {name: torch.tensor(value) for name, value in np.load(file).items()}
        self.video = arrays.pop("video").permute(0, 4, 1, 2, 3).contiguous()
        self.layout = getattr(torch, layout)
        self.video = self.video.contiguous(memory_format=self.layout)
        self.judge, self.units, self.full = judge, {}, {}
        for name in {path.rsplit("/", 1)[0] for path in arrays}:
            kernel = arrays.get(f"{name}/kernel", arrays.get(f"{name}/weight"))
            bias = arrays[f"{name}/bias"]
            if kernel.ndim == 5:
                kernel = kernel.permute(4, 3, 0, 1, 2).contiguous(memory_format=self.layout)
                self.units[name] = kernel, bias
            else:
                self.full[name] = kernel.contiguous(), bias

    def unit(self, name, x, stride):
        """A convolution and its ReLU."""
        return functional.relu_(convolve(x, *self.units[name], stride))

    def run(self):
        """The logits."""
        with torch.no_grad():
            if self.judge == "i3d":
                kernel, bias = self.full["logits"]
                return i3d(self.video, self.unit, (kernel.T, bias))
            return c3d(self.video, self.unit, self.full, centred=False)


def main():
    """Answers until stdin ends."""
    judge, file, threads, layout = sys.argv[1:]
    torch.set_num_threads(int(threads))
    network = Network(judge, file, layout)
    print(json.dumps(f"torch {torch.__version__}"), flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        logits = network.run()
        seconds = time.perf_counter() - begin
        np.save(pathlib.Path(file).with_suffix(".npy"), logits.numpy())
        print(json.dumps(seconds), flush=True)


if __name__ == "__main__":
    main()
