"""Chunks in, chunks out, with memory that does not grow.

    whole clip of 1 + p n frames = a first chunk of 1 + p a frames, then chunks of p b frames   (1)
    latents of the clip          = 1 + a latents,                   then b latents a chunk

Each causal layer keeps its last frames in the ``cache`` collection, under its own path; the first
chunk is the one for which the collection is empty.  One program for each chunk shape.

Where the chunks of a reference implementation are part of a model, a and b are not free: n latents
are decoded in chunks of

    n = (q + n mod q) + q + q + ...,      or n at once if n < 2 q                           (2)

and the p n frames behind frame 0 are encoded in chunks of p times as many, the first with frame 0.
So an odd number of latents is decoded as it was encoded, but an even one is encoded 2 q + q + ...
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import flax.linen as nn
import jax

from pv_vae_jax.core import dims
from pv_vae_jax.interface import ALL, LatentSpec, Posterior


@functools.partial(jax.jit, static_argnums=(0, 1))
def step(module: nn.Module, method: str, params, cache, chunk: jax.Array):
    """One chunk through ``method``: its result, and the cache for the next (None at first)."""
    variables = {"params": params} | ({} if cache is None else {"cache": cache})
    out, state = module.apply(variables, chunk, method=method, mutable=["cache"])
    return out, state.get("cache", {})


Step = Callable[..., tuple[Any, Any]]


def _stream(module: nn.Module, method: str, params, chunks: Iterable[jax.Array], step: Step):
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


def reference_chunks(steps: int, size: int) -> list[int]:
    """Equation (2): the chunks of n = ``steps`` for q = ``size``, as they are decoded."""
    if steps < 2 * size:
        return [steps]
    return [size + steps % size] + [size] * (steps // size - 1)


def encoded_chunks(steps: int, size: int) -> list[int]:
    """Latents of each chunk in which the clip of ``steps`` latents is encoded, equation (2)."""
    first, *later = reference_chunks(steps - 1, size)
    return [1 + first, *later]


def _planned(
    chunks: Iterable[jax.Array], size: int, step: int, alone: int, unit: str
) -> Iterator[jax.Array]:
    """The same chunks; ValueError at the first that is not one of equation (2)."""
    least, most = alone + size, alone + 2 * size - step
    first = None
    for number, chunk in enumerate(chunks):
        length = chunk.shape[1]
        if first is None:
            first = length
            if not 1 <= first <= most:
                raise ValueError(
                    f"the first chunk of a stream of this model has 1 to {most} {unit}, got "
                    f"{first}: its norms see chunks of {size}, the remainder with the first."
                )
        elif first < least or length != size:
            raise ValueError(
                f"chunk {number} of a stream has {length} {unit} behind a first one of {first}, "
                f"but the norms of this model see chunks of {size}, the remainder with the first: "
                f"begin with {least} to {most}, then {size} each."
            )
        yield chunk


def _halved(chunks: Iterable[jax.Array], length: int) -> Iterator[jax.Array]:
    """The same chunks, but a first one of ``length`` as two."""
    for number, chunk in enumerate(chunks):
        if number == 0 and chunk.shape[1] == length:
            yield chunk[:, : length // 2]
            yield chunk[:, length // 2 :]
        else:
            yield chunk


def _ended(chunks: Iterable[jax.Array]) -> Iterator[jax.Array]:
    """The chunks, then one of no latents: a decoder that looks ahead gives what it held back."""
    chunk = None
    for chunk in chunks:
        yield chunk
    if chunk is not None:
        yield chunk[:, :0]


def _bounded(spec: LatentSpec, chunks: Iterable[jax.Array], frames: int) -> Iterator[jax.Array]:
    """The same chunks, each latent step ``frames`` long; ValueError beyond ``spec.max_groups``."""
    groups = 0
    for number, chunk in enumerate(chunks):
        if not chunk.shape[1]:
            raise ValueError(f"chunk {number} of a stream is empty: hand over what there is.")
        groups += -(-chunk.shape[1] // frames)
        spec.check_length(groups)
        yield chunk


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


def encode_stream(
    module: nn.Module, params, chunks: Iterable[jax.Array], step: Step = step
) -> Iterator[Posterior]:
    """Posteriors of a video that comes in chunks, equation (1).

    Args:
      module: a PVVAE.
      params: its parameters.
      chunks: float ``[B, T, H, W, 3]`` in [-1, 1]; 1 + p a frames first, then p b, any a and b
        (those of equation (2) where ``streaming`` is "reference_chunks").
      step: what runs a chunk, with the arguments and results of :func:`step`.

    Yields:
      The posterior of each chunk's groups.

    Raises:
      ValueError: a chunk's length or size, or the length of all together, does not fit.
    """
    spec, chunks = module.spec, _checked(module, chunks)
    chunks = _bounded(spec, chunks, spec.temporal)
    if spec.streaming == "none" and not spec.encoder_causal:
        raise ValueError(
            "in this encoder latents depend on later frames, so it has no exact stream: encode the "
            "whole clip at once."
        )
    if spec.streaming == "reference_chunks":
        size = spec.temporal * spec.reference_chunk
        chunks = _planned(chunks, size, spec.temporal, 1, "frames")
    return _stream(module, "chunk_posterior", params, chunks, step)


def decode_stream(
    module: nn.Module, params, chunks: Iterable[jax.Array], step: Step = step
) -> Iterator[jax.Array]:
    """Video of latents that come in chunks: raw ``[B, any, h, w, c]`` to float32 video chunks.

    Where ``streaming`` is "reference_chunks", the chunks are those of equation (2), or those that
    :func:`encode_stream` gives: a first one of 2 q is decoded as two.

    Raises:
      ValueError: the decoder looks at latents of later chunks, or a chunk does not fit.
    """
    spec, ahead = module.spec, module.spec.decoder_lookahead
    chunks = _bounded(spec, chunks, 1)
    if spec.streaming == "none":
        far = f"{ahead} latents ahead" if ahead < ALL else "at all latents"
        raise ValueError(
            f"this decoder looks {far}, so it has no exact stream: decode the whole clip at once, "
            "or take a model whose decoder is causal (of PV-VAE: decoder_causal = True)."
        )
    if spec.streaming == "reference_chunks":
        chunks = _halved(chunks, 2 * spec.reference_chunk)
        chunks = _planned(chunks, spec.reference_chunk, 1, 0, "latents")
    elif ahead:
        chunks = _ended(chunks)
    return _stream(module, "decode_raw", params, chunks, step)
