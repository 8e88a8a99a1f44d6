import numpy as np
import pytest

from pv_vae_jax.evaluation import tiles


def chunks(steps, size):
    return (steps[:, first : first + size] for first in range(0, steps.shape[1], size))


@pytest.mark.parametrize("length, stride", [(16, 12), (4, 3)])
@pytest.mark.parametrize("count", [1, 5, 13, 17, 21, 25, 29, 61, 65])
def test_tiles_of_what_each_step_says_of_itself_are_the_whole(count, length, stride):
    steps = np.random.default_rng(count).standard_normal((2, count, 3))
    seen = []

    def alone(tile):
        seen.append(tile.shape[1])
        return np.exp(tile)

    found = tiles.blended(alone, chunks(steps, 7), length, stride, length - stride, stride)
    found = np.concatenate([np.asarray(each) for each in found], axis=1)
    np.testing.assert_allclose(found, np.exp(steps), rtol=1e-6)
    assert max(seen) <= length + 1
    assert min(seen) > 1 or count == 1  # a tile that would be left out is not computed


def test_a_step_of_two_tiles_goes_over_from_the_earlier_to_the_later():
    numbers = iter(range(9))

    def number(tile):
        return np.full(tile.shape, float(next(numbers)))

    found = tiles.blended(number, [np.zeros((1, 29, 1))], 16, 12, 4, 12)
    found = np.concatenate([np.asarray(each) for each in found], axis=1)[0, :, 0]
    edge = [0, 0.25, 0.5, 0.75]
    first, second, third = [0.0] * 13, [*edge, *[1.0] * 8], [1 + each for each in edge]
    np.testing.assert_allclose(found, [*first, *second, *third], rtol=1e-6)


def test_memory_is_that_of_a_tile():
    """The stream is not read before a tile needs it."""
    read = []

    def steps():
        for number in range(65):
            read.append(number)
            yield np.full((1, 1, 1), float(number))

    found = tiles.blended(np.asarray, steps(), 16, 12, 4, 12)
    next(found)
    assert len(read) == 17
    next(found)
    assert len(read) == 29
