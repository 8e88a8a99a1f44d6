"""The video VAE of a small study's cell: 9 frames of 32 x 32, t4s8c8, minutes on one CPU core.

    python -m launch.train --config=configs/studies/vae.py:smooth --workdir=DIR

``:WORLD[,SIZE[,NETWORK]]``: world smooth (rendered scenes, made on the fly) or film (Big
Buck Bunny in shards of launch.prepare_data, ``--config.data.shards=DIR``); size small, or tiny with
few steps, for tests; network cnn, transformer or hybrid.  What a row of a table changes is on the
command line (configs/studies/rows.py).  No LPIPS and no GAN: at this size either costs more than
all the rest of a step.

Chosen on the baseline alone, see docs/results/README.md, "How the sizes were chosen".
"""

from configs.base import base, decoder_stage, stage

WORLDS = ("smooth", "film")
STEPS = {"small": (6000, 1600), "tiny": (6, 4)}  # of the first stage, of fine-tuning
# The named model and its fields.  A place of the latents, 8 x 8 pixels, has 8 numbers for 768: half
# of the paper's, since no generator that a core can train in minutes learns 16 in a place.
_GRID = {"channels": 8, "padding_grid": (4, 4)}
NETWORKS = {
    "cnn": ("pv_vae_tiny", _GRID | {"widths": (32, 48, 48), "strides": ((2, 2), (2, 1))}),
    "transformer": ("pv_vae_transformer_tiny", _GRID | {"patch": 8, "width": 144}),
    "hybrid": (
        "pv_vae_hybrid_tiny",
        _GRID | {"widths": (32, 48), "strides": ((2, 2), (2, 1)), "width": 128},
    ),
}


def get_config(argument: str = "smooth"):
    """``WORLD``, ``WORLD,SIZE`` or ``WORLD,SIZE,NETWORK``."""
    given = argument.split(",")
    world, size, network = (*given, *("smooth", "small", "cnn")[len(given) :])[:3]
    if len(given) > 3 or world not in WORLDS or size not in STEPS or network not in NETWORKS:
        raise ValueError(
            f"vae.py takes a world ({', '.join(WORLDS)}), a size ({', '.join(STEPS)}) and a "
            f"network ({', '.join(NETWORKS)}); got {argument!r}."
        )
    name, fields = NETWORKS[network]
    config = base(name)
    config.model.fields.update(fields)
    config.data.update(rendered_weight=int(world == "smooth"), rendered_world="smooth")
    clips = {
        "frames": 9,
        "buckets": ((32, 32, 4, 1),),
        "strides": (1,) if world == "smooth" else (2,),
    }
    steps, more = STEPS[size]
    config.stages.predictive = stage(
        steps=steps,
        data=clips,
        withholding={"way": "mask"},  # one program whatever is withheld: equal compute for all rows
        weights={"kl": 5e-4},
        optimizer={"learning_rate": 1e-3, "warmup": 50, "ema": 0.995},
    )
    config.stages.decoder = decoder_stage(
        steps=more,
        data=clips,
        optimizer={"learning_rate": 5e-4, "warmup": 20, "ema": 0.995},
    )
    config.run = ("predictive",)
    config.runtime.update(
        observe=5,
        evaluate_every=100_000,
        checkpoint_every=200,
        evaluate_clips=8,
        final_clips=16,
        threads=1,
    )
    return config
