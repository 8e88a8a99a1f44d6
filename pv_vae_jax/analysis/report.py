"""A report: one static page of what analyses, evaluations and runs found, for people.

    folders -> sources (report_sources.py) -> parts (report_parts.py) -> OUT/index.html

    OUT/index.html    style and script in it; it opens from a file and asks nothing of a network
    OUT/media/        films in H.264 and VP9, pictures (report_media.py)
    OUT/data/         the findings and results, JSON

Labels, keys and notes come from files, and are escaped; the page lets a browser run no script but
its own two (a policy of their checksums).  Templates: jinja2, the optional part [report].
"""

import base64
import datetime
import hashlib
import importlib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import pv_vae_jax.analysis
from pv_vae_jax.analysis import report_parts, report_sources
from pv_vae_jax.analysis.report_media import Media
from pv_vae_jax.analysis.report_tables import about
from pv_vae_jax.core import storage

TITLE = "What the latents know"
NO_VP9 = "This PyAV cannot write VP9 (libvpx): the films are in H.264 alone."


def write(folders: Sequence[Any], out: Any, title: str = TITLE, command: str = "") -> Any:
    """Writes the page.

    Args:
      folders: of findings, results, runs; paths or URLs.
      out: folder of the page, a path or a URL; older pages there are replaced.
      title: of the page.
      command: that made it.

    Returns:
      The path of ``index.html``.

    Raises:
      ValueError: a folder has nothing for a report, or something is damaged.
      FileNotFoundError: a folder is not there.
      ModuleNotFoundError: jinja2 or matplotlib is not installed.
    """
    for name in ("jinja2", "matplotlib"):  # now, not after all films
        importlib.import_module(name)
    found = report_sources.read(folders)
    media = Media(out)
    parts = report_parts.parts(found, media)
    notes = [] if media.vp9 or not any(part.players for part in parts) else [NO_VP9]
    path = storage.path(out) / "index.html"
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    values = {"title": title, "parts": parts, "models": models(found), "notes": notes}
    storage.write(path, page(values | {"command": command, "date": now}))
    return path


def models(found: report_sources.Sources) -> list[dict[str, str]]:
    """The models of findings and reconstructions, each once."""
    known: dict[tuple[Any, ...], dict[str, str]] = {}
    for source in [*found.findings, *found.results]:
        made = source.made
        model: Mapping[str, Any] = made["model"] if isinstance(made, dict) else made.model
        if model.get("spec"):
            key = model["label"], model.get("sha256") or model.get("digest")
            known.setdefault(
                key,
                {
                    "label": model["label"],
                    "name": model.get("name", ""),
                    "detail": about(model),
                    "version": str(key[1] or "")[:12],
                },
            )
    return list(known.values())


def page(values: Mapping[str, Any]) -> str:
    """The HTML of a page."""
    import jinja2
    from markupsafe import Markup

    folder = resources.files(pv_vae_jax.analysis) / "page"
    style, theme, script = (
        folder.joinpath(name).read_text(encoding="utf-8")
        for name in ("page.css", "theme.js", "page.js")
    )
    hashes = " ".join(f"'sha256-{_checksum(each)}'" for each in (theme, script))
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    own = {"style": Markup(style), "theme": Markup(theme), "script": Markup(script)}
    return environment.get_template("index.html.j2").render(**values, **own, hashes=Markup(hashes))


def _checksum(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
