"""Makes wan21.npz and wan22.npz: outputs of the reference implementations at reduced widths.

    PYTHONPATH=. OMP_NUM_THREADS=1 python tests/golden/zoo/make_wan.py REFERENCE

REFERENCE is a folder with ``vae2_1.py`` and ``vae2_2.py`` of Wan-Video/Wan2.2, ``wan/modules``.
The committed files: torch 2.13.0 (CPU), diffusers 0.42.1, einops, Wan2.2 at 42bf4cf.

Weights are ``rule.tensor`` of the names of diffusers' AutoencoderKLWan, whose loops over frames and
caches run here without its last clamp; the official modules, with the same weights under their own
names, must agree.
"""

import importlib
import json
import pathlib
import re
import sys

import diffusers
import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import patchify, unpatchify

from tests.golden.zoo import rule

HERE = pathlib.Path(__file__).parent
FRAMES = {1: 1, 5: 1, 9: 2, 17: 1}  # frames of a clip: clips of the batch
STRIDE = 3  # of the rows and columns of decoded clips that are kept: all places of a latent
WIDTH, DECODER_WIDTH = 8, 12
WAN21 = {"base_dim": WIDTH, "z_dim": 16}
WAN22 = WAN21 | {
    "decoder_base_dim": DECODER_WIDTH,
    "z_dim": 48,
    "in_channels": 12,
    "out_channels": 12,
    "is_residual": True,
    "patch_size": 2,
    "scale_factor_spatial": 16,
}


def official_name(name: str, nested: bool) -> str:
    """A name of diffusers in the official files."""
    ends = {"quant_conv": "conv1", "post_quant_conv": "conv2"}
    top, rest = name.split(".", 1)
    if top in ends:
        return f"{ends[top]}.{rest}"
    rest = re.sub(r"^conv_in", "conv1", rest)
    rest = re.sub(r"^norm_out", "head.0", rest)
    rest = re.sub(r"^conv_out", "head.2", rest)
    rest = re.sub(r"^mid_block.resnets.(\d)", lambda m: f"middle.{2 * int(m[1])}", rest)
    rest = re.sub(r"^mid_block.attentions.0", "middle.1", rest)
    if nested:
        for way, last in (("down", 2), ("up", 3)):
            rest = re.sub(
                rf"^{way}_blocks.(\d+).(?:resnets.(\d+)|{way}sampler)",
                lambda m, way=way, last=last: f"{way}samples.{m[1]}.{way}samples.{m[2] or last}",
                rest,
            )
    else:
        rest = re.sub(r"^down_blocks.(\d+)", r"downsamples.\1", rest)
        rest = re.sub(
            r"^up_blocks.(\d+).(?:resnets.(\d+)|upsamplers.0)",
            lambda m: f"upsamples.{4 * int(m[1]) + int(m[2] or 3)}",
            rest,
        )
    inner = {"norm1": "residual.0", "conv1": "residual.2", "norm2": "residual.3"}
    inner |= {"conv2": "residual.6", "conv_shortcut": "shortcut"}
    if "samples." in rest or "middle." in rest:
        rest = re.sub(
            r"\.(norm1|conv1|norm2|conv2|conv_shortcut)\.", lambda m: f".{inner[m[1]]}.", rest
        )
    return f"{top}.{rest}"


class Diffusers:
    """Loops of AutoencoderKLWan, moments and video without clamp."""

    def __init__(self, config: dict):
        self.model = diffusers.AutoencoderKLWan(**config).eval()
        self.patch = config.get("patch_size", 1)
        state = {k: tuple(v.shape) for k, v in self.model.state_dict().items()}
        self.shapes = state
        self.weights = {k: torch.from_numpy(rule.tensor(k, s)) for k, s in state.items()}
        self.model.load_state_dict(self.weights)

    def moments(self, video: torch.Tensor) -> torch.Tensor:
        return self.model._encode(video)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        model = self.model
        model.clear_cache()
        x, frames = model.post_quant_conv(latents), []
        for i in range(x.shape[2]):
            model._conv_idx = [0]
            state = {"feat_cache": model._feat_map, "feat_idx": model._conv_idx}
            frames.append(model.decoder(x[:, :, i : i + 1], **state, first_chunk=i == 0))
        model.clear_cache()
        return unpatchify(torch.cat(frames, 2), self.patch)


class Official:
    """WanVAE_ of the given module, with the weights of :class:`Diffusers`."""

    def __init__(self, reference: pathlib.Path, config: dict, weights: dict):
        nested = "patch_size" in config
        sys.path.insert(0, str(reference))
        module = importlib.import_module("vae2_2" if nested else "vae2_1")
        kwargs = {"dim": WIDTH, "z_dim": config["z_dim"], "dim_mult": [1, 2, 4, 4]}
        kwargs |= {"dec_dim": DECODER_WIDTH} if nested else {}
        self.model = module.WanVAE_(temperal_downsample=[False, True, True], **kwargs).eval()
        self.model.load_state_dict({official_name(k, nested): v for k, v in weights.items()})
        self.shapes = {k: tuple(v.shape) for k, v in self.model.state_dict().items()}
        self.patch = config.get("patch_size", 1)

    def moments(self, video: torch.Tensor) -> torch.Tensor:
        model = self.model
        model.clear_cache()
        video, out = patchify(video, self.patch), []
        for start, stop in [(0, 1), *((i, i + 4) for i in range(1, video.shape[2], 4))]:
            model._enc_conv_idx = [0]
            state = {"feat_cache": model._enc_feat_map, "feat_idx": model._enc_conv_idx}
            out.append(model.encoder(video[:, :, start:stop], **state))
        model.clear_cache()
        return model.conv1(torch.cat(out, 2))

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return self.model.decode(latents, [0, 1])


def channels_first(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x).permute(0, 4, 1, 2, 3).contiguous()


def channels_last(x: torch.Tensor) -> np.ndarray:
    return x.permute(0, 2, 3, 4, 1).contiguous().numpy()


def make(name: str, config: dict, height: int, width: int, reference) -> None:
    model = Diffusers(config)
    official = Official(reference, config, model.weights)
    found, worst, largest = {}, 0.0, []
    for frames, batch in FRAMES.items():
        clip = channels_first(rule.clip(frames, frames, height, width, batch))
        groups = 1 + (frames - 1) // 4
        latents = channels_first(rule.normal(frames, batch, groups, 2, 3, config["z_dim"]))
        for kind, x in (("moments", clip), ("decode", latents)):
            theirs, other = (getattr(m, kind)(x) for m in (model, official))
            worst = max(worst, float((theirs - other).abs().max()))
            found[f"{kind}_{frames}"] = channels_last(theirs)
    mean = channels_first(found["moments_9"])[:, : config["z_dim"]]
    found["reconstruction_9"] = channels_last(model.decode(mean))
    for key in found:
        if not key.startswith("moments"):
            found[key] = found[key][:, :, ::STRIDE, ::STRIDE]
        largest.append(f"{key} {found[key].std():.2f}/{np.abs(found[key]).max():.2f}")
    assert worst < 2e-5, worst
    for layout, shapes in (("diffusers", model.shapes), ("official", official.shapes)):
        found[f"tensors_{layout}"] = np.array(json.dumps(shapes))
    np.savez_compressed(HERE / f"{name}.npz", **found)
    size = (HERE / f"{name}.npz").stat().st_size
    print(f"{name}: official differs by {worst:.1e}; {size / 1e3:.0f} kB; std/max", *largest)


def main() -> None:
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    reference = pathlib.Path(sys.argv[1])
    make("wan21", WAN21, 16, 24, reference)
    make("wan22", WAN22, 32, 48, reference)


if __name__ == "__main__":
    main()
