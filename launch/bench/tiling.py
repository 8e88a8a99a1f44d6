"""Memory of large frames: the programs that run on whole frames, and those of exact tiles.

    whole    temporaries of the compiled encoder and decoder, arguments and results apart
    tiles    the larger of the two programs of each half: high on a tile, low on whole frames
    work     FLOPs of the tiles over those of whole frames: what is shared is computed twice

Compiled for this machine's device, not run.

    python -m launch.bench tiling --model pv_vae_small --size 512 --tile 256x256
"""

import argparse
import functools
from typing import Any

from launch import door
from launch import models as of_doors

MIB = 2**20


def main(argv: list[str]) -> None:
    """Runs the benchmark."""
    it = argparse.ArgumentParser(
        prog="python -m launch.bench tiling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("--model", default="pv_vae_small", help="a named model")
    it.add_argument("--frames", type=door.count, default=5, help="T of a clip or chunk, 1 + 4n")
    it.add_argument("--size", type=door.count, default=512, help="rows and columns of a frame")
    of_doors.add_tiles(it)
    args = it.parse_args(argv)
    args.tile = args.tile or "256x256"
    if args.blend:
        raise ValueError("this benchmark is of exact tiles: leave --blend out.")
    rows, columns = of_doors.tile_sides(args.tile)
    if max(rows, columns) > args.size:
        raise ValueError(f"--tile {args.tile} is larger than a frame of --size {args.size}.")

    from pv_vae_jax.models import tiled_vae, tiling
    from pv_vae_jax.zoo import registry

    module = registry.build(args.model)
    tiles = tiling.Tiling(rows, columns, args.overlap)
    side = module.spec.spatial
    least = tiled_vae.least_overlap(module)
    height, width, overlap = tiles.in_latents(side, least)
    grid = [len(tiling.starts(args.size // side, each, overlap)) for each in (height, width)]
    print(
        f"{args.model}, {args.frames} frames of {args.size} x {args.size}: {grid[0]} x {grid[1]} "
        f"tiles of {args.tile}, overlap {overlap * side} (least {least * side})"
    )
    for line in lines(module, args.frames, args.size, (rows, columns), grid[0] * grid[1]):
        print(line)


def lines(module: Any, frames: int, size: int, tile: tuple[int, int], count: int) -> list[str]:
    """A line for each half of the model."""
    import jax
    import jax.numpy as jnp

    shaped = functools.partial(jax.ShapeDtypeStruct, dtype=jnp.float32)
    spec = module.spec
    video, part = (shaped((1, frames, *sides, 3)) for sides in ((size, size), tile))
    latents = shaped((1, *spec.latent_shape(frames, size, size)))
    features = {
        half: _shape(module, method, x)
        for half, method, x in (
            ("encoder", "encode_high", video),
            ("decoder", "decode_low", latents),
        )
    }
    cut = [side // spec.spatial for side in tile]
    above = features["decoder"]
    small = jax.ShapeDtypeStruct((*above.shape[:2], *cut, above.shape[-1]), above.dtype)
    programs = {
        "encoder": (
            ("posterior", video),
            ("encode_high", part),
            ("encode_low", features["encoder"]),
        ),
        "decoder": (("decode_raw", latents), ("decode_high", small), ("decode_low", latents)),
    }
    found = []
    for half, ways in programs.items():
        (whole, work), (high, high_work), (low, low_work) = (_cost(module, *way) for way in ways)
        tiled = max(high, low)
        found.append(
            f"  {half}: {whole / MIB:8.1f} MiB whole, {tiled / MIB:8.1f} MiB in tiles (high "
            f"{high / MIB:.1f}, low {low / MIB:.1f}), {whole / tiled:.1f} times less; work "
            f"x {(count * high_work + low_work) / work:.2f}"
        )
    return found


def _shape(module: Any, method: str, x: Any) -> Any:
    import jax

    from pv_vae_jax.zoo import registry

    apply = functools.partial(module.apply, method=method)
    return jax.eval_shape(apply, {"params": registry.shapes(module)}, x)


def _cost(module: Any, method: str, x: Any) -> tuple[int, int]:
    """(bytes of temporaries, FLOPs) of a method of the model."""
    import jax

    from pv_vae_jax.costs import flops
    from pv_vae_jax.zoo import registry

    def apply(params, x):
        return module.apply({"params": params}, x, method=method)

    arguments = registry.shapes(module), x
    program = jax.jit(apply).lower(*arguments).compile()
    counted = flops.of(apply, *arguments).model
    return program.memory_analysis().temp_size_in_bytes, counted
