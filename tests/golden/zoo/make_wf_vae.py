"""Makes wf_vae.npz from the reference implementation; needs torch, diffusers and einops.

    PYTHONPATH=. OMP_NUM_THREADS=1 python tests/golden/zoo/make_wf_vae.py FOLDER

The folder is a checkout of PKU-YuanGroup/WF-VAE, commit d858bee.
The committed file: Python 3.11, torch 2.13.0 on CPU, diffusers 0.42.1, float32, weights of rule.py
by their names, the wavelets' filters as the reference sets them.

    moments/T    encoder's output for rule.clip(T, T, *size, batch), channels last
    video/T      decoder's output for rule.normal(100 + T, ...)
    again/9      decoder's output for the mean of moments/9
    tiled/17     what enable_tiling() decodes instead of video/17, every second row and column
    tensors, published    names and shapes of the state dict: reduced widths, published widths
"""

import json
import pathlib
import sys

import numpy as np
import torch

from tests.golden.zoo import rule

HERE = pathlib.Path(__file__).parent
CLIPS = {1: (2, 16, 24), 5: (2, 16, 24), 9: (1, 24, 16), 17: (1, 16, 24)}  # frames: batch, size
CHANNELS = 4
REDUCED = {
    "base_channels": 8,  # published: 192
    "latent_dim": CHANNELS,  # 16
    "encoder_energy_flow_hidden_size": 6,  # 128
    "decoder_energy_flow_hidden_size": 5,  # 128
}


def with_weights(model):
    state = {
        name: leaf if "wavelet" in name else torch.from_numpy(rule.tensor(name, tuple(leaf.shape)))
        for name, leaf in model.state_dict().items()
    }
    model.load_state_dict(state)
    return model.eval()


def shapes(model):
    return json.dumps({name: list(leaf.shape) for name, leaf in model.state_dict().items()})


def theirs(x):
    return torch.from_numpy(x.transpose(0, 4, 1, 2, 3).copy())


def ours(x):
    return x.numpy().transpose(0, 2, 3, 4, 1)


@torch.no_grad()
def main():
    folder = pathlib.Path(sys.argv[1])
    sys.path.insert(0, str(folder))
    from causalvideovae.model.vae.modeling_wfvae import WFVAEModel

    published = json.loads((folder / "examples" / "wfvae-large-16chn.json").read_text())
    model = with_weights(WFVAEModel.from_config(published | REDUCED))
    golden = {"tensors": shapes(model)}
    for frames, (batch, height, width) in CLIPS.items():
        clip = rule.clip(frames, frames, height, width, batch)
        golden[f"moments/{frames}"] = ours(model.encoder(theirs(clip))[0])
        latents = rule.normal(
            100 + frames, batch, 1 + frames // 4, height // 8, width // 8, CHANNELS
        )
        golden[f"video/{frames}"] = ours(model.decode(theirs(latents)).sample)
    mean = golden["moments/9"][..., :CHANNELS]
    golden["again/9"] = ours(model.decode(theirs(mean)).sample)
    model.enable_tiling()
    tiled = ours(model.decode(theirs(latents)).sample)
    print("tiled - whole:", np.abs(tiled - golden["video/17"]).max())
    golden["tiled/17"] = tiled[:, :, ::2, ::2]
    golden["published"] = shapes(WFVAEModel.from_config(published))
    np.savez_compressed(HERE / "wf_vae.npz", **golden)
    for name, value in golden.items():
        if not isinstance(value, str):
            print(name, value.shape, f"std {value.std():.3f} max {np.abs(value).max():.3f}")


if __name__ == "__main__":
    main()
