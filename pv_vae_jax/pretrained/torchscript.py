"""The tensors of a TorchScript archive, by the names of a state dict; none of its code is run.

    state["a.b.c"] = root.a.b.c,    for every attribute that is a tensor                    (1)

``NAME/data.pkl`` of such an archive (what ``torch.jit.save`` writes) is a pickle of modules whose
classes stand beside it as source text.  That text is not looked at: a module becomes a holder of
attributes (pickles.py), and (1) walks through them.
"""

from typing import Any

import numpy as np

from pv_vae_jax.pretrained import pickles

CLASSES = ("__torch__.",)  # how the names of its own classes begin


def _itself(value: Any, *_: Any) -> Any:
    """A list or dict which the archive tags with its type."""
    return value


ALLOWED = {
    f"torch.jit._pickle.{name}": _itself
    for name in (
        "restore_type_tag",
        "build_intlist",
        "build_doublelist",
        "build_boollist",
        "build_tensorlist",
    )
}


def tensors(root: pickles.Inert) -> dict[str, np.ndarray]:
    """Equation (1); a module that stands in several places is named at the first."""
    found: dict[str, np.ndarray] = {}
    seen: set[int] = set()

    def walk(module: pickles.Inert, path: str) -> None:
        seen.add(id(module))
        for name, value in vars(module).items():
            if isinstance(value, np.ndarray):
                found[path + name] = value
            elif isinstance(value, pickles.Inert) and id(value) not in seen:
                walk(value, f"{path}{name}.")

    walk(root, "")
    return found
