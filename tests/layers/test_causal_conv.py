import jax
import numpy as np
import pytest

from pv_vae_jax.layers.causal_conv import FAR, CausalConv3D, initial_kernel


def layer(**fields):
    conv = CausalConv3D(6, **fields)
    x = np.random.default_rng(0).standard_normal((1, 9, 4, 4, 5)).astype(np.float32)
    return conv, conv.init(jax.random.key(0), x[:, :1]), x


@pytest.mark.parametrize("time_padding", ["replicate", "zeros"])
def test_before_the_clip_stand_copies_of_frame_0_or_zeros(time_padding):
    conv, params, x = layer(time_padding=time_padding)
    front = x[:, :1] if time_padding == "replicate" else 0 * x[:, :1]
    whole = conv.apply(params, x)
    behind = conv.apply(params, np.concatenate([front, front, x], axis=1))[:, 2:]
    np.testing.assert_allclose(whole, behind, atol=1e-6)


def test_a_time_stride_keeps_frame_0_alone_and_gives_the_outputs_of_even_frames():
    conv, params, x = layer()
    strided = CausalConv3D(6, strides=(2, 1)).apply(params, x)
    assert strided.shape == (1, 5, 4, 4, 6)
    np.testing.assert_allclose(strided, conv.apply(params, x)[:, ::2], atol=1e-6)


@pytest.mark.parametrize("strides, plan", [((1, 1), (1, 3, 5)), ((2, 2), (3, 2, 4))], ids=str)
def test_chunks_give_the_bits_of_the_whole_and_keep_only_the_last_frames(strides, plan):
    conv, params, x = layer(strides=strides)
    state, outputs = {}, []
    for chunk in np.split(x, np.cumsum(plan)[:-1], axis=1):
        y, state = conv.apply(params | state, chunk, mutable=["cache"])
        assert state["cache"]["frames"].shape[1] == 3 - strides[0]
        outputs.append(y)
    np.testing.assert_array_equal(np.concatenate(outputs, axis=1), conv.apply(params, x))


def test_initialisation_keeps_no_cache():
    conv, params, _ = layer()
    assert set(params) == {"params"}


@pytest.mark.parametrize("strides, own", [((1, 1), (2, 1, 1)), ((2, 2), (1, 0, 0))], ids=str)
def test_fresh_weights_keep_the_variance_and_see_each_place_by_itself(strides, own):
    w = np.asarray(initial_kernel(jax.random.key(0), (3, 3, 3, 64, 64), strides, False))
    assert w.dtype == np.float32 and abs(w.mean()) < 1e-3
    assert abs((w**2).sum((0, 1, 2, 3)).mean() - 1) < 0.05  # a unit input keeps its variance
    taps = w.std((3, 4))
    is_own = np.isclose(taps, taps.max(), rtol=0.1)
    assert is_own.sum() == strides[0] * strides[1] ** 2 and is_own[own]
    np.testing.assert_allclose(taps[~is_own] / taps.max(), FAR, rtol=0.1)


def test_spread_weights_have_the_variance_of_their_fan_in_at_every_tap():
    w = np.asarray(initial_kernel(jax.random.key(0), (3, 3, 3, 64, 64), (1, 1), True))
    np.testing.assert_allclose(w.std((3, 4)) * (27 * 64) ** 0.5, np.ones((3, 3, 3)), rtol=0.05)


def test_bad_fields_are_refused_with_a_sentence():
    with pytest.raises(ValueError, match="time_padding is one of replicate, zeros; got 'mirror'"):
        layer(time_padding="mirror")
    with pytest.raises(ValueError, match=r"strides .* are 1 or 2 .* got strides \(3, 1\)"):
        layer(strides=(3, 1))
    with pytest.raises(ValueError, match=r"kernel sides are odd in space.* got .*\(3, 2, 3\)"):
        layer(kernel=(3, 2, 3))
