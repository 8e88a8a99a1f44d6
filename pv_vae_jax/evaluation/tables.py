"""Tables of results in Markdown: the best bold, the second underlined, the paper's row beside.

Results stand in one table only if their protocols are equal (protocol.py, equation (1)); for the
others there is a table each, and a sentence that says what differs.  What groups things and gives
values their places is here for all tables, those of findings and of the report too.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pv_vae_jax.core import markdown
from pv_vae_jax.evaluation import protocol, published
from pv_vae_jax.evaluation.result_files import Result

# Digits after the point, and which is better.
COLUMNS = {
    "fvd": (2, "less"),
    "kvd": (4, "less"),
    "is": (2, "more"),
    "is_i3d-kinetics400": (2, "more"),
    "rfvd": (2, "less"),
    "psnr": (2, "more"),
    "ssim": (4, "more"),
    "lpips": (4, "less"),
    "it/s": (3, "more"),
    "GiB": (2, "less"),
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


def grouped(items: Sequence[Any], differ: Callable[[Any, Any], Any]) -> list[list[Any]]:
    """Items that do not differ from the first of their group, in order."""
    groups: list[list[Any]] = []
    for item in items:
        for group in groups:
            if not differ(group[0], item):
                group.append(item)
                break
        else:
            groups.append([item])
    return groups


def places(values: Sequence[float | None], better: str) -> list[int | None]:
    """0 for the best, 1 for the second, None for the rest; equal values are equally good.

    Args:
      values: of a column; None where there is none.  One value alone has no place.
      better: "more", "less", or "" where neither is and no value has a place.
    """
    known = [value for value in values if value is not None]
    ranked = better and len(known) > 1
    best = sorted(set(known), reverse=better == "more")[:2] if ranked else []
    return [best.index(value) if value in best else None for value in values]


def cell(known: Mapping[str, Any], digits: int, place: int | None) -> str:
    """Markdown of a value with its ``low`` and ``high``, if it has them, as good as its place."""
    value, low, high = (
        "" if number is None else f"{number:.{digits}f}"
        for number in (known["value"], known.get("low"), known.get("high"))
    )
    text = {0: f"**{value}**", 1: f"<u>{value}</u>"}.get(place, value)
    return f"{text} [{low}, {high}]" if low else text


def values(result: Result) -> dict[str, Mapping[str, Any]]:
    """All that has a column: by name ``value``, and of a figure its interval and method too."""
    found = dict(result["figures"])
    if speed := result.get("speed"):
        found["it/s"] = {"value": speed["iterations_per_second"]}
        found["GiB"] = {"value": speed["gib"]}
    return {name: found[name] for name in COLUMNS if name in found}


def differences(one: Result, other: Result) -> list[str]:
    """In what the protocols of two results differ."""
    return protocol.differences(one["protocol"], other["protocol"])


def compared(results: Sequence[Result]) -> str:
    """One table for each protocol among the results, and what differs between them."""
    groups = grouped(results, differences)
    parts = []
    for number, group in enumerate(groups):
        if number:
            told = "; ".join(differences(groups[0][0], group[0]))
            parts.append(f"Not to be compared with the first table; differs in {told}.")
        parts.append(table(group))
    return "\n\n".join(parts)


def table(results: Sequence[Result]) -> str:
    """Markdown of results of one protocol: a title, a line for each, notes."""
    found = [values(result) for result in results]
    names = [name for name in COLUMNS if any(name in each for each in found)]
    heads = ["model", "latent", "params, M", *(HEADS.get(name, name) for name in names)]
    columns = [_column(name, [each.get(name) for each in found]) for name in names]
    lines = []
    for result, *cells in zip(results, *columns, strict=True):
        model = result["model"]
        trained = "" if model["trained"] else " (untrained)"
        parameters = f"{model['parameters'] / 1e6:.0f}"
        lines.append([f"{model['label']}{trained}", model["spec"], parameters, *cells])
        if paper := published.beside(results[0]["protocol"], model["name"]):
            printed = (f"{paper[name]:g}" if name in paper else "" for name in names)
            lines.append(["- the paper", "", "", *printed])
    return "\n\n".join([_title(results), markdown.table(heads, lines), *_notes(results)])


def _column(name: str, found: Sequence[Mapping[str, Any] | None]) -> list[str]:
    digits, better = COLUMNS[name]
    ranks = places([None if known is None else known["value"] for known in found], better)
    return [
        "-" if known is None else cell(known, digits, place)
        for known, place in zip(found, ranks, strict=True)
    ]


def _title(results: Sequence[Result]) -> str:
    used = results[0]["protocol"]
    form = f"{used['frames']} x {used['height']} x {used['width']}"
    sets = " and ".join(used["datasets"])
    told = f"**{used['name']}**: {used['videos']} clips of {form} from {sets} ({used['task']})"
    return f"{told}, {reconstructed(used)}" if "through" in used else told


def reconstructed(used: Mapping[str, Any]) -> str:
    """What distances are to by a protocol with ``--through``."""
    return f"distances to what {used['through']['name']} makes of the clips"


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
