"""One device and many, compared: each leaf's gradient, and the losses of some SGD steps."""

import dataclasses
import functools

import jax
import numpy as np
import optax

from pv_vae_jax.core import trees
from pv_vae_jax.models import discriminators
from pv_vae_jax.sharding import activations
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.sharding.split import Split
from pv_vae_jax.training import adversary as adversaries
from pv_vae_jax.training import placement, vae_step
from pv_vae_jax.training import state as states
from pv_vae_jax.training.optimizers import Optimizer
from pv_vae_jax.training.stages import Adversarial, Stage, StageData
from pv_vae_jax.withholding import Withholding
from tests import tiny

RATE, STEPS, CLIPS = 1e-2, 5, 8
FORM = (5, 16)  # frames, rows and columns
TOLERANCE = 1e-5
RULES = ((r"^(encoder|decoder)/(kernel|bias)$", ("model",)),)  # of the model of two matrices
# Leaves whose gradient is a sum that cancels, and the share of the whole norm that judges them.
CANCEL = {"key/bias": 1e-2, "discriminator/frame/logits/bias": 1e-1}
PLAIN = {"mse": 1.0, "difference": 1.0, "kl": 5e-4}
KINDS = {
    "plain": {"weights": PLAIN},
    "gan": {"weights": PLAIN | {"gan": 0.5}},
    "decoder": {"weights": {"mse": 1.0, "difference": 1.0}, "trainable": "^decoder/"},
}
# compiling is most of the time, and the values do not depend on how well it is done
OPTIONS = {"xla_backend_optimization_level": 0}


def stage_of(kind: str) -> Stage:
    return Stage(
        **{"trainable": ".*"} | KINDS[kind],
        name=kind,
        steps=100,
        data=StageData(5, ((16, 16, CLIPS, 1),)),
        withholding=Withholding(way="mask"),
        optimizer=Optimizer(ema=0.5),
        adversarial=Adversarial(lecam=0.1),
    )


@functools.cache
def networks(kind: str, linear: bool):
    """(modules, start): the state at the first step, as arrays of the host."""
    module = tiny.LinearVAE() if linear else tiny.module(**tiny.SHALLOW)
    stage, discriminator, adversary = stage_of(kind), None, {}
    if kind == "gan":
        discriminator = discriminators.build("frame", (8, 8), "spectral")
        clip = np.zeros((1, 5, 16, 16, 3), np.float32)
        variables = jax.jit(discriminator.init)(jax.random.key(5), clip)
        adversary = adversaries.start(variables, 1, stage)
    channels = np.zeros(4, np.float32), np.ones(4, np.float32)
    state = states.start(tiny.params(module), *channels, stage, adversary)
    return vae_step.Networks(module, discriminator), jax.device_get(state)


def sgd(stage: Stage, modules: vae_step.Networks, state, batch):
    """(state after a step of SGD, gradients by path, total): the real gradient, no Adam."""
    program = vae_step.Program(gan="gan" in stage.weights)
    (gradient, against, _), report = vae_step.gradients(
        modules, stage, 0, program, state, None, batch
    )
    trainable, _ = trees.partition(state.params, stage.trainable)
    moved = jax.tree.map(lambda p, g: p - RATE * g, trainable, gradient)
    new = state.replace(step=state.step + 1, params=trees.merge(state.params, moved))
    if program.gan:
        adversary = state.adversary
        moved = jax.tree.map(lambda p, g: p - RATE * g, adversary.params, against)
        new = new.replace(adversary=adversary.replace(params=moved))
    total, count = report["total"]
    gradients = {"vae": gradient} | ({"discriminator": against} if program.gan else {})
    return new, gradients, total / count


def compiled(kind: str, mesh, linear: bool, split: str = "", form=FORM, **settings):
    """(the program of :func:`sgd` on a mesh, the state on it); ``settings`` of rules.shardings."""
    stage, (modules, start) = stage_of(kind), networks(kind, linear)
    if split:
        modules = dataclasses.replace(modules, vae=Split(modules.vae, mesh, split))
    placed = placement.of_state(stage, mesh, start, **settings)

    def step(state, batch):
        with activations.pinned(mesh):
            return sgd(stage, modules, state, batch)

    state, batch = meshes.put(placed.shardings, start), put_batch(mesh, 0, form)
    whole = meshes.replicated(mesh)
    program = jax.jit(
        step,
        in_shardings=(placed.shardings, meshes.over_data(mesh)),
        out_shardings=(placed.shardings, whole, whole),
        donate_argnums=0,
    )
    return program.lower(state, batch).compile(OPTIONS), state


def batch_at(step: int, form=FORM):
    frames, size = form
    withheld = (0, 1, 0, 1) * (CLIPS // 4)
    return tiny.batch(withheld, frames=frames, size=size, first=step * CLIPS)


def put_batch(mesh, step: int, form=FORM):
    """A step's clips on the devices; each process hands over its own."""
    part, parts = meshes.data_part(mesh)
    rows = slice(part * CLIPS // parts, (part + 1) * CLIPS // parts)
    return meshes.put_batch(mesh, jax.tree.map(lambda leaf: leaf[rows], batch_at(step, form)))


def trajectory(program, state, mesh, form=FORM):
    """(gradients of the first step by path, the losses of STEPS steps)."""
    losses, first = [], None
    for step in range(STEPS):
        state, gradient, total = program(state, put_batch(mesh, step, form))
        first = jax.device_get(gradient) if first is None else first
        losses.append(float(total))
    return trees.flatten(first), losses


@functools.cache
def on_one_device(kind: str, linear: bool, form=FORM):
    mesh = meshes.make_mesh(devices=jax.devices()[:1])
    return trajectory(*compiled(kind, mesh, linear, form=form), mesh, form)


def allowed(path: str, leaf, norm: float) -> float:
    """How far a leaf's gradient may be off.

    What has no gradient but rounding is judged by ``norm``, that of the whole: the softmax takes no
    notice of the bias of the keys, and the last bias lifts real and fake logits alike.
    """
    share = next((share for name, share in CANCEL.items() if name in path), 1e-6)
    return TOLERANCE * max(np.linalg.norm(leaf), norm * share)


def differences(one, many) -> list[str]:
    """What differs by more than TOLERANCE: leaves' gradients, by their norm, and losses."""
    (gradient, losses), (other, other_losses) = one, many
    assert set(gradient) == set(other) and len(losses) == len(other_losses)
    norm = float(optax.tree.norm(gradient))
    found = []
    for path, leaf in gradient.items():
        if not np.linalg.norm(other[path] - leaf) <= allowed(path, leaf, norm):
            found.append(path)
    for step, (a, b) in enumerate(zip(losses, other_losses, strict=True)):
        if not abs(a - b) <= TOLERANCE * abs(a):
            found.append(f"loss of step {step}")
    return found
