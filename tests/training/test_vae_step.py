"""One update: what moves, what keeps its bits, what is counted."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pv_vae_jax.core import rng, trees
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import optimizers, vae_step
from pv_vae_jax.training import state as states
from pv_vae_jax.training.optimizers import Optimizer
from pv_vae_jax.training.stages import Stage, StageData
from pv_vae_jax.withholding import Withholding
from tests import tiny


def stage_of(trainable=".*", **optimizer):
    return Stage(
        name="predictive",
        steps=100,
        data=StageData(9, ((16, 16, 8, 1),)),
        withholding=Withholding(way="mask"),
        weights={"mse": 1.0, "difference": 1.0},
        trainable=trainable,
        optimizer=Optimizer(learning_rate=1e-2, warmup=1, ema=0.75, **optimizer),
    )


MODULE = tiny.LinearVAE()
NETWORKS = vae_step.Networks(MODULE)
MESH = meshes.make_mesh()
WITHHELD = (0, 1, 2, 1, 0, 2, 1, 0)


@pytest.fixture(scope="module")
def params():
    return jax.device_get(tiny.params(MODULE))


def stepper(stage):
    shardings = meshes.replicated(MESH), meshes.over_data(MESH)
    step = vae_step.compiled(NETWORKS, stage, 0, vae_step.Program(), *shardings)
    return lambda state, batch: step(state, batch, None)


def begin(params, stage):
    return meshes.put_replicated(MESH, jax.device_get(states.start(params, *_unit(), stage)))


def _unit():
    return np.zeros(4, np.float32), np.ones(4, np.float32)


def batch(**kwargs):
    return meshes.put_batch(MESH, tiny.batch(WITHHELD, **kwargs))


@pytest.fixture(scope="module")
def whole(params):
    """Two updates of everything: states 1 and 2, report, and the step itself."""
    stage = stage_of()
    step = stepper(stage)
    one, _ = step(begin(params, stage), batch())
    first = jax.device_get(one)
    two, report = step(one, batch(first=8))
    return first, jax.device_get(two), report, step


def test_an_update_is_adamw_with_the_schedule_and_the_ema(params, whole):
    first, second, report, _ = whole
    # the first update is at learning rate 0 (warm-up), so EMA and parameters are the initial ones
    jax.tree.map(np.testing.assert_array_equal, first.params, params)
    assert float(report["learning_rate"][0]) == pytest.approx(1e-2)
    for path, new in trees.flatten(second.params).items():
        old, ema = trees.flatten(params)[path], trees.flatten(second.ema)[path]
        np.testing.assert_allclose(ema, 0.75 * old + 0.25 * new, atol=1e-7)
        assert np.abs(new - old).max() < 0.011 * np.sqrt(2)  # Adam's second step is at most lr
    assert int(second.step) == 2 and int(second.skipped) == 0


def test_what_a_stage_and_a_program_say_reaches_the_objective(params, monkeypatch):
    stage = dataclasses.replace(stage_of(), withholding=Withholding(way="mask", loss="withheld"))
    told = []

    def asked(module, trainable, frozen, batch, weights, keys, withheld, judges, loss):
        told.append((weights, keys, withheld, loss))
        return trainable, {"total": (jnp.float32(0), jnp.float32(1))}, None

    monkeypatch.setattr(vae_step.objective, "value_and_gradient", asked)
    state = states.start(params, *_unit(), stage)
    for at in (0, 7):
        vae_step.gradients(
            NETWORKS, stage, 3, vae_step.Program(withheld=2),
            state.replace(step=jnp.int32(at)), None, tiny.batch(WITHHELD),
        )  # fmt: skip
    for (weights, keys, withheld, loss), at in zip(told, (0, 7), strict=True):
        assert (weights, withheld, loss) == (stage.weights, 2, "withheld")
        for key, name in ((keys.latent, "latent"), (keys.padding, "padding")):
            wanted = rng.step_key(3, f"predictive/{name}", at)
            assert (jax.random.key_data(key) == jax.random.key_data(wanted)).all()


def test_a_gradient_that_is_not_finite_changes_nothing_but_the_counters(whole):
    _, second, _, step = whole
    broken = trees.unflatten(trees.flatten(second.params))
    broken["decoder"]["bias"] = np.full_like(broken["decoder"]["bias"], np.nan)
    before = second.replace(params=broken)
    after, report = step(meshes.put_replicated(MESH, before), batch())
    after = jax.device_get(after)
    for name in ("params", "ema", "slots"):
        jax.tree.map(np.testing.assert_array_equal, getattr(after, name), getattr(before, name))
    assert (int(after.step), int(after.skipped), int(after.skipped_in_row)) == (3, 1, 1)
    assert not np.isfinite(float(report["gradient_norm"][0]))
    mended = after.replace(params=second.params)
    again, _ = step(meshes.put_replicated(MESH, mended), batch())
    assert (int(again.skipped), int(again.skipped_in_row)) == (1, 0)


def test_decoder_fine_tuning_has_no_slots_for_the_encoder_and_keeps_its_bits(params):
    stage = stage_of(trainable="^decoder/")
    state = begin(params, stage)
    paths = set(trees.flatten(state.ema))
    assert paths and all(path.startswith("decoder/") for path in paths)
    slots = sum(leaf.size for leaf in jax.tree.leaves(state.slots))
    assert slots == 2 * trees.count(params["decoder"]) + 1  # two moments and a count
    step = stepper(stage)
    for first in (0, 8):
        state, _ = step(state, batch(first=first))
    after = jax.device_get(state.params)
    jax.tree.map(np.testing.assert_array_equal, after["encoder"], params["encoder"])
    pairs = zip(
        trees.flatten(after["decoder"]).items(),
        trees.flatten(params["decoder"]).values(),
        strict=True,
    )
    assert not [path for (path, new), old in pairs if np.array_equal(new, old)]


def test_micro_batches_give_the_update_of_the_whole_batch(params, whole):
    stage = stage_of(accumulate=2)
    two_devices = jax.sharding.Mesh(np.array(jax.devices()[:2]).reshape(2, 1), meshes.AXES)
    shardings = meshes.replicated(two_devices), meshes.over_data(two_devices)
    step = vae_step.compiled(NETWORKS, stage, 0, vae_step.Program(), *shardings)
    state = meshes.put_replicated(two_devices, jax.device_get(begin(params, stage)))
    for first in (0, 8):
        micro = meshes.put_batch(two_devices, tiny.batch(WITHHELD, first=first))
        state, report = step(state, micro, None)
    _, second, expected, _ = whole
    for name in ("mse", "mse/withheld", "gradient_norm"):
        value, count = (float(x) for x in report[name])
        other, other_count = (float(x) for x in expected[name])
        assert value / count == pytest.approx(other / other_count, rel=2e-5), name
    slots = jax.tree.leaves(jax.device_get(state.slots))
    for got, want in zip(slots, jax.tree.leaves(second.slots), strict=True):
        assert np.linalg.norm(got - want) <= 2e-5 * np.linalg.norm(want) + 1e-12


def test_a_batch_that_does_not_divide_is_refused_with_the_numbers():
    with pytest.raises(ValueError, match="12 clips .* 8 devices x 1 micro-batches; .* 8 and 16"):
        meshes.check_batch(MESH, 12, 1)
    meshes.check_batch(MESH, 16, 2)


def test_the_first_moment_in_bfloat16_moves_parameters_almost_alike_and_halves_its_bytes():
    params = {"a": jax.random.normal(jax.random.key(0), (64, 64))}

    def moved(mu_dtype):
        form, now = Optimizer(learning_rate=1e-2, warmup=0, mu_dtype=mu_dtype), params
        slots = optimizers.direction(form).init(params)
        for step in range(5):
            gradient = jax.tree.map(lambda p, step=step: p + jnp.sin(100 * p + step), now)
            now, slots, *_ = optimizers.update(form, 10, jnp.int32(step), gradient, slots, now)
        return now["a"] - params["a"], optax.tree.get(slots, "mu")["a"], slots

    (full, mu, _), (half, low, slots) = moved("float32"), moved("bfloat16")
    assert low.nbytes == mu.nbytes / 2 and optax.tree.get(slots, "nu")["a"].dtype == jnp.float32
    assert 0 < float(jnp.linalg.norm(half - full) / jnp.linalg.norm(full)) < 1e-2
    with pytest.raises(ValueError, match="optimizer.mu_dtype: dtype is one of float32, bfloat16"):
        Optimizer(mu_dtype="float16")


def test_the_schedule_warms_up_and_falls_to_a_tenth():
    schedule = optimizers.schedule(Optimizer(learning_rate=1.0, warmup=10), 110)
    values = [float(schedule(step)) for step in (0, 5, 10, 60, 110)]
    np.testing.assert_allclose(values, [0, 0.5, 1.0, 0.55, 0.1], rtol=1e-5)
