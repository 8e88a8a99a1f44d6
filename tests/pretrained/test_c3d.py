import functools
import pathlib

import numpy as np
import pytest

from pv_vae_jax.pretrained import c3d, c3d_network, c3d_weights
from tests.golden import judges

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "c3d.npz"
WIDTHS = iter(judges.WIDTHS)
SMALL = c3d_network.C3D(
    judges.CLASSES,
    stages=tuple(tuple((name, next(WIDTHS)) for name, _ in stage) for stage in c3d_network.STAGES),
    full=judges.FULL,
)


def caffe(state):
    """The same tensors under the names of TGAN's file."""
    names = {"conv1": "conv1a", "conv2": "conv2a", "weight": "W", "bias": "b"}
    return {
        "/".join(names.get(part, part) for part in name.split(".")): value
        for name, value in state.items()
    }


@pytest.fixture
def small(monkeypatch, tmp_path):
    """(way, family) to a judge of the small network, from a file."""
    monkeypatch.setattr(c3d_network, "C3D", lambda: SMALL)
    np.savez(tmp_path / "mean2.npz", mean=judges.mean_clip())

    def load(way, family):
        state = judges.small_c3d()
        np.savez(tmp_path / "c3d.npz", **(caffe(state) if family == "caffe" else state))
        return c3d.load(tmp_path / "c3d.npz", tmp_path / "mean2.npz", way)

    return load


@pytest.mark.parametrize("family", ["caffe", "pytorch"])
@pytest.mark.parametrize("way", ["c3d", "tgan2"])
def test_the_logits_are_those_of_the_network_in_pytorch(small, way, family):
    wanted = np.load(GOLDEN)[f"{way}/{family}"]
    found = small(way, family).logits(judges.clip(*judges.C3D_CLIP))
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


def test_the_first_sixteen_frames_are_judged_and_fifteen_are_too_few(small):
    it = small("c3d", "caffe")
    assert (it.name, it.least_frames, it.features) == ("c3d-ucf101", 16, judges.CLASSES)
    video = judges.clip(*judges.C3D_CLIP)
    other = video.copy()
    other[:, 16:] = 255 - other[:, 16:]
    np.testing.assert_array_equal(it.logits(video), it.logits(other))
    with pytest.raises(ValueError, match="needs at least 16 frames of a clip, got 15"):
        it.logits(video[:, :15])


def test_floats_and_bytes_are_judged_alike(small):
    it, video = small("c3d", "caffe"), judges.clip(*judges.C3D_CLIP)
    found, wanted = it.logits(video.astype(np.float32) / 127.5 - 1), it.logits(video)
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


def test_three_numbers_are_a_mean_and_are_told():
    video = np.full((1, 16, 128, 171, 3), 100, np.uint8)
    mean = np.float32([90, 97, 101]).reshape(1, 1, 1, 3)
    clip = c3d.prepare("c3d", mean, video)
    assert clip.shape == (1, 16, 112, 112, 3)
    np.testing.assert_array_equal(clip[0, 3, 50, 50], [10, 3, -1])  # blue first


def test_of_a_frame_of_its_own_size_the_middle_is_taken():
    video = np.zeros((1, 16, 128, 171, 3), np.uint8)
    video[:, :, 8, 29] = 255
    video[:, :, 8 + 111, 29 + 111] = 255
    clip = c3d.prepare("c3d", np.zeros((1, 1, 1, 3), np.float32), video)
    assert clip[0, 0, 0, 0, 0] == clip[0, 0, -1, -1, 0] == 255 and clip.sum() == 16 * 2 * 3 * 255


def test_the_full_network_has_the_shapes_of_the_published_files():
    shapes = c3d_weights.shapes(c3d_network.C3D())
    assert shapes["fc6/weight"] == (4096, 8192) and shapes["fc8/weight"] == (101, 4096)
    assert shapes["conv5b/kernel"] == (3, 3, 3, 512, 512)
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 78_409_573


def test_without_a_file_the_error_says_what_to_get(tmp_path):
    with pytest.raises(ValueError, match="in no package: give your own file by --classifier FILE"):
        c3d.load()
    with pytest.raises(FileNotFoundError, match="there is no file of weights .*none.pth"):
        c3d.load(tmp_path / "none.pth")


def test_another_file_and_another_mean_are_refused(small, tmp_path):
    state = judges.small_c3d()
    del state["conv4a.bias"]
    state["fc8.weight"] = state["fc8.weight"][:3]
    state["fc6.bias"] = state["fc6.bias"] * np.nan
    np.savez(tmp_path / "wrong.npz", **state)
    with pytest.raises(ValueError) as error:
        c3d.load(tmp_path / "wrong.npz")
    for part in (
        "wrong.npz: it is no C3D of 7 classes: conv4a.bias is missing",
        "fc6 holds values that are not finite",
        "fc8 of [3, 20] is wanted as [7, 20]",
    ):
        assert part in str(error.value)
    np.savez(tmp_path / "right.npz", **judges.small_c3d())
    right = functools.partial(c3d.load, tmp_path / "right.npz")
    np.savez(tmp_path / "mean.npz", mean=np.zeros((3, 2)))
    with pytest.raises(ValueError, match="holds no array `mean` of 3 x 16 x 128 x 171"):
        right(tmp_path / "mean.npz")
    with pytest.raises(ValueError, match="mean is blue, green and red, or a file"):
        right([1.0])
    with pytest.raises(ValueError, match="prepared by c3d, tgan2; got 'tgan'"):
        right(way="tgan")
