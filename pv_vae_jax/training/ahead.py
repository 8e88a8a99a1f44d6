"""The programs of a run, compiled for devices that are not here.

    train     one update of a stage of either kind of run (vae_step.py, diffusion_step.py)
    encode    clips to the moments of the posterior of a video VAE
    decode    latents to its clips

Nothing is drawn, loaded or run: state, batch and the weights of LPIPS are shapes with shardings,
those of the config (placement.py).  Served, the parameters are whole on each device.
"""

import dataclasses
import functools
from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from pv_vae_jax.core import dims
from pv_vae_jax.data.buckets import Bucket
from pv_vae_jax.losses import perceptual
from pv_vae_jax.sharding import mesh as meshes
from pv_vae_jax.sharding import shapes
from pv_vae_jax.sharding.split import Split
from pv_vae_jax.training import placement, splitting, stages, vae_step
from pv_vae_jax.training.run import Run, Stage
from pv_vae_jax.training.vae_run import VAERun

PROGRAMS = ("train", "encode", "decode")


@dataclasses.dataclass(frozen=True)
class Ahead:
    """A program that is ready to be lowered.

    Attributes:
      function: the jitted function.
      arguments: shapes with shardings.
      parameters: bytes of the model's parameters on one device; decoding and encoding use a part.
      optimizer: bytes of slots, EMA and the discriminator's side on one device.
    """

    function: Callable
    arguments: tuple[Any, ...]
    parameters: int
    optimizer: int


def _lpips(stage: stages.Stage, mesh: Mesh) -> perceptual.LPIPS | None:
    """As :func:`~pv_vae_jax.losses.perceptual.load` makes it, without weights."""
    if "lpips" not in stage.weights:
        return None
    network = perceptual.NETWORKS[stage.perceptual.backbone]
    side = network.least
    image = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
    backbone = jax.eval_shape(network.init, jax.random.key(0), image)["params"]
    heads = {
        str(level): jax.ShapeDtypeStruct((width,), jnp.float32)
        for level, width in enumerate(network.channels, start=1)
    }
    judge = perceptual.LPIPS({"backbone": backbone, "heads": heads}, network)
    return shapes.everywhere(judge, meshes.replicated(mesh))


def train(run: Run, stage: Stage, mesh: Mesh, program: Hashable, constants: Any = None) -> Ahead:
    """An update of a stage, its arguments (state, batch, constants).

    Args:
      run: its config, of either kind.
      stage: which of its stages.
      mesh: of the devices to compile for.
      program: which of the stage's programs, as :meth:`Run.program` tells it.
      constants: those of the stage as shapes with shardings.

    Raises:
      ValueError: the batch does not divide over the devices, or a rule does not fit.
    """
    placed = placement.of(run, stage, mesh)
    function, arguments = run.update(placed, program, constants)
    parameters = shapes.bytes_on_one(placed.state.params)
    optimizer = shapes.bytes_on_one(placed.state) - parameters
    return Ahead(function, arguments, parameters, optimizer)


def _serve(
    what: str, run: VAERun, stage: stages.Stage, bucket: tuple[int, ...], mesh: Mesh
) -> Ahead:
    height, width, count, *_ = bucket
    meshes.check_batch(mesh, count, 1)
    params = shapes.everywhere(jax.eval_shape(run.initial_params), meshes.replicated(mesh))
    shape = (count, stage.data.frames, height, width, 3)
    method = "posterior"
    if what == "decode":
        shape = (count, *run.module.spec.latent_shape(*shape[1:4]))
        method = "decode_raw"
    module, where = splitting.module_of(run, mesh), meshes.over_data(mesh)
    apply = functools.partial(module.apply, method=method)
    clips = jax.ShapeDtypeStruct(shape, jnp.float32)
    if isinstance(module, Split):
        where, apply = module.sharding, functools.partial(module.of_padded, method=method)
        clips = jax.eval_shape(lambda clips: module.padded(clips, method), clips)
    function = jax.jit(lambda params, clips: apply({"params": params}, clips), out_shardings=where)
    arguments = params, shapes.everywhere(clips, where)
    return Ahead(function, arguments, shapes.bytes_on_one(params), 0)


def program(
    what: str,
    run: VAERun,
    stage: stages.Stage,
    bucket: tuple[int, ...],
    mesh: Mesh,
    withheld: int = 0,
) -> Ahead:
    """A program of a video VAE.

    Args:
      what: one of PROGRAMS.
      run: its config.
      stage: which of its stages.
      bucket: (height, width, global batch, ...).
      mesh: of the devices to compile for.
      withheld: groups that ``slice`` does not encode in this update.

    Raises:
      ValueError: the batch does not divide over the devices, or a size does not fit the model.
    """
    if what not in PROGRAMS:
        raise ValueError(f"--what {what}: the programs are {', '.join(PROGRAMS)}.")
    groups = dims.groups_of(stage.data.frames, run.module.spec.temporal)
    if not 0 <= withheld < groups:
        raise ValueError(f"--withheld {withheld}: of {groups} groups at least one is seen.")
    if what == "train":
        meshes.check_batch(mesh, bucket[2], stage.optimizer.accumulate)
        which = vae_step.Program(withheld, gan="gan" in stage.weights)
        return train(run, stage, mesh, (which, Bucket(*bucket)), _lpips(stage, mesh))
    if withheld:
        raise ValueError(f"--withheld {withheld} is of training: {what} has whole clips.")
    return _serve(what, run, stage, bucket, mesh)
