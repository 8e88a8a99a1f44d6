import jax
import numpy as np
import pytest

from pv_vae_jax.core import trees

TREE = {
    "encoder": {"conv": {"kernel": np.ones((2, 3)), "bias": np.ones(3)}},
    "decoder": {"a": np.ones(4)},
}


def test_partition_and_merge_are_inverse():
    chosen, rest = trees.partition(TREE, "^decoder/")
    assert list(trees.flatten(chosen)) == ["decoder/a"]
    assert list(trees.flatten(rest)) == ["encoder/conv/bias", "encoder/conv/kernel"]
    assert jax.tree.structure(trees.merge(rest, chosen)) == jax.tree.structure(TREE)


def test_a_pattern_that_matches_nothing_is_refused_naming_the_branches():
    with pytest.raises(ValueError, match=r"'\^decodr/'; the branches are: decoder, encoder"):
        trees.partition(TREE, "^decodr/")


def test_merge_prefers_the_later_tree():
    merged = trees.merge(TREE, {"decoder": {"a": np.zeros(4)}})
    assert merged["decoder"]["a"].sum() == 0 and TREE["decoder"]["a"].sum() == 4


def test_the_table_ends_with_the_count():
    assert trees.count(TREE) == 13
    assert trees.table(TREE).splitlines()[-1].split() == ["total", "13"]
