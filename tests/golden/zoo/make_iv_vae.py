"""Makes iv_vae.npz from the official torch implementation of IV-VAE.

    git --git-dir=IV_VAE.git show 555a35a:models/vae3d.py > REFERENCE/vae3d.py
    OMP_NUM_THREADS=1 PYTHONPATH=. python tests/golden/zoo/make_iv_vae.py REFERENCE

Made with torch 2.13.0 (CPU, float32) and einops, of github.com/ali-vilab/iv-vae at commit
555a35a158f68c37348ed6af92540b889ed05461.  ``encode`` of the reference always samples; here its
``sample`` hands both moments on, so that channels are reordered by the reference's own code, and
``scale_factor`` and ``shift_factor`` are 1 and 0.

Arrays: ``moments_i`` of clip i and ``decoded_i`` of latents i (rows and columns ``::STRIDES[i]``),
``CASES[i] = (frames, height, width, batch)``; ``reconstructed`` from the mean of clip 1; and
``layout``, names and shapes of the state dict, JSON.
"""

import json
import sys

import numpy as np

from tests.golden.zoo import rule

FIELDS = {"channels": 4, "width": 8}  # of iv_vae; full depth
CASES = ((1, 112, 104, 1), (5, 16, 24, 2), (9, 32, 48, 1), (17, 16, 24, 2))
STRIDES = (3, 1, 3, 3)  # odd, so that all places of a block of 8 x 8 are met
SEED = 100


def clip(i: int) -> np.ndarray:
    """Clip ``i``, ``[B, T, H, W, 3]``."""
    frames, height, width, batch = CASES[i]
    return rule.clip(SEED + i, frames, height, width, batch)


def latents(i: int) -> np.ndarray:
    """Latents ``i``, ``[B, G, h, w, c]``."""
    frames, height, width, batch = CASES[i]
    groups = 1 + (frames - 1) // 4
    return rule.normal(SEED + i, batch, groups, height // 8, width // 8, FIELDS["channels"])


def main(reference: str) -> None:
    """Writes the file beside this script."""
    import torch

    sys.path.insert(0, reference)
    import vae3d

    class Moments(vae3d.VAutoencoder3d):
        def sample(self, mean, logvar):
            return torch.cat([mean, logvar], dim=1)

    model = Moments(dim=FIELDS["width"], z_dim=FIELDS["channels"]).eval()
    shapes = {name: tuple(leaf.shape) for name, leaf in model.state_dict().items()}
    weights = {name: torch.from_numpy(rule.tensor(name, shape)) for name, shape in shapes.items()}
    model.load_state_dict(weights, strict=True)

    def run(function, x):
        with torch.no_grad():
            y = function(torch.from_numpy(x.transpose(0, 4, 1, 2, 3).copy()))
        return y.numpy().transpose(0, 2, 3, 4, 1)

    found = {"layout": np.array(json.dumps(shapes, separators=(",", ":")))}
    for i, stride in enumerate(STRIDES):
        found[f"moments_{i}"] = run(model.encode, clip(i))
        found[f"decoded_{i}"] = run(model.decode, latents(i))[:, :, ::stride, ::stride]
    mean = found["moments_1"][..., : FIELDS["channels"]]
    found["reconstructed"] = run(model.decode, mean)
    for name, leaf in found.items():
        if name != "layout":
            print(name, leaf.shape, f"std {leaf.std():.3f}, most {np.abs(leaf).max():.3f}")
    np.savez_compressed(__file__.replace("make_iv_vae.py", "iv_vae.npz"), **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
