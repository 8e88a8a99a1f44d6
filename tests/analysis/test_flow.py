import numpy as np
import pytest

from pv_vae_jax.analysis import extrapolation, flow
from pv_vae_jax.data.rendered import Scene
from pv_vae_jax.evaluation import protocol
from tests.analysis import pixels

CLIP = np.zeros((3, 16, 24, 3), np.uint8)
FORM = ["datasets=rendered", "frames=4", "height=64", "width=64"]


def used():
    return protocol.named("small-ltd").changed(FORM)


def test_exact_flow_of_a_rendered_scene_leads_from_each_frame_to_the_next():
    found = flow.exact(used(), "rendered/scene_000007")
    scene = Scene.drawn(7, 4, 64, 64, "held_out")
    clip = scene.video().astype(np.float32)
    assert found.shape == (3, 64, 64, 2) and np.hypot(*found.T).mean() > 1
    grid = np.stack(np.meshgrid(np.arange(64.0), np.arange(64.0)), axis=-1)
    moments = scene.moments()
    for n in range(3):
        again = extrapolation.warped(clip[n + 1], found[n])
        seen = scene.owner(grid + found[n], moments[n + 1]) == scene.owner(grid, moments[n])
        error = np.abs(again - clip[n])[seen].mean()
        assert error < 0.3 * np.abs(clip[n + 1] - clip[n])[seen].mean()


def test_exact_flow_is_of_the_scene_in_its_world_and_split():
    found = flow.exact(used(), "smooth/train/scene_1000007")
    scene = Scene.drawn(1_000_007, 4, 64, 64, "train", world="smooth")
    np.testing.assert_array_equal(found, scene.flow())


def test_other_videos_have_no_exact_flow():
    assert flow.exact(used(), "shipped/bikes_000030") is None


def test_dis_flow_is_near_the_exact_one():
    clip = Scene.drawn(7, 4, 64, 64, "held_out").video()
    exact = flow.exact(used(), "rendered/scene_000007")
    error = np.hypot(*(flow.dis(clip) - exact).T).mean()
    assert error < 0.5 * np.hypot(*exact.T).mean()


def test_a_frame_too_small_for_dis_is_a_sentence():
    with pytest.raises(ValueError, match="a side of 12 pixels or more, got 8x8"):
        flow.dis(np.zeros((2, 8, 8, 3), np.uint8))


def test_the_grid_of_latents_has_the_mean_magnitude_of_each_cell_and_group():
    """Two groups of two pairs; cells of 2 x 2; by hand."""
    found = np.zeros((4, 2, 4, 2), np.float32)
    found[1, :, :2] = 3, 4  # 5 in one of two pairs
    found[3, 0, 2] = 0, -8  # 8 in one pixel of four, in one of two pairs
    grid = flow.on_latent_grid(found, temporal=2, spatial=2)
    np.testing.assert_allclose(grid, [[[2.5, 0]], [[0, 1]]])


def test_no_motion_is_white_and_directions_have_colours():
    found = np.zeros((1, 2, 2, 2), np.float32)
    found[0, 0] = [[4, 0], [-4, 0]]
    picture = flow.coloured(found)
    assert (picture[0, 1] == 255).all()
    assert picture[0, 0].tolist() == [[255, 0, 0], [0, 255, 255]]


def flo(path, field):
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = field.shape[:2]
    head = flow.MAGIC + np.array([width, height], "<i4").tobytes()
    path.write_bytes(head + field.astype("<f4").tobytes())
    return path


def test_files_of_your_own_are_read_by_key(tmp_path):
    field = np.random.default_rng(0).normal(size=(2, 16, 24, 2)).astype(np.float32)
    np.savez((tmp_path / "set_a.npz"), flow=field)
    for n in (1, 0):
        flo(tmp_path / "set" / "b" / f"{n:03d}.flo", field[n])
    source = flow.source(str(tmp_path), used())
    for key in ("set_a", "set/b"):
        np.testing.assert_array_equal(source.of(pixels.video(key, CLIP), CLIP), field)
    assert source.of(pixels.video("set/c", CLIP), CLIP) is None
    flo(tmp_path / "set" / "b" / "001.flo", field[1][:, :-1])
    with pytest.raises(ValueError, match=r"set/b is to hold the flow of a clip as floats \[2, 16"):
        source.of(pixels.video("set/b", CLIP), CLIP)
    assert flow.source(str(tmp_path), used()).settings != source.settings


@pytest.mark.parametrize(
    "array, message",
    [
        (np.zeros((2, 16, 24, 3), np.float32), r"as floats \[2, 16, 24, 2\].* got float32\[2, 16"),
        (np.zeros((2, 16, 24, 2), np.int32), "got int32"),
        (np.full((2, 16, 24, 2), np.nan), "a flow is not finite"),
    ],
)
def test_flow_of_another_form_is_a_sentence(array, message, tmp_path):
    np.savez(tmp_path / "a.npz", flow=array)
    with pytest.raises(ValueError, match=message):
        flow.of_files(tmp_path, "a", CLIP.shape)


def test_a_damaged_flo_is_a_sentence(tmp_path):
    path = flo(tmp_path / "a.flo", np.zeros((4, 5, 2)))
    assert flow.read_flo(path).shape == (4, 5, 2)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="not whole: 171 bytes, where a flow of 4 x 5 has 172"):
        flow.read_flo(path)
    for other in (whole[:6], b"XXXX" + whole[4:], whole[:4] + np.array([1, -1], "<i4").tobytes()):
        path.write_bytes(other)
        with pytest.raises(ValueError, match="no .flo file"):
            flow.read_flo(path)


def test_an_unknown_source_of_flow_is_a_sentence():
    with pytest.raises(ValueError, match="--flow is dis, exact, or a folder .* no folder raft"):
        flow.source("raft", used())
