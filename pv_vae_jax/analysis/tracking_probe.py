"""Does what a probe is fed tell points apart, and find them again?

    result(n, s)   = (d, b), a descriptor [K] and a threshold, of frame n, place s of 4 x 4 pixels
    score(i, n, s) = d(query i) . d(n, s) / sqrt(K),      d(query), b(query): bilinear      (1)
    P(i, n, .)     = softmax over all s and "hidden", whose score is b(query)               (2)
    loss           = - sum_s w(s) log P(i, n, s),   w: bilinear weights of the true place,
                     all on "hidden" where the point is not visible                         (3)
    track(i, n)    = mean of s under P within 2 places of the best one                      (4)
    visible(i, n)  = P(hidden) < 1/2

The simplest honest tracker: frames are matched one by one, without a model of motion, so what it
finds is in the descriptors.  The mean (4) of the weights (3) is the true place exactly.  All
frames but the query's are trained on; those after it are judged (metrics/tracking.py): the area
under the accuracy curve in pixels of the clip, TAP-Vid's figures with the clip scaled to 256 x 256.
Paper: TAP-Vid-DAVIS, 70.95 and 76.99; how it tracks is not published.
"""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from pv_vae_jax.metrics import tracking

STRIDE, CHANNELS, REACH = 4, 16, 2
TITLES = {"area": "tracking, AUC", "jaccard": "AJ", "position": "position", "occlusion": "OA"}


def places(xy: jax.Array, stride: int) -> jax.Array:
    """Pixels, whole numbers at centres, to places, likewise."""
    return (xy + 0.5) / stride - 0.5


def weights(at: jax.Array, size: int) -> jax.Array:
    """Bilinear weights of coordinates ``[...]`` over ``size`` places: ``[..., size]``, sum 1."""
    at = jnp.clip(at, 0, size - 1)[..., None]
    grid = jnp.arange(size, dtype=at.dtype).reshape((1,) * (at.ndim - 1) + (size,))
    return jnp.maximum(0, 1 - jnp.abs(at - grid))


def scores(found: jax.Array, queries: jax.Array, tracks: jax.Array, stride: int) -> jax.Array:
    """Equation (1) of one clip, "hidden" behind all places.

    Args:
      found: ``[T, a, b, K + 1]``.
      queries: int ``[P]``, frames.
      tracks: ``[P, T, 2]``; only the places in the queries' frames are looked at.
      stride: pixels of a place.

    Returns:
      ``[P, T, a b + 1]``.
    """
    frames, rows, columns = found.shape[:3]
    start = places(jnp.take_along_axis(tracks, queries.reshape(-1, 1, 1), axis=1)[:, 0], stride)
    precise = {"precision": lax.Precision.HIGHEST}
    down, across = weights(start[:, 1], rows), weights(start[:, 0], columns)
    asked = jnp.einsum("pa,pb,pabk->pk", down, across, found[queries], **precise)
    descriptors, hidden = asked[:, :-1], asked[:, -1]
    score = jnp.einsum("pk,tabk->ptab", descriptors, found[..., :-1], **precise)
    score = score.reshape(len(queries), frames, -1) / descriptors.shape[-1] ** 0.5
    hidden = jnp.broadcast_to(hidden.reshape(-1, 1, 1), (*score.shape[:2], 1))
    return jnp.concatenate([score, hidden], axis=-1)


@functools.partial(jax.jit, static_argnums=3)
def follow(
    found: jax.Array, queries: jax.Array, tracks: jax.Array, stride: int
) -> tuple[jax.Array, jax.Array]:
    """Equation (4): places in pixels ``[P, T, 2]``, and bool ``[P, T]``; arguments as above."""
    rows, columns = found.shape[1:3]
    score = scores(found, queries, tracks, stride)
    visible = jax.nn.softmax(score)[..., -1] < 0.5
    score = score[..., :-1]
    best = score.argmax(axis=-1)[..., None]
    y, x = jnp.divmod(jnp.arange(rows * columns).reshape(1, 1, -1), columns)
    near = (abs(y - best // columns) <= REACH) & (abs(x - best % columns) <= REACH)
    share = jax.nn.softmax(jnp.where(near, score, -jnp.inf))
    mean = jnp.stack([(share * x).sum(axis=-1), (share * y).sum(axis=-1)], axis=-1)
    return (mean + 0.5) * stride - 0.5, visible


class TrackingProbe:
    """The task "tracking".

    Its targets: "tracks" float32 ``[N, P, T, 2]`` in pixels, "visible" bool ``[N, P, T]``,
    "queries" int ``[N, P]``; where clips have fewer points than P, the others are never visible.
    """

    name, outputs, stride = "tracking", CHANNELS + 1, STRIDE
    targets = ("tracks", "visible", "queries")
    figures = {f"tracking_{name}": (title, "more", 2) for name, title in TITLES.items()} | {
        "tracking_still": ("AUC of no motion", "", 2)
    }
    paper = {"tracking_area": {"baseline": 70.95, "PV-VAE": 76.99, "on": "TAP-Vid-DAVIS"}}

    def loss(self, found: jax.Array, targets: Mapping[str, jax.Array]) -> jax.Array:
        """Equation (3) of results ``[B, T, a, b, K + 1]``, a mean over points and frames."""

        def one(found, tracks, visible, queries):
            rows, columns = found.shape[1:3]
            log = jax.nn.log_softmax(scores(found, queries, tracks, self.stride))
            at = places(tracks, self.stride)
            down, across = weights(at[..., 1], rows), weights(at[..., 0], columns)
            there = log[..., :-1].reshape(*log.shape[:2], rows, columns)
            right = jnp.einsum("pta,ptb,ptab->pt", down, across, there)
            known = visible.any(axis=1)
            counts = known[:, None] & (jnp.arange(len(found))[None] != queries[:, None])
            return -jnp.where(visible, right, log[..., -1]), counts

        loss, counts = jax.vmap(one)(
            found, targets["tracks"], targets["visible"], targets["queries"]
        )
        return jnp.where(counts, loss, 0).sum() / counts.sum()

    def measured(
        self, found: np.ndarray, clips: np.ndarray, targets: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Figures of each clip, ``[n]``, in per cent, of results as above."""
        rows = [
            judged(result, clip.shape[1:3], *one, self.stride)
            for result, clip, *one in zip(
                found, clips, *(targets[name] for name in self.targets), strict=True
            )
        ]
        return {f"tracking_{name}": 100 * np.array([row[name] for row in rows]) for name in rows[0]}


def judged(
    found: np.ndarray,
    size: tuple[int, int],
    tracks: np.ndarray,
    visible: np.ndarray,
    queries: np.ndarray,
    stride: int,
) -> dict[str, float]:
    """Figures of one clip of ``size`` (rows, columns); arguments as above."""
    told_at, told = map(np.asarray, follow(found, queries, tracks, stride))
    counts = tracking.counted(queries, tracks.shape[1]) & visible.any(axis=1)[:, None]
    scale = tracking.SIDE / np.array(size[::-1], np.float64)
    start = np.take_along_axis(tracks, queries.reshape(-1, 1, 1), axis=1)
    still = tracking.errors(np.broadcast_to(start, tracks.shape), tracks)
    wrong = tracking.errors(told_at * scale, tracks * scale)
    return {
        "area": tracking.area(tracking.errors(told_at, tracks), counts & visible),
        "still": tracking.area(still, counts & visible),
        **tracking.tap_vid(wrong, told, visible, counts),
    }
