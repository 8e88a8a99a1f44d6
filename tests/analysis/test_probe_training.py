"""Known answers: a probe fed the truth tells it, one fed noise knows no more than nothing."""

import numpy as np
import pytest

from pv_vae_jax.analysis import probe_training
from pv_vae_jax.analysis.flow_probe import FlowProbe
from pv_vae_jax.analysis.next_frame_probe import NextFrameProbe
from pv_vae_jax.analysis.probe_network import Probe
from pv_vae_jax.analysis.probe_training import Budget, Training

SMALL = Budget(width=32, blocks=1, fine=16, steps=250, batch=8, learning_rate=5e-3)
GROUPS, PERIOD, CELL, SIDE = 3, 2, 4, 8  # T = 5
TRAIN, TEST = 48, 16


def probe(task, stride=1):
    return Probe(task.outputs, PERIOD, CELL, stride, SMALL.width, SMALL.blocks, SMALL.fine, CELL)


def measured(task, features, targets, clips=None):
    """A probe of seed 0 trained on the first clips, judged on the others."""
    training = Training(probe(task), task.loss, SMALL, features[:TRAIN])
    params = training.trained({name: array[:TRAIN] for name, array in targets.items()}, 0)
    parts = []
    for rows, found in training.applied(params, features[TRAIN:]):
        own = {name: array[TRAIN + rows] for name, array in targets.items()}
        parts.append(task.measured(found, clips if clips is None else clips[TRAIN + rows], own))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def affine_flow(random):
    """A flow for each pair of frames, linear in the place, and what it is on the cells."""
    count = TRAIN + TEST
    size = (count, GROUPS * PERIOD - 1, 1, 1, 2)
    drift, slope = random.normal(0, 3, size), random.normal(0, 0.3, (2, *size))
    y, x = (axis.reshape(1, 1, *axis.shape, 1) for axis in np.mgrid[:SIDE, :SIDE] - 3.5)
    flow = (drift + slope[0] * x + slope[1] * y).astype(np.float32)
    frames = np.concatenate([np.zeros_like(flow[:, :1]), flow], axis=1)[:, -GROUPS * PERIOD :]
    frames = frames.reshape(count, GROUPS, PERIOD, 2, CELL, 2, CELL, 2)
    cells = frames.transpose(0, 1, 3, 5, 2, 4, 6, 7).reshape(count, GROUPS, 2, 2, -1)
    return flow[:, 1:], cells


def test_a_probe_fed_the_true_flow_tells_it():
    flow, cells = affine_flow(np.random.default_rng(0))
    found = measured(FlowProbe(), cells, {"flow": flow})
    assert found["flow_epe"].shape == (TEST,)
    assert found["flow_epe"].mean() < 0.1 * found["flow_still"].mean()
    assert found["flow_outliers"].mean() < 1


def test_a_probe_fed_noise_is_no_better_than_no_motion():
    random = np.random.default_rng(1)
    flow, cells = affine_flow(random)
    noise = random.normal(size=cells.shape).astype(np.float32)
    found = measured(FlowProbe(), noise, {"flow": flow})
    assert found["flow_epe"].mean() > 0.97 * found["flow_still"].mean()


def test_a_probe_fed_the_next_frame_tells_it():
    random = np.random.default_rng(2)
    count = TRAIN + TEST
    colours = random.integers(0, 256, (count, 2, 2, 3)).astype(np.uint8)
    frame = colours.repeat(CELL, axis=1).repeat(CELL, axis=2)
    features = np.broadcast_to(colours[:, None] / 100.0, (count, GROUPS, 2, 2, 3))
    clips = np.zeros((count, 5, SIDE, SIDE, 3), np.uint8)
    found = measured(NextFrameProbe(), features.astype(np.float32), {"next": frame}, clips)
    expected = np.square(frame[TRAIN:] / 127.5).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found["next_frame_repeated"], expected, rtol=1e-6)
    assert found["next_frame_mse"].mean() < 0.02


def test_each_clip_comes_once_in_an_epoch_and_a_seed_has_its_order():
    order = probe_training.batches(6, 4, seed=1)
    drawn = np.concatenate([next(order) for _ in range(3)])
    assert sorted(drawn[:6]) == sorted(drawn[6:]) == list(range(6))
    again, other = probe_training.batches(6, 4, 1), probe_training.batches(6, 4, 2)
    assert (next(again) == drawn[:4]).all() and not (next(other) == drawn[:4]).all()
    assert len(next(probe_training.batches(2, 5, 0))) == 5


def test_results_come_for_each_clip_in_order():
    features = np.random.default_rng(3).normal(size=(11, GROUPS, 2, 2, 3)).astype(np.float32)
    training = Training(probe(FlowProbe()), FlowProbe().loss, SMALL, features)
    params = training._initial(probe_training.rng.stream_key(0, "probe"))
    parts = list(training.applied(params, features))
    assert np.concatenate([rows for rows, _ in parts]).tolist() == list(range(11))
    alone = [found for _, found in training.applied(params, features[8:9])][0]
    np.testing.assert_allclose(parts[1][1][:1], alone, rtol=1e-4, atol=1e-5)


def test_a_loss_that_is_not_finite_is_a_sentence():
    flow, cells = affine_flow(np.random.default_rng(0))
    flow = np.full_like(flow, np.nan)
    task, budget = FlowProbe(), Budget(32, 1, 16, steps=2, batch=8)
    training = Training(probe(task), task.loss, budget, cells)
    with pytest.raises(ValueError, match="the loss is nan after 2 steps"):
        training.trained({"flow": flow}, 0)
    with pytest.raises(ValueError, match="a probe's steps is at least 1"):
        Budget(steps=0)
