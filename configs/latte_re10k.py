"""Table 1 on RealEstate10K: Latte-XL, unconditional, on the latents of a video VAE.

    python -m launch.prepare_data latents --model MODEL --from /data/re10k/train --frames 17
        --height 256 --width 256 --draws 2 --held_out 0 --out latents/re10k
    python -m launch.train --config=configs/latte_re10k.py:MODEL --workdir=runs/re10k
        --config.data.latents=latents/re10k
    python -m launch.generate --workdir=runs/re10k --count=2048 --out=samples/re10k
    python -m launch.evaluate --protocol=re10k-gen --samples=samples/re10k --data=/data/re10k ...

As configs/latte_ucf101.py, but for the classes.
"""

from configs import latte_ucf101


def get_config(argument: str = ""):
    """``TOKENIZER`` or ``TOKENIZER,PATCH``."""
    config = latte_ucf101.get_config(argument)
    config.generator.fields.classes = 0
    config.data.labels = ""
    return config
