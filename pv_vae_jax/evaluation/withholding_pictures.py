"""A picture of every way of withholding, and one of every padding, from the code that trains.

masks      a rendered clip, a frame of each latent step: what the encoder is given; withheld cells
           are grey (0 in [-1, 1]) and have an orange border
paddings   the latents of that clip after padding, their first three principal components as RGB;
           padded steps have an orange border
"""

import dataclasses
import pathlib
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageDraw

from pv_vae_jax.core import pixels, rng, storage
from pv_vae_jax.data import rendered
from pv_vae_jax.evaluation import pictures
from pv_vae_jax.models import padding
from pv_vae_jax.withholding import Withholding, observed_frames
from pv_vae_jax.zoo import registry

GROUPS, SIDE, CELL, GAP = 5, 64, 16, 4
COLOURS = 48  # of the palette of a picture
LAWS = {
    "suffix": Withholding("suffix", 0.75),
    "suffix, group 2": Withholding("suffix", 0.5, group=2),
    "infill": Withholding("infill", 0.7),
    "tube": Withholding("tube", 0.6),
    "block": Withholding("block", 0.4),
    "cells": Withholding("cells", 0.6),
    "cells, group 2": Withholding("cells", 0.6, group=2),
}


def _clip(seed: int) -> np.ndarray:
    """uint8 ``[1, T, SIDE, SIDE, 3]``."""
    return rendered.render(seed, 1 + 4 * (GROUPS - 1), SIDE, SIDE)[None]


def masks(path: pathlib.Path, seed: int = 0) -> None:
    """Writes the picture of the masks: a row for each law, a column for each latent step."""
    clip = pixels.to_float(_clip(seed))
    grid = (GROUPS, SIDE // CELL, SIDE // CELL)
    rows = {}
    for label, law in LAWS.items():
        fixed = dataclasses.replace(law, law="fixed")
        observed = fixed.observed_at(seed, 0, 0, grid)[None]
        frames = observed_frames(jnp.asarray(observed), 4)
        shown = padding.PixelPadding().apply({}, clip, frames)
        every = np.broadcast_to(observed[0], grid)
        last = pixels.eight_bits(shown)[0, ::4]  # the last frame of each group
        rows[label] = [_tile(frame, seen) for frame, seen in zip(last, every, strict=True)]
    _written(path, rows)


def paddings(path: pathlib.Path, seed: int = 0) -> None:
    """Writes the picture of the paddings of a suffix of 3, by fresh weights.

    Learned vectors begin near 0; here they are drawn as large as the latents, so as to be seen.
    """
    clip, observed = _clip(seed), (np.arange(GROUPS) < GROUPS - 3).reshape(1, GROUPS, 1, 1)
    rows, components = {}, None
    for kind in padding.KINDS:
        side = (SIDE // CELL, SIDE // CELL)
        vae = registry.create("pv_vae_tiny", seed, padding=kind, padding_grid=side)
        raw = vae.posterior(clip).mean
        components = components or _principal(np.asarray(raw))
        params = vae.params | {
            "padding": _as_large(vae.params.get("padding", {}), float(raw.std()))
        }
        key = rng.stream_key(seed, "padding")
        noise = raw.std() * rng.latent_noise(key, jnp.arange(1), GROUPS, raw.shape[2:])
        padded = vae.module.apply({"params": params}, raw, observed, noise, method="pad")
        colours = components(np.asarray(padded)[0])
        rows[kind] = [
            _tile(np.kron(step, np.ones((CELL, CELL, 1), np.uint8)), np.full(side, bool(seen)))
            for step, seen in zip(colours, observed.ravel(), strict=True)
        ]
    _written(path, rows)


def _as_large(tree: Mapping, scale: float) -> dict:
    """Tokens, drawn with standard deviation 0.02, at ``scale``; other parameters as they are."""
    return {name: leaf * (scale / 0.02) if name == "token" else leaf for name, leaf in tree.items()}


def _principal(latents: np.ndarray):
    """The map of latents ``[..., c]`` to colours, uint8 ``[..., 3]``."""
    flat = latents.reshape(-1, latents.shape[-1])
    mean = flat.mean(axis=0)
    axes = np.linalg.svd(flat - mean, full_matrices=False)[2][:3].T
    reach = 2.5 * ((flat - mean) @ axes).std(axis=0)

    def colours(latents):
        places = (latents - mean) @ axes / reach
        return np.clip(np.rint(127.5 + 127.5 * places), 0, 255).astype(np.uint8)

    return colours


def _tile(frame: np.ndarray, observed: np.ndarray) -> Image.Image:
    """A frame with an orange border around each withheld cell, none between two of them."""
    image = Image.fromarray(frame)
    draw = ImageDraw.Draw(image)
    around = np.pad(~observed, 1)
    for y, x in zip(*np.nonzero(~observed), strict=True):
        left, top = x * CELL, y * CELL
        right, bottom = left + CELL - 1, top + CELL - 1
        edges = {
            (0, 1): (left, top, right, top + 1),
            (2, 1): (left, bottom - 1, right, bottom),
            (1, 0): (left, top, left + 1, bottom),
            (1, 2): (right - 1, top, right, bottom),
        }
        for (down, across), box in edges.items():
            if not around[y + down, x + across]:
                draw.rectangle(box, fill=pictures.WITHHELD)
    return image


def _written(path: pathlib.Path, rows: Mapping[str, list[Image.Image]]) -> None:
    sheet = pictures.sheet(rows, [f"latent {step}" for step in range(GROUPS)], GAP)
    with storage.whole(path) as partial:
        few = sheet.quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(partial, format="PNG", optimize=True)


def write(folder: pathlib.Path, seed: int = 0) -> list[pathlib.Path]:
    """Writes both pictures and returns their paths."""
    made = {"withholding_masks.png": masks, "withholding_paddings.png": paddings}
    for name, draw in made.items():
        draw(folder / name, seed)
    return [folder / name for name in made]
