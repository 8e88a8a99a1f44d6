"""What a latent sees of the video, and a pixel of the latents, by the gradient.

    seen(y) = the places x with d(v^T y) / dx != 0,       v random                          (1)

Places are told by how far they lie before and behind the place's own: for a latent its group of
frames and its s x s pixels, for a pixel the latent that it belongs to.  ``None``: up to the edge of
the clip (all of the frame where there is attention), so that nothing is known of how far.
"""

import jax
import jax.numpy as jnp
import numpy as np

from pv_vae_jax.core import dims
from pv_vae_jax.interface import Posterior
from pv_vae_jax.models.video_vae import VideoVAE

AXES = ("t", "h", "w")
Extent = dict[str, tuple[int | None, int | None]]  # of each axis: before, behind


def touched(vae: VideoVAE, method: str, x: jax.Array, place: tuple[slice, ...]) -> np.ndarray:
    """Equation (1): bool ``[T, H, W]``.

    Args:
      vae: the model.
      method: "posterior" (its mean is meant) or "decode_raw".
      x: ``[1, T, H, W, C]``, what goes in.
      place: slices of time, rows and columns of what comes out.
    """

    def result(params, x: jax.Array) -> jax.Array:
        y = vae.module.apply({"params": params}, x, method=method)
        return y.mean if isinstance(y, Posterior) else y

    @jax.jit
    def gradient(params, x: jax.Array) -> jax.Array:
        y, pull = jax.vjp(lambda x: result(params, x), x)
        v = jax.random.normal(jax.random.key(0), y.shape)
        return pull(jnp.zeros_like(y).at[:, *place].set(v[:, *place]))[0]

    return np.asarray(jnp.abs(gradient(vae.params, x)).sum(axis=(0, -1))) > 0


def extent(seen: np.ndarray, own: tuple[slice, slice, slice]) -> Extent:
    """How far ``seen [T, H, W]`` goes beyond ``own``, on each axis."""
    found = {}
    for axis, (name, mine) in enumerate(zip(AXES, own, strict=True)):
        others = tuple(each for each in range(3) if each != axis)
        places = np.flatnonzero(seen.any(axis=others))
        first, last, end = int(places[0]), int(places[-1]), seen.shape[axis] - 1
        found[name] = (
            None if first == 0 < mine.start else max(0, mine.start - first),
            None if last == end > mine.stop - 1 else max(0, last - mine.stop + 1),
        )
    return found


def of_model(vae: VideoVAE, frames: int, size: int) -> dict[str, Extent]:
    """The fields of a latent and of a pixel in the middle of a clip.

    Args:
      vae: the model.
      frames: of the clip, 1 + p n.
      size: its rows and columns.

    Returns:
      ``latent``: pixels and frames that a latent sees; ``pixel``: latents that a group's pixels
      see; each by axis, before and behind.
    """
    spec = vae.spec
    groups, height, width, _ = shape = spec.latent_shape(frames, size, size)
    random, side = np.random.default_rng(0), spec.spatial
    video = jnp.asarray(random.uniform(-1, 1, (1, frames, size, size, 3)), jnp.float32)
    latents = jnp.asarray(random.standard_normal((1, *shape)), jnp.float32)

    middle = groups // 2, height // 2, width // 2
    cell = tuple(slice(each, each + 1) for each in middle)
    last = dims.frames_of(middle[0] + 1, spec.temporal)
    first = last - spec.temporal if middle[0] else 0
    area = (slice(first, last), *(slice(each * side, (each + 1) * side) for each in middle[1:]))
    return {
        "latent": extent(touched(vae, "posterior", video, cell), area),
        "pixel": extent(touched(vae, "decode_raw", latents, area), cell),
    }
