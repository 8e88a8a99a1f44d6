import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from pv_vae_jax.checkpoint import inflation
from pv_vae_jax.core import trees
from pv_vae_jax.layers.causal_conv import CausalConv3D
from tests import tiny

RANDOM = np.random.default_rng(0)
KERNEL = RANDOM.standard_normal((5, 3, 3, 3)).astype(np.float32)  # OIHW
BIAS = RANDOM.standard_normal(5).astype(np.float32)
WEIGHTS = {"conv.weight": KERNEL, "conv.bias": BIAS}
NAMES = {"conv.weight": "kernel", "conv.bias": "bias"}
CLIP = RANDOM.standard_normal((2, 5, 6, 7, 3)).astype(np.float32)


def layer(strides=(1, 1), time_padding="replicate"):
    return CausalConv3D(5, strides=strides, time_padding=time_padding)


def fresh(conv):
    return conv.init(jax.random.key(0), CLIP)["params"]


def conv2d(frames):
    """The 2-D layer by torch's definition: cross-correlation with one row of zeros around."""
    padded = np.pad(frames, [(0, 0), (1, 1), (1, 1), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return np.einsum("nhwcij,ocij->nhwo", windows, KERNEL) + BIAS


def per_frame(video):
    return np.stack([conv2d(clip) for clip in video])


def test_a_layer_inflated_by_the_last_tap_gives_every_frame_what_the_2d_layer_gives():
    for padding in ("replicate", "zeros"):
        conv = layer(time_padding=padding)
        done = inflation.inflate(fresh(conv), WEIGHTS, NAMES)
        found = conv.apply({"params": done.params}, CLIP)
        np.testing.assert_allclose(found, per_frame(CLIP), atol=2e-5)


def test_a_strided_layer_gives_the_frames_that_it_keeps():
    conv = layer(strides=(2, 1))
    done = inflation.inflate(fresh(conv), WEIGHTS, NAMES)
    found = conv.apply({"params": done.params}, CLIP)
    np.testing.assert_allclose(found, per_frame(CLIP[:, ::2]), atol=2e-5)


def test_by_the_centre_tap_a_layer_is_a_frame_late_and_a_still_the_same():
    conv = layer()
    done = inflation.inflate(fresh(conv), WEIGHTS, NAMES, tap="centre")
    found = conv.apply({"params": done.params}, CLIP)
    np.testing.assert_allclose(found[:, 1:], per_frame(CLIP[:, :-1]), atol=2e-5)
    still = conv.apply({"params": done.params}, CLIP[:, :1])
    np.testing.assert_allclose(still, per_frame(CLIP[:, :1]), atol=2e-5)


def test_both_layouts_and_matrices_give_one_kernel():
    params = fresh(layer())
    torch = inflation.inflate(params, {"w": KERNEL}, {"w": "kernel"})
    ours = {"w": KERNEL.transpose(2, 3, 1, 0)}
    jax_ = inflation.inflate(params, ours, {"w": "kernel"}, layout="HWIO")
    np.testing.assert_array_equal(torch.params["kernel"], jax_.params["kernel"])
    matrix = RANDOM.standard_normal((5, 3)).astype(np.float32)
    pointwise = CausalConv3D(5, (1, 1, 1)).init(jax.random.key(0), CLIP)["params"]
    for weights, layout in ((matrix, "OIHW"), (matrix.T, "HWIO")):
        done = inflation.inflate(pointwise, {"w": weights}, {"w": "kernel"}, layout=layout)
        np.testing.assert_array_equal(done.params["kernel"][0, 0, 0], matrix.T)


def test_a_matrix_of_torch_is_turned_for_a_dense_layer():
    matrix = RANDOM.standard_normal((4, 4)).astype(np.float32)  # square: no shape tells
    params = {"dense": {"kernel": np.zeros((4, 4), np.float32)}}
    for weights, layout in ((matrix, "OIHW"), (matrix.T, "HWIO")):
        done = inflation.inflate(params, {"w": weights}, {"w": "dense/kernel"}, layout=layout)
        np.testing.assert_array_equal(done.params["dense"]["kernel"], matrix.T)
    wide = {"dense": {"kernel": np.zeros((3, 5), np.float32)}}
    done = inflation.inflate(wide, {"w": np.ones((5, 3), np.float32)}, {"w": "dense/kernel"})
    assert done.params["dense"]["kernel"].sum() == 15


@pytest.fixture(scope="module")
def model():
    """A PV-VAE without blocks, all of whose kernels are inflated from 2-D ones."""
    module = tiny.module(**tiny.SHALLOW)
    params = jax.device_get(tiny.params(module))
    weights = {f"vae/{path}": leaf for path, leaf in trees.flatten(params).items()}
    for name, leaf in weights.items():
        if leaf.ndim == 5:
            weights[name] = RANDOM.normal(0, 0.2, leaf.shape[1:]).astype(np.float32)
    rules = [("vae/(encoder|decoder)/(.*)", r"\1/\2")]
    done = inflation.inflate(params, weights, rules, layout="HWIO")
    return module, params, done


def test_a_model_inflated_by_the_last_tap_is_the_image_model_of_its_frames(model):
    module, _, done = model
    variables = {"params": done.params}
    video = np.random.default_rng(1).uniform(-1, 1, (1, 9, 16, 16, 3)).astype(np.float32)
    moments = jax.jit(lambda video: module.apply(variables, video, method="posterior").mean)
    latents = moments(video)
    for group, frame in enumerate((0, 4, 8)):
        still = moments(video[:, frame : frame + 1])
        np.testing.assert_allclose(latents[:, group], still[:, 0], rtol=1e-4, atol=1e-5)
    decode = jax.jit(lambda latents: module.apply(variables, latents, method="decode_raw"))
    frames = decode(latents)
    for group, frames_of_group in enumerate(((0,), (1, 2, 3, 4), (5, 6, 7, 8))):
        still = decode(latents[:, group : group + 1])[:, 0]
        for frame in frames_of_group:
            np.testing.assert_allclose(frames[:, frame], still, rtol=1e-4, atol=1e-5)


def test_the_table_says_what_became_of_each_leaf(model):
    _, params, done = model
    flat = trees.flatten(params)
    kernels = [path for path, leaf in flat.items() if leaf.ndim == 5]
    others = [path for path in flat if path not in kernels and path != "padding/token"]
    assert [row[0] for row in done.rows if row[1] == "inflated"] == kernels
    assert [row[0] for row in done.rows if row[1] == "copied"] == others
    assert [row[0] for row in done.rows if row[1] == "fresh"] == ["padding/token"]
    assert done.unused == ("vae/padding/token",)
    np.testing.assert_array_equal(done.params["padding"]["token"], params["padding"]["token"])
    last = done.table().splitlines()[-1]
    assert last == f"{len(kernels)} inflated, {len(others)} copied, 1 fresh, 0 refused, 1 unused"


def test_of_rules_that_match_a_name_the_first_counts():
    rules = [(r"conv\.weight", "kernel"), (r"conv\.(.*)", r"\1"), (".*", "nothing")]
    done = inflation.inflate(fresh(layer()), WEIGHTS, rules)
    assert done.rows == (("bias", "copied", "conv.bias"), ("kernel", "inflated", "conv.weight"))


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (np.zeros((5, 4, 3, 3), np.float32), "is [5, 4, 3, 3] (OIHW) where a kernel [3, 3, 3, 5]"),
        (np.full((5, 3, 3, 3), np.nan, np.float32), "is not finite"),
        (np.zeros((5, 3, 3, 3), np.int64), "is of type int64"),
    ],
)
def test_what_does_not_fit_is_refused_in_the_table_and_stays_fresh(bad, why):
    params = fresh(layer())
    done = inflation.inflate(params, {"w": bad, "b": BIAS}, {"w": "kernel", "b": "bias"})
    (row,) = [row for row in done.rows if row[1] == "refused"]
    assert row[0] == "kernel" and row[2].startswith(f"w {why}")
    np.testing.assert_array_equal(done.params["kernel"], params["kernel"])
    np.testing.assert_array_equal(done.params["bias"], BIAS)
    assert done.table().endswith("0 inflated, 1 copied, 0 fresh, 1 refused, 0 unused")


def test_npz_and_safetensors_files_are_read_half_precision_too(tmp_path):
    params = fresh(layer())
    np.savez(tmp_path / "a.npz", **{k: v.astype(np.float16) for k, v in WEIGHTS.items()})
    half = {k: np.asarray(jnp.asarray(v, jnp.bfloat16)) for k, v in WEIGHTS.items()}
    safetensors.numpy.save_file(half, tmp_path / "a.safetensors")
    for name, digits in (("a.npz", 2**-11), ("a.safetensors", 2**-8)):
        done = inflation.inflate_file(params, tmp_path / name, NAMES)
        np.testing.assert_allclose(
            done.params["kernel"][-1], KERNEL.transpose(2, 3, 1, 0), rtol=digits, atol=1e-7
        )
        assert done.params["kernel"].dtype == jnp.float32


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        ({"conv.wait": "kernel"}, {}, "a.npz: a rule maps conv.wait, but there is no array"),
        ({"conv.weight": "kernels"}, {}, "conv.weight is mapped to kernels, which is no parameter"),
        ([("conv.*", "kernel")], {}, "conv.weight and conv.bias are both mapped to kernel"),
        ([("vae.*", "kernel")], {}, "no rule maps any of 2 names; the first are: conv.bias, conv"),
        ([("(conv", "kernel")], {}, r"the rule '\(conv' to 'kernel' is wrong: missing \)"),
        (NAMES, {"tap": "first"}, "tap is one of last, centre; got 'first'"),
        (NAMES, {"layout": "OHWI"}, "layout is one of OIHW, HWIO; got 'OHWI'"),
    ],
)
def test_rules_that_cannot_be_followed_are_told(tmp_path, names, options, message):
    np.savez(tmp_path / "a.npz", **WEIGHTS)
    with pytest.raises(ValueError, match=message):
        inflation.inflate_file(fresh(layer()), tmp_path / "a.npz", names, **options)
