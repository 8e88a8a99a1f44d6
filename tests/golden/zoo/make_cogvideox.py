"""Makes cogvideox.npz from the reference implementations; needs torch, diffusers, einops, beartype.

    PYTHONPATH=. OMP_NUM_THREADS=1 python tests/golden/zoo/make_cogvideox.py FOLDER

The folder holds ``cp_enc_dec.py`` of zai-org/CogVideo (sat/vae_modules), commit 7a1af71; the values
are those of diffusers with its default chunks.
The committed file: Python 3.11, torch 2.13.0 on CPU, diffusers 0.42.1, float32, weights of rule.py
by the names of diffusers.

    moments/T    encoder's output for rule.clip(T, T, *SIZE, batch), channels last
    video/T      decoder's output for rule.normal(100 + T, ...), every STEP-th row and column; of
                 the 4 G frames that an even number of latents G gives all but the first 3, which
                 are asserted to be equal to the next one
    again/17     likewise for the mean of moments/17, first example
    diffusers, published, official   names and shapes of state dicts: of diffusers with REDUCED and
                 with published widths, of the official modules with published widths
    one_chunk    the greatest difference of the two implementations for T = 9, G = 3 (one chunk)
"""

import importlib.util
import json
import pathlib
import sys
import types

import numpy as np
import torch
from diffusers import AutoencoderKLCogVideoX

from tests.golden.zoo import rule

HERE = pathlib.Path(__file__).parent
CLIPS = {1: 1, 5: 1, 9: 1, 13: 1, 17: 2, 25: 1}  # frames: batch
SIZE = (24, 32)
STEP = 3
REDUCED = {"block_out_channels": (8, 16, 16, 32), "norm_num_groups": 4, "latent_channels": 4}
NARROW = {"ch": 32, "z_channels": 4}  # of the official modules, which have 32 groups
PUBLISHED = {"ch": 128, "z_channels": 16}


def shapes(model):
    return json.dumps({name: list(leaf.shape) for name, leaf in model.state_dict().items()})


def theirs(x):
    return torch.from_numpy(x.transpose(0, 4, 1, 2, 3).copy())


def ours(x):
    return x.numpy().transpose(0, 2, 3, 4, 1)


def official_module(folder):
    """For one process: what it asks of context parallelism is answered here."""
    torch.distributed.get_rank = lambda: 0
    torch.distributed.get_world_size = lambda: 1
    util, utils = types.ModuleType("sgm.util"), types.ModuleType("vae_modules.utils")
    util.get_context_parallel_group = lambda: None
    util.get_context_parallel_rank = util.get_context_parallel_group_rank = lambda: 0
    util.get_context_parallel_world_size = lambda: 1
    utils.SafeConv3d = torch.nn.Conv3d
    sys.modules |= {"sgm": types.ModuleType("sgm"), "sgm.util": util, "vae_modules.utils": utils}
    sys.modules["vae_modules"] = types.ModuleType("vae_modules")
    spec = importlib.util.spec_from_file_location(
        "cp_enc_dec", pathlib.Path(folder, "cp_enc_dec.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def official_models(module, **widths):
    form = {
        "out_ch": 3,
        "in_channels": 3,
        "attn_resolutions": [],
        "resolution": 256,
        "ch_mult": [1, 2, 2, 4],
        "num_res_blocks": 3,
    } | widths
    return torch.nn.ModuleDict(
        {
            "encoder": module.ContextParallelEncoder3D(gather_norm=True, **form),
            "decoder": module.ContextParallelDecoder3D(gather_norm=False, **form),
        }
    ).eval()


def renamed(name):
    """An official name as the conversion script of the CogVideo repository renames it."""
    for old, new in {
        "block.": "resnets.",
        "down.": "down_blocks.",
        "downsample": "downsamplers.0",
        "upsample": "upsamplers.0",
        "nin_shortcut": "conv_shortcut",
        "mid.block_1": "mid_block.resnets.0",
        "mid.block_2": "mid_block.resnets.1",
    }.items():
        name = name.replace(old, new)
    parts = name.split(".")
    if parts[1] == "up":
        parts[1:3] = ["up_blocks", str(3 - int(parts[2]))]
    return ".".join(parts)


def difference_in_one_chunk(official):
    """With the weights of ``official`` under the names of diffusers."""
    model = AutoencoderKLCogVideoX(block_out_channels=(32, 64, 64, 128), latent_channels=4).eval()
    for name, leaf in official.state_dict().items():
        leaf.copy_(torch.from_numpy(rule.tensor(renamed(name), tuple(leaf.shape))))
    model.load_state_dict({renamed(name): leaf for name, leaf in official.state_dict().items()})
    clip = theirs(rule.clip(9, 9, *SIZE))
    z = theirs(rule.normal(109, 1, 3, *(side // 8 for side in SIZE), 4))
    pairs = (
        (official["encoder"](clip), model._encode(clip)),
        (official["decoder"](z), model._decode(z).sample),
    )
    return max(float((a - b).abs().max()) for a, b in pairs)


@torch.no_grad()
def main():
    model = AutoencoderKLCogVideoX(**REDUCED).eval()
    model.load_state_dict(
        {
            name: torch.from_numpy(rule.tensor(name, tuple(leaf.shape)))
            for name, leaf in model.state_dict().items()
        }
    )
    golden = {"diffusers": shapes(model)}
    for frames, batch in CLIPS.items():
        golden[f"moments/{frames}"] = ours(
            model._encode(theirs(rule.clip(frames, frames, *SIZE, batch)))
        )
        groups = 1 + frames // 4
        z = rule.normal(100 + frames, batch, groups, *(side // 8 for side in SIZE), 4)
        video = ours(model._decode(theirs(z)).sample)
        if groups % 2 == 0:
            assert video.shape[1] == 4 * groups
            assert np.abs(video[:, :3] - video[:, 3:4]).max() < 1e-5
            video = video[:, 3:]
        assert video.shape[1] == frames
        golden[f"video/{frames}"] = video[:, :, ::STEP, ::STEP]
    mean = golden["moments/17"][:1, ..., :4]
    golden["again/17"] = ours(model._decode(theirs(mean)).sample)[:, :, ::STEP, ::STEP]
    official = official_module(sys.argv[1])
    narrow = official_models(official, **NARROW)
    golden["one_chunk"] = np.float32(difference_in_one_chunk(narrow))
    with torch.device("meta"):
        golden["published"] = shapes(AutoencoderKLCogVideoX())
        golden["official"] = shapes(official_models(official, **PUBLISHED))
    np.savez_compressed(HERE / "cogvideox.npz", **golden)
    for name, value in golden.items():
        if not isinstance(value, str):
            print(name, value.shape, f"std {value.std():.3f} max {np.abs(value).max():.3g}")


if __name__ == "__main__":
    main()
