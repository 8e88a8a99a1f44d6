"""CogVideoX against the reference; golden values by tests/golden/zoo/make_cogvideox.py."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from pv_vae_jax.core import trees
from pv_vae_jax.zoo import checkpoints, registry
from pv_vae_jax.zoo.cogvideox_layers import Blocks, ChunkNorm, Chunks, Downsample, Upsample
from tests.golden.zoo import rule
from tests.zoo import golden as files

FIELDS = {"channels": 4, "widths": (8, 16, 16, 32), "groups": 4}
CLIPS = {1: 1, 5: 1, 9: 1, 13: 1, 17: 2, 25: 1}  # frames: batch
LENGTHS = [1, 13, 17, *(pytest.param(frames, marks=pytest.mark.slow) for frames in (5, 9, 25))]
SIZE, STEP = (24, 32), 3
BASELINE = registry.BASELINES["cogvideox_2b"]


@pytest.fixture(scope="module")
def golden():
    return files.read("cogvideox")


@pytest.fixture(scope="module")
def tensors(golden):
    """The state dict of diffusers, weights by rule.py."""
    return files.state(golden, "diffusers")


@pytest.fixture(scope="module")
def vae(tensors, tmp_path_factory):
    path = tmp_path_factory.mktemp("cogvideox") / "diffusion_pytorch_model.safetensors"
    safetensors.numpy.save_file(tensors, path)
    return registry.from_reference("cogvideox_2b", path, **FIELDS)


@pytest.fixture(scope="module")
def encode(vae):
    def moments(video):
        posterior = vae.posterior(video)
        return np.concatenate([posterior.mean, posterior.logvar], axis=-1)

    return moments


@pytest.fixture(scope="module")
def decode(vae):
    return files.decoder(vae)


@functools.cache
def clip(frames):
    return rule.clip(frames, frames, *SIZE, CLIPS[frames])


@functools.cache
def latents(frames):
    return rule.normal(100 + frames, CLIPS[frames], 1 + frames // 4, 3, 4, 4)


def seen(video):
    return video[:, :, ::STEP, ::STEP]


def close(x, y, most=1e-4):
    assert x.shape == y.shape
    np.testing.assert_allclose(x, y, rtol=0, atol=most)


@pytest.fixture(scope="module")
def leaves(vae):
    """Shapes of ours: reduced widths, published widths."""
    published = registry.shapes(registry.build("cogvideox_2b"))
    return {
        name: {path: leaf.shape for path, leaf in trees.flatten(params).items()}
        for name, params in (("reduced", vae.params), ("published", published))
    }


def entries_of(layout, **fields):
    return list(BASELINE.layouts[layout](registry.fields("cogvideox_2b", **fields)))


# 13 frames are encoded as one chunk and decoded as two; 17 are two chunks for both.
@pytest.mark.parametrize("frames", LENGTHS)
def test_moments_equal_the_reference(encode, golden, frames):
    assert golden[f"moments/{frames}"].std() > 0.4
    close(encode(clip(frames)), golden[f"moments/{frames}"])


@pytest.mark.parametrize("frames", LENGTHS)
def test_decode_equals_the_reference(decode, golden, frames):
    assert golden[f"video/{frames}"].std() > 0.8
    close(seen(decode(latents(frames))), golden[f"video/{frames}"])


def test_a_file_in_the_names_of_diffusers_gives_its_reconstruction(vae, decode, golden):
    mean = vae.posterior(clip(17)).mean
    np.testing.assert_array_equal(vae.encode(clip(17)), mean)  # no statistics of this width
    close(seen(decode(mean)[:1]), golden["again/17"])


def test_full_model_has_the_published_number_of_parameters():
    about = registry.describe("cogvideox_2b")
    assert (str(about.spec), about.parameters) == ("t4s8c16", 215_583_907)
    assert registry.fields("cogvideox_5b") == registry.fields("cogvideox_2b")


@pytest.mark.parametrize("name, factor", [("cogvideox_2b", 1.15258426), ("cogvideox_5b", 0.7)])
def test_latents_are_multiplied_by_the_published_scaling_factor(name, factor):
    known = registry.BASELINES[name]
    assert known.mean == (0.0,) * 16
    np.testing.assert_allclose(np.ones(16) / known.std, factor)


@pytest.mark.parametrize(
    "listed, layout, widths",
    [
        ("diffusers", "diffusers", "reduced"),
        ("published", "diffusers", "published"),
        ("official", "official", "published"),
    ],
)
def test_every_tensor_of_a_layout_is_used_once(golden, leaves, listed, layout, widths):
    ours = leaves[widths]
    entries = entries_of(layout, **(FIELDS if widths == "reduced" else {}))
    theirs = {entry.key: list(entry.shape(ours)) for entry in entries}
    assert len(theirs) == len(entries) == 436
    assert theirs == json.loads(str(golden[listed]))
    assert sorted(path for entry in entries for path in entry.paths) == sorted(ours)


def test_official_stages_of_the_decoder_count_from_the_pixels():
    official, diffusers = (
        {entry.paths[0]: entry.key for entry in entries_of(name, **FIELDS)}
        for name in ("official", "diffusers")
    )
    pairs = {official[path]: diffusers[path] for path in official}
    for theirs, other in {
        "decoder.up.3.block.1.norm2.conv_y.conv": "decoder.up_blocks.0.resnets.1.norm2.conv_y.conv",
        "decoder.up.0.block.0.nin_shortcut": "decoder.up_blocks.3.resnets.0.conv_shortcut",
        "decoder.up.1.upsample.conv": "decoder.up_blocks.2.upsamplers.0.conv",
        "encoder.down.1.downsample.conv": "encoder.down_blocks.1.downsamplers.0.conv",
        "encoder.mid.block_2.norm1": "encoder.mid_block.resnets.1.norm1",
    }.items():
        assert pairs[f"{theirs}.weight"] == f"{other}.weight"


@pytest.mark.parametrize("layout", ["diffusers", "official"])
def test_round_trip_through_a_file_is_exact_and_its_loss_is_ignored(vae, tmp_path, layout):
    path, fields = tmp_path / "3d-vae.safetensors", registry.fields("cogvideox_2b", **FIELDS)
    checkpoints.write(path, layout, BASELINE, fields, vae.params)
    found = safetensors.numpy.load_file(path)
    assert set(found) == {entry.key for entry in entries_of(layout, **FIELDS)}
    found["loss.perceptual_loss.lin0.model.1.weight"] = np.zeros((1, 64, 1, 1), np.float32)
    safetensors.numpy.save_file(found, path)
    shapes = jax.eval_shape(lambda: vae.params)
    again = checkpoints.read(path, "cogvideox_2b", fields, shapes, registry.BASELINES)
    ours = trees.flatten(vae.params)
    assert again.keys() == ours.keys()
    for name, leaf in again.items():
        np.testing.assert_array_equal(leaf, ours[name])


@pytest.mark.slow
def test_a_stream_in_the_chunks_of_the_reference_gives_its_result(vae, golden):
    video = clip(25)
    mean = list(vae.encode_stream([video[:, :9], video[:, 9:17], video[:, 17:]]))
    assert [part.shape[1] for part in mean] == [3, 2, 2]
    close(np.concatenate(mean, axis=1), golden["moments/25"][..., :4])
    z = latents(25)
    parts = list(vae.decode_stream([z[:, :3], z[:, 3:5], z[:, 5:]]))
    assert [part.shape[1] for part in parts] == [9, 8, 8]
    close(seen(np.concatenate(parts, axis=1)), np.clip(golden["video/25"], -1, 1))


@pytest.mark.parametrize("plan", [[2, 4], [4]], ids=["2 + 2", "4, as it is encoded"])
def test_an_even_number_of_latents_is_decoded_by_twos(vae, golden, plan):
    z = latents(13)
    parts = list(vae.decode_stream(np.split(z, plan[:-1], axis=1)))
    assert [part.shape[1] for part in parts] == [5, 8]
    close(seen(np.concatenate(parts, axis=1)), np.clip(golden["video/13"], -1, 1))


def changed(function, x, step):
    """Which entries of axis 1 of the result change, bit for bit, with entry ``step`` of ``x``."""
    other = x.copy()
    other[:, step] *= 0.9
    difference = np.abs(function(other) - function(x)).max(axis=(0, 2, 3, 4))
    return np.flatnonzero(difference).tolist()


def test_a_latent_depends_on_its_chunk_and_the_past_alone(vae, encode):
    assert not vae.spec.encoder_causal
    assert changed(encode, clip(17), 8) == [0, 1, 2, 3, 4]  # the last frame of the first chunk
    assert changed(encode, clip(17), 16) == [3, 4]


def test_a_decoded_group_depends_on_up_to_2_later_latents(vae, decode):
    assert vae.spec.decoder_lookahead == 2
    assert changed(decode, latents(17), 2) == list(range(17))
    assert changed(decode, latents(17), 3) == list(range(9, 17))
    assert changed(decode, latents(17), 4) == list(range(9, 17))


def means_of_chunks(x, groups, counts):
    """Mean and variance for each frame; ``counts``: frames of each chunk, frame 0 how often."""
    lengths, often = counts
    mean, variance = np.empty_like(x, np.float64), np.empty_like(x, np.float64)
    for example in range(len(x)):
        start = 0
        for length in lengths:
            for c in np.split(np.arange(x.shape[-1]), groups):
                values = x[example, start : start + length][..., c].astype(np.float64)
                if start == 0:
                    values = np.concatenate([values[:1]] * (often - 1) + [values])
                mean[example, start : start + length, ..., c] = values.mean()
                variance[example, start : start + length, ..., c] = values.var()
            start += length
    return mean, variance


NORMS = {
    "3 2 2 latents at 2 frames": (Chunks(3, 2, rate=2), ([5, 4, 4], 1)),
    "2 2 latents at 4 frames, decoded": (Chunks(2, 2, copies=True, rate=4), ([5, 8], 4)),
    "4 2 latents at 2 frames, encoded": (Chunks(4, 2, rate=2), ([7, 4], 1)),
    "2 latents at 4 frames, in a stream": (Chunks(2, 2, opens=False, rate=4), ([8], 1)),
    "an image": (Chunks(1, 2, rate=4), ([1], 1)),
}


def norm_of(chunks, counts):
    """A norm with all parameters drawn, its input of several clips, and latents."""
    frames = sum(counts[0])
    x = 3 + rule.normal(1, 2, frames, 4, 6, 8) * np.linspace(1, 2, frames).reshape(1, -1, 1, 1, 1)
    x = x.astype(np.float32)
    z = rule.normal(2, 2, -(-frames // chunks.rate), 2, 3, 4)
    module = ChunkNorm(chunks, groups=2)
    params = {
        path: rule.tensor(path, leaf.shape)
        for path, leaf in trees.flatten(
            jax.eval_shape(module.init, jax.random.key(0), x, z)["params"]
        ).items()
    }
    return module, params, x, z


@pytest.mark.parametrize("case", NORMS)
def test_statistics_are_those_of_a_chunk(case):
    chunks, counts = NORMS[case]
    module, params, x, _ = norm_of(chunks, counts)
    mean, variance = means_of_chunks(x, 2, counts)
    expected = (x - mean) / np.sqrt(variance + 1e-6) * params["scale"] + params["bias"]
    params = {name: params[name] for name in ("scale", "bias")}
    close(jax.jit(module.apply)({"params": params}, x), expected, 2e-5)


@pytest.mark.parametrize("case", NORMS)
def test_the_norm_of_the_decoder_is_scaled_by_the_nearest_latent(case):
    chunks, counts = NORMS[case]
    module, params, x, z = norm_of(chunks, counts)
    mean, variance = means_of_chunks(x, 2, counts)
    normed = (x - mean) / np.sqrt(variance + 1e-6) * params["scale"] + params["bias"]
    for index in np.ndindex(x.shape[:4]):
        example, t, row, column = index
        step = (t + chunks.rate - 1 if chunks.opens else t) // chunks.rate  # frame 0 is alone
        nearest = z[example, step, row // 2, column // 2]
        by, plus = (
            nearest @ params[f"{name}/kernel"].reshape(4, 8) + params[f"{name}/bias"]
            for name in ("conv_y", "conv_b")
        )
        normed[index] = normed[index] * by + plus
    close(jax.jit(module.apply)({"params": trees.unflatten(params)}, x, z), normed, 5e-5)


def resampled(module, x, tap):
    """``module`` with a convolution that takes the one tap."""
    kernel = np.zeros((1, 3, 3, 1, 1), np.float32)
    kernel[0, *tap] = 1
    conv = {"kernel": kernel, "bias": np.zeros(1, np.float32)}
    y = jax.jit(module.apply)({"params": {"conv": conv}}, x.astype(np.float32))
    return np.asarray(y)[0, ..., 0]


@pytest.mark.parametrize(
    "opens, frames, expected",
    [
        (True, [0, 10, 30, 50, 90], [0, 20, 70]),
        (False, [10, 30, 50, 90], [20, 70]),
        (True, [7], [7]),
    ],
    ids=["first chunk", "later chunk", "an image"],
)
def test_frames_are_averaged_in_pairs_but_frame_0(opens, frames, expected):
    places = np.arange(16).reshape(4, 4)
    x = (np.array(frames).reshape(-1, 1, 1) + places)[None, ..., None]
    y = resampled(Downsample(2, Chunks(1, 2, opens)), x, (0, 0))
    expected = np.array(expected).reshape(-1, 1, 1)
    np.testing.assert_array_equal(y, expected + places[::2, ::2])
    alone = resampled(Downsample(1, Chunks(1, 2, opens)), x, (2, 2))  # the pad is behind
    behind = np.zeros((len(frames), 2, 2))
    behind[:, 0, 0] = np.array(frames) + places[2, 2]
    np.testing.assert_array_equal(alone, behind)


@pytest.mark.parametrize(
    "opens, frames, expected",
    [(True, [1, 2, 3], [1, 2, 2, 3, 3]), (False, [2, 3], [2, 2, 3, 3]), (True, [7], [7])],
    ids=["first chunk", "later chunk", "an image"],
)
def test_frames_are_repeated_but_frame_0_and_convolved_after_it(opens, frames, expected):
    places = 10 * np.arange(4).reshape(2, 2)
    x = (np.array(frames).reshape(-1, 1, 1) + places)[None, ..., None]
    y = resampled(Upsample(2, Chunks(1, 2, opens)), x, (1, 2))  # each pixel takes its right one
    nearest = np.array(expected).reshape(-1, 1, 1) + places.repeat(2, 0).repeat(2, 1)
    right = np.concatenate([nearest[..., 1:], np.zeros_like(nearest[..., :1])], axis=-1)
    np.testing.assert_array_equal(y, right)


@pytest.mark.slow
def test_rematerialised_blocks_have_the_same_gradient():
    x, z = rule.normal(1, 1, 5, 2, 2, 4), rule.normal(2, 1, 3, 1, 1, 4)
    chunks = Chunks(3, 2, rate=2)
    plain, again = (Blocks(4, 1, chunks, groups=2, remat=remat) for remat in ("none", "block"))
    params = plain.init(jax.random.key(0), x, z)
    slopes = [
        jax.jit(jax.grad(lambda p, m=module: jnp.square(m.apply(p, x, z)).sum()))(params)
        for module in (plain, again)
    ]
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4), *slopes)


def test_bfloat16_gives_float32_results_near_those_of_float32(vae, golden):
    module = registry.build("cogvideox_2b", **FIELDS, dtype="bfloat16", remat="block")
    apply = functools.partial(module.apply, {"params": vae.params})
    encoded = jax.eval_shape(lambda: apply(clip(1), method="posterior"))
    decoded = jax.jit(lambda z: apply(z, method="decode_raw"))(latents(1))
    assert encoded.mean.dtype == decoded.dtype == np.float32
    wrong = np.abs(seen(decoded) - golden["video/1"]).max()
    assert 1e-3 < wrong < 0.1 * np.abs(golden["video/1"]).max()


@pytest.mark.parametrize(
    "fields, sentence",
    [
        ({"widths": (8, 16, 16, 30)}, r"multiples of the 4 groups .* got \[8, 16, 16, 30\]"),
        ({"widths": (8, 16, 32)}, r"those of 4 stages.* got \[8, 16, 32\]"),
        ({"remat": "layers"}, "remat is one of none, block; got 'layers'"),
    ],
)
def test_a_field_that_does_not_fit_is_refused_with_a_sentence(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        registry.build("cogvideox_2b", **(FIELDS | fields))


def test_sides_are_multiples_of_8(vae):
    with pytest.raises(ValueError, match="width of a clip is a multiple of 8, got 12"):
        vae.encode(np.zeros((1, 1, 8, 12, 3), np.float32))
