"""The decoder of probes: places, and one budget whatever it is fed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.analysis import probe_network
from pv_vae_jax.analysis.probe_network import Probe
from pv_vae_jax.core import trees

SMALL = {"width": 8, "blocks": 1, "fine": 4}


def shapes(probe, shape):
    return jax.eval_shape(lambda: probe_network.initial(probe, jax.random.key(0), shape))


def test_all_but_the_projection_is_the_same_whatever_is_fed():
    fed = {
        4: (16, (5, 2, 2, 4)),
        64: (16, (5, 2, 2, 64)),
        7: (8, (5, 4, 4, 7)),
        9: (32, (5, 1, 1, 9)),
    }
    rest = []
    for channels, (cell, shape) in fed.items():
        params = shapes(Probe(2, 4, cell, 1), shape)
        first, others = trees.partition(params, "^projection/")
        rest.append({name: leaf.shape for name, leaf in trees.flatten(others).items()})
        inside = channels * (16 // cell) ** 2 if cell < 16 else channels
        outside = 48 * max(1, cell // 16) ** 2
        assert trees.count(first) == outside * (inside + 1)
        assert probe_network.budget(params) == {
            "projection": trees.count(first),
            "decoder": trees.count(others),
        }
    assert all(each == rest[0] for each in rest)


def test_the_decoder_begins_the_same_whatever_is_fed():
    probe = Probe(2, 2, 4, 1, **SMALL, grid=4)
    initial = jax.jit(probe_network.initial, static_argnums=(0, 2))
    one, other = (initial(probe, jax.random.key(3), (2, 1, 1, channels)) for channels in (3, 5))
    for name in ("block_0", "spread", "fine", "out"):
        jax.tree.map(np.testing.assert_array_equal, one[name], other[name])


@pytest.mark.parametrize("cell, stride", [(8, 1), (4, 2), (16, 4)])
def test_the_result_has_a_value_for_each_frame_and_place(cell, stride):
    probe = Probe(3, 4, cell, stride, **SMALL, grid=8)
    shape = 5, 32 // cell, 48 // cell, 6
    params = shapes(probe, shape)
    found = jax.eval_shape(
        lambda params: probe.apply({"params": params}, jnp.zeros((2, *shape))), params
    )
    assert found.shape == (2, 17, 32 // stride, 48 // stride, 3)


def test_a_group_becomes_its_frames_and_the_first_one_its_last():
    x = jnp.arange(3 * 4 * 2, dtype=jnp.float32).reshape(1, 3, 1, 1, 8)
    found = np.asarray(probe_network.in_time(x, 4)).reshape(-1, 2)
    np.testing.assert_array_equal(found, np.arange(24).reshape(12, 2)[3:])


def test_moments_are_of_each_channel_and_what_never_varies_has_1():
    features = np.random.default_rng(0).normal(3, 2, (4, 2, 3, 5, 2)).astype(np.float32)
    features[..., 1] = 7
    mean, std = probe_network.moments(features)
    np.testing.assert_allclose(mean, [features[..., 0].mean(), 7], rtol=1e-5)
    np.testing.assert_allclose(std, [features[..., 0].std(), 1], rtol=1e-5)


@pytest.mark.parametrize("cell, stride, size", [(12, 1, 2), (8, 3, 2), (4, 1, 3)])
def test_what_does_not_divide_is_a_sentence(cell, stride, size):
    probe = Probe(2, 4, cell, stride, **SMALL, grid=8)
    with pytest.raises(ValueError, match="divide|divisor"):
        shapes(probe, (2, size, size, 3))
