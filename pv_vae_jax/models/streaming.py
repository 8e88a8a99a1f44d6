"""Chunks in, chunks out, with memory that does not grow.

    whole clip of 1 + p n frames = a first chunk of 1 + p a frames, then chunks of p b frames   (1)
    latents of the clip          = 1 + a latents,                   then b latents a chunk

Each causal layer keeps its last frames in the ``cache`` collection, under its own path; the first
chunk is the one for which the collection is empty.  One program for each chunk shape.
"""

import functools
from collections.abc import Iterable, Iterator

import flax.linen as nn
import jax

from pv_vae_jax.core import dims
from pv_vae_jax.interface import Posterior


@functools.partial(jax.jit, static_argnums=(0, 1))
def step(module: nn.Module, method: str, params, cache, chunk: jax.Array):
    """One chunk through ``method``: its result, and the cache for the next (None at first)."""
    variables = {"params": params} | ({} if cache is None else {"cache": cache})
    out, state = module.apply(variables, chunk, method=method, mutable=["cache"])
    return out, state["cache"]


def _stream(module: nn.Module, method: str, params, chunks: Iterable[jax.Array]) -> Iterator:
    cache, first = None, None
    for number, chunk in enumerate(chunks):
        kept = (chunk.shape[0], *chunk.shape[2:])
        first = first or kept
        if kept != first:
            raise ValueError(
                f"chunk {number} of a stream is {kept[1]} x {kept[2]} in a batch of {kept[0]}, "
                f"but it began with {first[1]} x {first[2]} in a batch of {first[0]}."
            )
        out, cache = step(module, method, params, cache, chunk)
        yield out


def _checked(module: nn.Module, chunks: Iterable[jax.Array]) -> Iterator[jax.Array]:
    temporal = module.spec.temporal
    for number, chunk in enumerate(chunks):
        frames = chunk.shape[1]
        dims.check_size(*chunk.shape[2:4], module.spec.spatial)
        if number == 0:
            dims.groups_of(frames, temporal)
        elif frames % temporal or frames < temporal:
            below = frames // temporal * temporal
            raise ValueError(
                f"chunk {number} of a stream has {temporal}n frames (only the first has 1 more), "
                f"got {frames}: hand over {f'{below} or ' if below else ''}{below + temporal}."
            )
        yield chunk


def encode_stream(module: nn.Module, params, chunks: Iterable[jax.Array]) -> Iterator[Posterior]:
    """Posteriors of a video that comes in chunks, equation (1).

    Args:
      module: a PVVAE.
      params: its parameters.
      chunks: float ``[B, T, H, W, 3]`` in [-1, 1]; 1 + p a frames first, then p b, any a and b.

    Yields:
      The posterior of each chunk's groups.

    Raises:
      ValueError: a chunk's length or size does not fit.
    """
    return _stream(module, "chunk_posterior", params, _checked(module, chunks))


def decode_stream(module: nn.Module, params, chunks: Iterable[jax.Array]) -> Iterator[jax.Array]:
    """Video of latents that come in chunks: raw ``[B, any, h, w, c]`` to float32 video chunks.

    Raises:
      ValueError: the decoder looks at later latents.
    """
    ahead = module.spec.decoder_lookahead
    if ahead:
        raise ValueError(
            f"this decoder looks {ahead} latents ahead (decoder_causal = False), so it has no "
            "exact stream: decode the whole clip at once, or train one with decoder_causal = True."
        )
    return _stream(module, "decode_raw", params, chunks)
