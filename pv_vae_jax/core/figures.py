"""A figure of matplotlib as files; drawn again from the same numbers, they have the same bytes.

matplotlib is the optional part [plots].
"""

from typing import Any

from pv_vae_jax.core import storage

SAME = {"svg.hashsalt": "pv_vae_jax"}  # names within an SVG do not depend on chance


def write(figure: Any, path: Any, dpi: int) -> None:
    """Writes the figure, whole or not at all; it stays open.

    Args:
      figure: a ``matplotlib.figure.Figure``.
      path: a file or URL; its ending is the format.
      dpi: dots per inch.
    """
    import matplotlib

    path = storage.path(path)
    ending = path.suffix[1:]
    still = {"Date": None} if ending == "svg" else {}
    with matplotlib.rc_context(SAME), storage.whole(path) as partial:
        figure.savefig(partial, dpi=dpi, format=ending, metadata=still)
