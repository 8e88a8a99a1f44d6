"""Which latents a generator's config means: kept ones, or those of its tokenizer.

``data.latents``        a folder of launch.prepare_data latents: its identity, shape, classes
``tokenizer.model``     an export or a name: the clips of the stages, encoded in every step
"""

from typing import Any

from pv_vae_jax.checkpoint import export
from pv_vae_jax.data import latents as cached
from pv_vae_jax.models import identity
from pv_vae_jax.models.generator import LatentForm
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.training.generator_stages import GeneratorStage
from pv_vae_jax.zoo import registry


def of(
    config: dict[str, Any], stages: tuple[GeneratorStage, ...]
) -> tuple[LatentForm, VideoVAE | None]:
    """The latents of a config, and the tokenizer where it had to be loaded to know them.

    Raises:
      ValueError: it names none, or they are not of the clips of its stages.
      FileNotFoundError: there is no such folder or file.
    """
    if config["data"]["latents"]:
        return _of_cache(config, stages), None
    return _of_tokenizer(config, stages)


def tokenizer_of(config: dict[str, Any]) -> VideoVAE:
    """The video VAE that ``config.tokenizer`` names: an export, or a name, maybe with weights.

    Raises:
      ValueError: it names none, or the file is not of this model.
      FileNotFoundError: there is no such file.
    """
    name, weights = config["tokenizer"]["model"], config["tokenizer"]["weights"]
    try:
        if weights:
            return registry.from_reference(name, weights)
        return export.load(name) if export.is_export(name) else registry.create(name)
    except ValueError as error:
        raise ValueError(f"config.tokenizer: {error}") from error


def check_trained(config: dict[str, Any]) -> None:
    """Raises ValueError if ``config.tokenizer`` is a name without weights: it is not trained."""
    name = config["tokenizer"]["model"]
    if not config["tokenizer"]["weights"] and not export.is_export(name):
        raise ValueError(
            f"config.tokenizer.model = {name} is a name without weights, and the latents of an "
            "untrained encoder are worth nothing: set config.tokenizer.weights to its public "
            "checkpoint, or .model to an export."
        )


def clip_form(stages: tuple[GeneratorStage, ...]) -> tuple[int, int, int]:
    """(frames, height, width) of the clips; ValueError unless it is the same in all stages."""
    forms = {(s.data.frames, *s.data.buckets[0][:2]) for s in stages}
    if len(forms) > 1:
        raise ValueError(f"config.stages: clips have one form in all stages; got {sorted(forms)}.")
    return forms.pop()


def _of_tokenizer(
    config: dict[str, Any], stages: tuple[GeneratorStage, ...]
) -> tuple[LatentForm, VideoVAE]:
    if not config["tokenizer"]["model"]:
        raise ValueError(
            "config.tokenizer.model names no video VAE: set it to an export or a name, or "
            "config.data.latents to what launch.prepare_data latents made."
        )
    vae = tokenizer_of(config)
    try:
        shape = vae.spec.latent_shape(*clip_form(stages))
    except ValueError as error:
        raise ValueError(f"config.stages: {error}") from error
    return LatentForm(identity.identity(vae), shape), vae


def _of_cache(config: dict[str, Any], stages: tuple[GeneratorStage, ...]) -> LatentForm:
    where = config["data"]["latents"]
    found = cached.Latents(where, "train")
    clips = found.clips
    form = clips["frames"], clips["height"], clips["width"]
    if form != clip_form(stages):
        raise ValueError(
            f"config.data.latents: {where} is of clips of {form[0]} x {form[1]} x {form[2]}, the "
            f"stages are of {' x '.join(map(str, clip_form(stages)))}: set stages.NAME.data."
        )
    for stage in stages:
        if stage.data.flip or stage.data.reversal:
            raise ValueError(
                f"config.stages.{stage.name}.data: cached latents cannot be mirrored or reversed; "
                "set flip and reversal to 0 (launch.prepare_data latents --flip makes both)."
            )
    return LatentForm(found.identity, found.shape, tuple(found.classes), found.dtype)
