import functools

import jax
import jax.numpy as jnp
import pytest

from pv_vae_jax.core import trees
from pv_vae_jax.models import latte_sizes


@functools.cache
def counted(name, **overrides):
    return trees.count(latte_sizes.shapes(latte_sizes.build(name, **overrides)))


def matrix(i, o):
    return i * o + o


@pytest.mark.parametrize("name", latte_sizes.SIZES)
def test_the_parameters_of_a_size_are_counted_by_hand(name):
    size = latte_sizes.fields(name)
    c, w = size["channels"], size["width"]
    block = matrix(w, 3 * w) + matrix(w, w) + matrix(w, 4 * w) + matrix(4 * w, w) + matrix(w, 6 * w)
    time = matrix(256, w) + matrix(w, w)
    final = matrix(w, 2 * w) + matrix(w, c)
    assert counted(name) == matrix(c, w) + time + size["depth"] * block + final


def test_the_largest_has_674_million_parameters():
    assert counted("latte_xl") == 673_773_760


def test_options_add_the_parameters_they_name():
    def more(**overrides):
        return counted("latte_tiny", **overrides) - counted("latte_tiny")

    assert more(classes=10) == 11 * 128
    assert more(qk_norm=True) == 4 * 2 * (128 // 4)
    assert more(patch=2) == 3 * 64 * (128 + 128 + 1)
    assert more(positions="rotary") == more(scan=True) == more(remat="block") == 0


def test_the_parameters_do_not_depend_on_the_shape_of_the_latents():
    module = latte_sizes.build("latte_tiny", channels=3, patch=2)
    latents = jax.ShapeDtypeStruct((2, 5, 6, 10, 3), jnp.float32)
    found = jax.eval_shape(module.init, jax.random.key(0), latents, jnp.zeros(2))["params"]
    assert found == latte_sizes.shapes(module)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"positions": "learned"}, "positions is one of sincos, rotary; got 'learned'"),
        ({"remat": "layers"}, "remat is one of none, block; got 'layers'"),
        ({"dtype": "float16"}, "dtype is one of float32, bfloat16"),
        ({"scan": "yes"}, "scan is one of True, False"),
        ({"depth": 5}, "so it is even; got 5"),
        ({"depth": 0}, "depth is at least 2; got 0"),
        ({"classes": -1}, "classes is at least 0; got -1"),
        ({"mlp_ratio": 0}, "mlp_ratio is at least 1; got 0"),
        ({"heads": 3}, "a width of 128 does not divide into 3 heads"),
        ({"width": 6, "heads": 2}, "the width divides by 4, .*; got 6"),
        (
            {"width": 12, "heads": 2, "positions": "rotary"},
            "the width of a head divides by 4, .*; got 6",
        ),
    ],
)
def test_a_field_that_does_not_fit_is_refused_with_what_would(overrides, message):
    with pytest.raises(ValueError, match=message):
        latte_sizes.build("latte_tiny", **overrides)


def test_an_unknown_name_or_field_is_refused_and_the_known_ones_are_listed():
    with pytest.raises(ValueError, match="no size is named 'latte_xxl'; there are: latte_tiny"):
        latte_sizes.build("latte_xxl")
    with pytest.raises(ValueError, match="latte_xl has no field widths; .* width"):
        latte_sizes.build("latte_xl", widths=8)
