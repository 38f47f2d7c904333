"""Claims of D3AD and of the noise study about other systems, asked where all run on equal terms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from radarlib.methods.diffusing import STEPS, T_DDPM
from study.claims import AUROCS, NOT_FOLLOWED, Answer, Claim, Evidence, all_of, by_chains, each_set
from study.systems.plan import SYSTEMS

TABLE = "systems"
D3AD, DDAD, DRAEM, GAUSSIAN = "d3ad", "ddad", "draem", "ddpm"
OURS, LARGER, ITS_OWN = "this study", "Lite2", "Tebbe & Tayyub 2024"
RIVALS = [
    key
    for key, system in SYSTEMS.items()
    if system.source not in (OURS, ITS_OWN, "the noise study") and LARGER not in system.label
]
"""What others have published, on the extractor that all share."""
NARROWEST = 0.014  # in PRO, by which D3AD's Tables 1, 2 and 4 have it ahead of any other
RECONSTRUCTING = ["ae", "ae_ssim", "riad", "ganomaly", "skip"]
"""Earlier methods that reconstruct alone: the noise study compares with networks of these kinds."""


def _values(part: pd.DataFrame, metric: str) -> pd.Series:
    """The values of a metric, with their resamples, by system."""
    return part[part["metric"] == metric].set_index("system")["value"]


def _named(values: pd.Series, keys: list[str]) -> str:
    return ", ".join(f"{SYSTEMS[key].label} {values[key][0]:.2f}" for key in keys)


def _segments_best(evidence: Evidence, part: pd.DataFrame) -> Answer:
    values = _values(part, "pro")
    best = max(RIVALS, key=lambda key: values[key][0])
    least = [NARROWEST] * len(RIVALS)
    verdict = evidence.ahead(values[D3AD], values[RIVALS], "pro", NOT_FOLLOWED, printed=least)
    return f"PRO {_named(values, [D3AD, best])}, the best of {len(RIVALS)}", verdict


def _better_than_ddad(evidence: Evidence, part: pd.DataFrame) -> Answer:
    values = _values(part, "pro")
    verdict = evidence.ahead(values[D3AD], values[DDAD], "pro", NOT_FOLLOWED, printed=[NARROWEST])
    return f"PRO {_named(values, [D3AD, DDAD])}", verdict


def _like_draem(*metrics: str) -> Callable[[Evidence, pd.DataFrame], Answer]:
    def ask(evidence: Evidence, part: pd.DataFrame) -> Answer:
        gaps = {metric: (v := _values(part, metric))[D3AD] - v[DRAEM] for metric in metrics}
        text = ", ".join(f"{metric.upper().replace('_', ' ')} {gap[0]:+.2f}" for metric, gap in gaps.items())
        aurocs = {metric: _values(part, metric)[[D3AD, DRAEM]] for metric in AUROCS if metric in metrics}
        return text, all_of(
            evidence.no_worse(gap, metric, NOT_FOLLOWED, aurocs.get(metric)) for metric, gap in gaps.items()
        )

    return ask


def _beats_most(evidence: Evidence, part: pd.DataFrame) -> Answer:
    """Ahead of the median of them: of more than a half."""
    values = _values(part, "auroc")
    middle = np.median(np.stack(np.broadcast_arrays(*values[RECONSTRUCTING])), axis=0)
    text = f"I-AUROC {_named(values, [GAUSSIAN, *RECONSTRUCTING])}"
    return text, by_chains(evidence.ahead(values[GAUSSIAN], middle, "auroc", NOT_FOLLOWED), cut=STEPS < T_DDPM)


MASKED = "metric == 'pro'", "no set has masks"
OF_D3AD = [
    Claim(
        "D3AD segments better than all systems that others have published (PRO), run on equal terms",
        "Tables 1, 2", "0.941 against 0.927, 0.832 against 0.773", TABLE, each_set(TABLE, _segments_best, *MASKED),
    ),
    Claim(
        "D3AD localises better than DDAD (PRO), run on equal terms",
        "Table 4", "0.941 against 0.927", TABLE, each_set(TABLE, _better_than_ddad, *MASKED),
    ),
    Claim(
        "D3AD segments no worse than DRAEM (P-AUROC, PRO), run on equal terms",
        "§5", "0.1 and 0.3 points above", TABLE,
        each_set(TABLE, _like_draem("pixel_auroc", "pro"), "metric in ('pixel_auroc', 'pro')", "no set has masks"),
    ),
    Claim(
        "D3AD detects no worse than DRAEM (I-AUROC), run on equal terms",
        "§5", "0.8 points below", TABLE, each_set(TABLE, _like_draem("auroc")),
    ),
]  # fmt: skip
OF_NOISE_STUDY = [
    Claim(
        "Gaussian noise beats most earlier methods that reconstruct: RIAD, GANomaly and three of their kind",
        "§5.4", "0.930 against 0.917, 0.762, 0.839, 0.950", TABLE, each_set(TABLE, _beats_most),
    ),
]  # fmt: skip
