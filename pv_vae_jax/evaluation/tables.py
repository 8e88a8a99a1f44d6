"""Tables of results in Markdown: the best bold, the second underlined, the paper's row beside.

Results stand in one table only if their protocols are equal (protocol.py, equation (1)); for the
others there is a table each, and a sentence that says what differs.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pv_vae_jax.core import markdown, storage
from pv_vae_jax.evaluation import protocol, published

RESULT = "results.json"
# Digits after the point, and whether more is better.
COLUMNS = {
    "fvd": (2, False),
    "kvd": (4, False),
    "is": (2, True),
    "is_i3d-kinetics400": (2, True),
    "rfvd": (2, False),
    "psnr": (2, True),
    "ssim": (4, True),
    "lpips": (4, False),
    "it/s": (3, True),
    "GiB": (2, False),
}
HEADS = {
    "fvd": "FVD",
    "kvd": "KVD",
    "is": "IS",
    "is_i3d-kinetics400": "IS (I3D)",
    "rfvd": "rFVD",
    "psnr": "PSNR",
    "ssim": "SSIM",
    "lpips": "LPIPS",
}

Result = Mapping[str, Any]


def read(folder: Any) -> Result:
    """The result that ``launch.evaluate`` left in a folder.

    Raises:
      FileNotFoundError: there is none (yet).
      ValueError: it is damaged.
    """
    path = storage.path(folder) / RESULT
    if not storage.exists(path):
        raise FileNotFoundError(
            f"there is no {path}: name a folder that launch.evaluate wrote (--out, or a model's "
            "folder in it) to its end."
        )
    try:
        return json.loads(storage.read(path))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): evaluate again.") from error


def compared(results: Sequence[Result]) -> str:
    """One table for each protocol among the results, and what differs between them."""
    groups: list[list[Result]] = []
    for result in results:
        for group in groups:
            if not protocol.differences(group[0]["protocol"], result["protocol"]):
                group.append(result)
                break
        else:
            groups.append([result])
    parts = []
    for number, group in enumerate(groups):
        if number:
            lines = protocol.differences(groups[0][0]["protocol"], group[0]["protocol"])
            told = "; ".join(lines)
            parts.append(f"Not to be compared with the first table; differs in {told}.")
        parts.append(table(group))
    return "\n\n".join(parts)


def table(results: Sequence[Result]) -> str:
    """Markdown of results of one protocol: a title, a line for each, notes."""
    used = results[0]["protocol"]
    names = [name for name in COLUMNS if any(name in _values(result) for result in results)]
    heads = ["model", "latent", "params, M", *(HEADS.get(name, name) for name in names)]
    ranks = {name: _ranks([_values(r).get(name) for r in results], name) for name in names}
    lines = []
    for i, result in enumerate(results):
        model = result["model"]
        cells = [_cell(result, name, ranks[name][i]) for name in names]
        trained = "" if model["trained"] else " (untrained)"
        lines.append(
            [
                f"{model['label']}{trained}",
                model["spec"],
                f"{model['parameters'] / 1e6:.0f}",
                *cells,
            ]
        )
        if row := _paper(used["name"], model["name"], names):
            lines.append(["- the paper", "", "", *row])
    return "\n\n".join([_title(results), markdown.table(heads, lines), *_notes(results)])


def _title(results: Sequence[Result]) -> str:
    used = results[0]["protocol"]
    form = f"{used['frames']} x {used['height']} x {used['width']}"
    sets = " and ".join(used["datasets"])
    return f"**{used['name']}**: {used['videos']} clips of {form} from {sets} ({used['task']})"


def _values(result: Result) -> dict[str, float]:
    """All that has a column."""
    values = {name: interval["value"] for name, interval in result["figures"].items()}
    if speed := result.get("speed"):
        values |= {"it/s": speed["iterations_per_second"], "GiB": speed["gib"]}
    return values


def _ranks(values: Sequence[float | None], name: str) -> list[int | None]:
    """0 for the best, 1 for the second, None for the rest; equal values are equally good."""
    known = sorted({v for v in values if v is not None}, reverse=COLUMNS[name][1])
    if len([v for v in values if v is not None]) < 2:
        return [None] * len(values)
    places = {value: place for place, value in enumerate(known[:2])}
    return [places.get(value) for value in values]


def _cell(result: Result, name: str, rank: int | None) -> str:
    value = _values(result).get(name)
    if value is None:
        return "-"
    digits = COLUMNS[name][0]
    text = f"{value:.{digits}f}"
    if rank is not None:
        text = (f"**{text}**", f"<u>{text}</u>")[rank]
    if interval := result["figures"].get(name):
        text += f" [{interval['low']:.{digits}f}, {interval['high']:.{digits}f}]"
    return text


def _paper(used: str, model: str, names: Sequence[str]) -> list[str]:
    figures = dict(published.FIGURES.get(used, {}).get(model, {}))
    if figures and model in published.INFERENCE and used.startswith("k400-recon-256"):
        figures |= dict(zip(("it/s", "GiB"), published.INFERENCE[model], strict=True))
    return [f"{figures[name]:g}" if name in figures else "" for name in names] if figures else []


def _notes(results: Sequence[Result]) -> list[str]:
    """Warnings, each once, and what was measured on."""
    notes = [f"Brackets: {results[0]['level']:.0%} intervals over source videos."]
    for result in results:
        notes += [f"Note: {warning}" for warning in result["warnings"]]
    speeds = {
        f"Speed: {s['clips'][0]} clips of {' x '.join(map(str, s['clips'][1:]))}, mean of "
        f"{s['repeats']} runs after {s['warmup']}, {s['device']}; memory of the {s['memory_of']}."
        for result in results
        if (s := result.get("speed"))
    }
    return list(dict.fromkeys([*notes, *sorted(speeds)]))
