"""Claims of the RDDPM paper (Moradi & Paynabar 2025, VISION workshop), asked of every set on which its chapter runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
from scipy.stats import norm

from study.claims import (
    NOT_FOLLOWED,
    Answer,
    Claim,
    Evidence,
    Finding,
    Joined,
    Part,
    all_of,
    by,
    by_chains,
    each_set,
    exactly,
    highest,
    printed_leads,
)
from study.tables import with_interval

T1, T2, T3, F5 = (
    "rddpm_table1_domain", "rddpm_table2_contaminated", "rddpm_table3_delta", "rddpm_fig5_contamination",
)  # fmt: skip

HUBER, RIVALS = "RDDPM-Huber", ("AnoDDPM", "DiffusionAD")
MARGINAL = 1.1  # of the best MSE; the paper's own is 1.04 times the best and called marginal
GAP = 0.02  # of AUROC that the paper's Table 1 calls better
FLAT = 0.05  # a spread of AUROC that counts as insensitive
PIXELS = {"auroc": "pixel_auroc", "auprc": "pixel_ap", "mse": "mse"}  # the metrics of this chapter are of pixels


def _each(
    exhibit: str, ask: Callable[[Evidence, pd.DataFrame], Answer], where: str = "", none: str = ""
) -> Callable[[Evidence], Finding]:
    """The same question for every set in an exhibit; all its figures are of reconstructions."""

    def asked(evidence: Evidence, part: pd.DataFrame) -> Answer:
        text, found = ask(evidence, part)
        return text, found and by_chains(found, evidence.cut(exhibit))

    return each_set(exhibit, asked, where, none)


def _value(row: pd.Series, digits: int = 2) -> str:
    return with_interval(row["ours"], row["low"], row["high"], digits)


Ask = Callable[[Evidence, pd.Series, str, pd.Series | None], Part | Joined]
"""A question about a metric's values, with the AUROCs that say whether anything is better than chance."""


def _aurocs(part: pd.DataFrame) -> dict[float, pd.Series]:
    """The methods' AUROCs by share of defective images: they say whether any finds defects, whatever is compared."""
    rows = part[(part["metric"] == "auroc") & part["method"].isin([HUBER, *RIVALS])]
    return {share: found["value"] for share, found in rows.groupby("share")}


def _domain(kind: str) -> Callable[[Evidence], Finding]:
    def ask(evidence: Evidence, part: pd.DataFrame) -> Answer:
        rows = part.set_index("method")
        text, values = f"{_value(rows.loc[HUBER])} against {_value(rows.loc['DDPM'])}", rows["value"]
        leads = printed_leads(rows["paper"], HUBER, ["DDPM"])
        return text, evidence.ahead(values[HUBER], values["DDPM"], "pixel_auroc", NOT_FOLLOWED, printed=leads)

    return _each(T1, ask, f"anomalies == '{kind}' and share > 0", "no set has a second type of defects")


def _ahead(evidence: Evidence, part: pd.DataFrame, metrics: Sequence[str] = ("auroc", "auprc")) -> Answer:
    """Whether Huber beats the rivals at every share in `part`, in every metric."""
    parts, aurocs = [], _aurocs(part)
    for (metric, share), rows in part[part["metric"].isin(metrics)].groupby(["metric", "share"]):
        ours, rivals = (values := by(rows, "method"))[HUBER], values[list(RIVALS)]
        parts.append(evidence.ahead(ours, rivals, PIXELS[str(metric)], NOT_FOLLOWED, aurocs=aurocs[share]))
    return f"ahead in {sum(p.side for p in parts)} of {len(parts)} comparisons", all_of(parts)


def _table_2(evidence: Evidence, part: pd.DataFrame) -> Answer:
    rows = part[part["metric"] == "auroc"].set_index("method")
    text = ", ".join(f"{m} {_value(rows.loc[m])}" for m in (HUBER, *RIVALS))
    return f"AUROC {text}", _ahead(evidence, part)[1]


def _marginal_mse(evidence: Evidence, part: pd.DataFrame) -> Answer:
    mse = part[part["metric"] == "mse"].set_index("method")
    rival = mse.loc[list(RIVALS), "ours"].idxmin()
    text = f"{_value(mse.loc[HUBER], 3)}, {rival} {_value(mse.loc[rival], 3)}"
    values = mse["value"]
    slacks = (MARGINAL * values[rival] - values[HUBER] for rival in RIVALS)
    return text, all_of(evidence.part(slack, "mse", NOT_FOLLOWED, stated=True) for slack in slacks)


def _anoddpm_worst(evidence: Evidence, part: pd.DataFrame) -> Answer:
    """Of how far AnoDDPM is behind, the paper prints numbers at one share alone: its least lead counts at all."""
    paper = evidence.printed_table("rddpm_table2").pivot_table(
        index=["set", "metric"], columns="method", values="value"
    )
    parts, aurocs = list[Joined](), _aurocs(part)
    for (metric, share), rows in part[part["share"] > 0].groupby(["metric", "share"]):
        sign = -1 if metric == "mse" else 1
        values, told_by = sign * by(rows, "method"), None if metric == "mse" else aurocs[share]
        printed = sign * paper.xs(metric, level="metric")
        parts.append(all_of(
            evidence.part(
                values[other] - values["AnoDDPM"], PIXELS[str(metric)], NOT_FOLLOWED, aurocs=told_by,
                effect=float((printed[other] - printed["AnoDDPM"]).min()),
            )
            for other in (HUBER, "DiffusionAD")
        ))  # fmt: skip
    return f"worst in {sum(p.side for p in parts)} of {len(parts)} comparisons", all_of(parts)


def _ddpm_suffers(evidence: Evidence, part: pd.DataFrame) -> Answer:
    rows = part[(part["metric"] == "auroc") & (part["method"] == "DDPM")].set_index("share")
    most = rows.index.max()
    clean, dirty = rows.loc[0.0], rows.loc[most]
    text = f"AUROC {_value(clean)} clean, {_value(dirty)} at {most:.0%}"
    slack = clean["value"] - dirty["value"] - GAP
    return text, evidence.part(slack, "pixel_auroc", NOT_FOLLOWED, aurocs=[clean["value"]], stated=True)


def _delta(metrics: Sequence[str], ask: Ask) -> Callable[[Evidence, pd.DataFrame], Answer]:
    """A question about a metric's values by Huber's δ, ascending; it holds where it does for every metric."""

    def check(evidence: Evidence, part: pd.DataFrame) -> Answer:
        part = part.assign(delta=pd.to_numeric(part["delta"], errors="coerce")).dropna(subset="delta")
        lines, parts, digits = [], [], 3 if "mse" in metrics else 2
        aurocs = part.loc[part["metric"] == "auroc", "value"]
        for metric in metrics:
            values = by(part[part["metric"] == metric], "delta").sort_index()
            lines.append(f"{metric.upper()} " + ", ".join(f"{v[0]:.{digits}f}" for v in values))
            parts.append(ask(evidence, values, PIXELS[metric], None if metric == "mse" else aurocs))
        return ", ".join(lines), all_of(parts)

    return check


def _lowest(delta: float) -> Ask:
    """Whether a δ has the lowest value by a difference that counts."""
    return lambda evidence, values, metric, aurocs: all_of(
        evidence.part(other - values[delta], metric, NOT_FOLLOWED, aurocs=aurocs) for other in values.drop(delta)
    )


def _highest(delta: float) -> Ask:
    return lambda evidence, values, metric, aurocs: evidence.ahead(
        values[delta], values.drop(delta), metric, NOT_FOLLOWED, aurocs=aurocs
    )


def _flat(evidence: Evidence, values: pd.Series, metric: str, _: pd.Series | None) -> Joined:
    """Whether the AUROCs of all δ above 0 lie within FLAT."""
    aurocs = values.drop(0.0)
    return evidence.within(aurocs, FLAT, metric, NOT_FOLLOWED, aurocs)


def _paper_gain(evidence: Evidence) -> Finding:
    table = evidence.printed_table("rddpm_table2").set_index(["set", "method", "metric"])["value"].sort_index()
    ours = table["grid", HUBER]
    second = table["grid"].drop(HUBER, level="method").groupby("metric").max()
    points, percent = 100 * (ours - second), 100 * (ours / second - 1)
    text = "its Table 2, grid: {:.2f} and {:.2f} points; {:.0f} % and {:.0f} % of the value".format(
        points["auroc"], points["auprc"], percent["auroc"], percent["auprc"]
    )
    stated = {"auroc": 8.08, "auprc": 10.37}
    close = (all(abs(v[m] - x) < 0.005 for m, x in stated.items()) for v in (points, percent))
    return Finding(text, tuple(map(exactly, close)))


def _second_in_mse(evidence: Evidence, part: pd.DataFrame) -> Answer:
    """Whether at every share Huber's error on normal pixels is the lowest or the second lowest of the three."""
    slacks, won = [], 0
    for _, rows in part[part["metric"] == "mse"].groupby("share"):
        values = by(rows, "method")
        slacks.append(highest(values[list(RIVALS)]) - values[HUBER])
        won += bool(slacks[-1][0] >= 0)
    return f"at {won} of {len(slacks)} shares", all_of(
        evidence.part(slack, "mse", NOT_FOLLOWED, extreme=True) for slack in slacks
    )


TRAINED_ON = 4096, 957  # defect-free and defective images, §4


def _trains_on_the_training_part(evidence: Evidence) -> Finding:
    """Whether MVTec AD's training part has the normal images that training is said to use."""
    counts = evidence.mvtec["all"]
    train, test = int(counts["train", "good"]), int(counts["test", "good"])
    text = f"the training part has {train:,}; {TRAINED_ON[0]:,} are those and all {test} normal test images"
    return Finding(text, (exactly(train >= TRAINED_ON[0]),))


def _no_defective_images(_: Evidence) -> Finding:
    text = f"its own §4: trained on {TRAINED_ON[0]:,} defect-free images along with {TRAINED_ON[1]} defective ones"
    return Finding(text, (exactly(TRAINED_ON[1] == 0),))


def _range_of_residuals(_: Evidence) -> Finding:
    beyond = 2 * norm.sf(2)
    return Finding(
        f"the loss sees ε − ε_θ: of ε alone {beyond:.1%} of the pixels lie outside [−2, 2]", (exactly(beyond == 0),)
    )


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
        "Table 2", "0.57, 0.46, 0.49 (carpet); 0.64, 0.47, 0.56 (grid)", T2, _each(T2, _table_2),
    ),
    Claim(
        "Its error on normal pixels is at most marginally above the best method's (1.1 times it at most)",
        "Table 2", "1.04 times the best", T2, _each(T2, _marginal_mse),
    ),
    Claim(
        "RDDPM is ahead of AnoDDPM and DiffusionAD in AUROC and AUPRC at every share from 0 to 30 %",
        "Fig. 5", "curves", F5, _each(F5, _ahead),
    ),
    Claim(
        "Even without corruption RDDPM is ahead",
        "§4.3", "curves", F5, _each(F5, lambda evidence, part: _ahead(evidence, part[part["share"] == 0])),
    ),
    Claim(
        "AnoDDPM is the worst in every metric as soon as patches are corrupted",
        "§4.3", "curves", F5, _each(F5, _anoddpm_worst),
    ),
    Claim(
        "DDPM suffers when its training patches are corrupted (AUROC falls by 0.02 or more)",
        "§1", "pictures", F5, _each(F5, _ddpm_suffers),
    ),
    Claim(
        "δ = 0 gives the lowest AUROC and AUPRC",
        "§4.3, Table 3", "figure", T3, _each(T3, _delta(("auroc", "auprc"), _lowest(0.0))),
    ),
    Claim(
        "AUROC and AUPRC are highest at δ = 0.2",
        "§4.3, Table 3", "figure", T3, _each(T3, _delta(("auroc", "auprc"), _highest(0.2))),
    ),
    Claim(
        "δ = 0 gives the lowest error on normal pixels",
        "Table 3", "0.067, 0.081, 0.090, 0.089, 0.102", T3, _each(T3, _delta(("mse",), _lowest(0.0))),
    ),
    Claim(
        "Any δ above 0 does about as well (AUROC within 0.05)",
        "§4.3", "figure", T3,
        _each(T3, _delta(("auroc",), _flat)),
    ),
    Claim(
        "RDDPM's AUROC is 8.08 % and its AUPRC 10.37 % higher than the second best's",
        "abstract", "8.08, 10.37", "data/paper/rddpm_table2.csv", _paper_gain,
    ),
    Claim(
        "Its error on normal pixels is the lowest or the second lowest of the three at every share",
        "§4.3", "lowest on carpet but at 20 %, second on grid", F5, _each(F5, _second_in_mse),
    ),
    Claim(
        "The normal images that training takes are those of MVTec AD's training part",
        "§4", "4,096", "data/paper/mvtec_counts.csv", _trains_on_the_training_part, own=True,
    ),
    Claim("No defective image is used in training", "§4", "none", "data/paper/rddpm_table1.csv", _no_defective_images),
    Claim(
        "The values passed to the loss lie in [0, 2], so that δ = 0.2 is a tenth of the range of intensities",
        "§4.3", "[0, 2]", "", _range_of_residuals,
    ),
]  # fmt: skip
