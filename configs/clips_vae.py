"""A video VAE of the three shipped clips, t4s8c64, for the generator of configs/latte_clips.py.

    python -m launch.train --config=configs/clips_vae.py --workdir=runs/clips_vae
    python -m launch.export --workdir runs/clips_vae --out exports/clips_vae.npz

The two stages of the quickstart with half the patch: 12 numbers of pixels for one of a latent, not
48, so that a generator is seen and not the blur of its tokenizer.  Half an hour on 2 CPU cores.
"""

from configs import quickstart

CLIPS = ((32, 32, 6, 1),)


def get_config():
    """No argument."""
    config = quickstart.get_config()
    config.model.fields.patch = 2
    config.data.update(rendered_weight=1, videos_weight=3, held_out=0.1)
    for stage, steps in (("predictive", 2500), ("decoder", 1000)):
        config.stages[stage].steps = steps
        config.stages[stage].data.buckets = CLIPS
    config.runtime.update(evaluate_clips=8, final_clips=8)
    return config
