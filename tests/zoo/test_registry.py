import jax
import numpy as np
import pytest

from pv_vae_jax.core import trees
from pv_vae_jax.zoo import registry
from tests import tiny


def test_describe_allocates_nothing_and_counts_the_661m_model():
    before = len(jax.live_arrays())
    about = registry.describe("pv_vae_661m")
    assert (str(about.spec), about.parameters) == ("t4s16c64", 660_162_947)
    assert about.table.splitlines()[-1].split() == ["total", "660,162,947"]
    assert len(jax.live_arrays()) - before < 4  # the key, at most


def test_create_is_a_function_of_the_seed_and_agrees_with_describe():
    first, again, other = (
        registry.create("pv_vae_tiny", seed=seed, **tiny.FIELDS) for seed in (0, 0, 1)
    )
    assert first.parameters == registry.describe("pv_vae_tiny", **tiny.FIELDS).parameters
    flat = [trees.flatten(vae.params) for vae in (first, again, other)]
    for path, leaf in flat[0].items():
        np.testing.assert_array_equal(leaf, flat[1][path])
        assert leaf.dtype == np.float32
        if path.endswith("kernel"):
            assert np.abs(leaf - flat[2][path]).max() > 0
    assert first.config["name"] == "pv_vae_tiny"
    assert first.config["fields"]["widths"] == tiny.FIELDS["widths"]
    np.testing.assert_array_equal(first.std, np.ones(4))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="no model is named 'wan9'; there are: pv_vae_tiny"):
        registry.create("wan9")
