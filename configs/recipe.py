"""The paper's recipe at three sizes: image pretraining, predictive training, decoder fine-tuning.

    stage        data                                       steps     GAN
    image        stills at three resolutions                300,000   on from step 5,000 (ours)
    predictive   17 frames at two resolutions               50,000    on from step 5,000
    decoder      as predictive, nothing withheld            50,000    throughout

Learning rate 5e-5, linear warm-up, cosine to a tenth (arXiv 2605.02134, section 4); weights of the
terms are SSVAE's (docs/choices.md).  ``tiny`` has the same stages and terms in minutes on 2 cores.
The configs of the paper's tables change one thing each of what :func:`recipe` returns.
"""

from ml_collections import ConfigDict

from configs.base import base, decoder_stage, image_stage, stage

TERMS = {"mse": 1.0, "difference": 1.0, "kl": 5e-4, "lpips": 1.0, "gan": 1.0}

# (height, width, global batch, how often in a cycle); the batches make the steps cost alike.
SIZES = {
    "661m": {
        "frames": 17,
        "image": ((256, 256, 128, 1), (384, 384, 64, 1), (512, 512, 32, 1)),
        "video": ((256, 256, 32, 1), (512, 512, 8, 1)),
        "steps": (300_000, 50_000, 50_000),
        "start": 5_000,
        "discriminator": (64, 128, 256, 512),
    },
    "small": {
        "frames": 17,
        "image": ((128, 128, 128, 1), (192, 192, 64, 1), (256, 256, 32, 1)),
        "video": ((128, 128, 32, 1), (256, 256, 8, 1)),
        "steps": (100_000, 50_000, 50_000),
        "start": 5_000,
        "discriminator": (64, 128, 256),
    },
    "tiny": {
        "frames": 9,
        "image": ((32, 32, 32, 1), (48, 48, 16, 1), (64, 64, 8, 1)),
        "video": ((32, 32, 4, 1), (48, 48, 2, 1)),
        "steps": (500, 1500, 1500),
        "start": 400,
        "discriminator": (16, 32),
    },
}


def recipe(size: str, run: str = "", model: str = "") -> ConfigDict:
    """The config of a size.

    Args:
      size: "661m", "small" or "tiny".
      run: names of the stages to run, joined by "+"; all three if empty.
      model: a named model of about that size; the CNN if empty.
    """
    if size not in SIZES:
        raise ValueError(f"the recipe has the sizes {', '.join(SIZES)}; got {size!r}.")
    form = SIZES[size]
    tiny = size == "tiny"
    config = base(model or f"pv_vae_{size}")
    config.discriminator.widths = form["discriminator"]
    image_steps, video_steps, decoder_steps = form["steps"]
    images = {"buckets": form["image"]}
    videos = {"frames": form["frames"], "buckets": form["video"]}
    adversarial = {"start": form["start"]}
    config.stages.image = image_stage(
        steps=image_steps,
        data=images,
        weights={**TERMS, "difference": 0.0},
        adversarial=adversarial,
    )
    config.stages.predictive = stage(
        steps=video_steps, data=videos, weights=TERMS, adversarial=adversarial
    )
    config.stages.decoder = decoder_stage(
        steps=decoder_steps, data=videos, weights={**TERMS, "kl": 0.0}
    )
    config.runtime.lpips = "vgg16"
    config.run = tuple(run.split("+")) if run else ("image", "predictive", "decoder")
    if tiny:
        _for_two_cores(config)
    else:
        config.model.fields.dtype = "bfloat16"
        config.discriminator.dtype = "bfloat16"
        config.runtime.workers = 8
    return config


def _for_two_cores(config: ConfigDict) -> None:
    """Few steps at higher rates, few programs, two frames of a clip for LPIPS."""
    config.stages.image.adversarial.start = 0
    config.data.rendered_weight = 3
    config.runtime.update(
        observe=5, evaluate_every=500, checkpoint_every=500, calibration_batches=8
    )
    for name in ("image", "predictive", "decoder"):
        one = config.stages[name]
        one.optimizer.update(learning_rate=5e-4, warmup=50, ema=0.995)
        one.adversarial.optimizer.update(learning_rate=5e-4, warmup=50)
        # VGG16 sees every pixel, but on 8 to 32 stills a step it is too slow here.
        one.perceptual.update(backbone="alexnet" if name == "image" else "vgg16", frames=2)
        # Few steps: at weights of 1 these terms pull several times as hard as MSE.
        one.weights.update(lpips=0.1, gan=0.1)
        one.withholding.way = "mask"
        one.data.strides = (1,)
        if name != "decoder":
            one.weights.kl = 1e-5
