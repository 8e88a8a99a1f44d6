"""How near the tracks of points are to the true ones, of one clip.

    e(i, n)      = |found(i, n) - true(i, n)|                     pixels
    accuracy(d)  = share of e < d among the counted (i, n) where the point is visible          (1)
    area         = 1/D int_0^D accuracy(d) dd = mean of max(0, 1 - e / D),    D = 10           (2)
    position     = mean of accuracy(d) over d = 1, 2, 4, 8, 16                                 (3)
    occlusion    = share of (i, n) whose visibility was told rightly                           (4)
    jaccard(d)   = TP / (visible + FP),     TP: e < d, visible and told visible                (5)
                                            FP: told visible, but hidden or e >= d
    jaccard      = mean of jaccard(d) over d = 1, 2, 4, 8, 16                                  (6)

(3) to (6) are TAP-Vid's (Doersch et al. 2022, arXiv:2211.03726), on clips scaled to 256 x 256;
counted are the frames after that of the query ("first").  (2) is the paper's "area under the
accuracy curve over 0 to 10 px".  All are in [0, 1]; papers print them times 100.
"""

import numpy as np

MOST = 10.0
THRESHOLDS = (1, 2, 4, 8, 16)
SIDE = 256  # pixels of the frames that THRESHOLDS are of


def counted(queries: np.ndarray, frames: int) -> np.ndarray:
    """The frames that count: those after the query's; bool ``[P, T]`` of frame numbers ``[P]``."""
    return np.arange(frames).reshape(1, -1) > np.asarray(queries).reshape(-1, 1)


def errors(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Distances e of places (x, y), ``[P, T, 2]``: float64 ``[P, T]``.

    Raises:
      ValueError: unequal shapes, or not two coordinates.
    """
    if found.shape != true.shape or true.shape[-1] != 2:
        raise ValueError(f"two tracks have one shape [P, T, 2]: got {found.shape}, {true.shape}.")
    difference = found.astype(np.float64) - true.astype(np.float64)
    return np.hypot(difference[..., 0], difference[..., 1])


def curve(wrong: np.ndarray, counts: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Equation (1) at distances ``at [n]``: float64 ``[n]``.

    Args:
      wrong: e, ``[P, T]``.
      counts: bool ``[P, T]``, counted and visible.
      at: pixels.

    Raises:
      ValueError: nothing counts.
    """
    chosen = _chosen(wrong, counts)
    return (chosen.reshape(1, -1) < np.asarray(at).reshape(-1, 1)).mean(axis=1)


def area(wrong: np.ndarray, counts: np.ndarray) -> float:
    """Equation (2), in closed form; arguments and errors as :func:`curve`."""
    return float(np.maximum(0, 1 - _chosen(wrong, counts) / MOST).mean())


def tap_vid(
    wrong: np.ndarray, told: np.ndarray, visible: np.ndarray, counts: np.ndarray
) -> dict[str, float]:
    """Equations (3), (4) and (6).

    Args:
      wrong: e in pixels of frames of ``SIDE`` x ``SIDE``, ``[P, T]``.
      told: bool ``[P, T]``, visible according to the tracker.
      visible: bool ``[P, T]``, the truth.
      counts: bool ``[P, T]``, which count.

    Returns:
      "position", "occlusion", "jaccard".

    Raises:
      ValueError: no counted point is visible.
    """
    position = curve(wrong, counts & visible, np.array(THRESHOLDS)).mean()
    parts = []
    for threshold in THRESHOLDS:
        near = wrong < threshold
        right = (near & visible & told & counts).sum()
        false = (told & ~(near & visible) & counts).sum()
        parts.append(right / ((visible & counts).sum() + false))
    occlusion = (told == visible)[counts].mean()
    return {
        "position": float(position),
        "occlusion": float(occlusion),
        "jaccard": float(np.mean(parts)),
    }


def _chosen(wrong: np.ndarray, counts: np.ndarray) -> np.ndarray:
    if not counts.any():
        raise ValueError("no visible point of the clip counts: its tracks cannot be judged.")
    return wrong[counts]
