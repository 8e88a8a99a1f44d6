"""Tracking by descriptors: exact where they tell the place, learned where they tell the point."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.analysis import tracking_probe
from pv_vae_jax.analysis.probe_network import Probe
from pv_vae_jax.analysis.probe_training import Budget, Training
from pv_vae_jax.analysis.tracking_probe import TrackingProbe

SIDE, PLACES, FRAMES = 32, 8, 5  # places of 4 pixels
SIZE = SIDE, SIDE


def track_of(*places):
    return np.array([places], np.float32)


def told(path, hidden=()):
    """Results in which the point at place (3, 2) of frame 0 is told to be on a path of places.

    The descriptor of a place is the logarithm of its weight, where place (3, 2) has its 1.
    """
    found = np.zeros((len(path), PLACES, PLACES, PLACES**2 + 1), np.float32)
    own = 2 * PLACES + 3
    for n, (x, y) in enumerate(path):
        down = np.maximum(0, 1 - np.abs(np.arange(PLACES) - y))
        across = np.maximum(0, 1 - np.abs(np.arange(PLACES) - x))
        weights = np.log(np.maximum(down[:, None] * across[None], 1e-12))
        found[n, ..., own] = np.sqrt(PLACES**2) * weights
    found[0] = 0
    found[0, 2, 3, own] = 1
    found[..., -1] = -np.log(2)  # hidden: half of what all places have together
    for n in hidden:
        found[n, ..., own] = -1000
    return found


def test_a_track_is_the_mean_of_the_bilinear_weights_of_its_place():
    path = [(3, 2), (3.25, 2.5), (6.9, 0.1), (0, 7)]
    tracks = track_of(*[(4 * x + 1.5, 4 * y + 1.5) for x, y in path])
    at, visible = tracking_probe.follow(told(path), np.array([0]), tracks, 4)
    np.testing.assert_allclose(at[:, 1:], tracks[:, 1:], atol=1e-3)
    assert visible[:, 1:].all()


def test_a_point_that_no_place_is_like_is_told_to_be_hidden():
    path = [(3, 2)] * 4
    tracks = track_of(*[(13.5, 9.5)] * 4)
    _, visible = tracking_probe.follow(told(path, hidden=(2,)), np.array([0]), tracks, 4)
    assert np.asarray(visible)[0, 1:].tolist() == [True, False, True]


def test_only_the_place_of_the_query_is_looked_at():
    path = [(3, 2), (3.25, 2.5), (6.9, 0.1)]
    tracks = track_of(*[(4 * x + 1.5, 4 * y + 1.5) for x, y in path])
    lost = tracks.copy()
    lost[:, 1:] = np.nan
    for a, b in zip(
        tracking_probe.follow(told(path), np.array([0]), tracks, 4),
        tracking_probe.follow(told(path), np.array([0]), lost, 4),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_weights_are_of_the_two_places_around():
    found = tracking_probe.weights(jnp.array([0.0, 1.25, 2.9, 7.0, -3.0]), 3)
    expected = [[1, 0, 0], [0, 0.75, 0.25], [0, 0, 1], [0, 0, 1], [1, 0, 0]]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_figures_are_by_hand_and_points_that_are_never_visible_change_nothing():
    path = [(3, 2), (4, 2), (3, 2)]
    tracks = track_of((13.5, 9.5), (17.5, 12.5), (13.5, 9.5))  # told 3 pixels off in frame 1
    visible = np.array([[True, True, True]])
    one = tracking_probe.judged(told(path), SIZE, tracks, visible, np.array([0]), 4)
    assert one["area"] == pytest.approx((0.7 + 1) / 2, abs=1e-3)
    assert one["still"] == pytest.approx((0.5 + 1) / 2)  # 5 pixels in frame 1
    assert one["position"] == pytest.approx((4 * 1 / 2 + 0.5) / 5)  # 24 pixels of 256 x 256
    assert one["occlusion"] == 1
    more = np.concatenate([tracks, np.full_like(tracks, 99)])
    seen = np.concatenate([visible, np.zeros_like(visible)])
    two = tracking_probe.judged(told(path), SIZE, more, seen, np.array([0, 0]), 4)
    assert two == pytest.approx(one)


def test_the_loss_is_least_where_the_weights_are_told():
    task = TrackingProbe()
    path = [(3, 2), (3.25, 2.5), (6.9, 0.1)]
    tracks = track_of(*[(4 * x + 1.5, 4 * y + 1.5) for x, y in path])[None]
    targets = {
        "tracks": tracks,
        "visible": np.ones((1, 1, 3), bool),
        "queries": np.zeros((1, 1), int),
    }
    right = told(path)
    right[..., -1] = -1000
    loss, slope = jax.jit(jax.value_and_grad(task.loss))(right[None], targets)
    entropy = 0.0
    for x, y in path[1:]:
        parts = np.outer([x % 1, 1 - x % 1], [y % 1, 1 - y % 1])
        entropy -= (parts * np.log(np.maximum(parts, 1e-12))).sum() / 2
    assert float(loss) == pytest.approx(entropy, abs=1e-4)
    assert float(jnp.abs(slope[:, 1:]).max()) < 1e-5


def moving(count, random):
    """Clips that move as a whole: tracks, and features that hold each place's place in frame 0."""
    speed = random.uniform(-3, 3, (count, 1, 1, 2))
    time = np.arange(FRAMES).reshape(1, 1, -1, 1)
    tracks = random.uniform(8, 24, (count, 12, 1, 2)) + speed * time
    visible = ((tracks > -0.5) & (tracks < SIDE - 0.5)).all(axis=-1)
    grid = np.stack(np.meshgrid(*[np.arange(PLACES) * 4 + 1.5] * 2), axis=-1)
    moment = np.maximum(np.arange(-1, FRAMES), 0).reshape(1, -1, 1, 1, 1)
    origin = grid - speed[:, :, :, None] * moment  # [N, T+1, 8, 8, 2]
    waves = origin[..., None] * (2 * np.pi / np.array([48.0, 24, 12]))
    code = np.concatenate([np.sin(waves), np.cos(waves)], axis=-1)
    code = code.reshape(count, 3, 2, 4, 2, 4, 2, -1).transpose(0, 1, 3, 5, 2, 4, 6, 7)
    targets = {
        "tracks": tracks.astype(np.float32),
        "visible": visible,
        "queries": np.zeros((count, 12), int),
    }
    return code.reshape(count, 3, 4, 4, -1).astype(np.float32), targets


@pytest.mark.parametrize("true", [True, False])
def test_a_probe_fed_true_displacements_tracks_and_one_fed_noise_does_not(true):
    random = np.random.default_rng(0)
    features, targets = moving(40, random)
    if not true:
        features = random.normal(size=features.shape).astype(np.float32)
    task = TrackingProbe()
    budget = Budget(width=48, blocks=1, fine=32, steps=120, batch=8, learning_rate=5e-3)
    probe = Probe(task.outputs, 2, 8, 4, budget.width, budget.blocks, budget.fine, 8)
    training = Training(probe, task.loss, budget, features[:32])
    params = training.trained({name: array[:32] for name, array in targets.items()}, 0)
    own = {name: array[32:] for name, array in targets.items()}
    (_, found), *rest = training.applied(params, features[32:])
    measured = task.measured(found, np.zeros((8, FRAMES, *SIZE, 3), np.uint8), own)
    assert not rest and measured["tracking_area"].shape == (8,)
    area, still = (measured[f"tracking_{name}"].mean() for name in ("area", "still"))
    assert area > 90 if true else area < still
