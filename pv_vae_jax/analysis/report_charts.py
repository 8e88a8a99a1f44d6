"""Charts of a report: SVG by matplotlib whose text is text and whose colours are the page's.

    matplotlib draws with colours that stand for names; each becomes var(--NAME) of page.css

so that one drawing is read in light and dark.  A chart keeps its natural size; a narrow page
scrolls it.
"""

import dataclasses
import pathlib
import re
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from typing import Any

from pv_vae_jax.core import figures

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
NAMES = {
    "#010101": "ink", "#010102": "quiet", "#010103": "rule",
    **{f"#01020{n}": f"series-{n}" for n in range(1, 7)},
    # greys that drawings name themselves
    "#cccccc": "rule", "#595959": "quiet", "#a6a6a6": "faint", "#808080": "quiet",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Chart:
    """An SVG element as text, and its natural width in CSS pixels."""

    svg: str
    width: int
    title: str


def settings() -> dict[str, Any]:
    """Of matplotlib: text as text, colours of ``NAMES``."""
    from cycler import cycler

    ink, quiet, rule, *series = list(NAMES)[:9]
    return {
        **figures.SAME,
        "svg.fonttype": "none",
        "savefig.transparent": True,
        "axes.prop_cycle": cycler(color=series),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.linewidth": 0.5,
        "legend.frameon": False,
        "axes.titlelocation": "left",
        "axes.edgecolor": rule,
        "grid.color": rule,
        **dict.fromkeys(("text.color", "axes.titlecolor"), ink),
        **dict.fromkeys(("axes.labelcolor", "xtick.color", "ytick.color"), quiet),
    }


def plain(text: str) -> str:
    """A label as it is: without this, what stands between two dollar signs is a formula."""
    return text.replace("$", r"\$")


def drawn(draw: Callable[[pathlib.Path], Any], name: str, titles: Sequence[str]) -> list[Chart]:
    """The SVG files that ``draw`` leaves in a folder, in the order of their names.

    Args:
      draw: draws with matplotlib.
      name: of the charts, for ids; letters, digits, "-".
      titles: what each shows, for those who do not see it.
    """
    import matplotlib

    with tempfile.TemporaryDirectory() as scratch, matplotlib.rc_context(settings()):
        folder = pathlib.Path(scratch)
        draw(folder)
        files = sorted(folder.glob("*.svg"))
        return [
            _chart(file.read_text(encoding="utf-8"), f"{name}-{number}", title)
            for number, (file, title) in enumerate(zip(files, titles, strict=True))
        ]


def _chart(text: str, name: str, title: str) -> Chart:
    ET.register_namespace("", SVG)
    root = ET.fromstring(text)
    for parent in root.iter():
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == f"{{{XLINK}}}href":
                del element.attrib[key]
                key, value = "href", f"#{name}-{value[1:]}"
            value = value.replace("url(#", f"url(#{name}-")
            element.set(key, f"{name}-{value}" if key == "id" else _themed(value))
    width = round(float(root.get("viewBox").split()[2]))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.attrib |= {"role": "img", "aria-label": title, "class": "chart"}
    return Chart(ET.tostring(root, encoding="unicode"), width, title)


def _themed(value: str) -> str:
    return re.sub(
        "#[0-9a-f]{6}", lambda m: f"var(--{NAMES[m[0]]})" if m[0] in NAMES else m[0], value
    )
