import hashlib

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


def test_a_digest_is_of_paths_shapes_and_bytes():
    bytes_of = np.ones(3).tobytes()
    written = b"bias(3,)" + bytes_of + b"kernel(2, 3)" + bytes_of * 2
    assert trees.digest(TREE["encoder"]["conv"]) == hashlib.sha256(written).hexdigest()
    digests = {trees.digest(TREE), trees.digest({"a": TREE}), trees.digest(TREE["encoder"])}
    conv = TREE["encoder"]["conv"]
    digests.add(trees.digest({"kernel": conv["kernel"].T, "bias": conv["bias"]}))
    assert len(digests) == 4


def test_the_table_ends_with_the_count():
    assert trees.count(TREE) == 13
    assert trees.table(TREE).splitlines()[-1].split() == ["total", "13"]
