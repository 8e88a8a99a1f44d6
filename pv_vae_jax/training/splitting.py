"""Whether the clips of a run are split over devices, and whether they can be.

``runtime.split`` says what ``model`` splits: the channels, or of each clip the rows or the time
(sharding/split.py).  Everything outside encoder and decoder sees whole clips.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.sharding import Mesh

from pv_vae_jax.core import trees
from pv_vae_jax.sharding.split import Split
from pv_vae_jax.training.run import Run
from pv_vae_jax.training.stages import Stage


def module_of(run: Run, mesh: Mesh) -> nn.Module | Split:
    """The video VAE, its clips split as :attr:`Run.split` says.

    Raises:
      ValueError: the mesh or the model cannot do that.
    """
    by = run.split
    if not by:
        return run.module
    if mesh.shape["model"] == 1:
        raise ValueError(
            f"runtime.split = {by} splits each clip over the axis model, which has 1 device: set "
            "runtime.mesh.model to the devices of a clip."
        )
    try:
        return Split(run.module, mesh, by)
    except ValueError as error:
        raise ValueError(f"runtime.split of {run.config['model']['name']}: {error}") from error


def check(run: Run, stage: Stage, mesh: Mesh, params: trees.Tree | None = None) -> None:
    """Raises ValueError if a clip of the stage is too small for its devices.

    Traces encoder and decoder, so that a layer that reaches too far is found at the start.
    """
    module = module_of(run, mesh)
    if not isinstance(module, Split):
        return
    law = stage.withholding
    if module.kind == "time" and (law.way, law.kind != "none") == ("slice", True):
        raise ValueError(
            f"config.stages.{stage.name}.withholding: what slice leaves of a clip can be one "
            "latent step, too short for runtime.split = time: set way = 'mask', or split the rows."
        )
    params = jax.eval_shape(run.initial_params) if params is None else params
    for height, width, *_ in stage.data.buckets:
        shape = (mesh.shape["data"], stage.data.frames, height, width, 3)
        x = jax.ShapeDtypeStruct(shape, jnp.float32)

        def there_and_back(params, x):
            latents = module.apply({"params": params}, x, method="posterior").mean
            return module.apply({"params": params}, latents, method="decode_raw")

        try:
            jax.eval_shape(there_and_back, params, x)
        except ValueError as error:
            raise ValueError(f"config.stages.{stage.name}.data: {error}") from error
