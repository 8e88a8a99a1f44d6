import dataclasses

import jax
import numpy as np
import pytest

from pv_vae_jax import interface
from pv_vae_jax.models import streaming
from tests import tiny


@pytest.fixture(scope="module")
def model():
    module = tiny.module()
    return module, tiny.params(module)


def clip(*frames, size=16):
    return [np.zeros((1, count, size, size, 3), np.float32) for count in frames]


def test_the_memory_of_a_stream_does_not_grow(model):
    module, params = model
    cache, sizes = None, []
    for chunk in clip(5, 4, 4, 4):
        _, cache = streaming.step(module, "chunk_posterior", params, cache, chunk)
        sizes.append(sum(leaf.size for leaf in jax.tree.leaves(cache)))
    assert len(set(sizes)) == 1 and sizes[0] > 0


def test_each_chunk_shape_is_compiled_once(model):
    module, params = model
    before = streaming.step._cache_size()
    list(streaming.decode_stream(module, params, [np.zeros((3, 1, 1, 1, 4), np.float32)] * 4))
    assert streaming.step._cache_size() - before == 2  # the first chunk and the later ones


@pytest.mark.parametrize(
    "chunks, sentence",
    [
        (clip(4), r"1 \+ 4n frames, got 4: cut to 1 or pad to 5"),
        (clip(5, 5), r"chunk 1 of a stream has 4n frames .* got 5: hand over 4 or 8"),
        (clip(1, 4, 3), r"chunk 2 of a stream has 4n frames .* got 3: hand over 4"),
        (clip(1, size=18), "height of a clip is a multiple of 16, got 18"),
        ([clip(1)[0], clip(4, size=32)[0]], r"chunk 1 .* is 32 x 32 .* began with 16 x 16"),
    ],
    ids=["first", "later", "too short", "size", "another size"],
)
def test_a_chunk_that_does_not_fit_is_refused_with_a_sentence(model, chunks, sentence):
    with pytest.raises(ValueError, match=sentence):
        list(streaming.encode_stream(*model, chunks))


def test_an_empty_chunk_of_latents_is_refused(model):
    for steps in ((0,), (2, 0, 1)):
        with pytest.raises(ValueError, match=f"chunk {steps.index(0)} of a stream is empty"):
            list(streaming.decode_stream(*model, latents(*steps)))


def latents(*steps):
    return [np.zeros((1, count, 1, 1, 4), np.float32) for count in steps]


@pytest.fixture(scope="module")
def by_twos(model):
    """The model with the spec of one whose norms see chunks of 2 latents."""
    module, params = model
    spec = dataclasses.replace(
        module.spec, decoder_lookahead=2, streaming="reference_chunks", reference_chunk=2
    )
    return module.clone(spec=spec), params


def test_a_clip_falls_into_the_chunks_of_a_reference_with_the_remainder_in_the_first():
    for frames in range(1, 50, 4):
        rest, groups = frames % 8, 1 + frames // 4
        lengths = [8 + rest] + [8] * (frames // 8 - 1) if frames >= 8 else [frames]
        assert sum(lengths) == frames
        first, *later = streaming.encoded_chunks(groups, 2)
        assert [1 + 4 * (first - 1)] + [4 * steps for steps in later] == lengths
        rest = groups % 2
        steps = [2 + rest] + [2] * (groups // 2 - 1) if groups >= 2 else [groups]
        assert streaming.reference_chunks(groups, 2) == steps
    assert streaming.encoded_chunks(6, 2) == [4, 2]
    assert streaming.reference_chunks(6, 2) == [2, 2, 2]


def test_a_stream_in_chunks_of_the_reference_passes(by_twos):
    lengths = [part.mean.shape[1] for part in streaming.encode_stream(*by_twos, clip(9, 8, 8))]
    assert lengths == [3, 2, 2]
    lengths = [part.shape[1] for part in streaming.decode_stream(*by_twos, latents(3, 2, 2))]
    assert lengths == [9, 8, 8]


def test_an_even_number_of_latents_is_decoded_otherwise_than_it_was_encoded(by_twos):
    lengths = [part.mean.shape[1] for part in streaming.encode_stream(*by_twos, clip(13, 8))]
    assert lengths == [4, 2]
    lengths = [part.shape[1] for part in streaming.decode_stream(*by_twos, latents(4, 2))]
    assert lengths == [5, 8, 8]


@pytest.mark.parametrize(
    "chunks, sentence",
    [
        (clip(17), "the first chunk of a stream .* has 1 to 13 frames, got 17: its norms see .* 8"),
        (clip(5, 8), "chunk 1 .* has 8 frames behind a first one of 5, .* begin with 9 to 13"),
        (clip(9, 4), "chunk 1 .* has 4 frames behind a first one of 9, .* then 8 each"),
        (
            latents(5),
            "the first chunk of a stream .* has 1 to 3 latents, got 5: its norms see .* 2",
        ),
        (latents(1, 2), "chunk 1 .* has 2 latents behind a first one of 1, .* begin with 2 to 3"),
        (latents(3, 1), "chunk 1 .* has 1 latents behind a first one of 3, .* then 2 each"),
    ],
    ids=["first", "too short a first", "later", "latents", "too few latents", "later latents"],
)
def test_chunks_that_are_not_those_of_the_reference_are_refused(by_twos, chunks, sentence):
    stream = streaming.encode_stream if chunks[0].shape[-1] == 3 else streaming.decode_stream
    with pytest.raises(ValueError, match=sentence):
        list(stream(*by_twos, chunks))


@pytest.mark.parametrize("ahead, far", [(2, "2 latents ahead"), (interface.ALL, "at all latents")])
def test_a_model_that_sees_whole_clips_has_no_stream(by_twos, ahead, far):
    module, params = by_twos
    module = module.clone(
        spec=dataclasses.replace(
            module.spec, encoder_causal=False, decoder_lookahead=ahead, streaming="none"
        )
    )
    with pytest.raises(ValueError, match=f"this decoder looks {far}, so it has no exact stream"):
        streaming.decode_stream(module, params, latents(1))
    with pytest.raises(ValueError, match="latents depend on later frames, so it has no exact"):
        streaming.encode_stream(module, params, clip(5))


def test_a_decoder_that_looks_ahead_is_told_when_the_stream_ends():
    ended = list(streaming._ended(latents(2, 1)))
    assert [chunk.shape[1] for chunk in ended] == [2, 1, 0]
    assert list(streaming._ended([])) == []
