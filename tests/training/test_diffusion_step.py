"""The update of a generator: the closed form of a Gaussian, cached = computed, micro-batches."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.core import rng
from pv_vae_jax.data.batch import LatentBatch
from pv_vae_jax.models import latte_sizes
from pv_vae_jax.training import diffusion_step
from pv_vae_jax.training import state as states
from pv_vae_jax.training.generator_stages import Flow, GeneratorStage
from pv_vae_jax.training.optimizers import Optimizer
from pv_vae_jax.training.stages import StageData
from tests import tiny

OPTIMIZER = Optimizer(learning_rate=1e-3, warmup=1, final=1.0, ema=0.9)


def stage_of(flow=None, size=16, clips=4, **changes):
    optimizer = dataclasses.replace(OPTIMIZER, **changes)
    return GeneratorStage(
        name="generator", steps=1000, data=StageData(5, ((size, size, clips, 1),)),
        flow=flow or Flow(), trainable=".*", optimizer=optimizer,
    )  # fmt: skip


def network(**changes):
    fields = {"channels": 4, "width": 16, "depth": 2, "heads": 2}
    return latte_sizes.build("latte_tiny", **(fields | changes))


@functools.cache
def params_of(module):
    """Parameters of a network that answers; a fresh one says 0 whatever it is given."""
    params = jax.jit(lambda key: latte_sizes.initial(module, key))(jax.random.key(0))
    for name, layer in params["final"].items():
        key = rng.stream_key(1, name)
        params["final"][name] = layer | {
            "kernel": 0.1 * jax.random.normal(key, layer["kernel"].shape)
        }
    return params


def state_of(module, stage, mean=0.0, std=1.0):
    channels = module.channels
    statistics = np.full(channels, mean, np.float32), np.full(channels, std, np.float32)
    # the learning rate of step 0 is 0
    return states.start(params_of(module), *statistics, stage).replace(step=jnp.int32(5))


def latent_batch(count=4, channels=4, scale=1.0, label=-1):
    random = np.random.default_rng(0)
    shape = (count, 2, 1, 1, channels)
    return LatentBatch(
        mean=(scale * random.normal(size=shape)).astype(np.float16),
        logvar=np.full(shape, -4.0, np.float16),
        index=np.arange(count, dtype=np.uint32),
        label=np.full(count, label, np.int32),
    )


@functools.cache
def step_of(module, stage, tokenizer=None):
    """One program for all tests of the same update."""

    def step(state, batch, encoder=None):
        return diffusion_step.train_step(module, tokenizer, stage, 0, state, batch, encoder)

    return jax.jit(step)


def test_latents_computed_in_the_step_train_as_cached_ones_do():
    module, stage, vae = network(), stage_of(), tiny.LinearVAE()
    params = jax.jit(vae.init)(jax.random.key(2), np.zeros((1, 5, 16, 16, 3)))["params"]
    clips = tiny.batch((0, 0, 0, 0), frames=5)
    found = vae.apply({"params": params}, clips.video / 127.5 - 1.0, method="posterior")
    kept = LatentBatch(found.mean, found.logvar, clips.index, clips.label)
    state = state_of(module, stage, mean=0.3, std=2.0)
    encoder = {"encoder": params["encoder"]}
    live, told = step_of(module, stage, vae)(state, clips, encoder)
    cached, said = step_of(module, stage)(state, kept)
    assert told["total"][0] == pytest.approx(float(said["total"][0]), rel=1e-5)
    for one, other in zip(jax.tree.leaves(live), jax.tree.leaves(cached), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_latents_are_normalised_by_the_statistics_of_the_state():
    module, stage = network(), stage_of(Flow(latents="mean"))
    batch = latent_batch()
    state = state_of(module, stage, mean=0.5, std=4.0)
    found = diffusion_step.posterior(None, None, batch)
    z = diffusion_step.latents(stage, 0, state, found, batch.index)
    np.testing.assert_allclose(z, (batch.mean.astype(np.float32) - 0.5) / 4, rtol=1e-6)
    drawn = diffusion_step.latents(stage_of(), 0, state, found, batch.index)
    off = np.asarray(drawn - z)
    assert 0.5 < off.std() / (np.exp(-2.0) / 4) < 1.5


def test_the_loss_is_told_for_each_quarter_of_the_times():
    module = network()
    state = state_of(module, stage_of())
    z = jax.random.normal(jax.random.key(3), (4, 2, 1, 1, 4))
    time = jnp.array([0.1, 0.1, 0.6, 1.0])
    noise = jax.random.normal(jax.random.key(4), z.shape)
    total, report = diffusion_step.flow_loss(module, state.params, z, noise, time, None)
    counts = [float(report[f"velocity/{part}"][1]) for part in
              ("0.00-0.25", "0.25-0.50", "0.50-0.75", "0.75-1.00")]  # fmt: skip
    assert counts == [2, 0, 1, 1]
    sums = sum(float(value) for name, (value, _) in report.items() if name != "total")
    assert float(total) == pytest.approx(sums / 4, rel=1e-6)


def test_micro_batches_make_the_update_of_the_whole_batch():
    module, batch = network(), latent_batch()
    states_ = [
        step_of(module, stage)(state_of(module, stage), batch)[0]
        for stage in (stage_of(), stage_of(accumulate=2))
    ]
    for one, other in zip(*map(jax.tree.leaves, states_), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-6)


def test_what_is_frozen_keeps_its_bits():
    module = network()
    stage = dataclasses.replace(stage_of(), trainable="^final/")
    state = state_of(module, stage)
    new, _ = step_of(module, stage)(state, latent_batch())
    assert not np.array_equal(
        new.params["final"]["out"]["bias"], state.params["final"]["out"]["bias"]
    )
    jax.tree.map(np.testing.assert_array_equal, new.params["block_0"], state.params["block_0"])
    assert set(new.ema) == {"final"}


def test_labels_are_dropped_before_the_network_sees_them():
    """With drop = 1 all classes are the null class: the label of a clip changes nothing."""
    module = network(classes=3)
    losses = []
    for drop, label in ((1.0, 0), (1.0, 2), (0.0, 0), (0.0, 2)):
        stage = stage_of(Flow(drop=drop))
        _, report = step_of(module, stage)(state_of(module, stage), latent_batch(label=label))
        losses.append(float(report["total"][0]))
    assert losses[0] == losses[1] and losses[2] != losses[3]


def test_the_velocity_of_a_gaussian_is_learned_to_its_closed_form():
    """z ~ N(m, s^2): v(x, t) = m + (t s^2 - (1 - t)) / ((1 - t)^2 + t^2 s^2) (x - t m)."""
    m, s, clips = 0.8, 0.5, 256
    module = network(channels=1, width=32)
    stage = stage_of(Flow(latents="sample"), clips=clips, learning_rate=3e-3)
    state = state_of(module, stage)
    batch = LatentBatch(
        mean=np.full((clips, 1, 1, 1, 1), m, np.float32),
        logvar=np.full((clips, 1, 1, 1, 1), 2 * np.log(s), np.float32),
        index=np.arange(clips, dtype=np.uint32),
        label=np.full(clips, -1, np.int32),
    )

    @jax.jit
    def many(state):
        def one(state, _):
            return diffusion_step.train_step(module, None, stage, 0, state, batch)[0], None

        return jax.lax.scan(one, state, None, length=600)[0]

    learned = states.model_params(many(state))
    time = np.repeat(np.linspace(0.05, 0.95, 10), 9).astype(np.float32)
    spread = np.sqrt((1 - time) ** 2 + time**2 * s**2)
    x = time * m + np.tile(np.linspace(-1.5, 1.5, 9), 10) * spread
    exact = m + (time * s**2 - (1 - time)) / spread**2 * (x - time * m)
    x = x.astype(np.float32).reshape(-1, 1, 1, 1, 1)
    found = np.asarray(module.apply({"params": learned}, x, time)).reshape(-1)
    error = np.sqrt(np.mean((found - exact) ** 2) / np.mean((exact - exact.mean()) ** 2))
    assert error < 0.1, error


def test_noise_time_and_label_have_streams_of_their_own(monkeypatch):
    asked, key = [], rng.step_key

    def noted(seed, stream, step):
        asked.append(stream)
        return key(seed, stream, step)

    monkeypatch.setattr(rng, "step_key", noted)
    module, stage = network(classes=3), stage_of()
    step = functools.partial(diffusion_step.train_step, module, None, stage, 0)
    jax.eval_shape(step, state_of(module, stage), latent_batch(4))
    assert sorted(asked) == [f"generator/{n}" for n in ("label", "latent", "noise", "time")]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"times": "cosine"}, "flow.times is one of uniform, logit_normal; got 'cosine'"),
        ({"latents": "mode"}, "flow.latents is one of sample, mean; got 'mode'"),
        ({"std": 0.0}, "flow.std is positive; got 0.0"),
        ({"drop": 1.5}, r"flow.drop is in \[0, 1\]; got 1.5"),
        ({"shift": 0.0}, "the shift of times is positive"),
    ],
)
def test_a_flow_that_cannot_be_is_a_sentence(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        Flow(**changes)
