"""Real photographs in motion, with exact optical flow, point tracks and visibility.

A scene is a background and objects before it, each a texture in motion (data/motion.py), so that
the place ``x(u, n)`` of every point ``u`` is known, and with it

    flow(x, n) = x(u, n + 1) - x,   u the point of the topmost layer at x               (1)
    track(u)   = x(u, n) for all n, visible where its layer is the topmost              (2)

The background goes on by reflection; an object has a wavy outline.
"""

import dataclasses
import math

import numpy as np

from pv_vae_jax.core import rng
from pv_vae_jax.data import photographs
from pv_vae_jax.data.motion import Layer, Motion, Outline


@dataclasses.dataclass(frozen=True)
class World:
    """What scenes look like; lengths are shares of the frame's shorter side, speeds a frame.

    Attributes:
      background: least and largest speed.
      objects: the same of the objects.
      count: least and largest number of objects.
      radius: least and largest.
      detail: shorter side of a photograph over that of the frame, one of these.
      pixels: shorter side at which photographs are seen before they are enlarged; 0: as they are.
    """

    background: tuple[float, float] = (0.03, 0.07)
    objects: tuple[float, float] = (0.04, 0.08)
    count: tuple[int, int] = (1, 3)
    radius: tuple[float, float] = (0.14, 0.26)
    detail: tuple[float, ...] = (3.0, 4.0, 5.0)
    pixels: int = 0


WORLDS = {
    "photographs": World(),
    # Colours that run into each other, before them an object: what there is to learn is its motion.
    # The background stays (but for a slow turn and zoom), since it could not be seen to move.
    "smooth": World((0.0, 0.0), (0.05, 0.08), (1, 1), (0.18, 0.26), (2.0, 2.25, 2.5), pixels=3),
}


def world_of(name: str) -> World:
    """A world by name.

    Raises:
      ValueError: there is none; the message lists those that there are.
    """
    if name not in WORLDS:
        raise ValueError(f"a world of rendered scenes is one of {', '.join(WORLDS)}; got {name!r}.")
    return WORLDS[name]


def _object(
    world: World, random: np.random.Generator, names, side: int, size: tuple[int, int]
) -> Layer:
    outline = Outline(
        radius=side * random.uniform(*world.radius),
        waves=np.stack([random.uniform(0, 0.15, 2), random.uniform(0, 2 * math.pi, 2)], axis=1),
    )
    reach = math.ceil(1.3 * outline.radius) + 1
    source = photographs.texture(
        names[random.integers(len(names))],
        max(2 * reach + 1, int(side * random.choice(world.detail))),
        world.pixels,
    )
    top, left = (int(random.integers(space - 2 * reach)) for space in source.shape[:2])
    grid = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1.0)] * 2), axis=-1)
    alpha = np.clip(outline.depth(grid) + 0.5, 0, 1)[..., None]
    patch = source[top : top + 2 * reach + 1, left : left + 2 * reach + 1] * alpha
    pixels = np.concatenate([patch, 255 * alpha], axis=-1)
    position = random.uniform(0.2, 0.8, 2) * size[::-1]
    motion = Motion.drawn(random, position, side * random.uniform(*world.objects))
    return Layer(np.rint(pixels).astype(np.uint8), np.array([reach, reach], float), motion, outline)


def _background(
    world: World, random: np.random.Generator, names, side: int, size: tuple[int, int]
) -> Layer:
    pixels = photographs.texture(
        names[random.integers(len(names))], int(side * random.choice(world.detail)), world.pixels
    )
    centre = random.uniform(0.3, 0.7, 2) * pixels.shape[1::-1]
    position = (np.array(size[::-1]) - 1) / 2
    motion = Motion.drawn(random, position, side * random.uniform(*world.background))
    return Layer(pixels, centre, motion)


@dataclasses.dataclass(frozen=True)
class Scene:
    """Layers from back to front, seen in ``frames`` frames that are ``stride`` moments apart."""

    layers: tuple[Layer, ...]
    frames: int
    height: int
    width: int
    stride: int = 1

    @classmethod
    def drawn(
        cls,
        seed: int,
        frames: int,
        height: int,
        width: int,
        split: str = "train",
        stride: int = 1,
        world: str = "photographs",
    ) -> "Scene":
        """The scene of a seed: the same layers and motions at any length, size and stride."""
        kind = world_of(world)
        random = rng.host_generator(seed, "scene")
        names, side = photographs.names_of(split), min(height, width)
        count = int(random.integers(kind.count[0], kind.count[1] + 1))
        layers = [_background(kind, random, names, side, (height, width))]
        layers += [_object(kind, random, names, side, (height, width)) for _ in range(count)]
        return cls(tuple(layers), frames, height, width, stride)

    def moments(self) -> np.ndarray:
        """Frame times relative to the middle of the clip, float64 ``[T]``."""
        return (np.arange(self.frames) - (self.frames - 1) / 2) * self.stride

    def video(self) -> np.ndarray:
        """The frames, uint8 ``[T, H, W, 3]``."""
        size = (self.height, self.width)
        images = [
            np.stack([layer.image(moment, *size) for moment in self.moments()])
            for layer in self.layers
        ]
        video = images[0].astype(np.float32)
        for image in images[1:]:
            video *= 1 - image[..., 3:] * np.float32(1 / 255)
            video += image[..., :3]
        return np.clip(np.rint(video), 0, 255).astype(np.uint8)

    def owner(self, places: np.ndarray, moment: float) -> np.ndarray:
        """The topmost layer at places ``[..., 2]``, int ``[...]``; -1 outside the frame."""
        owner = np.zeros(places.shape[:-1], int)
        for number, layer in enumerate(self.layers[1:], start=1):
            owner[layer.outline.depth(layer.motion.point(places, moment)) >= 0] = number
        edge = np.array([self.width, self.height]) - 0.5
        inside = np.all((places >= -0.5) & (places < edge), axis=-1)
        return np.where(inside, owner, -1)

    def _moved(self, places, owner, moment: float, later: float) -> np.ndarray:
        """Places ``[..., 2]`` of points of layers ``owner`` at ``moment``, seen ``later``."""
        moved = np.zeros(places.shape)
        for number, layer in enumerate(self.layers):
            mine = owner == number
            moved[mine] = layer.motion.place(layer.motion.point(places[mine], moment), later)
        return moved

    def flow(self) -> np.ndarray:
        """Equation (1), of each pixel of each frame but the last, float32 ``[T-1, H, W, 2]``.

        (x, y) in pixels.
        """
        moments = self.moments()
        grid = np.stack(
            np.meshgrid(np.arange(self.width, dtype=float), np.arange(self.height)), axis=-1
        )
        flow = [
            self._moved(grid, self.owner(grid, moment), moment, later) - grid
            for moment, later in zip(moments[:-1], moments[1:], strict=True)
        ]
        return np.array(flow, np.float32).reshape(self.frames - 1, self.height, self.width, 2)

    def tracks(self, seed: int, points: int = 64) -> tuple[np.ndarray, np.ndarray]:
        """Equation (2), of points drawn evenly over pixels and frames.

        Returns:
          Their places (x, y) in pixels, float32 ``[N, T, 2]``, and where they are within the frame
          and not covered, bool ``[N, T]``.
        """
        moments = self.moments()
        random = rng.host_generator(seed, "points")
        born = random.integers(self.frames, size=points)
        places = random.uniform(-0.5, [self.width - 0.5, self.height - 0.5], (points, 2))
        tracks = np.zeros((points, self.frames, 2))
        visible = np.zeros((points, self.frames), bool)
        for birth in np.unique(born):  # of all points at once that a frame gives birth to
            mine, born_at = born == birth, moments[birth]
            owner = self.owner(places[mine], born_at)
            for m, moment in enumerate(moments):
                tracks[mine, m] = self._moved(places[mine], owner, born_at, moment)
                visible[mine, m] = self.owner(tracks[mine, m], moment) == owner
        return tracks.astype(np.float32), visible


def render(seed: int, frames: int, height: int, width: int, split: str = "train") -> np.ndarray:
    """The video of a seed, uint8 ``[T, H, W, 3]``."""
    return Scene.drawn(seed, frames, height, width, split).video()
