"""Latte against the public torch implementation (tests/golden/make_latte.py)."""

import functools
import json
import pathlib

import jax
import numpy as np
import pytest

from pv_vae_jax.core import trees
from pv_vae_jax.models import latte_positions, latte_sizes
from tests.golden import make_latte as reference
from tests.golden.zoo import rule

with np.load(pathlib.Path(reference.__file__).with_name("latte.npz")) as file:
    GOLDEN = dict(file)
HEADS = reference.FIELDS["heads"]
NAMES = {
    "x_embedder.proj": "patches",
    "t_embedder.mlp.0": "time_embedding/hidden",
    "t_embedder.mlp.2": "time_embedding/out",
    "y_embedder.embedding_table": "label_embedding",
    "final_layer.adaLN_modulation.1": "final/modulation",
    "final_layer.linear": "final/out",
}
IN_BLOCK = {
    "attn.qkv": "attention/qkv",
    "attn.proj": "attention/out",
    "mlp.fc1": "mlp_in",
    "mlp.fc2": "mlp_out",
    "adaLN_modulation.1": "modulation",
}
PATCHES = pytest.mark.parametrize("patch", reference.PATCHES)


def ours(name, leaf):
    """Our path and leaf for one of the reference's."""
    layer, _, kind = name.rpartition(".")
    if layer.startswith("blocks."):
        _, i, layer = layer.split(".", 2)
        path = f"block_{i}/{IN_BLOCK[layer]}"
    else:
        path = NAMES[layer]
    if path.endswith("qkv"):  # theirs by q, k, v, then by head; ours by head first
        leaf = leaf.reshape(3, HEADS, -1, *leaf.shape[1:]).swapaxes(0, 1).reshape(leaf.shape)
    if kind == "bias":
        return f"{path}/bias", leaf
    if path == "label_embedding":
        return f"{path}/embedding", leaf
    if leaf.ndim == 4:
        return f"{path}/kernel", leaf.transpose(2, 3, 1, 0).reshape(-1, leaf.shape[0])
    return f"{path}/kernel", leaf.T


def params_of(patch):
    layout = json.loads(str(GOLDEN[f"layout_{patch}"]))
    state = {name: tuple(shape) for name, shape in layout.items() if not name.endswith("_embed")}
    return trees.unflatten(dict(ours(name, rule.tensor(name, s)) for name, s in state.items()))


@functools.cache
def network(patch):
    return latte_sizes.build(
        "latte_tiny", channels=reference.SHAPE[-1], patch=patch, **reference.FIELDS
    )


@functools.cache
def outputs(patch):
    run = jax.jit(network(patch).apply, static_argnames="features")
    inputs = reference.latents(), reference.TIMES, reference.LABELS
    return run({"params": params_of(patch)}, *inputs, features=(1, 2, 3, 4))


@PATCHES
def test_the_parameters_are_those_of_the_reference_without_its_places(patch):
    theirs = trees.flatten(params_of(patch))
    found = trees.flatten(latte_sizes.shapes(network(patch)))
    assert {path: leaf.shape for path, leaf in found.items()} == {
        path: leaf.shape for path, leaf in theirs.items()
    }


@PATCHES
def test_the_velocity_equals_the_reference(patch):
    velocity, _ = outputs(patch)
    golden = GOLDEN[f"velocity_{patch}"]
    assert golden.std() > 0.5
    np.testing.assert_allclose(velocity, golden, rtol=0, atol=1e-5)


@pytest.mark.parametrize("layer", range(1, 5))
def test_the_features_equal_the_blocks_of_the_reference(layer):
    found = np.asarray(outputs(2)[1][layer])
    b, g, h, w, c = found.shape
    if layer % 2:
        found = found.reshape(b * g, h * w, c)
    else:
        found = found.reshape(b, g, h * w, c).transpose(0, 2, 1, 3).reshape(-1, g, c)
    np.testing.assert_allclose(found, GOLDEN[f"block_{layer}_2"], rtol=0, atol=1e-5)


@PATCHES
def test_the_places_equal_the_reference(patch):
    _, groups, rows, columns, _ = reference.SHAPE
    width = reference.FIELDS["width"]
    found = latte_positions.space(rows // patch, columns // patch, width)
    np.testing.assert_allclose(found.reshape(-1, width), GOLDEN[f"space_{patch}"], atol=1e-7)
    found = latte_positions.time(groups, width)
    np.testing.assert_allclose(found.reshape(groups, width), GOLDEN["time"], atol=1e-7)


@pytest.mark.parametrize("size", reference.SIZES)
def test_each_size_has_the_reference_s_parameters_but_for_places_and_learned_variances(size):
    theirs = json.loads(str(GOLDEN["counts"]))[size]
    module = latte_sizes.build(f"latte_{size.lower()}", channels=4, patch=2, classes=101)
    # Its places are stored, though not learned: 16 frames and 16 x 16 tokens.
    assert theirs["places"] == (16 + 256) * module.width
    # Its last layer says 4 more channels of each of 2 x 2 pixels: the variances of diffusion.
    variances = 2 * 2 * 4 * (module.width + 1)
    assert theirs["final"] == 2 * variances
    found = trees.count(latte_sizes.shapes(module))
    assert found == theirs["all"] - theirs["places"] - variances
