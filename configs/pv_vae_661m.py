"""The paper's model and recipe: the CNN of 660M parameters, three stages, LPIPS and GAN.

    python -m launch.train --config=configs/pv_vae_661m.py --workdir=runs/661m
        --config.data.images=/path/to/images --config.data.videos=/path/to/videos

``:661m`` (default), ``:small`` and ``:tiny`` are one recipe (configs/recipe.py) at three sizes;
``:tiny`` runs on 2 CPU cores.  One stage alone: ``:tiny,image``; the next one from it:
``:tiny,predictive --config.stages.predictive.init_from=WORKDIR_OR_EXPORT``.
Written for a pod or several GPU hosts; ``661m`` has been traced and counted here, not trained.
"""

from configs.recipe import recipe


def get_config(argument: str = "661m"):
    """``SIZE`` or ``SIZE,STAGE[+STAGE...]``."""
    size, _, run = argument.partition(",")
    return recipe(size, run)
