"""A study's cell, from clips to figures.

    (image) -> vae -> (tuned) -> model                          launch.train, launch.export
    vae -> latents -> generator -> samples           the encoder's latents; decoded by the model
    samples -> generation, through                   FVD, KVD of I3D, to the clips and to what the
                                                     model makes of them
    model -> reconstruction, (live), analyses        PSNR, SSIM, LPIPS; LTD, prediction, probes

A decoder that is fine-tuned behind a frozen encoder changes neither latents nor generator: its row
shares both with the row before it (pv_vae_jax/study/plan.py), as in the paper.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from configs.studies import rows
from configs.studies.scales import Scale, scale
from pv_vae_jax.study.plan import Cell, Measure, Output, Step, Study, own

_STAGE = "--config.stages"
PRIMARY = ("kvd", "kvd_through", "flow_epe", "features_flow_epe")
_PROBES = "analyses/model/probes_latents/finding.json"
_FEATURES = "analyses/model/probes_features/finding.json"


def _figure(title, kind, file, name, better="less", digits=3) -> Measure:
    return Measure(title, kind, file, ("figures", name, "value"), better, digits)


MEASURES = {
    "kvd": _figure("KVD", "generation", "result/videos/results.json", "kvd", digits=2),
    "fvd": _figure("FVD", "generation", "result/videos/results.json", "fvd", digits=1),
    "kvd_through": _figure(
        "KVD to reconstructions", "through", "result/videos/results.json", "kvd", digits=2
    ),
    "fvd_through": _figure(
        "FVD to reconstructions", "through", "result/videos/results.json", "fvd", digits=1
    ),
    "flow_epe": _figure("flow probe, EPE", "analyses", _PROBES, "flow_epe"),
    "next_mse": _figure("next frame probe, MSE", "analyses", _PROBES, "next_frame_mse", digits=4),
    "tracking_area": _figure(
        "tracking probe, AUC", "analyses", _PROBES, "tracking_area", "more", 2
    ),
    "features_flow_epe": _figure("generator's flow probe, EPE", "analyses", _FEATURES, "flow_epe"),
    "features_next_mse": _figure(
        "generator's next frame probe, MSE", "analyses", _FEATURES, "next_frame_mse", digits=4
    ),
    "features_tracking_area": _figure(
        "generator's tracking probe, AUC", "analyses", _FEATURES, "tracking_area", "more", 2
    ),
    "prediction_mse": _figure(
        "prediction MSE",
        "analyses",
        "analyses/model/prediction/finding.json",
        "prediction",
        digits=4,
    ),
    "ltd": _figure(
        "adjacent LTD / sqrt(c)",
        "analyses",
        "analyses/model/ltd/finding.json",
        "adjacent_median_scaled",
        "",
        3,
    ),
    "psnr": _figure("PSNR", "reconstruction", "result/model/results.json", "psnr", "more", 2),
    "lpips": _figure("LPIPS", "reconstruction", "result/model/results.json", "lpips"),
    "rfvd": _figure("rFVD", "reconstruction", "result/model/results.json", "rfvd", digits=1),
    "live_psnr": _figure(
        "PSNR, live action", "live", "result/model/results.json", "psnr", "more", 2
    ),
    "live_lpips": _figure("LPIPS, live action", "live", "result/model/results.json", "lpips"),
}


def cell(name: str, seed: int, at: Scale) -> Cell:
    """The cell of a row and a seed at a scale."""
    row = rows.row(name)
    seeded = f"--config.seed={seed}"
    fields = rows.flags(row.model, "model.fields")
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


def study(
    name: str,
    question: str,
    variants: Sequence[tuple[str, int]],
    argument: str,
    control: str = "baseline",
    measures: Sequence[str] = (),
    titles: Mapping[str, str] | None = None,
) -> Study:
    """A study of rows, each with so many seeds; seed by seed, so that pairs are complete early.

    Args:
      name: of the study.
      question: of its table.
      variants: a row of rows.py, and how many seeds.
      argument: of :func:`scales.scale`.
      control: the row that others are compared with.
      measures: names of MEASURES in its table; if there are none, all that its cells measure.
      titles: of rows that have another than in rows.py.
    """
    at = scale(argument)
    made = [cell(row, seed, at) for row, seed in _grid(variants)]
    kinds = {step.kind for step in made[0].ordered()}
    shown = {n: MEASURES[n] for n in measures or MEASURES if MEASURES[n].kind in kinds}
    primary = [each for each in PRIMARY if each in shown]
    exports = {"model": "model.npz", "samples": "samples/grid.png"}
    family = f"{at.name}_{at.world}"
    told = _told(variants)
    told["titles"] |= titles or {}
    return Study(name, family, question, tuple(made), shown, control, primary, exports, **told)


def _grid(variants: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    most = max(seeds for _, seeds in variants)
    return [(row, seed) for seed in range(most) for row, seeds in variants if seed < seeds]


def _told(variants: Sequence[tuple[str, int]]) -> dict[str, dict[str, str]]:
    known = {row: rows.row(row) for row, _ in variants}
    papers = {row: each.paper for row, each in known.items() if each.paper}
    return {"titles": {row: each.title for row, each in known.items()}, "published": papers}


def convergence(
    name: str, question: str, variants: Sequence[tuple[str, int]], argument: str
) -> Study:
    """A study of how fast generators train: 256 samples are measured at each quarter.

    The generators are trained as those of :func:`cell`, with samples at intervals; samples, probes
    and the rest are left out.  Arguments as of :func:`study`.
    """
    at = scale(argument)
    every = max(1, at.updates["generator"] // 4)
    given = dict(zip(at.generation[::2], at.generation[1::2], strict=True))
    watched = [f"--config.runtime.protocol={given['--protocol']}+videos={min(256, at.samples[0])}"]
    watched += [f"--config.runtime.evaluate_every={every}"]
    if "--data" in given:
        watched += [f"--config.runtime.protocol_data=('{given['--data']}',)"]
    at = dataclasses.replace(at, generator=(*at.generator[:2], tuple(watched)))
    labels = {f"{n}/4": f"generator-{n * every:07d}" for n in (1, 2, 3)} | {"4/4": "final"}
    measures = {
        f"{figure}_{part}": _figure(
            f"{figure.upper()}, {part} of the updates",
            "generator",
            f"run/evaluation/{label}/results.json",
            figure,
            digits=2 if figure == "kvd" else 1,
        )
        for figure in ("kvd", "fvd")
        for part, label in labels.items()
    }
    whole = {each: cell(*each, at) for each in _grid(variants)}
    made = [Cell(f"{v}_curve", s, (c.step("generator"),)) for (v, s), c in whole.items()]
    told = {
        key: {f"{v}_curve": t for v, t in texts.items()} for key, texts in _told(variants).items()
    }
    control, family = f"{variants[0][0]}_curve", f"{at.name}_{at.world}"
    return Study(name, family, question, tuple(made), measures, control, **told)
