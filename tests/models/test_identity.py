"""The identity of latents: what changes them changes it, what does not leaves it as it is."""

import dataclasses
import functools
import json
import types

import flax.linen as nn
import jax
import numpy as np
import pytest

from pv_vae_jax.core import trees
from pv_vae_jax.models import identity
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.zoo import registry
from tests import tiny

ROUNDING = {"dtype", "remat", "scan"}
# Another value for every field that a named model may have and that identity leaves out.
OTHERS = {
    "padding": "gaussian",
    "padding_offsets": 3,
    "padding_grid": (1, 1),
    "pixel_padding": "token",
    "decoder_causal": False,
    "decoder_blocks": lambda old: tuple(n + 1 for n in old) if isinstance(old, tuple) else old + 1,
    "decoder_widths": lambda old: tuple(2 * n for n in old),
    "decoder_energy": lambda old: old + 1,
    "decoder_depth": lambda old: old + 1,
    "dtype": "bfloat16",
    "remat": "block",
    "scan": True,
    "max_groups": 65,
}


@functools.cache
def made():
    return registry.create("pv_vae_tiny", seed=0, **tiny.FIELDS)


def other(params=None, mean=None, std=None, **fields):
    vae = made()
    config = {"name": "pv_vae_tiny", "fields": vae.config["fields"] | fields}
    module = registry.build("pv_vae_tiny", **config["fields"])
    parts = (vae.params, vae.mean, vae.std)
    params, mean, std = (
        old if new is None else new for new, old in zip((params, mean, std), parts, strict=True)
    )
    return VideoVAE(module, params, mean, std, config)


def changed(prefix):
    """The parameters with one number of the last leaf under ``prefix`` changed."""
    flat = trees.flatten(made().params)
    path = [path for path in flat if path.startswith(prefix)][-1]
    flat[path] = flat[path].at[(0,) * flat[path].ndim].add(1e-3)
    return trees.unflatten(flat)


def fields_of(module):
    """Those of a module and of the modules in it, but what rounds alone."""
    if not isinstance(module, nn.Module):
        return module
    names = [f.name for f in dataclasses.fields(module)]
    skipped = ROUNDING | {"parent", "name"}
    return {name: fields_of(getattr(module, name)) for name in names if name not in skipped}


def encoder_of(module):
    return fields_of(module.encoder)


@pytest.mark.parametrize("name", registry.names())
def test_encoding_reads_the_branch_encoder_alone_in_every_named_model(name):
    module = registry.build(name)
    spec = module.spec
    clip = np.zeros((1, 1 + spec.temporal, spec.spatial, spec.spatial, 3), np.float32)
    touched = jax.eval_shape(
        lambda key: module.init(key, clip, method="posterior"), jax.random.key(0)
    )
    assert set(touched["params"]) == {"encoder"}


@pytest.mark.parametrize("name", registry.names())
def test_fields_that_identity_leaves_out_leave_the_encoder_of_every_named_model(name):
    fields, module = registry.fields(name), registry.build(name)
    vector = np.zeros(1, np.float32)  # it allocates no weights
    vae = types.SimpleNamespace(
        config={"name": name, "fields": fields},
        spec=module.spec,
        params={"encoder": {"kernel": vector}},
        mean=vector,
        std=vector,
    )
    left_out = set(fields) - set(identity.identity(vae)["fields"])
    assert left_out == set(fields) & set(OTHERS)
    for field in left_out:
        value = OTHERS[field]
        value = value(fields[field]) if callable(value) else value
        assert value != fields[field] or field == "remat"
        assert encoder_of(registry.build(name, **{field: value})) == encoder_of(module), field


def test_identity_is_json_and_names_every_part():
    found = identity.identity(made())
    assert json.loads(json.dumps(found)) == found
    assert list(found) == ["name", "fields", "spec", "encoder", "mean", "std"]
    assert (found["name"], found["spec"]) == ("pv_vae_tiny", "t4s16c4")
    assert found["fields"]["widths"] == [8, 8, 8] and found["mean"] == [0.0] * 4
    encoder = trees.digest({"encoder": made().params["encoder"]})
    assert found["encoder"] == encoder and len(encoder) == 64


def test_another_decoder_padding_or_compute_type_has_the_same_identity():
    wanted = identity.identity(made())
    same = [
        other(params=changed("decoder/")),
        other(params=changed("padding/")),
        other(dtype="bfloat16"),
        other(remat="block", scan=True),
    ]
    for vae in same:
        assert identity.identity(vae) == wanted
        identity.check(wanted, identity.identity(vae), "latents")


def test_how_long_clips_may_be_is_no_part_of_it_nor_was_it_where_older_latents_tell_it():
    wanted = identity.identity(made())
    older = wanted | {"fields": wanted["fields"] | {"max_groups": 33}}
    identity.check(wanted, older, "latents")
    assert "max_groups" not in identity.of_latents({"max_groups": 65, "window": 0})


def refusal(vae):
    with pytest.raises(ValueError) as caught:
        identity.check(identity.identity(made()), identity.identity(vae), "the latents at a/b")
    assert "Give the model that made them, or make latents of this one" in str(caught.value)
    return str(caught.value)


def test_what_differs_is_named():
    vae = other()
    vae.config = {"name": "wan2.1", "fields": {}}
    assert "the latents at a/b were made by another model: wan2.1, not pv_vae_tiny." in refusal(vae)
    zeros = other(time_padding="zeros")
    assert "by another pv_vae_tiny: its time_padding is zeros, not replicate." in refusal(zeros)
    weights = other(params=changed("encoder/"))
    ours, theirs = (identity.identity(each)["encoder"][:12] for each in (made(), weights))
    told = f"by other weights of the encoder (version {theirs}, not {ours})."
    assert ours != theirs and told in refusal(weights)
    mean = other(mean=np.array([0, 0, 0.25, 0], np.float32))
    assert "the mean of 1 of 4 channels, the first is channel 2 with 0.25, not 0." in refusal(mean)
    std = other(std=np.full(4, 2, np.float32))
    assert "with other latent statistics: the std of 4 of 4 channels" in refusal(std)
