"""Pictures of what the diagnostics found: seams.png and spectrum.png."""

import os
from collections.abc import Mapping

import numpy as np

from pv_vae_jax.core import figures
from pv_vae_jax.evaluation.seams import Seams
from pv_vae_jax.evaluation.spectrum import Spectrum


def seams(path: str | os.PathLike, found: Mapping[str, Seams]) -> None:
    """A row for each way of cutting: the map, and the mean difference by column, row and frame.

    Raises:
      ModuleNotFoundError: matplotlib is not installed.
    """
    figure, axes = figures.panels(len(found), 4, (14, 3.2 * len(found)))
    for (label, one), row in zip(found.items(), axes, strict=True):
        most = max(float(one.picture.max()), 1e-12)
        image = row[0].imshow(one.picture, cmap="magma", vmin=0, vmax=most)
        figure.colorbar(image, ax=row[0])
        row[0].set_title(f"{label}: {one.decibels:.1f} dB from the whole", fontsize=9)
        for axis, name in zip(row[1:], ("columns", "rows", "frames"), strict=True):
            values = getattr(one, name)
            axis.plot(np.arange(len(values)), values)
            axis.set(xlabel=name[:-1], ylim=(0, None))
            axis.set_title(f"mean |difference| by {name[:-1]}", fontsize=9)
    figures.write(figure, path, dpi=80)


def spectrum(path: str | os.PathLike, found: Spectrum) -> None:
    """What was added to a colour, its power by frequency, and the share of each period.

    Raises:
      ModuleNotFoundError: matplotlib is not installed.
    """
    figure, (axes,) = figures.panels(1, 3, (14, 4.2))
    most = max(float(np.abs(found.residual).max()), 1e-12)
    axes[0].imshow(0.5 + found.residual / (2 * most))
    axes[0].set_title(f"what is added to grey, at most {127.5 * most:.2g} of 255 levels")
    power = np.fft.fftshift(np.log10(found.power + found.power.max() * 1e-12 + 1e-30))
    edges = (-0.5, 0.5, 0.5, -0.5)
    figure.colorbar(axes[1].imshow(power, cmap="magma", extent=edges), ax=axes[1])
    axes[1].set(title="log10 of its power", xlabel="cycles per column", ylabel="cycles per row")
    periods = list(found.shares)
    axes[2].bar([str(each) for each in periods], list(found.shares.values()), label="the model")
    noise = [found.noise[each] for each in periods]
    axes[2].plot([str(each) for each in periods], noise, "ko", label="white noise")
    axes[2].set(title="share of power that repeats", xlabel="every ... pixels", ylim=(0, 1))
    axes[2].legend()
    figures.write(figure, path, dpi=80)
