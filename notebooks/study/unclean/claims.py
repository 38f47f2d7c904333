"""Claims of the RDDPM paper (Moradi & Paynabar 2025, VISION workshop), asked of every set on which its chapter runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
from scipy.stats import norm

from study.claims import Claim, Evidence, Finding, each_set
from study.metrics import TIE
from study.tables import with_interval

T1, T2, T3, F5 = (
    "rddpm_table1_domain", "rddpm_table2_contaminated", "rddpm_table3_delta", "rddpm_fig5_contamination",
)  # fmt: skip

HUBER, RIVALS = "RDDPM-Huber", ("AnoDDPM", "DiffusionAD")
MARGINAL = 1.1  # of the best MSE; the paper's own is 1.04 times the best and called marginal
GAP = 0.02  # of AUROC that the paper's Table 1 calls better
FLAT = 0.05  # a spread of AUROC that counts as insensitive
TIES = {"auroc": TIE, "auprc": TIE, "mse": 0.001}  # smaller differences are none: they change with the seed


def _value(row: pd.Series, digits: int = 2) -> str:
    return with_interval(row["ours"], row["low"], row["high"], digits)


def _domain(kind: str) -> Callable[[Evidence], Finding]:
    def ask(part: pd.DataFrame) -> tuple[str, bool]:
        rows = part.set_index("method")
        text = f"{_value(rows.loc[HUBER])} against {_value(rows.loc['DDPM'])}"
        return text, bool(rows.loc[HUBER, "ours"] > rows.loc["DDPM", "ours"])

    return each_set(T1, ask, f"anomalies == '{kind}' and share > 0", "no set has a second type of defects")


def _ahead(part: pd.DataFrame, metrics: Sequence[str] = ("auroc", "auprc")) -> tuple[str, bool]:
    """Whether Huber beats the rivals at every share in `part`, in every metric."""
    wide = part[part["metric"].isin(metrics)].pivot_table(index=["metric", "share"], columns="method", values="ours")
    won = wide[HUBER] > wide[list(RIVALS)].max(axis=1)
    return f"ahead in {int(won.sum())} of {len(won)} comparisons", bool(won.all())


def _table_2(part: pd.DataFrame) -> tuple[str, bool]:
    rows = part[part["metric"] == "auroc"].set_index("method")
    text = ", ".join(f"{m} {_value(rows.loc[m])}" for m in (HUBER, *RIVALS))
    return f"AUROC {text}", _ahead(part)[1]


def _marginal_mse(part: pd.DataFrame) -> tuple[str, bool]:
    mse = part[part["metric"] == "mse"].set_index("method")
    rival = mse.loc[list(RIVALS), "ours"].idxmin()
    text = f"{_value(mse.loc[HUBER], 3)}, {rival} {_value(mse.loc[rival], 3)}"
    return text, bool(mse.loc[HUBER, "ours"] <= MARGINAL * mse.loc[rival, "ours"])


def _anoddpm_worst(part: pd.DataFrame) -> tuple[str, bool]:
    wide = part[part["share"] > 0].pivot_table(index=["metric", "share"], columns="method", values="ours")
    wide.loc[["mse"]] *= -1
    worst = wide["AnoDDPM"] < wide[[HUBER, "DiffusionAD"]].min(axis=1)
    return f"worst in {int(worst.sum())} of {len(worst)} comparisons", bool(worst.all())


def _ddpm_suffers(part: pd.DataFrame) -> tuple[str, bool]:
    rows = part[(part["metric"] == "auroc") & (part["method"] == "DDPM")].set_index("share")
    most = rows.index.max()
    clean, dirty = rows.loc[0.0], rows.loc[most]
    return f"AUROC {_value(clean)} clean, {_value(dirty)} at {most:.0%}", bool(clean["ours"] - dirty["ours"] >= GAP)


def _delta(metrics: Sequence[str], ask: Callable[[pd.DataFrame], bool]) -> Callable[[pd.DataFrame], tuple[str, bool]]:
    """A question about a table of metrics (rows) by Huber's δ (columns, ascending)."""

    def check(part: pd.DataFrame) -> tuple[str, bool]:
        part = part.assign(delta=pd.to_numeric(part["delta"], errors="coerce")).dropna(subset="delta")
        wide = part.pivot_table(index="metric", columns="delta", values="ours").loc[list(metrics)]
        digits = 3 if "mse" in metrics else 2
        lines = [f"{metric.upper()} " + ", ".join(f"{v:.{digits}f}" for v in row) for metric, row in wide.iterrows()]
        return ", ".join(lines), bool(ask(wide))

    return check


def _lowest(wide: pd.DataFrame, delta: float) -> bool:
    """Whether a δ has the lowest value of every metric by more than a TIE."""
    ties = wide.index.map(TIES)
    return bool((wide[delta] < wide.drop(columns=delta).min(axis=1) - ties).all())


def _highest(wide: pd.DataFrame, delta: float) -> bool:
    ties = wide.index.map(TIES)
    return bool((wide[delta] > wide.drop(columns=delta).max(axis=1) + ties).all())


def _paper_gain(evidence: Evidence) -> Finding:
    table = evidence.printed_table("rddpm_table2").set_index(["set", "method", "metric"])["value"].sort_index()
    ours = table["grid", HUBER]
    second = table["grid"].drop(HUBER, level="method").groupby("metric").max()
    points, percent = 100 * (ours - second), 100 * (ours / second - 1)
    text = "its Table 2, grid: {:.2f} and {:.2f} points; {:.0f} % and {:.0f} % of the value".format(
        points["auroc"], points["auprc"], percent["auroc"], percent["auprc"]
    )
    stated = {"auroc": 8.08, "auprc": 10.37}
    return Finding(text, tuple(all(abs(v[m] - x) < 0.005 for m, x in stated.items()) for v in (points, percent)))


def _range_of_residuals(_: Evidence) -> Finding:
    beyond = 2 * norm.sf(2)
    return Finding(f"the loss sees ε − ε_θ: of ε alone {beyond:.1%} of the pixels lie outside [−2, 2]", (beyond == 0,))


CLAIMS = [
    Claim(
        "With a fifth of the training images defective, Huber's loss segments known kinds of defects better than DDPM",
        "Table 1", "0.78 against 0.76", T1, _domain("in domain"),
    ),
    Claim(
        "The same for a kind of defect that no training image has",
        "Table 1", "0.71 against 0.69", T1, _domain("out of domain"),
    ),
    Claim(
        "With 20 % corrupted patches RDDPM is ahead of AnoDDPM and DiffusionAD in AUROC and AUPRC",
        "Table 2", "0.57, 0.46, 0.49 (carpet); 0.64, 0.47, 0.56 (grid)", T2, each_set(T2, _table_2),
    ),
    Claim(
        "Its error on normal pixels is at most marginally above the best method's",
        "Table 2", "1.04 times the best", T2, each_set(T2, _marginal_mse),
    ),
    Claim(
        "RDDPM is ahead of AnoDDPM and DiffusionAD in AUROC and AUPRC at every share from 0 to 30 %",
        "Fig. 5", "curves", F5, each_set(F5, _ahead),
    ),
    Claim(
        "Even without corruption RDDPM is ahead",
        "§4.3", "curves", F5, each_set(F5, lambda part: _ahead(part[part["share"] == 0])),
    ),
    Claim(
        "AnoDDPM is the worst in every metric as soon as patches are corrupted",
        "§4.3", "curves", F5, each_set(F5, _anoddpm_worst),
    ),
    Claim(
        "DDPM suffers when its training patches are corrupted (AUROC falls by 0.02 or more)",
        "§1", "pictures", F5, each_set(F5, _ddpm_suffers),
    ),
    Claim(
        "δ = 0 gives the lowest AUROC and AUPRC",
        "§4.3, Table 3", "figure", T3, each_set(T3, _delta(("auroc", "auprc"), lambda w: _lowest(w, 0.0))),
    ),
    Claim(
        "AUROC and AUPRC are highest at δ = 0.2",
        "§4.3, Table 3", "figure", T3, each_set(T3, _delta(("auroc", "auprc"), lambda w: _highest(w, 0.2))),
    ),
    Claim(
        "δ = 0 gives the lowest error on normal pixels",
        "Table 3", "0.067, 0.081, 0.090, 0.089, 0.102", T3, each_set(T3, _delta(("mse",), lambda w: _lowest(w, 0.0))),
    ),
    Claim(
        "Any δ above 0 does about as well (AUROC within 0.05)",
        "§4.3", "figure", T3,
        each_set(
            T3,
            _delta(
                ("auroc",),
                lambda w: bool((w.drop(columns=0.0).max(axis=1) - w.drop(columns=0.0).min(axis=1)).max() <= FLAT),
            ),
        ),
    ),
    Claim(
        "RDDPM's AUROC is 8.08 % and its AUPRC 10.37 % higher than the second best's",
        "abstract", "8.08, 10.37", "data/paper/rddpm_table2.csv", _paper_gain,
    ),
    Claim(
        "The values passed to the loss lie in [0, 2], so that δ = 0.2 is a tenth of the range of intensities",
        "§4.3", "[0, 2]", "", _range_of_residuals,
    ),
]  # fmt: skip
