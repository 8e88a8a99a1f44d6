import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.models.patches import Embedding, Pixels

P, S = 2, 2  # frames of a group, side of a patch
NUMBERS = 3 * S * S
CLIP = np.random.default_rng(0).standard_normal((2, 5, 4, 6, 3)).astype(np.float32)


def identities():
    """``[1 + P, NUMBERS, P NUMBERS]``: a token holds the pixels of frame 0, or those of a group."""
    kernel = np.zeros((1 + P, NUMBERS, P * NUMBERS), np.float32)
    kernel[0, :, :NUMBERS] = np.eye(NUMBERS)
    for j in range(P):
        kernel[1 + j, :, j * NUMBERS : (j + 1) * NUMBERS] = np.eye(NUMBERS)
    return kernel


def embedded(video, cache=None):
    params = {"kernel": identities(), "bias": np.zeros(P * NUMBERS, np.float32)}
    variables = {"params": params} | ({"cache": cache} if cache else {})
    return Embedding(P * NUMBERS, P, S).apply(variables, video, mutable=["cache"])


def test_a_token_sums_the_patches_of_its_frames_each_by_its_own_matrix():
    tokens, _ = embedded(CLIP)
    assert tokens.shape == (2, 3, 2, 3, P * NUMBERS)
    rows, columns = slice(2, 4), slice(4, 6)  # of the patch in row 1, column 2
    patch = CLIP[:, :, rows, columns].reshape(2, 5, NUMBERS)
    np.testing.assert_array_equal(tokens[:, 0, 1, 2, :NUMBERS], patch[:, 0])
    assert not tokens[:, 0, 1, 2, NUMBERS:].any()
    for group in (1, 2):
        frames = patch[:, 2 * group - 1 : 2 * group + 1].reshape(2, -1)
        np.testing.assert_array_equal(tokens[:, group, 1, 2], frames)


def test_pixels_are_the_way_back():
    tokens, _ = embedded(CLIP)
    bias = np.arange(3.0, dtype=np.float32).reshape(3, 1) * np.ones((1, NUMBERS), np.float32)
    params = {"kernel": identities().transpose(0, 2, 1), "bias": bias}
    again = Pixels(P, S).apply({"params": params}, tokens)
    places = np.array([0, 1, 2, 1, 2], np.float32).reshape(1, 5, 1, 1, 1)  # each has a bias
    np.testing.assert_allclose(again, CLIP + places, atol=1e-6)


def test_only_the_first_chunk_of_a_stream_holds_frame_0():
    whole, _ = embedded(CLIP)
    first, state = embedded(CLIP[:, :1])
    later, _ = embedded(CLIP[:, 1:], state["cache"])
    np.testing.assert_array_equal(jnp.concatenate([first, later], axis=1), whole)


@pytest.mark.parametrize(
    ("module", "shape"), [(Embedding(8, P, S), (1, 1, 4, 4, 3)), (Pixels(P, S), (1, 1, 2, 2, 8))]
)
def test_a_still_has_the_parameters_of_a_clip_and_fresh_ones_keep_the_scale(module, shape):
    still = jax.eval_shape(module.init, jax.random.key(0), np.zeros(shape, np.float32))
    longer = (1, 3, *shape[2:])
    assert still == jax.eval_shape(module.init, jax.random.key(0), np.zeros(longer, np.float32))
    wide = Embedding(256, P, 8) if isinstance(module, Embedding) else Pixels(P, 8)
    x = np.random.default_rng(1).standard_normal((1, 3, 16, 16, 3))
    if isinstance(module, Pixels):
        x = np.random.default_rng(1).standard_normal((1, 3, 4, 4, 256))
    y, _ = wide.init_with_output(jax.random.key(2), jnp.asarray(x, jnp.float32))
    assert float(jnp.std(y[:, 0])) == pytest.approx(1, abs=0.15)
    assert float(jnp.std(y[:, 1:])) == pytest.approx(1, abs=0.15)
