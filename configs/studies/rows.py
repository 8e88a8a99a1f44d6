"""What each row of a study changes of the whole method, as keys of ``config.stages`` and ``model``.

The whole method is the row "motion" (withheld suffix, learnable token, MSE and differences), and
"decoder" with its decoder fine-tuned.  A row says all that it changes; nothing else differs: same
clips in the same order, same initial weights where shapes agree, same number of steps.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
      title: in tables.
      predictive: changes of ``stages.predictive``.
      model: changes of ``model.fields``.
      network: of the video VAE: "cnn", "transformer" or "hybrid".
      share: of the updates of predictive training.
      width: of the CNN's layers, a multiple of its usual widths.
      tuned: "", "decoder" (encoder frozen) or "all" (encoder trained on).
      paper: its figures in the paper's table.
    """

    title: str
    predictive: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    model: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    network: str = "cnn"
    share: float = 1.0
    width: float = 1.0
    tuned: str = ""
    paper: str = ""


_PLAIN = {"withholding.kind": "none", "weights.difference": 0.0}
_TABLE_4 = "FVD {}; rFVD {}, PSNR {}, LPIPS {}"

ROWS = {
    # Table 4, and the controls without which it proves nothing.
    "baseline": Row("baseline", _PLAIN, paper=_TABLE_4.format("174.81", "3.03", "33.44", "0.017")),
    "predictive": Row(
        "+ predictive reconstruction",
        {"weights.difference": 0.0},
        paper=_TABLE_4.format("156.33", "5.66", "31.47", "0.026"),
    ),
    "motion": Row("+ motion term", paper=_TABLE_4.format("150.10", "5.79", "31.38", "0.026")),
    "decoder": Row(
        "+ decoder fine-tuning",
        tuned="decoder",
        paper=_TABLE_4.format("146.37", "3.45", "32.26", "0.020"),
    ),
    "baseline_decoder": Row("baseline, decoder fine-tuned", _PLAIN, tuned="decoder"),
    "baseline_motion": Row("baseline with motion term", {"withholding.kind": "none"}),
    "unfrozen": Row("predictive + motion, encoder and decoder fine-tuned", tuned="all"),
    # Table 5; 100% is "decoder".
    "ratio_50": Row(
        "at most 50% dropped", {"withholding.ratio": 0.5}, tuned="decoder", paper="FVD 159.82"
    ),
    "ratio_75": Row(
        "at most 75% dropped", {"withholding.ratio": 0.75}, tuned="decoder", paper="FVD 154.06"
    ),
    # Table 6; the learnable token is "decoder".
    "gaussian": Row(
        "Gaussian padding", model={"padding": "gaussian"}, tuned="decoder", paper="FVD 150.68"
    ),
    # Table 7; the CNN is "decoder".
    "transformer": Row(
        "Transformer",
        network="transformer",
        tuned="decoder",
        paper=_TABLE_4.format("178.86", "4.03", "33.02", "0.022"),
    ),
    "hybrid": Row("hybrid", network="hybrid", tuned="decoder"),
    # Figure 5: less and more training of either; between them are "baseline" and "motion".
    "baseline_half": Row("baseline, half of the updates", _PLAIN, share=0.5),
    "baseline_double": Row("baseline, twice the updates", _PLAIN, share=2.0),
    "motion_half": Row("predictive + motion, half of the updates", share=0.5),
    "motion_double": Row("predictive + motion, twice the updates", share=2.0),
    # Capacity, which the paper does not ask for, in the same form.
    "baseline_narrow": Row("baseline, half as wide", _PLAIN, width=0.5),
    "baseline_wide": Row("baseline, 1.25 times as wide", _PLAIN, width=1.25),
    "motion_narrow": Row("predictive + motion, half as wide", width=0.5),
    "motion_wide": Row("predictive + motion, 1.25 times as wide", width=1.25),
    # What the authors left open.
    "condition_aware": Row("condition-aware padding", model={"padding": "causal"}, tuned="decoder"),
    "suffix_loss": Row("loss on withheld frames alone", {"withholding.loss": "withheld"}),
    "infill": Row(
        "infilling, decoder not causal",
        {"withholding.kind": "infill"},
        model={"decoder_causal": False},
    ),
    "not_causal": Row("decoder not causal", model={"decoder_causal": False}),
    "tube": Row("tubes", {"withholding.kind": "tube", "withholding.ratio": 0.75}),
    "block": Row("blocks", {"withholding.kind": "block", "withholding.ratio": 0.75}),
    "cells": Row("cells", {"withholding.kind": "cells", "withholding.ratio": 0.75}),
    "group_2": Row("withheld in twos", {"withholding.group": 2}),
    "no_reversal": Row("no time reversal", {"data.reversal": 0.0}),
}


def flags(changes: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """As arguments of launch.train."""
    return tuple(f"--config.{where}.{key}={value}" for key, value in changes.items())


def row(name: str) -> Row:
    """A row by name.

    Raises:
      ValueError: there is none; the message lists those that there are.
    """
    if name not in ROWS:
        raise ValueError(f"no row is named {name!r}; there are {', '.join(ROWS)}.")
    return ROWS[name]
