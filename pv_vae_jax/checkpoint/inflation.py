"""A 3-D model from the weights of a 2-D one: each 2-D kernel becomes one temporal tap.

    W3[i] = W2 for one tap i, else 0          last: i = kt - 1,   centre: i = (kt - 1) div 2    (1)

A causal convolution sees the present frame by its last tap, so that with ``last`` every frame, and
every still, gets what the 2-D layer gives (where the layer has no time stride: exactly all frames;
with a stride of st: the frames 0, st, 2 st ...).  With ``centre`` a layer is (kt - 1) / 2 frames
late; a still under replicate padding gets the same.  Kernels of 1x1 may also stand in the file as
matrices.  What is no kernel (biases, scales) is copied.

    done = inflate_file(vae.params, "image_vae.safetensors", rules)
    print(done.table())

``python -m launch.inflate`` is the door; its export is for ``stages.NAME.init_from`` of a config.
"""

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping, Sequence

import jax.numpy as jnp
import numpy as np

from pv_vae_jax.core import arrays, trees

TAPS = ("last", "centre")
LAYOUTS = ("OIHW", "HWIO")

# File's name -> our path, or pairs (regular expression on the whole name, path as its replacement).
Names = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Inflated:
    """A tree of parameters, and what became of each leaf.

    Attributes:
      params: the tree.
      rows: (path, "inflated" | "copied" | "fresh" | "refused", the file's name or why).
      unused: names of the file that no rule maps.
    """

    params: trees.Tree
    rows: tuple[tuple[str, str, str], ...]
    unused: tuple[str, ...]

    def count(self, fate: str) -> int:
        """How many leaves are "inflated", "copied", "fresh" or "refused"."""
        return sum(row[1] == fate for row in self.rows)

    def table(self) -> str:
        """One line for each leaf, for each unused name, and the totals."""
        rows = [*self.rows, *((name, "unused", "no rule maps this name") for name in self.unused)]
        width = max(len(path) for path, *_ in rows)
        lines = [f"{path:<{width}}  {fate:<8}  {why}" for path, fate, why in rows]
        fates = ("inflated", "copied", "fresh", "refused", "unused")
        totals = (f"{sum(row[1] == fate for row in rows)} {fate}" for fate in fates)
        return "\n".join([*lines, ", ".join(totals)])


def inflate_file(
    params: trees.Tree,
    path: str | os.PathLike,
    names: Names,
    tap: str = "last",
    layout: str = "OIHW",
) -> Inflated:
    """:func:`inflate` from an ``.npz`` or ``.safetensors`` file.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is damaged, or as :func:`inflate`.
    """
    weights = arrays.read(path)
    try:
        return inflate(params, weights, names, tap, layout)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def inflate(
    params: trees.Tree,
    weights: Mapping[str, np.ndarray],
    names: Names,
    tap: str = "last",
    layout: str = "OIHW",
) -> Inflated:
    """Equation (1) for every leaf that a rule maps a name to; all others stay as they are.

    Args:
      params: of a 3-D model, fresh or not.
      weights: arrays of the 2-D model by name; kernels ``[O, C, kh, kw]`` or ``[kh, kw, C, O]``,
        matrices ``[O, C]`` or ``[C, O]``.
      names: rules; of a sequence, the first that matches a name counts.
      tap: "last" or "centre".
      layout: of the kernels of ``weights``, "OIHW" (torch) or "HWIO" (JAX).

    Returns:
      The tree and its table; a leaf whose form does not fit is "refused" and stays as it was.

    Raises:
      ValueError: a tap or layout that does not exist, a rule that leads to no leaf, two names that
        lead to one, a name that is not in ``weights``, or nothing was mapped.
    """
    for word, value, known in (("tap", tap, TAPS), ("layout", layout, LAYOUTS)):
        if value not in known:
            raise ValueError(f"{word} is one of {', '.join(known)}; got {value!r}.")
    leaves, rows = trees.flatten(params), []
    sources = _sources(weights, names)
    for path, name in sources.items():
        if path not in leaves:
            raise ValueError(f"{name} is mapped to {path}, which is no parameter of the model.")
    for path, leaf in leaves.items():
        if path not in sources:
            rows.append((path, "fresh", ""))
            continue
        name = sources[path]
        fate, found = _fitted(np.asarray(weights[name]), leaf.shape, tap, layout)
        if fate == "refused":
            rows.append((path, fate, f"{name} {found}"))
        else:
            rows.append((path, fate, name))
            leaves[path] = jnp.asarray(found, leaf.dtype)
    unused = sorted(set(weights) - set(sources.values()))
    return Inflated(trees.unflatten(leaves), tuple(rows), tuple(unused))


def _sources(weights: Mapping[str, np.ndarray], names: Names) -> dict[str, str]:
    """Our path to the name that the rules map to it."""
    sources: dict[str, str] = {}
    for name, path in _mapped(weights, names):
        if path in sources:
            raise ValueError(f"{sources[path]} and {name} are both mapped to {path}.")
        sources[path] = name
    if not sources:
        some = ", ".join(sorted(weights)[:3]) or "none"
        raise ValueError(f"no rule maps any of {len(weights)} names; the first are: {some}.")
    return sources


def _mapped(weights: Mapping[str, np.ndarray], names: Names) -> Iterator[tuple[str, str]]:
    if isinstance(names, Mapping):
        for name, path in names.items():
            if name not in weights:
                raise ValueError(f"a rule maps {name}, but there is no array of that name.")
            yield name, path
        return
    for name in weights:
        for pattern, path in names:
            try:
                match = re.fullmatch(pattern, name)
                if match:
                    yield name, match.expand(path)
                    break
            except re.error as error:
                raise ValueError(f"the rule {pattern!r} to {path!r} is wrong: {error}.") from error


def _fitted(
    found: np.ndarray, shape: tuple[int, ...], tap: str, layout: str
) -> tuple[str, np.ndarray | str]:
    """("inflated" | "copied", array of ``shape``), or ("refused", why)."""
    if not jnp.issubdtype(found.dtype, jnp.floating):
        return "refused", f"is of type {found.dtype}, not of floating point"
    found = found.astype(np.float32)
    if not np.isfinite(found).all():
        return "refused", "is not finite"
    if len(shape) == found.ndim == 2 and layout == "OIHW":
        found = found.T  # a matrix of torch is [O, C]
    if len(shape) != 5:
        if found.shape != shape:
            return "refused", f"is {list(found.shape)} where {list(shape)} is needed"
        return "copied", found
    kernel = found
    if found.ndim == 2:
        kernel = found[..., None, None] if layout == "OIHW" else found[None, None]
    if kernel.ndim == 4 and layout == "OIHW":
        kernel = kernel.transpose(2, 3, 1, 0)
    if kernel.shape != shape[1:]:
        needed = f"a kernel {list(shape[1:])} in the order HWIO is needed"
        return "refused", f"is {list(found.shape)} ({layout}) where {needed}"
    inflated = np.zeros(shape, np.float32)
    inflated[shape[0] - 1 if tap == "last" else (shape[0] - 1) // 2] = kernel
    return "inflated", inflated
