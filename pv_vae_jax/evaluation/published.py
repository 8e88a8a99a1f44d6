"""What the paper prints of each model (arXiv 2605.02134, Tables 1 and 2), to stand beside ours.

``cogvideox_2b`` and ``cogvideox_5b`` are one architecture, the paper's CogX-VAE.
"""

# Reconstruction of clips of 17 x 256 x 256, batch 4: iterations a second, GiB.
INFERENCE: dict[str, tuple[float, float]] = {
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
