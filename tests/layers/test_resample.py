import jax
import numpy as np

from pv_vae_jax.layers import resample


def test_a_patch_is_read_row_by_row_then_channel_and_shuffle_undoes_it():
    x = np.arange(2 * 3 * 4 * 6 * 3, dtype=np.float32).reshape(2, 3, 4, 6, 3)
    y = resample.unshuffle(x, 2)
    assert y.shape == (2, 3, 2, 3, 12)
    corner = np.concatenate([x[1, 2, 2 + r, 4 + q] for r in (0, 1) for q in (0, 1)])
    np.testing.assert_array_equal(y[1, 2, 1, 2], corner)
    np.testing.assert_array_equal(resample.shuffle(y, 2), x)


def test_up_repeats_every_frame_but_the_first_and_every_position():
    x = np.random.default_rng(0).standard_normal((1, 3, 2, 2, 4)).astype(np.float32)
    up = resample.Upsample((2, 2))
    params = up.init(jax.random.key(0), x)
    kernel = np.zeros((3, 3, 3, 4, 4), np.float32)
    kernel[2, 1, 1] = np.eye(4)  # the frame itself
    params["params"]["conv"]["kernel"] = kernel
    y = np.asarray(up.apply(params, x))
    wanted = x[:, [0, 1, 1, 2, 2]].repeat(2, axis=2).repeat(2, axis=3)
    np.testing.assert_array_equal(y, wanted)


def test_down_halves_and_keeps_the_width():
    x = np.zeros((1, 5, 4, 6, 7), np.float32)
    shapes = {
        s: resample.Downsample(s).init_with_output(jax.random.key(0), x)[0].shape
        for s in ((2, 2), (1, 2))
    }
    assert shapes == {(2, 2): (1, 3, 2, 3, 7), (1, 2): (1, 5, 2, 3, 7)}
