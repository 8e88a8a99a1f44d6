"""A figure of matplotlib as files; drawn again from the same numbers, they have the same bytes.

matplotlib is the optional part [plots].  Its pyplot is not used: so a figure asks for no display,
and nothing has to close it.
"""

from typing import Any

from pv_vae_jax.core import storage

SAME = {"svg.hashsalt": "pv_vae_jax"}  # names within an SVG do not depend on chance


def panels(rows: int, columns: int, size: tuple[float, float], **shared: bool) -> tuple[Any, Any]:
    """A figure and its axes, an array ``[rows, columns]`` of them.

    Args:
      rows: of axes.
      columns: of axes.
      size: width and height of the figure in inches.
      shared: ``sharex`` or ``sharey``, one axis for all panels.

    Raises:
      ModuleNotFoundError: matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **shared)


def write(figure: Any, path: Any, dpi: int) -> None:
    """Writes the figure, whole or not at all.

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
