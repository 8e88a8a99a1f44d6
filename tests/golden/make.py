"""Makes the golden files; needs torch, torchvision and lpips, which the tests do not.

    python -m tests.golden.make [PACKAGE_WEIGHTS_FOLDER]

The folder holds vgg16.ckpt and alexnet.ckpt of the pinned package (pretrained/weights.py).
"""

import collections
import pathlib
import sys

import lpips
import numpy as np
import torch

from pv_vae_jax.pretrained import pickles
from tests.golden import inputs

HERE = pathlib.Path(__file__).parent


def convolutions(judge):
    found = {int(key.split(".")[2]): key for key in judge.state_dict() if key.startswith("net.")}
    return [found[number].rsplit(".", 1)[0] for number in sorted(found)]


def with_random_weights(judge):
    state = judge.state_dict()
    for number, name in enumerate(convolutions(judge)):
        o, c, kh, kw = state[f"{name}.weight"].shape
        kernel, bias = inputs.convolution(number, kh, kw, c, o)
        state[f"{name}.weight"] = torch.tensor(kernel.transpose(3, 2, 0, 1))
        state[f"{name}.bias"] = torch.tensor(bias)
    for level in range(1, 6):
        for key in (f"lin{level - 1}.model.1.weight", f"lins.{level - 1}.model.1.weight"):
            state[key] = torch.tensor(inputs.head(level, state[key].shape[1]))[None, :, None, None]
    judge.load_state_dict(state)


def with_package_weights(judge, path):
    """The backbone of the pinned package; the heads are those that lpips ships."""
    tree, state = pickles.arrays(path.read_bytes()), judge.state_dict()
    (network,) = (tree[key] for key in tree if not key.startswith("NetLinLayer"))
    for number, name in enumerate(convolutions(judge)):
        leaves = network[f"Conv_{number}"]
        state[f"{name}.weight"] = torch.tensor(leaves["kernel"].transpose(3, 2, 0, 1).copy())
        state[f"{name}.bias"] = torch.tensor(leaves["bias"])
    judge.load_state_dict(state)


def values(judge, video, target):
    frames = [torch.tensor(a).flatten(0, 1).permute(0, 3, 1, 2) for a in (video, target)]
    frames[0].requires_grad_()
    value = judge(*frames).reshape(video.shape[:2])
    (gradient,) = torch.autograd.grad(value.sum(), frames[0])
    gradient = gradient.permute(0, 2, 3, 1).reshape(video.shape)
    return value.detach().numpy(), gradient[:, :, ::16, ::16].numpy()


def main():
    torch.save(collections.OrderedDict(inputs.state(torch)), HERE / "torch_zip.pth")
    torch.save(
        collections.OrderedDict(inputs.state(torch)),
        HERE / "torch_legacy.pth",
        _use_new_zipfile_serialization=False,
    )
    golden = {}
    for ours, theirs in (("vgg16", "vgg"), ("alexnet", "alex")):
        judge = lpips.LPIPS(net=theirs, pnet_rand=True, verbose=False).eval()
        with_package_weights(judge, pathlib.Path(sys.argv[1], f"{ours}.ckpt"))
        golden[f"{ours}/package"], _ = values(judge, *inputs.clips())
        with_random_weights(judge)
        golden[f"{ours}/random"], golden[f"{ours}/random/gradient"] = values(judge, *inputs.clips())
    np.savez(HERE / "lpips.npz", **golden)
    for name, value in golden.items():
        print(name, value.shape, value.reshape(-1)[:6])


if __name__ == "__main__":
    main()
