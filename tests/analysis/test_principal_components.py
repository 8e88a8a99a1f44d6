import numpy as np
import pytest

from pv_vae_jax.analysis import principal_components
from pv_vae_jax.analysis.principal_components import Basis, Moments

RNG = np.random.default_rng(0)
PLANTED = np.array([3.0, -2.0, 6.0, 0.0]) / 7


def latents(shape=(5, 4, 4)):
    """One direction of standard deviation 3 in noise of 0.1, around a mean."""
    along = 3 * RNG.normal(size=(*shape, 1))
    return along * PLANTED + 0.1 * RNG.normal(size=(*shape, 4)) + np.array([5.0, 0, -2, 1])


def test_a_planted_component_is_found_with_its_sign_and_variance():
    z = latents()
    basis = Basis.of(Moments.of(z))
    assert basis.components[0] @ PLANTED > 0.999  # its largest entry, 6/7, is positive
    assert basis.shares(1)[0] > 0.99
    flipped = Basis.of(Moments.of(-z))
    np.testing.assert_allclose(flipped.components[0], basis.components[0], atol=1e-9)


def test_variances_are_those_of_a_singular_value_decomposition():
    z = latents().reshape(-1, 4)
    basis = Basis.of(Moments.of(z))
    centred = z - z.mean(axis=0)
    singular = np.linalg.svd(centred, compute_uv=False)
    np.testing.assert_allclose(basis.variances, singular**2 / len(z), rtol=1e-9)
    np.testing.assert_allclose(basis.mean, z.mean(axis=0))
    projected = basis.projected(z, count=4)
    np.testing.assert_allclose(np.cov(projected.T, bias=True), np.diag(basis.variances), atol=1e-9)
    np.testing.assert_allclose(basis.shares(4).sum(), 1)


def test_the_shared_basis_is_that_of_all_latents_together():
    one, other = latents(), latents((3, 2, 2)) + 1
    both = np.concatenate([one.reshape(-1, 4), other.reshape(-1, 4)])
    added = Basis.of(Moments.added([Moments.of(one), Moments.of(other)]))
    whole = Basis.of(Moments.of(both))
    np.testing.assert_allclose(added.components[0], whole.components[0], atol=1e-9)
    np.testing.assert_allclose(added.variances, whole.variances, rtol=1e-9)


def test_colours_reach_from_the_low_percentile_to_the_high_one():
    projected = np.stack([np.linspace(0, 100, 101)] * 3, axis=-1)
    projected[:, 2] = 7  # does not vary
    colours = principal_components.coloured(projected, principal_components.scale(projected))
    assert colours[[0, 2, 98, 100], 0].tolist() == [0, 0, 255, 255]
    assert colours[50, 1] == 128 and set(colours[:, 2].tolist()) == {128}


@pytest.mark.parametrize("channels", [1, 2])
def test_latents_of_fewer_channels_than_colours_have_components_of_zero(channels):
    z = RNG.normal(size=(3, 2, 2, channels))
    basis = Basis.of(Moments.of(z))
    assert basis.projected(z).shape == (3, 2, 2, 3)
    assert not basis.projected(z)[..., channels:].any()
    assert basis.shares().shape == (3,) and basis.shares()[channels:].sum() == 0


def test_latents_that_do_not_vary_explain_nothing():
    assert not Basis.of(Moments.of(np.ones((2, 2, 2, 4)))).shares().any()
