import cv2
import numpy as np
import pytest

from pv_vae_jax.data import photographs, rendered


def psnr(error):
    return 10 * np.log10(255**2 / np.mean(np.square(error)))


def back_by_flow(video, flow):
    """Next frames looked up where the flow says, float32 [T-1, H, W, 3]."""
    height, width = video.shape[1:3]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack(
        [
            cv2.remap(frame.astype(np.float32), x + f[..., 0], y + f[..., 1], cv2.INTER_LINEAR)
            for frame, f in zip(video[1:], flow, strict=True)
        ]
    )


def unoccluded(scene, flow):
    """Where the place to which the flow leads belongs to the same layer, bool [T-1, H, W]."""
    grid = np.stack(np.meshgrid(np.arange(float(scene.width)), np.arange(scene.height)), axis=-1)
    moments = scene.moments()
    return np.stack(
        [
            scene.owner(grid + f, moments[n + 1]) == scene.owner(grid, moments[n])
            for n, f in enumerate(flow)
        ]
    )


def test_the_next_frame_looked_up_by_the_flow_is_this_frame():
    by_flow, by_nothing = [], []
    for seed in range(12):
        scene = rendered.Scene.drawn(seed, 5, 64, 64)
        video, flow = scene.video(), scene.flow()
        # pixels whose outlines do not mix with another layer: unoccluded in a 3x3 neighbourhood
        sharp = np.abs(np.diff(flow, axis=1, append=0)).max(-1) < 0.2
        sharp &= unoccluded(scene, flow)
        sharp = np.stack([cv2.erode(m.astype(np.uint8), np.ones((5, 5))) > 0 for m in sharp])
        assert sharp.mean() > 0.4
        error = back_by_flow(video, flow) - video[:-1]
        by_flow.append(psnr(error[sharp]))
        by_nothing.append(psnr((video[1:].astype(float) - video[:-1])[sharp]))
    assert np.median(by_flow) > 30
    assert np.median(np.array(by_flow) - by_nothing) > 9


def test_tracks_follow_the_flow_where_they_are_visible():
    compared = 0
    for seed in range(6):
        scene = rendered.Scene.drawn(seed, 5, 48, 48)
        flows = scene.flow()
        for track, visible in zip(*scene.tracks(seed), strict=True):
            for n in range(4):
                if not (visible[n] and visible[n + 1]):
                    continue
                column, row = np.rint(track[n]).astype(int)
                flow = flows[n, min(row, 47), min(column, 47)]
                near_an_outline = np.ptp(
                    flows[n, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2],
                    axis=(0, 1),
                ).max()
                if near_an_outline < 0.2:
                    # a pixel's flow is that of its centre: at most half a pixel away from the point
                    assert np.abs(track[n + 1] - track[n] - flow).max() < 0.03
                    compared += 1
    assert compared > 500


def test_objects_cover_points_and_uncover_them():
    covered = uncovered = 0
    for seed in range(20):
        tracks, visible = rendered.Scene.drawn(seed, 9, 32, 32).tracks(seed)
        inside = np.all((tracks > 0) & (tracks < 31), axis=-1)
        hidden = inside & ~visible
        covered += np.sum(visible[:, :-1] & hidden[:, 1:])
        uncovered += np.sum(hidden[:, :-1] & visible[:, 1:])
    assert covered > 20 and uncovered > 20


def test_the_owner_of_a_pixel_is_the_layer_that_is_drawn_there():
    grid = np.stack(np.meshgrid(np.arange(48.0), np.arange(48.0)), axis=-1)
    wrong = pixels = 0
    for seed in range(10):
        scene = rendered.Scene.drawn(seed, 3, 48, 48)
        for moment in (-1.0, 0.0, 1.0):
            drawn = scene.layers[-1].image(moment, 48, 48)[..., 3] > 127
            owned = scene.owner(grid, moment) == len(scene.layers) - 1
            wrong, pixels = wrong + np.sum(drawn != owned), pixels + np.sum(drawn)
    assert pixels > 5000 and wrong < 0.02 * pixels  # they may differ on the outline alone


def test_a_covered_point_lies_under_an_object_of_the_scene():
    scene = rendered.Scene.drawn(1, 3, 32, 32)
    middle = scene.layers[-1].motion.position
    assert scene.owner(middle, 0.0) == len(scene.layers) - 1
    assert scene.owner(np.array([-1.0, 5.0]), 0.0) == -1


def test_motion_is_smooth_and_repeating_a_frame_is_clearly_wrong():
    videos = np.stack([rendered.render(seed, 9, 32, 32) for seed in range(100)]).astype(float)
    ahead = psnr(videos[:, 4:5] - videos[:, 5:9])
    assert 13 < ahead < 17
    for seed in range(5):
        tracks, _ = rendered.Scene.drawn(seed, 9, 32, 32).tracks(seed)
        bend = np.diff(tracks, n=2, axis=1)
        assert np.abs(bend).max() < 0.25  # pixels a frame, each frame


def test_a_seed_is_a_video_and_a_longer_clip_is_the_same_scene():
    assert np.array_equal(rendered.render(3, 5, 32, 32), rendered.render(3, 5, 32, 32))
    assert not np.array_equal(rendered.render(3, 5, 32, 32), rendered.render(4, 5, 32, 32))
    longer = rendered.render(3, 9, 32, 32)
    assert np.array_equal(rendered.render(3, 5, 32, 32), longer[2:7])


def test_stride_shows_every_so_many_moments():
    slow = rendered.Scene.drawn(5, 9, 32, 32).video()
    fast = rendered.Scene.drawn(5, 5, 32, 32, stride=2).video()
    assert np.array_equal(fast, slow[::2])


def test_splits_share_no_photograph_and_all_are_in_colour_space():
    train, held_out = (set(photographs.names_of(split)) for split in ("train", "held_out"))
    assert train and held_out and not train & held_out
    for name in train | held_out:
        pixels = photographs.photograph(name)
        assert pixels.dtype == np.uint8 and pixels.shape[2] == 3 and pixels.std() > 15


def test_the_smooth_world_has_motion_and_no_texture():
    def roughness(video):
        return np.abs(np.diff(np.diff(video.astype(float), axis=2), axis=2)).mean()

    worlds = {
        world: [rendered.Scene.drawn(s, 9, 32, 32, world=world).video() for s in range(20)]
        for world in rendered.WORLDS
    }
    rough = {world: np.mean([roughness(v) for v in videos]) for world, videos in worlds.items()}
    assert rough["smooth"] < 0.4 * rough["photographs"]
    counts = [len(rendered.Scene.drawn(s, 1, 32, 32, world="smooth").layers) for s in range(40)]
    assert set(counts) == {2}  # a background and an object
    moved = np.mean([np.abs(v[-1].astype(float) - v[0]).mean() for v in worlds["smooth"]])
    assert moved > 10


def test_an_unknown_world_is_refused():
    with pytest.raises(ValueError, match="is one of photographs, smooth; got 'other'"):
        rendered.Scene.drawn(0, 1, 32, 32, world="other")


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="split is one of train, held_out; got 'test'"):
        rendered.render(0, 5, 32, 32, split="test")
