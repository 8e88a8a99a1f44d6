import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.models.padding import Padding

RANDOM = np.random.default_rng(0)
LATENTS = RANDOM.standard_normal((2, 2, 1, 2, 3)).astype(np.float32)  # G' = 2 of G = 3 groups
OBSERVED = np.array([[True, True, False], [True, False, False]])
NOISE = RANDOM.standard_normal((2, 3, 1, 2, 3)).astype(np.float32)
TOKEN = np.array([1.0, 2.0, 3.0], np.float32)
FILL = {
    "token": np.broadcast_to(TOKEN, NOISE.shape),
    "gaussian": NOISE,
    "zeros": np.zeros_like(NOISE),
}


def pad(kind, latents=LATENTS, noise=NOISE):
    variables = {"params": {"token": jnp.asarray(TOKEN)}} if kind == "token" else {}
    return Padding(3, kind).apply(variables, latents, OBSERVED, noise)


@pytest.mark.parametrize("kind", FILL)
def test_missing_and_withheld_latents_become_the_padding_and_no_other(kind):
    padded = pad(kind)
    np.testing.assert_array_equal(padded[0, :2], LATENTS[0])
    np.testing.assert_array_equal(padded[1, :1], LATENTS[1, :1])
    np.testing.assert_array_equal(padded[0, 2:], FILL[kind][0, 2:])
    np.testing.assert_array_equal(padded[1, 1:], FILL[kind][1, 1:])


@pytest.mark.parametrize("kind", FILL)
def test_padding_holds_nothing_of_a_withheld_latent_not_even_nan(kind):
    broken = LATENTS.copy()
    broken[1, 1] = np.nan
    np.testing.assert_array_equal(pad(kind, broken), pad(kind))


def test_only_the_token_has_a_parameter_and_it_is_one_vector():
    for kind in FILL:
        variables = Padding(3, kind).init(jax.random.key(0), LATENTS, OBSERVED, NOISE)
        shapes = jax.tree.map(jnp.shape, variables)
        assert shapes == ({"params": {"token": (3,)}} if kind == "token" else {})


def test_what_cannot_be_padded_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match=r"noise of shape \(2, 3, 1, 2, 3\), got None"):
        pad("gaussian", noise=None)
    with pytest.raises(ValueError, match="4 latents for 3 groups: cut to the first 3"):
        pad("zeros", np.zeros((2, 4, 1, 2, 3), np.float32))
