"""A texture in motion: constant velocity, turn and zoom, but for a slight bend.

A point ``u`` of the texture is in frame ``n`` at

    x(u, n) = s(n) R(a(n)) u + p(n)                                                     (1)
    p(n) = p + v m + q m^2 / 2,   a(n) = a + b m,   s(n) = exp(e m),   m = n - middle   (2)

where ``q`` is small and across ``v``.  Positions are (x, y) in pixels, whole numbers at pixel
centres.
"""

import dataclasses
import math

import cv2
import numpy as np


@dataclasses.dataclass(frozen=True)
class Motion:
    """Equation (2); lengths in pixels, angles in radians, all per frame where they are rates."""

    position: np.ndarray  # [2], at the middle frame
    velocity: np.ndarray  # [2]
    bend: np.ndarray  # [2]
    angle: float
    turn: float
    zoom: float

    @classmethod
    def drawn(cls, random: np.random.Generator, position, speed: float) -> "Motion":
        """A motion through ``position`` at ``speed`` pixels a frame, in any direction."""
        heading = random.uniform(0, 2 * math.pi)
        along = np.array([math.cos(heading), math.sin(heading)])
        return cls(
            position=np.asarray(position, float),
            velocity=speed * along,
            bend=speed * random.uniform(-0.05, 0.05) * np.array([-along[1], along[0]]),
            angle=random.uniform(-0.5, 0.5),
            turn=random.uniform(-0.02, 0.02),
            zoom=random.uniform(-0.01, 0.01),
        )

    def matrix(self, moment: float) -> np.ndarray:
        """Equation (1) as float64 ``[2, 3]``, ``moment`` frames after the middle one."""
        scale = math.exp(self.zoom * moment)
        angle = self.angle + self.turn * moment
        cos, sin = scale * math.cos(angle), scale * math.sin(angle)
        x, y = self.position + self.velocity * moment + self.bend * moment**2 / 2
        return np.array([[cos, -sin, x], [sin, cos, y]])

    def place(self, points: np.ndarray, moment: float) -> np.ndarray:
        """Equation (1): points of the texture ``[..., 2]`` to places in the frame."""
        matrix = self.matrix(moment)
        return points @ matrix[:, :2].T + matrix[:, 2]

    def point(self, places: np.ndarray, moment: float) -> np.ndarray:
        """The inverse of :meth:`place`."""
        matrix = self.matrix(moment)
        return (places - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T


@dataclasses.dataclass(frozen=True)
class Outline:
    """The radius of an object in direction ``a``: ``r (1 + sum_k c_k cos(k a + d_k))``."""

    radius: float
    waves: np.ndarray  # [2, 2]: c_k and d_k for k = 2, 3

    def depth(self, u: np.ndarray) -> np.ndarray:
        """How deep points ``[..., 2]`` lie inside, in pixels along the radius; negative outside."""
        angle = np.arctan2(u[..., 1], u[..., 0])[..., None]
        waves = np.sum(self.waves[:, 0] * np.cos(angle * (2, 3) + self.waves[:, 1]), axis=-1)
        return self.radius * (1 + waves) - np.hypot(u[..., 0], u[..., 1])


@dataclasses.dataclass(frozen=True)
class Layer:
    """A texture, its centre (the origin of ``u``), its motion, and the waves of its outline.

    The texture is uint8 RGB ``[h, w, 3]`` for the background, and premultiplied RGBA for an object.
    """

    pixels: np.ndarray
    centre: np.ndarray  # [2]
    motion: Motion
    outline: Outline | None = None

    def image(self, moment: float, height: int, width: int) -> np.ndarray:
        """The layer alone in a frame, ``[H, W, 3 or 4]``."""
        matrix = self.motion.matrix(moment)
        matrix[:, 2] -= matrix[:, :2] @ self.centre
        border = cv2.BORDER_REFLECT_101 if self.outline is None else cv2.BORDER_CONSTANT
        return cv2.warpAffine(
            self.pixels, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=border
        )
