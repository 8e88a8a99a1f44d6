"""Makes ``hunyuan.npz`` of diffusers' AutoencoderKLHunyuanVideo: full depth, reduced widths.

    OMP_NUM_THREADS=1 PYTHONPATH=. python tests/golden/zoo/make_hunyuan.py [FILE]

made with torch 2.13.0 (CPU) and diffusers 0.42.1, without tiles but where said.  Weights are
``rule.tensor`` of the reference's names, clips ``rule.clip(SEED, ...)``, latents
``rule.normal(SEED, ...)``.  For each T of ``CASES``: ``moments_T`` and ``video_T``, float32,
channels last; of a video longer than 5 frames only every third row and column.
``tiled_video_N``: the decoded mean of a clip of ``TILED``, in tiles of N latents, N * 3 / 4 apart
(diffusers' own are 4, those of the official code 16).  ``tensors`` and ``tensors_full`` are the
names and shapes of the state dict at these widths and as published.
"""

import json
import sys

import numpy as np
import torch
from diffusers import AutoencoderKLHunyuanVideo

from tests.golden.zoo import rule

CASES = {1: (2, 16, 24), 5: (2, 24, 16), 9: (1, 16, 24), 17: (1, 32, 48)}  # T: (batch, H, W)
TILED = {4: (1, 29, 16, 24), 16: (1, 109, 16, 16)}  # latents of a tile: (batch, T, H, W)
WIDTHS, GROUPS, CHANNELS, SEED, THINNED = (16, 32, 48, 48), 8, 4, 3, 3


def shapes(model: torch.nn.Module) -> str:
    return json.dumps({name: list(t.shape) for name, t in model.state_dict().items()})


def last(x: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(x.permute(0, 2, 3, 4, 1).numpy())


def first(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x).permute(0, 4, 1, 2, 3).contiguous()


@torch.no_grad()
def main(path: str) -> None:
    model = AutoencoderKLHunyuanVideo(
        latent_channels=CHANNELS, block_out_channels=WIDTHS, norm_num_groups=GROUPS
    ).eval()
    model.use_framewise_encoding = model.use_framewise_decoding = False
    state = model.state_dict()
    model.load_state_dict(
        {k: torch.from_numpy(rule.tensor(k, tuple(v.shape))) for k, v in state.items()}
    )
    found = {"tensors": shapes(model)}
    with torch.device("meta"):
        found["tensors_full"] = shapes(AutoencoderKLHunyuanVideo())
    for frames, (batch, height, width) in CASES.items():
        x = first(rule.clip(SEED, frames, height, width, batch))
        moments = last(model.quant_conv(model.encoder(x)))
        mean, _ = np.split(moments, 2, axis=-1)
        assert np.array_equal(last(model.encode(x).latent_dist.mean), mean)  # it does not tile
        video = last(model.decode(first(rule.normal(SEED, *mean.shape))).sample)
        print(
            frames, moments.shape, moments.std(), video.shape, video.std(), video.std((0, 2, 3, 4))
        )
        every = THINNED if frames > 5 else 1
        found |= {f"moments_{frames}": moments, f"video_{frames}": video[:, :, ::every, ::every]}
    model.use_framewise_encoding = model.use_framewise_decoding = True
    for latents, (batch, frames, height, width) in TILED.items():
        model.tile_sample_min_num_frames = 4 * latents
        model.tile_sample_stride_num_frames = 3 * latents
        mean = model.encode(first(rule.clip(SEED, frames, height, width, batch))).latent_dist.mean
        video = last(model.decode(mean).sample)
        print("tiled", latents, mean.shape, video.shape, video.std())
        found |= {f"tiled_video_{latents}": video[:, :, ::THINNED, ::THINNED]}
    np.savez_compressed(path, **found)


if __name__ == "__main__":
    main(*sys.argv[1:] or ["tests/golden/zoo/hunyuan.npz"])
