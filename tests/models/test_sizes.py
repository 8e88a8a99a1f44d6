import jax
import numpy as np
import pytest

from pv_vae_jax.core import trees
from pv_vae_jax.models import sizes


def conv(i, o, taps=27):
    return taps * i * o + o


def block(i, o):
    return i + conv(i, o) + o + conv(o, o) + (conv(i, o, 1) if i != o else 0)


def test_the_661m_model_is_configuration_a_to_the_parameter():
    widths, c = (128, 128, 256, 512, 1024), 64
    middle = 2 * block(1024, 1024) + 1024 + 4 * conv(1024, 1024, 1)
    pairs = [(128, 128), (128, 128), (128, 256), (256, 512), (512, 1024)]  # (before, own) width
    encoder = conv(3, 128) + sum(block(i, o) + block(o, o) for i, o in pairs)
    encoder += sum(conv(w, w) for w in widths[:-1])
    encoder += middle + 1024 + conv(1024, 2 * c) + conv(2 * c, 2 * c, 1)
    pairs = [(1024, 1024), (1024, 512), (512, 256), (256, 128), (128, 128)]
    decoder = conv(c, c, 1) + conv(c, 1024) + middle
    decoder += sum(block(i, o) + 2 * block(o, o) for i, o in pairs)
    decoder += sum(conv(w, w) for w in widths[1:])
    decoder += 128 + conv(128, 3)
    module = sizes.build("pv_vae_661m")
    clip = jax.ShapeDtypeStruct((1, 1, 16, 16, 3), np.float32)
    params = jax.eval_shape(module.init, jax.random.key(0), clip)["params"]
    counts = {branch: trees.count(params[branch]) for branch in params}
    assert counts == {"encoder": encoder, "decoder": decoder, "padding": c}
    assert trees.count(params) == 660_162_947
    assert abs(trees.count(params) / 661e6 - 1) < 0.01


@pytest.mark.parametrize("name", sizes.SIZES)
def test_every_size_is_t4s16c64(name):
    assert str(sizes.build(name).spec) == "t4s16c64"


def test_an_unknown_name_or_field_is_refused_and_the_known_ones_are_listed():
    with pytest.raises(ValueError, match="no size is named 'pv_vae_huge'; there are: pv_vae_tiny"):
        sizes.build("pv_vae_huge")
    with pytest.raises(ValueError, match="pv_vae_tiny has no field width; .* widths"):
        sizes.build("pv_vae_tiny", width=(8, 8, 8))


def test_lists_of_a_config_serve_as_tuples():
    listed = sizes.build("pv_vae_tiny", widths=[8, 8, 8], strides=[[2, 2], [2, 2]])
    assert listed == sizes.build("pv_vae_tiny", widths=(8, 8, 8), strides=((2, 2), (2, 2)))
    assert hash(listed) is not None
