"""The base of every config: all keys there are, with defaults, locked.

A config file imports :func:`base` and :func:`stage`, sets what differs, returns the result; a key
that is not here is refused, in the file and on the command line.  Keys under ``runtime`` and
``profile`` and the ``steps`` of the stages may change when a run goes on; all others are its
identity.
"""

from ml_collections import ConfigDict

from pv_vae_jax.zoo import registry


def stage(**changes) -> ConfigDict:
    """One stage (pv_vae_jax/training/stages.py) of the paper's predictive training.

    Args:
      **changes: values of top-level keys; a dict changes only the keys that it has.
    """
    config = ConfigDict(
        {
            "steps": 50_000,
            # T = 17; (height, width, global batch, how often in a cycle) of each bucket.
            "data": {
                "frames": 17,
                "buckets": ((256, 256, 32, 1),),
                "strides": (1, 2),
                "flip": 0.5,
                "reversal": 0.5,
            },
            # docs/withholding.md has a picture of each.
            "withholding": {
                "kind": "suffix",  # suffix | infill | tube | block | cells | none
                "ratio": 1.0,  # the paper: at most all but the first latent step
                "way": "slice",  # mask | slice; slice for suffix and none alone
                "law": "uniform",  # uniform | fixed (always the most)
                "ratio_first": 0.0,  # the ratio grows from this to `ratio` ...
                "ramp": 0,  # ... in so many steps; 0: it is `ratio` from the first step
                "group": 1,  # latent steps that are withheld together
                "loss": "all",  # all | withheld: the pixels in MSE, Diff and LPIPS
            },
            "weights": {"mse": 1.0, "difference": 1.0, "kl": 5e-4, "lpips": 0.0, "gan": 0.0},
            # Regular expression on parameter paths; the rest is frozen.
            "trainable": ".*",
            "optimizer": {
                "learning_rate": 5e-5,  # the paper
                "warmup": 1000,
                "final": 0.1,  # cosine decay to a tenth, the paper
                "b1": 0.9,
                "b2": 0.99,
                "weight_decay": 0.0,
                "clip": 1.0,
                "ema": 0.999,
                "accumulate": 1,
                "mu_dtype": "float32",  # bfloat16 halves AdamW's first moment
            },
            # LPIPS: vgg16 | alexnet; how many frames of a clip are looked at, 0 for all.
            "perceptual": {"backbone": "vgg16", "frames": 0},
            # loss: hinge | non_saturating; balance: adaptive | fixed (docs/training_with_a_gan.md).
            "adversarial": {
                "start": 0,
                "loss": "hinge",
                "balance": "adaptive",
                "see_withheld": True,
                "lecam": 0.0,
                "lecam_decay": 0.99,
                "r1": 0.0,
                "r1_every": 16,
                # Over the steps of the stage, not from ``start``: a warm-up before that is over.
                "optimizer": {
                    "learning_rate": 5e-5,
                    "warmup": 1000,
                    "final": 0.1,
                    "b1": 0.5,
                    "b2": 0.9,
                    "weight_decay": 0.0,
                    "clip": 1.0,
                    "mu_dtype": "float32",
                },
            },
            # "" is the stage before (fresh weights for the first), the path of an
            # export, or the workdir of another run.
            "init_from": "",
        }
    )
    config.lock()
    config.update(changes)
    return config


def image_stage(**changes) -> ConfigDict:
    """Image pretraining: a still is a clip of one frame; nothing is withheld or runs backwards."""
    config = stage(
        steps=300_000,
        data={"frames": 1, "reversal": 0.0, "strides": (1,)},
        withholding={"kind": "none"},
        weights={"difference": 0.0},
    )
    config.update(changes)
    return config


def decoder_stage(**changes) -> ConfigDict:
    """Decoder fine-tuning: encoder frozen, nothing withheld, plain reconstruction."""
    config = stage(withholding={"kind": "none"}, weights={"kl": 0.0}, trainable="^decoder/")
    config.update(changes)
    return config


def data() -> dict:
    """Where clips come from (docs/data.md)."""
    return {
        # A folder (recursive), a list (docs/data.md), or a file; a path or a URL.
        "videos": "",
        "videos_weight": 1,
        "images": "",  # the same of stills, for stages of one frame
        "images_weight": 1,
        "shards": "",  # a folder that launch.prepare_data made, with splits of its own
        "shards_weight": 1,
        # Labels of videos and images: "" for those of a list, "folder", or "file" (each a class).
        "labels": "",
        # A TFDS data set, "name/config:version" or the folder of a prepared one, of films
        # or stills as it is; tfds_held_out: a split, or "" for the end of tfds_split;
        # tfds_features: names, where the guess would be wrong (docs/data.md).
        "tfds": "",
        "tfds_weight": 1,
        "tfds_split": "train",
        "tfds_held_out": "",
        "tfds_features": {"pixels": "", "label": "", "caption": ""},
        "rendered_weight": 0,  # photographs in motion, made on the fly
        "rendered_world": "photographs",  # or smooth (docs/data.md)
        "held_out": 0.2,  # the last fifth of each video is not trained on
    }


def runtime() -> dict:
    """Keys of every run that may change when it goes on."""
    return {
        # Devices = data x model, 0: what the other leaves.  slow: the axis that crosses
        # slices, or hosts of GPUs (docs/scaling.md).
        "mesh": {"data": 0, "model": 1, "slow": "data"},
        # rules: (regex on the parameter path, mesh axes of its last axes) each; () for the
        # defaults of pv_vae_jax/sharding/rules.py.  fsdp: parameters, EMA and slots of at
        # least so many elements are split over data.
        "sharding": {"rules": (), "fsdp": False, "least": 65_536},
        "workers": 0,  # processes that read clips; 0 reads in threads
        "threads": 2,
        "log_every": 50,
        "evaluate_every": 1000,
        "checkpoint_every": 500,
        "keep": 2,
        "skip_limit": 10,  # updates in a row without a finite gradient
    }


def base(model: str = "pv_vae_tiny") -> ConfigDict:
    """The config of a run of a named size; set what differs, unlock nothing."""
    config = ConfigDict(
        {
            "seed": 0,
            # "START:STOP": a trace of these updates for XProf (docs/observability.md).
            "profile": "",
            # A named model with all its fields (pv_vae_jax/zoo/registry.py).
            "model": {"name": model, "fields": registry.fields(model)},
            "data": data(),
            # Used where a stage has weights.gan.  kind: frame | clip | both; normalisation: none |
            # spectral (pv_vae_jax/models/discriminators.py).
            "discriminator": {
                "kind": "clip",
                "widths": (64, 128, 256, 512),
                "normalisation": "spectral",
                "dtype": "float32",
            },
            # Stages in the order in which they run.
            "run": ("predictive", "decoder"),
            "stages": {
                "image": image_stage(),
                "predictive": stage(),
                "decoder": decoder_stage(),
            },
            "runtime": runtime()
            | {
                # What model splits: channels (""), or of each clip the "rows" or the "time".
                "split": "",
                "evaluate_clips": 16,
                "final_clips": 64,  # for the figures at the end of the run
                "lpips": "",  # the judge of held-out clips: vgg16 | alexnet, "" for none
                "observe": 9,  # frames seen before prediction, in evaluation
                "calibration_batches": 16,
            },
        }
    )
    config.lock()
    return config
