"""A study's cell, from clips to figures.

    (image) -> vae -> (tuned) -> model                          launch.train, launch.export
    vae -> latents -> generator -> samples           the encoder's latents; decoded by the model
    samples -> generation, through                   FVD, KVD of I3D, to the clips and to what the
                                                     model makes of them
    model -> reconstruction, (live), analyses        PSNR, SSIM, LPIPS; LTD, prediction, probes

A decoder that is fine-tuned behind a frozen encoder changes neither latents nor generator: its row
shares both with the row before it (pv_vae_jax/study/step.py), as in the paper.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from configs.studies import rows
from configs.studies.scales import Scale
from pv_vae_jax.study.plan import Cell
from pv_vae_jax.study.step import Output, Step, own

_STAGE = "--config.stages"


def cell(name: str, seed: int, at: Scale) -> Cell:
    """The cell of a row and a seed at a scale."""
    row = rows.row(name)
    seeded = f"--config.seed={seed}"
    wider = {"widths": tuple(round(row.width * width) for width in at.widths)}
    fields = rows.flags(row.model | (wider if row.width != 1 else {}), "model.fields")
    config = f"--config={at.networks[row.network]}"
    common = (config, *at.vae, own("run", "--workdir="), seeded, *fields)
    budget = {} if row.share == 1 else {"steps": round(row.share * at.updates["vae"])}

    def train(kind: str, stage: str, before: Step | None, changes: Mapping[str, Any]) -> Step:
        start = () if before is None else (before.file("run", f"{_STAGE}.{stage}.init_from="),)
        return Step(
            kind,
            "train",
            (
                *common,
                f"--config.run=('{stage}',)",
                *start,
                *rows.flags(changes, f"stages.{stage}"),
            ),
            "run/results.json",
            at.configs[row.network],
            {"updates": changes.get("steps", at.updates[kind])},
        )

    image = train("image", "image", None, {}) if at.image else None
    first = train("vae", "predictive", image, {**row.predictive, **budget})
    encoder = last = _export(first)
    if row.tuned:
        free = {"trainable": ".*", "weights.kl": at.kl} if row.tuned == "all" else {}
        last = _export(train("tuned", "decoder", first, free))
        encoder = last if row.tuned == "all" else encoder
    network = _generator(encoder, seeded, at)
    return Cell(name, seed, (*_measured(last.file("model.npz"), network, seed, at),))


def _export(run: Step) -> Step:
    files = ("--workdir", run.file("run"), "--out", own("model.npz"))
    return Step("model", "export", (*files, "--dtype", "float16"), "model.npz")


def _generator(encoder: Step, seeded: str, at: Scale) -> Step:
    model, (before, after, more) = encoder.file("model.npz"), at.generator
    latents = Step(
        "latents",
        "prepare_data",
        ("latents", "--model", model, "--out", own("latents"), *at.latents),
        "latents",
    )
    return Step(
        "generator",
        "train",
        (
            encoder.file("model.npz", before, after),
            own("run", "--workdir="),
            latents.file("latents", "--config.data.latents="),
            seeded,
            *more,
        ),
        "run/results.json",
        at.configs["generator"],
        {"updates": at.updates["generator"]},
    )


def _measured(model: Output, network: Step, seed: int, at: Scale) -> Iterator[Step]:
    count, batch = map(str, at.samples)
    samples = Step(
        "samples",
        "generate",
        (
            *("--workdir", network.file("run"), "--vae", model, "--out", own("samples")),
            *("--count", count, "--batch", batch, "--seed", str(seed)),
        ),
        "samples/grid.png",
        about={"samples": at.samples[0]},
    )
    drawn = (*at.generation, "--samples", samples.file("samples/videos"))
    for kind, against in (("generation", ()), ("through", ("--through", model))):
        judged = (*drawn, *against, "--out", own("result"))
        yield Step(kind, "evaluate", judged, "result/videos/results.json")
    for kind, by in at.reconstruction.items():
        judged = (*by, "--model", model, "--out", own("result"))
        yield Step(kind, "evaluate", judged, "result/model/results.json")
    files = ("--workdir", network.file("run"), "--out", own("generator.npz"))
    exported = Step("network", "export", files, "generator.npz").file("generator.npz")
    looked = ("--model", model, "--generator", exported, *at.analyses, "--out", own("analyses"))
    yield Step("analyses", "analyse", looked, "analyses/table.md")
