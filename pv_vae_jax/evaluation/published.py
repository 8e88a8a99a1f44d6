"""What the paper prints of each model (arXiv 2605.02134, Tables 1 and 2), to stand beside ours.

``cogvideox_2b`` and ``cogvideox_5b`` are one architecture, the paper's CogX-VAE.  Its choice of
videos, filter, LPIPS network and scale of KVD are not published, so nothing here is of a protocol
of ours; docs/evaluation.md tells what is known to differ.
"""

from collections.abc import Mapping
from typing import Any

_COLUMNS = {
    "ucf101-gen": ("fvd", "kvd", "is"),
    "re10k-gen": ("fvd", "kvd"),
    "k400-recon-256": ("rfvd", "psnr", "ssim", "lpips"),
    "k400-recon-512": ("rfvd", "psnr", "ssim", "lpips"),
}
_COGVIDEOX = (
    (176.90, 16.47, 64.19), (94.12, 10.41), (4.90, 33.78, 0.97, 0.027), (1.79, 36.00, 0.99, 0.024)
)  # fmt: skip
_ROWS = {
    "cogvideox_2b": _COGVIDEOX,
    "cogvideox_5b": _COGVIDEOX,
    "iv_vae": (
        (175.74, 22.32, 64.51), (92.37, 8.35), (2.78, 34.08, 0.96, 0.019),
        (0.97, 37.24, 0.96, 0.016),
    ),
    "wf_vae_l": (
        (188.19, 33.01, 67.49), (107.26, 12.56), (3.06, 33.48, 0.96, 0.023),
        (1.08, 35.93, 0.96, 0.023),
    ),
    "hunyuan": (
        (210.30, 52.81, 66.40), (83.45, 13.23), (2.96, 34.30, 0.97, 0.016),
        (0.90, 37.13, 0.97, 0.015),
    ),
    "wan2.1": (
        (167.10, 11.54, 66.04), (83.84, 10.64), (2.92, 33.21, 0.95, 0.018),
        (1.02, 36.15, 0.97, 0.017),
    ),
    "wan2.2": (
        (180.79, 17.80, 67.32), (87.15, 10.11), (3.42, 33.78, 0.96, 0.015),
        (1.22, 36.75, 0.97, 0.015),
    ),
    "ssvae": (
        (168.68, 19.71, 66.39), (79.08, 8.79), (7.50, 31.18, 0.96, 0.036),
        (2.16, 34.45, 0.97, 0.028),
    ),
    "pv_vae_661m": (
        (146.37, 14.52, 69.72), (72.50, 4.06), (3.45, 32.26, 0.95, 0.020),
        (1.88, 35.03, 0.97, 0.020),
    ),
}  # fmt: skip

# Figures by protocol and model.
FIGURES: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    protocol: {model: dict(zip(names, row[i], strict=True)) for model, row in _ROWS.items()}
    for i, (protocol, names) in enumerate(_COLUMNS.items())
}

# Encode and decode of clips of 17 x 256 x 256, batch 4: iterations a second, GiB.
INFERENCE: Mapping[str, tuple[float, float]] = {
    "cogvideox_2b": (0.46, 13.64),
    "cogvideox_5b": (0.46, 13.64),
    "iv_vae": (0.32, 5.39),
    "wf_vae_l": (0.87, 5.00),
    "hunyuan": (0.50, 22.00),
    "wan2.1": (0.60, 6.77),
    "wan2.2": (0.58, 9.36),
    "ssvae": (0.64, 7.63),
    "pv_vae_661m": (0.69, 7.97),
}
SPEED = "k400-recon-256"  # the protocol that INFERENCE goes with

# Training of Latte-XL on the latents of clips of 17 x 256 x 256: iterations a second, GiB.  Models
# with latents of one form have the same generator, so the figures have more in them than its
# updates.
TRAINING: Mapping[str, tuple[float, float]] = {
    "cogvideox_2b": (0.76, 85.93),
    "cogvideox_5b": (0.76, 85.93),
    "iv_vae": (1.28, 88.34),
    "wf_vae_l": (2.52, 87.36),
    "hunyuan": (1.64, 87.36),
    "wan2.1": (1.88, 86.44),
    "wan2.2": (4.96, 30.90),
    "ssvae": (3.92, 34.00),
    "pv_vae_661m": (4.40, 33.34),
}


def beside(used: Mapping[str, Any], model: str) -> dict[str, float]:
    """:func:`row` of a result's protocol; empty where distances are to reconstructions."""
    return {} if "through" in used else row(used["name"], model)


def row(protocol: str, model: str) -> dict[str, float]:
    """All that it prints of a model in a protocol, it/s and GiB among it; empty where nothing."""
    found = dict(FIGURES.get(protocol, {}).get(model, {}))
    if found and protocol == SPEED:
        found |= dict(zip(("it/s", "GiB"), INFERENCE[model], strict=True))
    return found
