import jax
import numpy as np
import pytest

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
