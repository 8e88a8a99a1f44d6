"""Makes ssvae.npz from the reference implementation; needs torch, einops and beartype.

    PYTHONPATH=. OMP_NUM_THREADS=1 python tests/golden/zoo/make_ssvae.py FOLDER

The folder holds ``dc_3dvae.py`` of zai-org/SSVAE (ssvae/modules/autoencoding/vae), commit 0b141f7.
The committed file: Python 3.11, torch 2.13.0 on CPU, float32, weights of rule.py by their names.

    moments/T    encoder's output for rule.clip(T, T, *SIZE, batch), channels last
    video/T      decoder's output for rule.normal(100 + T, ...), every STEP-th row and column
    again/17     likewise for the mean of moments/17
    tensors, published    names and shapes of the state dict: reduced widths, published widths
"""

import importlib.util
import json
import pathlib
import sys

import numpy as np
import torch

from tests.golden.zoo import rule

HERE = pathlib.Path(__file__).parent
CLIPS = {1: 1, 5: 1, 9: 1, 17: 2}  # frames: batch
SIZE = (32, 48)
STEP = 3
REDUCED = {"ch": 4, "z_channels": 4}  # published: 32, 48; the other fields are published values
PUBLISHED = {"ch": 32, "z_channels": 48}


def models(reference, **widths):
    fields = {
        "norm": "rmsnorm",
        "resolution": 256,
        "in_channels": 3,
        "out_ch": 3,
        "num_mid_blocks": 2,
        "ch_mult": [2, 4, 8, 16, 16],
        "num_res_blocks": 3,
    } | widths
    return torch.nn.ModuleDict(
        {
            "encoder": reference.Encoder3D(temporal_upsample=[False, False, True, True], **fields),
            "decoder": reference.Decoder3D(temporal_upsample=[True, True, False, False], **fields),
        }
    ).eval()


def shapes(model):
    return json.dumps({name: list(leaf.shape) for name, leaf in model.state_dict().items()})


def theirs(x):
    return torch.from_numpy(x.transpose(0, 4, 1, 2, 3).copy())


def ours(x):
    return x.numpy().transpose(0, 2, 3, 4, 1)


@torch.no_grad()
def main():
    path = pathlib.Path(sys.argv[1], "dc_3dvae.py")
    spec = importlib.util.spec_from_file_location("dc_3dvae", path)
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    model = models(reference, **REDUCED)
    state = {
        name: torch.from_numpy(rule.tensor(name, tuple(leaf.shape)))
        for name, leaf in model.state_dict().items()
    }
    model.load_state_dict(state)
    golden = {"tensors": shapes(model)}
    for frames, batch in CLIPS.items():
        clip = rule.clip(frames, frames, *SIZE, batch)
        golden[f"moments/{frames}"] = ours(model["encoder"](theirs(clip)))
        latents = rule.normal(
            100 + frames, batch, 1 + frames // 4, *(side // 16 for side in SIZE), 4
        )
        video = ours(model["decoder"](theirs(latents)))
        golden[f"video/{frames}"] = video[:, :, ::STEP, ::STEP]
    mean = golden["moments/17"][..., : REDUCED["z_channels"]]
    golden["again/17"] = ours(model["decoder"](theirs(mean)))[:, :, ::STEP, ::STEP]
    with torch.device("meta"):
        golden["published"] = shapes(models(reference, **PUBLISHED))
    np.savez_compressed(HERE / "ssvae.npz", **golden)
    for name, value in golden.items():
        if not isinstance(value, str):
            print(name, value.shape, f"std {value.std():.3f} max {np.abs(value).max():.3f}")


if __name__ == "__main__":
    main()
