"""Makes latte.npz from the official torch implementation of Latte.

    git --git-dir=Latte.git show b27c24a:models/latte.py > REFERENCE/latte.py
    OMP_NUM_THREADS=1 PYTHONPATH=. python tests/golden/make_latte.py REFERENCE

Made with torch 2.13.0 (CPU, float32) and einops 0.8.2, of github.com/Vchitect/Latte at commit
b27c24a17487e3c33ae4e92364521303d0f14845, its attention of mode "math"; the two layers that it takes
from timm are written out below.  Weights are of zoo/rule.py by the names of its state dict; its
places (``pos_embed``, ``temp_embed``) are its own.

Arrays: ``velocity_P`` ``[B, G, h, w, c]`` of patch P at ``1000 TIMES`` and ``LABELS``;
``block_I_P``, what its block I (from 1) returns, in its own order (``[(B G), h w, C]`` over space,
``[(B h w), G, C]`` over time); ``space_P`` and ``time``, its places; ``layout_P``, names and shapes
of the state dict, JSON; ``counts``, JSON: parameters of its sizes "XL" and so on at patch 2, and
the same in parts.
"""

import json
import sys
import types

import numpy as np

from tests.golden.zoo import rule

SHAPE = (3, 3, 6, 6, 4)  # B, G, h, w, c; the reference knows square frames alone
FIELDS = {"width": 48, "depth": 4, "heads": 4, "classes": 5}
PATCHES = (1, 2)
TIMES = np.array([0.0, 0.037, 0.8125], np.float32)
LABELS = np.array([3, 0, 5], np.int32)  # the last one is the null class
SIZES = ("XL", "L", "B", "S")
COUNTED = {"num_classes": 101, "extras": 2}  # as for UCF101; 4 channels in, 8 out, 16 x 32 x 32


def latents() -> np.ndarray:
    """``[B, G, h, w, c]``."""
    return rule.normal(800, *SHAPE)


def timm_layers() -> types.ModuleType:
    """``Mlp`` and ``PatchEmbed`` as timm's, which needs torchvision, as far as Latte calls them."""
    from torch import nn

    class Mlp(nn.Module):
        def __init__(self, in_features, hidden_features, act_layer, drop):
            super().__init__()
            self.fc1 = nn.Linear(in_features, hidden_features)
            self.act = act_layer()
            self.fc2 = nn.Linear(hidden_features, in_features)

        def forward(self, x):
            return self.fc2(self.act(self.fc1(x)))

    class PatchEmbed(nn.Module):
        def __init__(self, img_size, patch_size, in_chans, embed_dim, bias):
            super().__init__()
            self.patch_size = patch_size, patch_size
            self.num_patches = (img_size // patch_size) ** 2
            self.proj = nn.Conv2d(in_chans, embed_dim, patch_size, patch_size, bias=bias)

        def forward(self, x):
            return self.proj(x).flatten(2).transpose(1, 2)

    module = types.ModuleType("timm.models.vision_transformer")
    module.Mlp, module.PatchEmbed = Mlp, PatchEmbed
    return module


def main(reference: str) -> None:
    """Writes the file beside this script."""
    import torch

    for name in ("timm", "timm.models"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["timm.models.vision_transformer"] = timm_layers()
    sys.path.insert(0, reference)
    import latte

    found, times = {}, torch.from_numpy(np.float32(1000) * TIMES)
    x = torch.from_numpy(latents().transpose(0, 1, 4, 2, 3).copy())
    for patch in PATCHES:
        model = latte.Latte(
            input_size=SHAPE[2],
            patch_size=patch,
            in_channels=SHAPE[4],
            hidden_size=FIELDS["width"],
            depth=FIELDS["depth"],
            num_heads=FIELDS["heads"],
            num_frames=SHAPE[1],
            num_classes=FIELDS["classes"],
            learn_sigma=False,
            extras=2,
        ).eval()
        own = model.state_dict()
        shapes = {name: tuple(leaf.shape) for name, leaf in own.items()}
        weights = {
            name: own[name] if name.endswith("_embed") else torch.from_numpy(rule.tensor(name, s))
            for name, s in shapes.items()
        }
        model.load_state_dict(weights, strict=True)
        blocks = []
        for block in model.blocks:
            block.register_forward_hook(lambda _, __, y, kept=blocks: kept.append(y))
        with torch.no_grad():
            velocity = model(x, times, torch.from_numpy(LABELS).long())
        found[f"velocity_{patch}"] = velocity.numpy().transpose(0, 1, 3, 4, 2)
        found[f"space_{patch}"] = own["pos_embed"][0].numpy()
        found["time"] = own["temp_embed"][0].numpy()
        found[f"layout_{patch}"] = np.array(json.dumps(shapes, separators=(",", ":")))
        if patch == 2:
            found |= {f"block_{i}_2": y.numpy() for i, y in enumerate(blocks, start=1)}
    found["counts"] = np.array(json.dumps({size: counts(latte, size) for size in SIZES}))
    for name, leaf in found.items():
        if leaf.dtype.kind == "f":
            print(name, leaf.shape, f"std {leaf.std():.3f}, most {np.abs(leaf).max():.3f}")
    print(found["counts"])
    np.savez_compressed(__file__.replace("make_latte.py", "latte.npz"), **found)


def counts(latte, size: str) -> dict[str, int]:
    """Parameters of a size; allocates nothing."""
    import torch

    latte.Latte.initialize_weights = lambda self: None  # it reads values
    with torch.device("meta"):
        model = latte.Latte_models[f"Latte-{size}/2"](**COUNTED)
    parts = {"all": model.parameters(), "final": model.final_layer.linear.parameters()}
    parts["places"] = [model.pos_embed, model.temp_embed]
    return {part: sum(leaf.numel() for leaf in leaves) for part, leaves in parts.items()}


if __name__ == "__main__":
    main(*sys.argv[1:])
