"""Curves of runs, from the records that training left in ``metrics.jsonl``.

A panel is a title and names of values; stages follow one another along the x axis, as they ran.
Of several runs each has its own kind of line, so that a run with a term lies over one without.
"""

import dataclasses
from collections.abc import Sequence

from pv_vae_jax.core import figures, json_files, storage


@dataclasses.dataclass(frozen=True)
class Panel:
    """A title, names of values (those a run does not have are left out), and the kind of axis."""

    title: str
    names: tuple[str, ...]
    logarithmic: bool = False


PANELS = (
    Panel("terms", ("mse", "difference", "lpips", "kl"), logarithmic=True),
    Panel("discriminator's logits", ("discriminator/real", "discriminator/fake")),
    Panel("discriminator's accuracy and loss", ("discriminator/accuracy", "discriminator")),
    Panel(
        "gradient of each term at the last layer",
        ("last_layer/mse", "last_layer/difference", "last_layer/lpips", "last_layer/gan"),
        logarithmic=True,
    ),
    Panel("gan/lambda", ("gan/lambda",), logarithmic=True),
    Panel("norm of the gradient", ("gradient_norm", "discriminator/gradient_norm"), True),
    Panel("skipped updates", ("skipped", "gan/zeroed", "discriminator/skipped")),
    Panel("held-out LPIPS", ("held_out/videos/lpips", "held_out/rendered/lpips")),
    Panel(
        "loss of the flow by time (0: noise)",
        ("velocity/0.00-0.25", "velocity/0.25-0.50", "velocity/0.50-0.75", "velocity/0.75-1.00"),
    ),
    Panel("FVD of samples", ("samples/fvd",)),
    Panel("KVD of samples", ("samples/kvd",)),
    Panel("held-out PSNR, dB", ("held_out/videos/psnr", "held_out/rendered/psnr")),
)


@dataclasses.dataclass(frozen=True)
class History:
    """What a run recorded.

    Attributes:
      name: of the run's folder.
      values: name to (steps, counted over all stages; values).
      begins: (stage, the step before its first one).
    """

    name: str
    values: dict[str, tuple[list[int], list[float]]]
    begins: tuple[tuple[str, int], ...]


def read(workdir: storage.Where) -> History:
    """The history of a run.

    Raises:
      FileNotFoundError: the folder has no ``metrics.jsonl``.
      ValueError: it holds no record.
    """
    path = storage.path(workdir) / "metrics.jsonl"
    if not storage.exists(path):
        raise FileNotFoundError(f"{workdir} is not the folder of a run: it has no metrics.jsonl.")
    values: dict[str, tuple[list[int], list[float]]] = {}
    begins: list[tuple[str, int]] = []
    last = 0
    for record in json_files.lines(path):
        if not begins or begins[-1][0] != record["stage"]:
            begins.append((record["stage"], last))
        last = begins[-1][1] + record["step"]
        for name, value in record.items():
            if name not in ("stage", "step"):
                steps, found = values.setdefault(name, ([], []))
                steps.append(last)
                found.append(value)
    if not values:
        raise ValueError(f"{path} holds no record yet.")
    return History(path.parent.name, values, tuple(begins))


def draw(
    path: storage.Where, histories: Sequence[History], panels: Sequence[Panel] = PANELS
) -> None:
    """Draws the panels that have anything to show, three in a row, into a PNG or SVG file.

    Raises:
      ValueError: no run has any of the values.
      ModuleNotFoundError: matplotlib is not installed.
    """
    full = [p for p in panels if any(n in h.values for h in histories for n in p.names)]
    if not full:
        names = ", ".join(name for panel in panels for name in panel.names)
        raise ValueError(f"no run has any of the values {names}.")
    rows = -(-len(full) // 3)
    columns = min(3, len(full))
    figure, axes = figures.panels(rows, columns, (4.4 * columns, 2.7 * rows))
    for axis, panel in zip(axes.flat, full, strict=False):
        _draw_panel(axis, panel, histories)
    for axis in axes.flat[len(full) :]:
        axis.axis("off")
    figures.write(figure, path, dpi=80)


def _draw_panel(axis, panel: Panel, histories: Sequence[History]) -> None:
    for history, style in zip(histories, ("-", "--", ":", "-.") * len(histories), strict=False):
        for number, name in enumerate(panel.names):
            if name in history.values:
                label = name if len(histories) == 1 else f"{name}, {history.name}"
                steps, values = history.values[name]
                axis.plot(steps, values, style, color=f"C{number}", linewidth=1, label=label)
    for stage, begin in histories[0].begins:
        axis.axvline(begin, color="0.8", linewidth=0.8, zorder=0)
        axis.text(
            begin, 1.0, f" {stage}", transform=axis.get_xaxis_transform(), fontsize=6, va="top",
            color="0.5",
        )  # fmt: skip
    axis.set_title(panel.title, fontsize=9)
    axis.tick_params(labelsize=7)
    axis.legend(fontsize=6, framealpha=0.6)
    if panel.logarithmic:
        axis.set_yscale("log")
