"""Claims of the fragment of RAN, asked of its table and of every set that the chapter runs on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from study.claims import (
    FEWEST,
    NOT_FOLLOWED,
    RESAMPLES,
    Answer,
    Claim,
    Evidence,
    Joined,
    Part,
    by,
    by_chains,
    each_set,
    told,
    untestable,
)
from study.ran.plan import ALL

RAN, GRADIENT = "ran_table_steps_spaces", "ran_fig_gradient"


def _steps_help(metric: str) -> Callable[[Evidence, pd.DataFrame], Answer]:
    """Whether the mean error of all steps is better than that of the last alone, in pixels."""

    def ask(evidence: Evidence, part: pd.DataFrame) -> Answer:
        line = by(part[(part["space"] == "pixel") & (part["metric"] == metric)], "step")
        last = [step for step in line.index if step != ALL][-1]
        text = f"all {line[ALL][0]:.2f}, last {line[last][0]:.2f}"
        return text, _chained(evidence, line[ALL], line[last], metric)

    return ask


def _chained(evidence: Evidence, ours: np.ndarray, other: np.ndarray, metric: str) -> Part | Joined:
    """RAN's fragment does not say how many steps its way back takes; here it takes some of them."""
    found = evidence.ahead(ours, other, metric, NOT_FOLLOWED)
    return by_chains(found, evidence.cut(RAN, "ran", key="steps"))


def _both_spaces(evidence: Evidence, part: pd.DataFrame) -> Answer:
    line = by(part[(part["step"] == ALL) & (part["metric"] == "auroc")], "space")
    return told(line), _chained(evidence, line["both"], line["pixel"], "auroc")


def _pixels_poor(evidence: Evidence, part: pd.DataFrame) -> Answer:
    line = by(part[(part["step"] == ALL) & (part["metric"] == "auroc")], "space")
    return told(line[["pixel", "feature"]]), _chained(evidence, line["feature"], line["pixel"], "auroc")


def _keeps_the_rest(evidence: Evidence, part: pd.DataFrame) -> Answer:
    last = part[part["step"] == part["step"].max()].pivot_table(index="image", columns="region", values="change")
    text = f"change on {len(last)} defects {last['defect'].mean():.3f}, elsewhere {last['normal'].mean():.3f}"
    if len(last) < FEWEST:
        return f"{text}; too few images", None
    apart = (last["defect"] - 2 * last["normal"]).to_numpy()
    drawn = np.random.default_rng(0).choice(apart, (RESAMPLES, len(apart))).mean(axis=1)
    found = Part(np.r_[apart.mean(), drawn], 0, NOT_FOLLOWED)
    return text, by_chains(found, evidence.cut(GRADIENT, "ran", key="steps"))


CLAIMS = [
    Claim(
        "In pixels, errors of all intermediate steps detect better than that of the last alone",
        "§1", "no number", RAN, each_set(RAN, _steps_help("auroc")),
    ),
    Claim(
        "In pixels, errors of all intermediate steps localise better than that of the last alone",
        "§1", "no number", RAN,
        each_set(RAN, _steps_help("pixel_auroc"), "metric == 'pixel_auroc'", "no set has masks"),
    ),
    Claim(
        "Detecting in both pixel and feature space is better than in pixels alone",
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
