import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from jax import lax

from pv_vae_jax.core import trees
from pv_vae_jax.interface import Posterior
from pv_vae_jax.models import streaming
from pv_vae_jax.zoo import checkpoints, iv_vae, iv_vae_layers, registry
from tests.golden.zoo import make_iv_vae as reference
from tests.golden.zoo import rule
from tests.zoo import golden as files

BASELINE = iv_vae.BASELINES["iv_vae"]
FIELDS = BASELINE.fields | reference.FIELDS
GOLDEN = files.read("iv_vae")
LAYOUT = files.shapes(GOLDEN, "layout")
CHANNELS = reference.FIELDS["channels"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A checkpoint under the reference's names."""
    path = tmp_path_factory.mktemp("iv_vae") / "ivvae.safetensors"
    safetensors.numpy.save_file(files.state(GOLDEN, "layout"), path)
    return path


@pytest.fixture(scope="module")
def model(weights):
    return registry.from_reference("iv_vae", weights, **reference.FIELDS)


@pytest.fixture(scope="module")
def moments(model):
    """What the encoder makes of a video, in the reference's order; other parameters at will."""

    @jax.jit
    def run(params, video):
        return model.module.apply({"params": params}, video, method=lambda m, x: m.encoder(x))

    return lambda video, params=model.params: np.asarray(run(params, video))


@pytest.fixture(scope="module")
def decoded(model):
    run = jax.jit(lambda p, z: model.module.apply({"params": p}, z, method="decode_raw"))
    return lambda latents, params=model.params: np.asarray(run(params, latents))


def changed(params, **leaves):
    """``params`` with other values at some paths, ``/`` written as two underscores."""
    flat = trees.flatten(params)
    new = {name.replace("__", "/"): jnp.asarray(leaf, jnp.float32) for name, leaf in leaves.items()}
    assert not set(new) - set(flat)
    for path, leaf in new.items():
        flat[path] = jnp.broadcast_to(leaf, flat[path].shape)
    return trees.unflatten(flat)


def initial(layer, x):
    return jax.jit(layer.init)(jax.random.key(0), x)["params"]


def applied(layer, params, x):
    return np.asarray(jax.jit(layer.apply)({"params": params}, x))


CASES = pytest.mark.parametrize("i", range(4), ids=["image", "5 frames", "9 frames", "17 frames"])


@CASES
def test_moments_equal_the_reference(moments, i):
    # The image is 14 x 13 latents, so that the widest dilation (12) reaches inside of it.
    np.testing.assert_allclose(moments(reference.clip(i)), GOLDEN[f"moments_{i}"], atol=1e-5)


@CASES
def test_decode_equals_the_reference(decoded, i):
    by = reference.STRIDES[i]
    video = decoded(reference.latents(i))
    assert video.shape[1:4] == reference.CASES[i][:3]
    np.testing.assert_allclose(video[:, :, ::by, ::by], GOLDEN[f"decoded_{i}"], atol=1e-4)


def test_a_checkpoint_of_the_reference_reconstructs_as_it_did(model, moments, decoded):
    assert model.config == {"name": "iv_vae", "fields": FIELDS}
    video = decoded(moments(reference.clip(1))[..., :CHANNELS])
    np.testing.assert_allclose(video, GOLDEN["reconstructed"], atol=1e-4)


def test_full_model_has_the_published_number_of_parameters():
    about = registry.describe("iv_vae")
    assert (str(about.spec), about.parameters) == ("t4s8c16", 241_854_742)
    assert (about.spec.encoder_causal, about.spec.decoder_lookahead) == (True, 0)
    assert about.spec.streaming == "exact"


def test_every_tensor_of_a_layout_is_used_once():
    entries = list(iv_vae.official(FIELDS))
    shapes = trees.flatten(registry.shapes(BASELINE.build(**FIELDS)))
    leaves = {path: leaf.shape for path, leaf in shapes.items()}
    assert sorted(path for entry in entries for path in entry.paths) == sorted(leaves)
    assert len(entries) == len(LAYOUT)
    assert {entry.key: entry.shape(leaves) for entry in entries} == LAYOUT


def test_the_full_model_has_as_many_tensors_as_the_official_checkpoint():
    assert len({entry.key for entry in iv_vae.official(BASELINE.fields)}) == 362


def test_a_checkpoint_is_written_as_it_was_read(model, weights, tmp_path):
    checkpoints.write(tmp_path / "w.safetensors", "official", BASELINE, FIELDS, model.params)
    first, again = (
        safetensors.numpy.load_file(path) for path in (weights, tmp_path / "w.safetensors")
    )
    assert first.keys() == again.keys()
    for name, tensor in first.items():
        np.testing.assert_array_equal(again[name], tensor)


def test_published_latents_are_shifted_and_scaled():
    raw = np.linspace(-3, 3, 16)
    ours = (raw - np.array(BASELINE.mean)) / np.array(BASELINE.std)
    np.testing.assert_allclose(ours, 0.7619 * (raw + 0.0483), rtol=1e-12)


@pytest.mark.parametrize(
    ("fields", "scale", "shift"),
    [
        ({}, 0.7619, -0.0483),
        ({"padding": "token", "dtype": "bfloat16", "multipliers": [1, 2, 4, 4]}, 0.7619, -0.0483),
        ({"width": 64}, 0.9697, -0.1553),
        ({"width": 64, "channels": 8}, 1.0940, -0.0322),
        ({"width": 64, "channels": 4}, 1.3196, 0.1250),
        ({"width": 32}, 1.0, 0.0),  # nothing is published
    ],
)
def test_each_published_size_has_its_own_statistics(fields, scale, shift):
    mean, std = registry.statistics("iv_vae", **fields)
    channels = fields.get("channels", 16)
    np.testing.assert_allclose((2.0 - mean) / std, np.full(channels, scale * (2 - shift)), 1e-6)


def test_latents_of_zeros_have_a_gradient_that_is_finite():
    norm = iv_vae_layers.HalvesNorm()
    slope = jax.grad(lambda x: norm.apply({"params": {"scale": jnp.ones(8)}}, x).sum())
    assert np.abs(slope(jnp.zeros((1, 1, 1, 2, 8)))).max() == 0
    assert np.isfinite(slope(jnp.ones((1, 1, 1, 2, 8)))).all()


PLANS = pytest.mark.parametrize(
    "groups", [(1, 2, 2), pytest.param((2, 1, 1, 1), marks=pytest.mark.slow)], ids=str
)


@pytest.mark.slow
@PLANS
def test_streamed_moments_equal_those_of_the_whole_clip(model, moments, groups):
    video = reference.clip(3)
    chunks = np.split(video, 4 * np.cumsum(groups[:-1]) - 3, axis=1)
    parts = list(streaming.encode_stream(model.module, model.params, chunks))
    mean = np.concatenate([part.mean for part in parts], axis=1)
    logvar = np.concatenate([part.logvar for part in parts], axis=1)
    np.testing.assert_array_equal(np.concatenate([mean, logvar], axis=-1), moments(video))


@PLANS
def test_streamed_video_equals_that_of_the_whole_clip(model, decoded, groups):
    latents = reference.latents(3)
    chunks = np.split(latents, np.cumsum(groups[:-1]), axis=1)
    parts = list(streaming.decode_stream(model.module, model.params, chunks))
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), decoded(latents))


def test_latents_depend_on_no_later_group_but_on_all_frames_of_their_own(moments):
    video = reference.clip(3)
    whole = moments(video)
    for frame, group in ((5, 2), (8, 2), (9, 3)):
        other = video.copy()
        other[:, frame] = -other[:, frame]
        differs = np.abs(moments(other) - whole).max(axis=(0, 2, 3, 4))
        assert not differs[:group].any() and differs[group] > 1e-3
    # The latents of a prefix; that of an image, too: the streams above begin with one.
    np.testing.assert_array_equal(moments(video[:, :5]), whole[:, :2])


def test_decoded_groups_depend_on_no_later_latent(decoded):
    latents = reference.latents(3)
    other = latents.copy()
    other[:, 2:] += 1.0
    differs = np.abs(decoded(other) - decoded(latents)).max(axis=(0, 2, 3, 4))
    assert not differs[:5].any() and (differs[5:9] > 1e-2).all()


def test_key_frames_are_of_the_2d_half_and_the_others_of_the_3d_half(model, decoded):
    params = changed(
        model.params,
        decoder__conv_out__conv_2d__kernel=0.0,
        decoder__conv_out__conv_2d__bias=1.0,
        decoder__conv_out__conv_3d__kernel=0.0,
        decoder__conv_out__conv_3d__bias=-1.0,
    )
    frames = decoded(reference.latents(2), params)[0, :, 0, 0, 0]
    np.testing.assert_array_equal(frames, [1, 1, -1, -1, -1, 1, -1, -1, -1])


def test_moments_are_the_means_of_both_branches_then_the_log_variances(model, moments):
    params = changed(
        model.params,
        encoder__quant__conv_2d__kernel=0.0,
        encoder__quant__conv_2d__bias=[1, 2, 5, 99],
        encoder__quant__conv_3d__kernel=0.0,
        encoder__quant__conv_3d__bias=[3, 4, 7, -99],
    )
    video = reference.clip(1)
    np.testing.assert_array_equal(moments(video, params)[0, 0, 0, 0], [1, 2, 3, 4, 5, 99, 7, -99])
    clamped = Posterior.from_moments(jnp.asarray(moments(video, params))).logvar
    # Not so in the reference.
    np.testing.assert_array_equal(clamped[0, 0, 0, 0], [5, 20, 7, -30])


def group_causal(x, w, group):
    """``[T, H, W, C]``: [last frame of the group before, the group, 0], three taps, in loops."""
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    groups = [x[i : i + group] for i in range(1, len(x), group)]
    outputs = []
    for before, frames in zip([x[:1], x[:1], *groups], [x[:1], *groups], strict=False):
        frames = np.concatenate([before[-1:], frames, np.zeros_like(x[:1])])
        for t in range(len(frames) - 2):
            y = np.zeros((x.shape[1] - 2, x.shape[2] - 2, w.shape[-1]))
            for i, j, k in np.ndindex(3, 3, 3):
                seen = frames[t + i, j : j + y.shape[0], k : k + y.shape[1]]
                y += seen @ w[i, j, k]
            outputs.append(y)
    return np.stack(outputs)


@pytest.mark.parametrize("group", (4, 2))
def test_a_group_sees_the_last_frame_before_it_and_zeros_behind_it(group):
    x = rule.normal(1, 1, 9, 3, 4, 2)
    layer = iv_vae_layers.SepConv(3, group, lead=1)
    params = initial(layer, x)
    w_2d, w_3d = (np.asarray(params[name]["kernel"], np.float64) for name in ("conv_2d", "conv_3d"))
    params = changed(params, conv_2d__bias=10.0, conv_3d__bias=20.0)
    y = applied(layer, params, x)[0]
    np.testing.assert_allclose(y[..., 3:], 20 + group_causal(x[0], w_3d, group), atol=1e-5)
    middle = np.concatenate([np.zeros_like(w_2d), w_2d, np.zeros_like(w_2d)])
    np.testing.assert_allclose(y[..., :3], 10 + group_causal(x[0], middle, group), atol=1e-5)
    # Within a group it is not causal, between groups it is.
    late = x.copy()
    late[:, group] += 1.0
    differs = np.abs(applied(layer, params, late)[0] - y).max(axis=(1, 2, 3)) > 1e-3
    assert differs.tolist() == [group - 1 <= t <= group + 1 for t in range(9)]


def test_the_norm_is_of_each_half_and_its_epsilon_is_a_maximum():
    x = np.zeros((1, 1, 1, 2, 8), np.float32)
    x[..., 0, :4], x[..., 0, 4:] = [3, 0, 0, 4], [0, 600, 800, 0]
    x[..., 1, :4] = [1e-13, 0, 0, 0]
    scale = jnp.arange(1.0, 9.0)
    y = applied(iv_vae_layers.HalvesNorm(), {"scale": scale}, x)[0, 0, 0]
    np.testing.assert_allclose(y[0], 2 * np.array([0.6, 0, 0, 3.2, 0, 3.6, 5.6, 0]), rtol=1e-6)
    np.testing.assert_allclose(y[1], [0.2] + 7 * [0], rtol=1e-6)


def test_each_half_attends_to_itself_with_weights_of_its_own():
    x = rule.normal(2, 1, 2, 2, 3, 8)
    layer = iv_vae_layers.HalvesAttention()
    params = initial(layer, x)
    y = applied(layer, params, x)
    for half, name in ((slice(0, 4), "attention_2d"), (slice(4, 8), "attention_3d")):
        p, tokens = params[name], x[..., half].reshape(2, 6, 4)
        normed = tokens / np.linalg.norm(tokens, axis=-1, keepdims=True) * 2
        q, k, v, out = (
            np.asarray(p[w]["kernel"])[0, 0, 0] for w in ("query", "key", "value", "out")
        )
        scores = (normed @ q) @ (normed @ k).transpose(0, 2, 1) / 2
        share = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        expected = tokens + share @ (normed @ v) @ out
        np.testing.assert_allclose(y[..., half].reshape(2, 6, 4), expected, atol=1e-5)


def identity(taps, row=0, column=0):
    """A 2-channel kernel ``[1, 3, 3, 2, 2]`` that copies one place, or ``taps`` of 1 x 1 x 1."""
    kernel = np.zeros((1, 3, 3, 2, 2))
    kernel[0, row, column] = np.eye(2)
    return kernel if taps is None else np.array(taps).reshape(len(taps), 1, 1, 2, -1)


def test_going_down_the_2d_half_keeps_even_frames_of_a_group_and_the_3d_half_mixes_pairs():
    x = np.arange(9.0).reshape(1, 9, 1, 1, 1) + np.zeros((1, 9, 2, 2, 4))
    layer = iv_vae_layers.Downsample(time=True, lead=1)
    params = initial(layer, x)
    params = changed(
        params,
        space_2d__kernel=identity(None, 1, 1),
        space_3d__kernel=identity(None, 1, 1),
        time__kernel=identity([10 * np.eye(2), np.eye(2)]),
    )
    y = applied(layer, params, x)
    assert y.shape == (1, 5, 1, 1, 4)
    np.testing.assert_array_equal(y[0, :, 0, 0, 0], [0, 1, 3, 5, 7])
    np.testing.assert_array_equal(y[0, :, 0, 0, 2], [0, 12, 34, 56, 78])
    image = applied(layer, params, x[:, :1] + 5)
    np.testing.assert_array_equal(image, np.full((1, 1, 1, 1, 4), 5.0))


def test_going_down_zeros_stand_right_and_below():
    x = np.arange(1.0, 17.0).reshape(1, 1, 4, 4, 1) * np.ones(4)
    layer = iv_vae_layers.Downsample(time=False, lead=1)
    params = initial(layer, x)
    corner = identity(None, 2, 2)
    params = changed(params, space_2d__kernel=corner, space_3d__kernel=2 * corner)
    y = applied(layer, params, x)[0, 0]
    np.testing.assert_array_equal(y[..., 0], [[11, 0], [0, 0]])
    np.testing.assert_array_equal(y[..., 2], [[22, 0], [0, 0]])


def test_going_up_the_2d_half_is_repeated_and_the_3d_half_makes_two_frames_of_each():
    # Row 0 holds the number t of the frame, row 1 holds t + 5.
    x = np.array([[0, 5], [1, 6], [2, 7]]).reshape(1, 3, 2, 1, 1) * np.ones(4)
    layer = iv_vae_layers.Upsample(time=True, lead=1)
    params = initial(layer, x)
    first, second = np.array([[1, 10], [0, 0]]), np.array([[100, 1000], [0, 0]])
    params = changed(
        params,
        space_2d__kernel=identity(None, 1, 1)[..., :1],
        space_3d__kernel=identity(None, 1, 1)[..., 1:],
        time__kernel=identity([np.concatenate([first, second], axis=1)]),
    )
    y = applied(layer, params, x)
    assert y.shape == (1, 5, 4, 2, 2)
    for row, t_1, t_2 in ((0, 1, 2), (1, 1, 2), (2, 6, 7), (3, 6, 7)):
        of_2d, of_3d = y[0, :, row, 1].T
        np.testing.assert_array_equal(of_2d, [t_1 - 1, t_1, t_1, t_2, t_2])
        expected = [t_1 - 1, 10 * t_1, 1000 * t_1, 10 * t_2, 1000 * t_2]
        np.testing.assert_array_equal(of_3d, expected)


@pytest.mark.parametrize("height, width", [(15, 14), (4, 7)])
def test_the_pyramid_joins_its_dilations_branch_by_branch(height, width):
    x = rule.normal(3, 1, 2, height, width, 6)
    layer = iv_vae_layers.PAC(2)
    params = initial(layer, x)
    kernels = {
        name: rule.normal(i, *p["kernel"].shape) / 9 for i, (name, p) in enumerate(params.items())
    }
    biases = {
        name: rule.normal(99 - i, *p["bias"].shape) for i, (name, p) in enumerate(params.items())
    }
    params = {name: {"kernel": kernels[name], "bias": biases[name]} for name in params}
    parts = []
    for d in (0, 1, 3, 6, 9, 12):
        y = lax.conv_general_dilated(
            x[0], kernels[f"pac_{d}"][0], (1, 1), [(d, d)] * 2, rhs_dilation=(max(d, 1),) * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )  # fmt: skip
        parts.append(np.asarray(y) + biases[f"pac_{d}"])
    joined = np.concatenate([p[..., :2] for p in parts] + [p[..., 2:] for p in parts], axis=-1)
    expected = joined @ kernels["fuse"][0, 0, 0] + biases["fuse"]
    np.testing.assert_allclose(applied(layer, params, x)[0], expected, atol=1e-4)


def test_sizes_and_lengths_that_do_not_fit_are_refused(model):
    for shape, sentence in (((1, 4, 16, 16, 3), "1 \\+ 4n"), ((1, 1, 12, 16, 3), "multiple of 8")):
        with pytest.raises(ValueError, match=sentence):
            model.posterior(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    "field, value", [("multipliers", (1, 2, 4)), ("channels", 5), ("remat", "x"), ("padding", "x")]
)
def test_a_field_that_does_not_fit_is_refused(field, value):
    with pytest.raises(ValueError, match=field.replace("channels", "latent channels")):
        registry.build("iv_vae", **{field: value})


@pytest.mark.slow
def test_bfloat16_is_near_float32(model, moments, decoded):
    module = registry.build("iv_vae", **reference.FIELDS, dtype="bfloat16")

    @jax.jit
    def run(params, video, latents):
        variables = {"params": params}
        mean = module.apply(variables, video, method="posterior").mean
        return mean, module.apply(variables, latents, method="decode_raw")

    video, latents = reference.clip(1), reference.latents(1)
    mean, out = run(model.params, video, latents)
    assert mean.dtype == out.dtype == jnp.float32
    for ours, exact in ((mean, moments(video)[..., :CHANNELS]), (out, decoded(latents))):
        assert 1e-5 < np.abs(ours - exact).mean() < 0.05 * exact.std()


@pytest.mark.slow
def test_rematerialised_blocks_have_the_same_gradients(model):
    video = rule.clip(0, 5, 8, 8)
    gradients = []
    for remat in ("none", "block"):
        module = registry.build("iv_vae", **reference.FIELDS, remat=remat)

        def loss(params, module=module):
            return jnp.mean(jnp.square(module.apply({"params": params}, video) - video))

        gradients.append(trees.flatten(jax.jit(jax.grad(loss))(model.params)))
    for path, leaf in gradients[0].items():
        np.testing.assert_allclose(gradients[1][path], leaf, atol=1e-4 * np.abs(leaf).max() + 1e-7)
