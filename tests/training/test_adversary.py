"""The GAN in an update: who moves, who does not, by how much, and what is counted."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax import objective
from pv_vae_jax.core import rng, trees
from pv_vae_jax.losses import adversarial, pixel_terms
from pv_vae_jax.models import discriminators
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.training import adversary as adversaries
from pv_vae_jax.training import state as states
from pv_vae_jax.training import vae_step
from pv_vae_jax.training.optimizers import Optimizer
from pv_vae_jax.training.stages import Adversarial, Stage, StageData
from pv_vae_jax.withholding import Withholding
from tests import tiny

MODULE = tiny.LinearVAE()
DISCRIMINATOR = discriminators.build("frame", (8,), "spectral")
NETWORKS = vae_step.Networks(MODULE, DISCRIMINATOR)
MESH = jax.sharding.Mesh(np.array(jax.devices()[:1]).reshape(1, 1), meshes.AXES)
ON = vae_step.Program(gan=True)
BATCH = tiny.batch((0, 1, 2, 1))


def stage_of(weights=None, rate=1e-3, accumulate=1, **settings):
    settings = {
        "optimizer": Optimizer(learning_rate=1e-2, warmup=0, b1=0.5),
        "lecam": 0.1,
    } | settings
    return Stage(
        name="predictive",
        steps=100,
        data=StageData(9, ((16, 16, 4, 1),)),
        withholding=Withholding(way="mask"),
        weights=weights or {"mse": 1.0, "difference": 1.0, "gan": 0.5},
        trainable=".*",
        optimizer=Optimizer(learning_rate=rate, warmup=0, ema=0.5, accumulate=accumulate),
        adversarial=Adversarial(**settings),
    )


@pytest.fixture(scope="module")
def networks():
    params = jax.device_get(tiny.params(MODULE))
    clip = np.zeros((1, 9, 16, 16, 3), np.float32)
    return params, jax.device_get(jax.jit(DISCRIMINATOR.init)(jax.random.key(5), clip))


def begin(networks, stage):
    params, variables = networks
    adversary = adversaries.start(variables, 1, stage) if "gan" in stage.weights else {}
    return states.start(params, np.zeros(4, np.float32), np.ones(4, np.float32), stage, adversary)


def step(networks, stage, program=ON, state=None, batch=BATCH):
    shardings = meshes.replicated(MESH), meshes.over_data(MESH)
    update = vae_step.compiled(NETWORKS, stage, 0, program, *shardings)
    state = begin(networks, stage) if state is None else state
    return jax.device_get(update(meshes.put_replicated(MESH, state), batch, None))


def same(left, right):
    pairs = zip(*map(jax.tree.leaves, (left, right)), strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


@pytest.mark.parametrize("phase", ["discriminator", "optimiser"])
def test_a_trace_of_the_step_names_the_phase(networks, phase):
    shardings = meshes.replicated(MESH), meshes.over_data(MESH)
    update = vae_step.compiled(NETWORKS, stage_of(), 0, ON, *shardings)
    text = update.lower(begin(networks, stage_of()), BATCH, None).as_text(debug_info=True)
    assert f"/{phase}/" in text  # the path of an operation, not of a file


@pytest.fixture(scope="module")
def updated(networks):
    return step(networks, stage_of())


def test_generator_and_discriminator_leave_each_others_bits_alone(networks, updated):
    state, _ = updated
    slow = Optimizer(learning_rate=1e-5, warmup=0, b1=0.5)
    other, _ = step(networks, stage_of(optimizer=slow))
    assert same(other.params, state.params) and same(other.slots, state.slots)
    assert not same(other.adversary.params, state.adversary.params)
    other, _ = step(networks, stage_of(rate=1e-6))
    assert same(other.adversary, state.adversary)
    assert not same(other.params, state.params)


def test_everything_of_the_discriminator_moves(networks, updated):
    state, report = updated
    params, variables = networks
    for now, then in ((state.adversary.params, variables["params"]),):
        still = [
            p
            for p, leaf in trees.flatten(now).items()
            if np.array_equal(leaf, trees.flatten(then)[p])
        ]
        assert not still
    assert not same(state.adversary.stats, variables["batch_stats"])
    real, fake = (float(report[f"discriminator/{name}"][0]) for name in ("real", "fake"))
    averages = state.adversary.averages
    assert float(averages.real.mean()) == pytest.approx(0.01 * real, rel=1e-4)
    assert float(averages.fake.mean()) == pytest.approx(0.01 * fake, rel=1e-4)
    assert report["discriminator/skipped"][0] == report["gan/zeroed"][0] == 0


def test_before_its_start_the_gan_has_no_part(networks):
    stage = stage_of(start=5)
    assert not stage.adversarial.runs_at(4) and stage.adversarial.runs_at(5)
    plain = stage_of(weights={"mse": 1.0, "difference": 1.0})
    with_gan, _ = step(networks, stage, vae_step.Program())
    without, _ = step(networks, plain, vae_step.Program())
    assert same(with_gan.params, without.params) and same(with_gan.slots, without.slots)
    assert same(with_gan.adversary, begin(networks, stage).adversary)


def test_the_adaptive_weight_is_the_ratio_of_norms_at_the_last_layer(networks, updated):
    stage = stage_of()
    params, _ = networks
    moved = adversaries.with_moved_stats(
        DISCRIMINATOR,
        begin(networks, stage).adversary,
        None or np.zeros((1, 9, 16, 16, 3), np.float32),
    )
    judge = adversaries.generator_loss(DISCRIMINATOR, moved.variables, stage.adversarial)
    keys = objective.Keys(
        *(rng.step_key(0, f"predictive/{name}", 0) for name in ("latent", "padding"))
    )

    @jax.jit
    def norms(params):
        def losses(kernel, which):
            whole = trees.merge(params, trees.unflatten({MODULE.last_layer: kernel}))
            target, video, _ = objective.predict(MODULE, whole, BATCH, keys, 0)
            error = video - target
            if which == "gan":
                return jnp.mean(judge(video, jnp.ones(video.shape[:2], bool)))
            return jnp.mean(error**2) + jnp.mean(jnp.diff(error, axis=1) ** 2)

        kernel = trees.flatten(params)[MODULE.last_layer]
        return [jnp.linalg.norm(jax.grad(losses)(kernel, w).reshape(-1)) for w in ("rec", "gan")]

    reconstruction, gan = (float(norm) for norm in norms(params))
    _, report = updated
    assert float(report["gan/lambda"][0]) == pytest.approx(reconstruction / (gan + 1e-6), rel=1e-3)
    assert float(report["last_layer/gan"][0]) == pytest.approx(0.5 * reconstruction, rel=1e-3)
    _, report = step(networks, stage_of(balance="fixed"))
    assert report["gan/lambda"][0] == 1


def test_a_nan_in_the_discriminator_is_counted_and_leaves_the_generator_as_without_gan(networks):
    stage = stage_of()
    state = begin(networks, stage)
    broken = jax.tree.map(np.array, jax.device_get(state.adversary.params))
    broken["frame"]["conv_0"]["kernel"][0, 0, 0, 0, 0] = np.nan
    state = state.replace(adversary=state.adversary.replace(params=broken))
    after, report = step(networks, stage, state=state)
    assert report["gan/zeroed"][0] == report["discriminator/skipped"][0] == 1
    assert after.adversary.skipped == 1 and after.skipped == 0
    assert same(after.adversary.params, broken)
    plain, _ = step(networks, stage_of(weights={"mse": 1.0, "difference": 1.0}), vae_step.Program())
    for path, leaf in trees.flatten(after.params).items():
        np.testing.assert_allclose(leaf, trees.flatten(plain.params)[path], atol=2e-5)


@pytest.mark.slow
def test_micro_batches_give_the_discriminators_update_of_the_whole_batch(networks):
    # the adaptive weight and hinge's mean are per micro-batch: with a fixed one both agree
    settings = {"balance": "fixed", "loss": "non_saturating"}
    whole, report = step(networks, stage_of(**settings))
    halves, again = step(networks, stage_of(accumulate=2, **settings))
    for name in ("gan", "discriminator", "lecam", "discriminator/real"):
        values = [float(r[name][0] / r[name][1]) for r in (report, again)]
        assert values[0] == pytest.approx(values[1], rel=1e-4), name
    for left, right in zip(
        *(jax.tree.leaves(s.adversary.slots) for s in (whole, halves)), strict=True
    ):
        assert np.linalg.norm(left - right) <= 1e-3 * np.linalg.norm(left) + 1e-9


def test_predicted_frames_are_shown_to_the_discriminator_only_on_demand(networks):
    def gradient(see_withheld, video):
        settings = dataclasses.replace(stage_of().adversarial, see_withheld=see_withheld)
        judge = adversaries.generator_loss(DISCRIMINATOR, networks[1], settings)
        seen = (jnp.arange(9)[None] < jnp.array([[5], [1]]))[:, :, None, None]
        return jax.jit(jax.grad(lambda v: judge(v, seen).sum()))(video)

    video = np.random.default_rng(0).uniform(-1, 1, (2, 9, 16, 16, 3)).astype(np.float32)
    hidden, shown = gradient(False, video), gradient(True, video)
    assert not np.any(hidden[0, 5:]) and not np.any(hidden[1, 1:])
    assert np.any(hidden[0, :5]) and np.any(hidden[1, :1])
    assert np.all(np.abs(shown).max(axis=(2, 3, 4)) > 0)


def cut_of(networks, seen):
    """A reconstruction and its clip, as objective.py hands them to the discriminator."""
    random = np.random.default_rng(1)
    target, video = random.uniform(-1, 1, (2, 4, 9, 16, 16, 3)).astype(np.float32)
    return pixel_terms.Cut(target=target, video=video, seen=seen)


SEEN = jnp.ones((4, 9, 1, 1), bool)


@pytest.mark.parametrize("loss", ["hinge", "non_saturating"])
@pytest.mark.parametrize("penalty", [False, True])
def test_the_discriminator_descends_its_loss_written_out(networks, loss, penalty):
    settings = stage_of(loss=loss, lecam=0.3, r1=2.0, r1_every=4).adversarial
    adversary = begin(networks, stage_of()).adversary
    averages = adversarial.Averages(jnp.array([0.4]), jnp.array([-0.2]))
    adversary, cut = adversary.replace(averages=averages), cut_of(networks, SEEN)

    def total(params):
        def logits(video):
            return DISCRIMINATOR.apply(adversary.variables | {"params": params}, video)

        real, fake = logits(cut.target), logits(cut.video)
        value = jnp.mean(adversarial.for_discriminator(loss, real, fake))
        value += 0.3 * jnp.mean(adversarial.lecam(real, fake, averages))
        return value + penalty * 4 * 2.0 * jnp.mean(adversarial.r1(logits, cut.target))

    wanted = jax.jit(jax.grad(total))(adversary.params)
    found, report, means = jax.jit(
        lambda a: adversaries.gradient(DISCRIMINATOR, a, settings, penalty, cut)
    )(adversary)
    for left, right in zip(*map(jax.tree.leaves, (found, wanted)), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-6)
    assert ("r1" in report) == penalty
    steps = jax.tree.map(lambda p, g: p - 1e-3 * g, adversary.params, found)
    assert total(steps) < total(adversary.params)
    real, fake = (DISCRIMINATOR.apply(adversary.variables, v) for v in (cut.target, cut.video))
    np.testing.assert_allclose(means.real, [np.mean(real[0])], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(means.fake, [np.mean(fake[0])], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("loss", ["hinge", "non_saturating"])
def test_the_generator_wants_what_it_makes_to_look_real(networks, loss):
    settings, variables = stage_of(loss=loss).adversarial, networks[1]
    video = cut_of(networks, SEEN).video
    judge = adversaries.generator_loss(DISCRIMINATOR, variables, settings)
    wanted = adversarial.for_generator(loss, DISCRIMINATOR.apply(variables, video))
    np.testing.assert_allclose(judge(video, SEEN), wanted, rtol=1e-5)
    slope = jax.jit(jax.grad(lambda v: judge(v, SEEN).sum()))(video)
    logits = [DISCRIMINATOR.apply(variables, v)[0].mean() for v in (video, video - slope)]
    assert logits[1] > logits[0]


def test_the_discriminator_is_not_shown_withheld_frames_that_it_should_not_see(networks):
    seen = (jnp.arange(9)[None] < jnp.array([[5], [1], [9], [5]]))[:, :, None, None]
    cut, adversary = cut_of(networks, seen), begin(networks, stage_of()).adversary
    garbled = pixel_terms.Cut(
        target=jnp.where(seen[..., None], cut.target, 7.0),
        video=jnp.where(seen[..., None], cut.video, -7.0),
        seen=seen,
    )

    def found(see_withheld, cut):
        settings = stage_of(see_withheld=see_withheld).adversarial

        @jax.jit
        def gradient(target, video):
            shown = pixel_terms.Cut(target=target, video=video, seen=seen)
            return adversaries.gradient(DISCRIMINATOR, adversary, settings, False, shown)

        return gradient(cut.target, cut.video)

    real, fake = (
        DISCRIMINATOR.apply(adversary.variables, adversarial.hide(video, seen))
        for video in (cut.target, cut.video)
    )
    places = adversarial.visible(real, seen)  # nor do logits of such frames count
    wanted = jnp.mean(adversarial.for_discriminator("hinge", real, fake, places))
    assert float(found(False, cut)[1]["discriminator"][0]) == pytest.approx(float(wanted), rel=1e-5)
    assert same(found(False, cut), found(False, garbled))
    assert not same(found(True, cut), found(True, garbled))


def test_the_penalty_is_lazy_and_comes_every_nth_update_from_the_start(networks):
    settings = stage_of(r1=1.0, r1_every=4, start=2).adversarial
    assert [step for step in range(12) if settings.penalises_at(step)] == [2, 6, 10]
    stage = stage_of(r1=1.0, r1_every=4)
    with_penalty, report = step(networks, stage, vae_step.Program(gan=True, penalty=True))
    without, _ = step(networks, stage)
    assert float(report["r1"][0]) > 0
    assert same(with_penalty.params, without.params)
    assert not same(with_penalty.adversary.params, without.adversary.params)


def test_a_setting_that_cannot_be_is_refused_with_a_sentence():
    with pytest.raises(
        ValueError, match="adversarial.loss is one of hinge, non_saturating; got 'w"
    ):
        Adversarial(loss="wasserstein")
    with pytest.raises(
        ValueError, match="adversarial.balance is one of adaptive, fixed; got 'auto'"
    ):
        Adversarial(balance="auto")
    with pytest.raises(ValueError, match="start is at least 0"):
        Adversarial(start=-1)
