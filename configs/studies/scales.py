"""How large a cell is and where its clips come from: what differs between a laptop and the paper.

full,DIR             the paper's: 661M, Kinetics-400 and images, UCF101; DIR/k400, DIR/images,
                     DIR/ucf101, DIR/MPI-Sintel-complete, DIR/tapvid_davis.pkl
small,smooth         rendered scenes, exact motion, made on the fly; 20 minutes on one CPU core
small,film           Big Buck Bunny, cut at its shots, split by time
tiny,smooth|film   the same with a handful of updates, to see that all parts fit
"""

import dataclasses
import json

from ml_collections import ConfigDict

from configs import latte_ucf101, pv_vae_661m
from configs.studies import generator, vae
from configs.tables import table_7_hybrid, table_7_transformer

FILM = "data_cache/film"  # shards of launch.prepare_data (docs/results/README.md)


@dataclasses.dataclass(frozen=True)
class Scale:
    """Arguments of the doors of a cell.

    Attributes:
      name: of the size.
      world: of the clips.
      networks: of the video VAE, name to config.
      vae: what launch.train is told besides.
      image: whether a stage of images comes first.
      generator: a config, before the tokenizer and after it, and arguments.
      latents: arguments of launch.prepare_data latents.
      samples: how many are drawn, and at once.
      generation: arguments of launch.evaluate for samples.
      reconstruction: the same for the model.
      analyses: arguments of launch.analyse.
      updates: of each kind of training, for the results.
      configs: the text of the configs, by network of the video VAE, and "generator".
      kl: weight of KL where an encoder is trained.
    """

    name: str
    world: str
    networks: dict[str, str]
    vae: tuple[str, ...]
    image: bool
    generator: tuple[str, str, tuple[str, ...]]
    latents: tuple[str, ...]
    samples: tuple[int, int]
    generation: tuple[str, ...]
    reconstruction: tuple[str, ...]
    analyses: tuple[str, ...]
    updates: dict[str, int]
    configs: dict[str, str]
    kl: float


def _text(config: ConfigDict) -> str:
    """A config as text, without what does not change a result."""
    return json.dumps({k: v for k, v in config.to_dict().items() if k != "runtime"}, sort_keys=True)


def _on_a_core(size: str, world: str) -> Scale:
    if world not in vae.WORLDS:
        raise ValueError(f"the worlds of {size} are {', '.join(vae.WORLDS)}; got {world!r}.")
    tiny = size == "tiny"
    few = ("--set", "videos=12") if tiny else ()
    film = world == "film"
    clips, samples = (32, 12) if tiny else (6144, 512)
    source = (
        ("--shards", FILM, "--stride", "2", "--draws", "6")
        if film
        else ("--rendered", clips, "--world", world)
    )
    network = generator.get_config(f",{size}")
    named = {name: f"{world},{size},{name}" for name in vae.NETWORKS}
    configs = {name: vae.get_config(argument) for name, argument in named.items()}
    config = configs["cnn"]
    return Scale(
        size,
        world,
        {name: f"configs/studies/vae.py:{argument}" for name, argument in named.items()},
        (f"--config.data.shards={FILM}",) if film else (),
        False,
        ("--config=configs/studies/generator.py:", f",{size}", ()),
        (
            *map(str, source),
            *(() if film else ("--held_out", "0")),
            *("--frames", "9", "--height", "32", "--width", "32", "--batch", "32"),
        ),
        (samples, 64),
        ("--protocol", f"{world}-gen", *few, "--batch", "8"),
        ("--protocol", f"{world}-recon", *few, "--batch", "8"),
        (
            *("--protocol", f"{world}-ltd", *few, "--only", "ltd,prediction,probes"),
            *("--batch", "8", "--clips", *(("6", "3") if tiny else ("256", "64"))),
        ),
        {
            "vae": config.stages.predictive.steps,
            "tuned": config.stages.decoder.steps,
            "generator": network.stages.generator.steps,
        },
        {name: _text(each) for name, each in configs.items()} | {"generator": _text(network)},
        config.stages.predictive.weights.kl,
    )


def _of_the_paper(folder: str) -> Scale:
    network = latte_ucf101.get_config()
    configs = {
        "cnn": pv_vae_661m.get_config(),
        "transformer": table_7_transformer.get_config(),
        "hybrid": table_7_hybrid.get_config(),
    }
    config = configs["cnn"]
    size = ("--frames", "17", "--height", "256", "--width", "256")
    return Scale(
        "full",
        "ucf101",
        {
            "cnn": "configs/pv_vae_661m.py:661m",
            "transformer": "configs/tables/table_7_transformer.py:1b",
            "hybrid": "configs/tables/table_7_hybrid.py:661m",
        },
        (
            f"--config.data.images={folder}/images",
            f"--config.data.videos={folder}/k400",
        ),
        True,
        ("--config=configs/latte_ucf101.py:", "", ()),
        (
            "--from",
            f"{folder}/ucf101",
            "--labels",
            "folder",
            "--draws",
            "8",
            "--held_out",
            "0",
            *size,
        ),
        (2048, 16),
        ("--protocol", "ucf101-gen", "--data", f"{folder}/ucf101"),
        ("--protocol", "k400-recon-256", "--data", f"{folder}/k400"),
        (
            *("--protocol", "k400-ltd", "--data", f"{folder}/k400", "--budget", "full"),
            *("--sintel", f"{folder}/MPI-Sintel-complete"),
            *("--tap-vid", f"{folder}/tapvid_davis.pkl"),
        ),
        {
            "image": config.stages.image.steps,
            "vae": config.stages.predictive.steps,
            "tuned": config.stages.decoder.steps,
            "generator": network.stages.generator.steps,
        },
        {name: _text(each) for name, each in configs.items()} | {"generator": _text(network)},
        config.stages.predictive.weights.kl,
    )


def scale(argument: str) -> Scale:
    """``SIZE,WORLD`` or ``full,DIR``.

    Raises:
      ValueError: another size or world.
    """
    size, comma, world = argument.partition(",")
    if size == "full":
        return _of_the_paper(world or "/data")
    if size not in vae.STEPS:
        raise ValueError(f"a study has the sizes full, {', '.join(vae.STEPS)}; got {size!r}.")
    return _on_a_core(size, world if comma else "smooth")
