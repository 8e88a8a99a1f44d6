"""A file imports only from floors below its own, or from its own folder."""

import ast
import pathlib

ROOT = pathlib.Path(__file__).parent.parent
FLOORS = {
    "core": 0,
    "layers": 1, "interface": 1, "withholding": 1, "sharding": 1, "costs": 1,
    "models": 2, "pretrained": 2, "data": 2,
    "losses": 3, "zoo": 3, "metrics": 3,
    "objective": 4, "checkpoint": 4,
    "training": 5, "generation": 5,
    "evaluation": 6,
    "analysis": 7, "study": 7,
    "launch": 8, "configs": 8, "__init__": 8,
}  # fmt: skip


def place_of(name: str) -> str | None:
    """``pv_vae_jax.models.cnn`` -> ``models``; None for foreign modules."""
    parts = name.split(".")
    if parts[0] in ("launch", "configs"):
        return parts[0]
    if parts[0] != "pv_vae_jax":
        return None
    return parts[1] if len(parts) > 1 else "__init__"


def imports_of(tree: ast.AST):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "imports are absolute"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def offences(path: pathlib.Path, source: str) -> list[str]:
    here = place_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    found = []
    for name, line in imports_of(ast.parse(source)):
        there = place_of(name)
        if there in (None, here):
            continue
        if FLOORS[there] >= FLOORS[here] and not (here, there) == ("launch", "configs"):
            found.append(f"{path.relative_to(ROOT)}:{line}: floor {FLOORS[here]} imports {name}")
    return found


def test_every_file_imports_only_from_floors_below():
    files = [f for top in ("pv_vae_jax", "launch", "configs") for f in (ROOT / top).rglob("*.py")]
    assert len(files) > 30
    found = [line for path in files for line in offences(path, path.read_text())]
    assert not found, "\n".join(found)


def test_an_import_from_above_is_found():
    path = ROOT / "pv_vae_jax" / "layers" / "blocks.py"
    assert offences(path, "from pv_vae_jax.models import cnn") == [
        "pv_vae_jax/layers/blocks.py:1: floor 1 imports pv_vae_jax.models.cnn"
    ]
    assert not offences(path, "from pv_vae_jax.core import dims\nfrom pv_vae_jax.layers import x")
