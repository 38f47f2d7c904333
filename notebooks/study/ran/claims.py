"""Claims of the fragment of RAN, asked of its table and of every set that the chapter runs on."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from study.claims import Claim, each_set, told, untestable
from study.metrics import TIE
from study.ran.plan import ALL

RAN, GRADIENT = "ran_table_steps_spaces", "ran_fig_gradient"


def _steps_help(metric: str) -> Callable[[pd.DataFrame], tuple[str, bool]]:
    """Whether the mean error of all steps is better than that of the last alone, in pixels."""

    def ask(part: pd.DataFrame) -> tuple[str, bool]:
        line = part[(part["space"] == "pixel") & (part["metric"] == metric)].set_index("step")["ours"]
        last = [step for step in line.index if step != ALL][-1]
        return f"all {line[ALL]:.2f}, last {line[last]:.2f}", bool(line[ALL] > line[last] + TIE)

    return ask


def _both_spaces(part: pd.DataFrame) -> tuple[str, bool]:
    line = part[(part["step"] == ALL) & (part["metric"] == "auroc")].set_index("space")["ours"]
    return told(line), bool(
        line["both"] > line[["pixel", "feature"]].max() - TIE and line["both"] > line["pixel"] + TIE
    )


def _pixels_poor(part: pd.DataFrame) -> tuple[str, bool]:
    line = part[(part["step"] == ALL) & (part["metric"] == "auroc")].set_index("space")["ours"]
    return told(line[["pixel", "feature"]]), bool(line["feature"] > line["pixel"] + TIE)


def _keeps_the_rest(part: pd.DataFrame) -> tuple[str, bool]:
    last = part[part["step"] == part["step"].max()].groupby("region")["change"].mean()
    return f"change on defects {last['defect']:.3f}, elsewhere {last['normal']:.3f}", bool(
        last["defect"] > 2 * last["normal"]
    )


CLAIMS = [
    Claim(
        "Errors of all intermediate steps detect better than that of the last alone",
        "§1", "no number", RAN, each_set(RAN, _steps_help("auroc")),
    ),
    Claim(
        "Errors of all intermediate steps localise better than that of the last alone",
        "§1", "no number", RAN,
        each_set(RAN, _steps_help("pixel_auroc"), "metric == 'pixel_auroc'", "no set has masks"),
    ),
    Claim(
        "Detecting in both pixel and feature space is better than in pixels alone, and no worse than in features",
        "§1", "no number", RAN, each_set(RAN, _both_spaces),
    ),
    Claim("Error in pixel space alone limits performance", "§2", "no number", RAN, each_set(RAN, _pixels_poor)),
    Claim(
        "Gradients lead to normality and preserve the normal regions (the defect changes at least twice as much)",
        "§1", "no number", GRADIENT, each_set(GRADIENT, _keeps_the_rest, none="no example with a mask"),
    ),
    Claim(
        "Outperforms existing methods in reconstruction and detection",
        "§1", "not in the fragment", "", untestable("the fragment ends before its results"),
    ),
]  # fmt: skip
