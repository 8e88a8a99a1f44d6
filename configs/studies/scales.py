"""How large a cell is and where its clips come from: what differs between a laptop and the paper.

full,DIR             the paper's: 661M, Kinetics-400 and images, UCF101; DIR/k400 (its train is
                     trained on, its val judged by: docs/datasets.md), DIR/images, DIR/ucf101,
                     DIR/MPI-Sintel-complete, DIR/tapvid_davis.pkl; one program for all masks, as
                     below, so that all rows cost the same
small,smooth         rendered scenes, exact motion, made on the fly; 20 minutes on one CPU core
small,smooth,13      clips of 13 frames, 4 latent steps, instead of 9; 35 minutes
small,film           Big Buck Bunny, cut at its shots, split by time; judged on live action too
tiny,...             the same with a handful of updates, to see that all parts fit
"""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from ml_collections import ConfigDict

from configs import latte_ucf101, pv_vae_661m
from configs.base import base
from configs.generator_base import base as generator_base
from configs.studies import generator, vae
from configs.tables import table_7_hybrid, table_7_transformer
from pv_vae_jax.models import cnn_sizes

LONGER = ("13", "17")  # clips, in frames
RECIPE = 1  # of results; another one where a default of what they are made by changes
FILM = "data_cache/film"  # shards of launch.prepare_data (docs/results/README.md)


@dataclasses.dataclass(frozen=True)
class Scale:
    """Arguments of the doors of a cell.

    Attributes:
      name: of the size.
      world: of the clips; their length too where it is another.
      networks: of the video VAE, name to config.
      widths: of the CNN, where a row does not change them.
      vae: what launch.train is told besides.
      image: whether a stage of images comes first.
      generator: a config, before the tokenizer and after it, and arguments.
      latents: arguments of launch.prepare_data latents.
      samples: how many are drawn, and at once.
      generation: arguments of launch.evaluate for samples.
      reconstruction: the same for the model, by kind of step: "reconstruction", and "live" where it
        is judged on live action too.
      analyses: arguments of launch.analyse.
      unmeasured: names of measures (measures.py) that its cells do not have.
      updates: of each kind of training, for the results.
      configs: the text of the configs, by network of the video VAE, and "generator".
      kl: weight of KL where an encoder is trained.
    """

    name: str
    world: str
    networks: dict[str, str]
    widths: tuple[int, ...]
    vae: tuple[str, ...]
    image: bool
    generator: tuple[str, str, tuple[str, ...]]
    latents: tuple[str, ...]
    samples: tuple[int, int]
    generation: tuple[str, ...]
    reconstruction: dict[str, tuple[str, ...]]
    analyses: tuple[str, ...]
    updates: dict[str, int]
    configs: dict[str, str]
    kl: float
    unmeasured: tuple[str, ...] = ()


def _text(config: ConfigDict, base: ConfigDict) -> str:
    """What a config says besides its base, but for what does not change a result.

    A new key of the base with a default that changes nothing leaves results as they are.
    """
    said, known = (dict(_leaves(each.to_dict())) for each in (config, base))
    said = {k: v for k, v in said.items() if v != known.get(k) and not k.startswith("runtime.")}
    said |= {"recipe": RECIPE} if RECIPE > 1 else {}
    return json.dumps(said, sort_keys=True)


def _leaves(tree: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _told(networks: dict[str, ConfigDict], generator_config: ConfigDict) -> dict[str, Any]:
    """The fields of a scale that are read off its configs."""
    stages = networks["cnn"].stages
    return {
        "updates": {
            "image": stages.image.steps,
            "vae": stages.predictive.steps,
            "tuned": stages.decoder.steps,
            "generator": generator_config.stages.generator.steps,
        },
        "configs": {name: _text(each, base(each.model.name)) for name, each in networks.items()}
        | {"generator": _text(generator_config, generator_base(generator_config.generator.name))},
        "kl": stages.predictive.weights.kl,
    }


def _on_a_core(size: str, world: str, frames: str) -> Scale:
    if world not in vae.WORLDS:
        raise ValueError(f"the worlds of {size} are {', '.join(vae.WORLDS)}; got {world!r}.")
    if frames not in ("9", *(() if world == "film" else LONGER)):
        raise ValueError(
            f"clips of a study have 9 frames, in smooth also {', '.join(LONGER)}; "
            f"got {frames!r} for {world}."
        )
    tiny, film, usual = size == "tiny", world == "film", frames == "9"
    few = ("--set", "videos=12") if tiny else ()
    few += () if usual else ("--set", f"frames={frames}")

    def longer(*stages: str) -> tuple[str, ...]:
        flags = (f"--config.stages.{stage}.data.frames={frames}" for stage in stages)
        return () if usual else tuple(flags)

    clips, samples = ("64", 12) if tiny else ("12288", 512)
    rendered = ("--rendered", clips, "--world", world, "--held_out", "0")
    shards = ("--shards", FILM, "--stride", "2", "--draws", "12")
    judged = {"reconstruction": f"{world}-recon"} | ({"live": "live-recon"} if film else {})
    named = {name: f"{world},{size},{name}" for name in vae.NETWORKS}
    return Scale(
        name=size,
        world=world if usual else f"{world}_{frames}",
        networks={name: f"configs/studies/vae.py:{argument}" for name, argument in named.items()},
        widths=vae.NETWORKS["cnn"][1]["widths"],
        vae=(f"--config.data.shards={FILM}",) if film else longer("predictive", "decoder"),
        image=False,
        generator=("--config=configs/studies/generator.py:", f",{size}", longer("generator")),
        latents=(
            *(shards if film else rendered),
            *f"--frames {frames} --height 32 --width 32 --batch 32".split(),
        ),
        samples=(samples, 64),
        generation=("--protocol", f"{world}-gen", *few, "--batch", "8"),
        reconstruction={
            kind: ("--protocol", protocol, *few, "--batch", "8")
            for kind, protocol in judged.items()
        },
        analyses=(
            *("--protocol", f"{world}-ltd", *few, "--only", "ltd,prediction,probes"),
            *("--batch", "8", "--grid", "8", "--clips", *(("6", "3") if tiny else ("1024", "128"))),
            *(() if tiny else ("--budget", "long")),
            # the film has too few clips to train and test a probe of the next frame on
            *(("--tasks", "flow,tracking") if film else ()),
        ),
        unmeasured=("next_mse", "features_next_mse") if film else (),
        **_told(
            {name: vae.get_config(argument) for name, argument in named.items()},
            generator.get_config(f",{size}"),
        ),
    )


def _of_the_paper(folder: str) -> Scale:
    return Scale(
        name="full",
        world="ucf101",
        networks={
            "cnn": "configs/pv_vae_661m.py:661m",
            "transformer": "configs/tables/table_7_transformer.py:1b",
            "hybrid": "configs/tables/table_7_hybrid.py:661m",
        },
        widths=cnn_sizes.SIZES["pv_vae_661m"]["widths"],
        vae=(
            f"--config.data.images={folder}/images",
            f"--config.data.videos={folder}/k400/train",
            "--config.stages.predictive.withholding.way=mask",
        ),
        image=True,
        generator=("--config=configs/latte_ucf101.py:", "", ()),
        latents=(
            *("--from", f"{folder}/ucf101"),
            *"--labels folder --draws 8 --held_out 0 --frames 17 --height 256 --width 256".split(),
        ),
        samples=(2048, 16),
        generation=("--protocol", "ucf101-gen", "--data", f"{folder}/ucf101"),
        reconstruction={
            "reconstruction": ("--protocol", "k400-recon-256", "--data", f"{folder}/k400")
        },
        analyses=(
            *("--protocol", "k400-ltd", "--data", f"{folder}/k400", "--budget", "full"),
            *("--sintel", f"{folder}/MPI-Sintel-complete"),
            *("--tap-vid", f"{folder}/tapvid_davis.pkl"),
        ),
        **_told(
            {
                "cnn": pv_vae_661m.get_config(),
                "transformer": table_7_transformer.get_config(),
                "hybrid": table_7_hybrid.get_config(),
            },
            latte_ucf101.get_config(),
        ),
    )


def scale(argument: str) -> Scale:
    """``SIZE,WORLD``, ``SIZE,WORLD,FRAMES`` or ``full,DIR``.

    Raises:
      ValueError: another size, world or length of clips.
    """
    size, comma, world = argument.partition(",")
    if size == "full":
        return _of_the_paper(world or "/data")
    if size not in vae.STEPS:
        raise ValueError(f"a study has the sizes full, {', '.join(vae.STEPS)}; got {size!r}.")
    world, _, frames = world.partition(",")
    return _on_a_core(size, world if comma else "smooth", frames or "9")
