"""Where the tiles of a frame lie, and what each of them gives to the whole.

    y(x) = sum_i w_i(x) y_i(x),      sum_i w_i(x) = 1 everywhere                            (1)

    exact      w_i is 1 where tile i sees all that the model reads there, and of no other tile
    blended    w_i falls linearly to the edges that tile i shares with others (w / sum of all w)

Tiles have one size (one compiled program); the last lies against the edge of the frame, so that it
shares more with the one before.  Rows and columns are tiled alike and their weights multiply.
Everything is counted in latents but the weights, which are for each row of the result.
"""

import dataclasses

import numpy as np

Pieces = list[tuple[int, np.ndarray]]  # (first latent, weights of its rows) of each tile


@dataclasses.dataclass(frozen=True)
class Tiling:
    """How large frames are cut.

    Attributes:
      rows: of pixels that the model sees at once.
      columns: the same.
      overlap: pixels that neighbouring tiles share; None for the least that is exact, or, where
        ``blended``, for a quarter of the smaller side.
      blended: any overlap and any model, with seams; otherwise the results of whole frames.
    """

    rows: int
    columns: int
    overlap: int | None = None
    blended: bool = False

    def in_latents(self, spatial: int, least: int) -> tuple[int, int, int]:
        """(rows, columns, overlap) in latents of ``spatial`` pixels.

        Args:
          spatial: pixels of a latent.
          least: latents of overlap that are exact.

        Raises:
          ValueError: a number that does not fit; the message has the least that would.
        """
        overlap = self.overlap
        if overlap is None:
            quarter = min(self.rows, self.columns) // 4 // spatial * spatial
            overlap = quarter if self.blended else least * spatial
        for name, pixels in (("rows", self.rows), ("columns", self.columns), ("overlap", overlap)):
            if pixels % spatial or pixels < (0 if name == "overlap" else spatial):
                above = max(-(-pixels // spatial), name != "overlap") * spatial
                raise ValueError(
                    f"the {name} of tiles are a multiple of {spatial} pixels in this model, "
                    f"got {pixels}: use {above}."
                )
        if not self.blended and overlap < least * spatial:
            raise ValueError(
                f"tiles that share {overlap} pixels are not exact: this model reads "
                f"{least * spatial} around a cut. Use an overlap of {least * spatial} or more, or "
                "blend."
            )
        smaller = min(self.rows, self.columns)
        if smaller <= overlap:
            raise ValueError(
                f"a tile of {self.rows} x {self.columns} has nothing of its own beside an overlap "
                f"of {overlap}: use sides of {overlap + spatial} or more."
            )
        return self.rows // spatial, self.columns // spatial, overlap // spatial


def starts(size: int, tile: int, overlap: int) -> list[int]:
    """The first latent of each tile of a side of ``size`` latents; one tile where it fits in."""
    if size <= tile:
        return [0]
    steps = -(-(size - tile) // (tile - overlap))
    return [*((tile - overlap) * i for i in range(steps)), size - tile]


def exact(size: int, tile: int, overlap: int, before: int, scale: int) -> Pieces:
    """Equation (1) where each place belongs to one tile.

    Args:
      size: latents of the side.
      tile: latents of a tile.
      overlap: that neighbours share, at least ``before`` and what is read behind.
      before: latents that the model reads before a place.
      scale: rows of the result for a latent.
    """
    tile, first = min(tile, size), starts(size, tile, overlap)
    cuts = [0, *(start + before for start in first[1:]), size]
    pieces = []
    for start, begin, end in zip(first, cuts[:-1], cuts[1:], strict=True):
        place = np.arange(start, start + tile)
        own = (begin <= place) & (place < end)
        pieces.append((start, np.repeat(own, scale).astype(np.float32)))
    return pieces


def blended(size: int, tile: int, overlap: int, scale: int) -> Pieces:
    """Equation (1) with ramps over what is shared; arguments as :func:`exact`."""
    tile, first = min(tile, size), starts(size, tile, overlap)
    place = np.arange(tile * scale) + 0.5
    total, ramps = np.zeros(size * scale), []
    for start in first:
        ramp = np.ones(tile * scale)
        if overlap and start > 0:
            ramp = np.minimum(ramp, place / (overlap * scale))
        if overlap and start + tile < size:
            ramp = np.minimum(ramp, place[::-1] / (overlap * scale))
        ramps.append(ramp)
        total[start * scale : (start + tile) * scale] += ramp
    return [
        (start, (ramp / total[start * scale : (start + tile) * scale]).astype(np.float32))
        for start, ramp in zip(first, ramps, strict=True)
    ]
