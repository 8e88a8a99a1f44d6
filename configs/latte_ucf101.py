"""Table 1 on UCF101: Latte-XL, class-conditional, on the latents of a video VAE.

    python -m launch.prepare_data latents --model MODEL --from /data/UCF-101 --labels folder
        --frames 17 --height 256 --width 256 --draws 8 --held_out 0 --out latents/ucf101
    python -m launch.train --config=configs/latte_ucf101.py:MODEL --workdir=runs/ucf101
        --config.data.latents=latents/ucf101
    python -m launch.generate --workdir=runs/ucf101 --count=2048 --out=samples/ucf101
    python -m launch.evaluate --protocol=ucf101-gen --samples=samples/ucf101 --data=/data/ucf101 ...

MODEL is an export; or a name, with ``--weights`` there and ``--config.tokenizer.weights`` here.
``:MODEL,2`` has patches of 2 x 2, for latents of t4s8c16, as the
public Latte; ``,1`` (default) none, as the paper.  250,000 updates of 64 clips, learning rate 1e-4.
On GPUs ``--config.generator.fields.scan=True`` halves the memory (docs/scaling_tables.md).
Written for a pod or several GPU hosts: traced, counted and compiled here, not trained.
"""

from configs.generator_base import base

CLASSES = 101


def get_config(argument: str = ""):
    """``TOKENIZER`` or ``TOKENIZER,PATCH``."""
    model, _, patch = argument.partition(",")
    patch = patch or "1"
    if not patch.isdecimal() or int(patch) < 1:
        raise ValueError(
            f"the argument is TOKENIZER or TOKENIZER,PATCH, with PATCH a number of latents such as "
            f"1 or 2; got the patch {patch!r}."
        )
    config = base("latte_xl", classes=CLASSES, patch=int(patch), dtype="bfloat16", remat="block")
    config.tokenizer.model = model
    config.data.labels = "folder"
    config.runtime.workers = 8
    return config
