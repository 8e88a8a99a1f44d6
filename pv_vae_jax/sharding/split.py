"""A video VAE that encodes and decodes each clip on several devices.

    clips over ``data``;  the rows, or the groups of frames, of each clip over ``model``     (1)

Exact, forward and backward: layers fetch their borders from the neighbours (halo.py).  In time G
groups are filled up to n g, g = ceil(G / n) on each of n devices: p - 1 copies of frame 0 in front,
so that each group has p frames, and groups behind, which nothing depends on, because the model is
causal.  Both are cut off.

Parameters are whole on every device; their gradient is a sum over the devices, which is the
transpose of declaring them to differ from device to device (``pcast``).
"""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pv_vae_jax.core import dims
from pv_vae_jax.sharding import halo

CLIPS, AXIS = "data", "model"
_METHODS = {"posterior": "chunk_posterior", "decode_raw": "decode_raw"}


@dataclasses.dataclass(frozen=True)
class Split:
    """Equation (1) around a module that is a video VAE; answers as the module does.

    Attributes:
      module: whose ``spec.splits`` has ``kind``.
      mesh: of sharding/mesh.py.
      kind: "rows" or "time".

    Raises:
      ValueError: the model cannot be split that way.
    """

    module: nn.Module
    mesh: Mesh
    kind: str

    def __post_init__(self):
        able = self.module.spec.splits
        if not able:
            raise ValueError(
                f"clips of this model cannot be split, got {self.kind!r}; those of PV-VAE's CNNs "
                "can. Leave the split out (runtime.split empty); large frames fit in tiles "
                "(pv.tile, --tile)."
            )
        if self.kind not in able:
            raise ValueError(f"a clip is split by {' or '.join(able)}; got {self.kind!r}.")

    @property
    def spec(self) -> Any:
        """The latent specification."""
        return self.module.spec

    @property
    def last_layer(self) -> str:
        """See models/pv_vae.py."""
        return self.module.last_layer

    @property
    def devices(self) -> int:
        """On which a clip lies."""
        return self.mesh.shape[AXIS]

    @property
    def sharding(self) -> NamedSharding:
        """Of clips, and of latents, that :meth:`padded` has made."""
        parts = {"rows": (CLIPS, None, AXIS), "time": (CLIPS, AXIS)}
        return NamedSharding(self.mesh, PartitionSpec(*parts[self.kind]))

    def apply(self, variables: Any, *arguments: Any, method: str) -> Any:
        """As ``module.apply``: "posterior" and "decode_raw" split their clips, others do not."""
        if method not in _METHODS:
            return self.module.apply(variables, *arguments, method=method)
        (x,) = arguments
        return self.cut(self.of_padded(variables, self.padded(x, method), method), x, method)

    def of_padded(self, variables: Any, x: jax.Array, method: str) -> Any:
        """``method`` of what :meth:`padded` has made: nothing is whole on any device."""
        part = _METHODS[method]

        def on_one(variables, x):
            variables = jax.lax.pcast(variables, (CLIPS, AXIS), to="varying")
            if self.kind == "rows":
                with halo.rows(AXIS):
                    return self.module.apply(variables, x, method=part)
            cache = halo.cache_of(self.module, variables, x, part)
            with halo.time(AXIS, x.shape[1] // self._frames(method)):
                state = variables | {"cache": cache}
                return self.module.apply(state, x, method=part, mutable=["cache"])[0]

        spec = self.sharding.spec
        return jax.shard_map(
            on_one, mesh=self.mesh, in_specs=(PartitionSpec(), spec), out_specs=spec
        )(variables, x)

    def padded(self, x: Any, method: str) -> Any:
        """Clips, or latents, with equal parts; NumPy stays NumPy.

        Raises:
          ValueError: clips or rows do not divide over the devices, or a length or size does not
            fit; the message has the numbers.
        """
        self._check(x.shape, method)
        if self.kind == "rows":
            return x
        frames, groups = self._frames(method), self._groups(x, method)
        behind = (-groups % self.devices) * frames
        return _module_of(x).pad(
            x, [(0, 0), (frames - 1, behind), (0, 0), (0, 0), (0, 0)], mode="edge"
        )

    def cut(self, found: Any, x: Any, method: str) -> Any:
        """What belongs to ``x`` itself of the result for its padded form."""
        if self.kind == "rows":
            return found
        frames = self.spec.temporal if method == "decode_raw" else 1
        own = slice(frames - 1, self._groups(x, method) * frames)
        return jax.tree.map(lambda leaf: leaf[:, own], found)

    def _frames(self, method: str) -> int:
        """Of a group, in what goes into ``method``."""
        return 1 if method == "decode_raw" else self.spec.temporal

    def _groups(self, x: Any, method: str) -> int:
        return dims.groups_of(x.shape[1], self._frames(method))

    def _check(self, shape: tuple[int, ...], method: str) -> None:
        if method == "posterior":
            self.spec.latent_shape(*shape[1:4])
        elif self.kind == "time" and self.spec.decoder_lookahead:
            raise ValueError(
                f"this decoder looks {self.spec.decoder_lookahead} latents ahead "
                "(decoder_causal = False), so its clips cannot be split by time: split the rows."
            )
        if shape[0] % self.mesh.shape[CLIPS]:
            raise ValueError(
                f"{shape[0]} clips do not divide over {CLIPS} = {self.mesh.shape[CLIPS]} devices."
            )
        side = self.spec.spatial if method == "posterior" else 1
        if self.kind == "rows" and shape[2] % (side * self.devices):
            below, above = dims.sizes_around(shape[2], side * self.devices)
            what = "pixels" if method == "posterior" else "the latents"
            raise ValueError(
                f"{shape[2]} rows of {what} do not divide over {self.devices} devices with a "
                f"multiple of {side} on each: the nearest heights are {below} and {above}."
            )


def _module_of(x: Any) -> Any:
    return np if isinstance(x, np.ndarray) else jnp
