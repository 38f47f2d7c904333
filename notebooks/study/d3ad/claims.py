"""Claims of D3AD (Tebbe & Tayyub 2024), asked of its tables and of every set that its chapter runs on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from study.claims import (
    GUESS,
    NOT_FOLLOWED,
    OURS,
    RESAMPLES,
    ROUNDED,
    Answer,
    Claim,
    Evidence,
    Finding,
    all_of,
    by,
    each_set,
    exactly,
    printed_leads,
    told,
    untestable,
)
from study.d3ad.names import ABLATION, CONTROLS, DISTANCE, ON_ONE_GRID, PLAIN, POLICIES, RIVALS, SCALED_ONLY
from study.d3ad.plan import D3AD, NOISED, SCALED, SHUFFLED
from study.metrics import bootstrap_metrics
from study.tables import with_interval

T1, T5, T6, T9 = ("d3ad_table1_image_pro", "d3ad_table5_dynamic", "d3ad_table6_ablation", "d3ad_table9_speed")
BINS, OMEGA = "d3ad_fig5_bins", "d3ad_fig13_omega"
PAPER = "data/paper/d3ad_table{}.csv"
HARDLY = 0.01  # a difference in PRO that counts as hardly any; the paper's own is 0.003
POINT = 0.00051  # of a value printed to 0.001
DYNAMIC = POLICIES[D3AD.name]
FIXED = [name for name in POLICIES.values() if name != DYNAMIC]


def _values(part: pd.DataFrame, key: str, metric: str) -> pd.Series:
    return by(part[part["metric"] == metric], key)


def _leads(part: pd.DataFrame, key: str, metric: str, ours: str, rivals: Sequence[str]) -> list[float]:
    """How far the paper has a row of an exhibit ahead of others."""
    return printed_leads(part[part["metric"] == metric].set_index(key)["paper"], ours, rivals)


def _best_dynamic(metric: str) -> Callable[[Evidence, pd.DataFrame], Answer]:
    def ask(evidence: Evidence, part: pd.DataFrame) -> Answer:
        values = _values(part, "policy", metric)
        leads = _leads(part, "policy", metric, DYNAMIC, FIXED)
        found = evidence.ahead(values[DYNAMIC], values[FIXED], metric, NOT_FOLLOWED, printed=leads)
        return told(values[list(POLICIES.values())]), found

    return ask


def _pro_hardly_differs(evidence: Evidence, part: pd.DataFrame) -> Answer:
    values = _values(part, "policy", "pro")[list(POLICIES.values())]
    return told(values), evidence.within(values, HARDLY, "pro", NOT_FOLLOWED)


def _gain(better: str, worse: str) -> Callable[[Evidence, pd.DataFrame], Answer]:
    """Whether a variant beats another in I-AUROC and PRO."""

    def ask(evidence: Evidence, part: pd.DataFrame) -> Answer:
        texts, parts, (ours, rival) = [], [], (ABLATION[better], ABLATION[worse])
        for metric in ("auroc", "pro"):
            values = _values(part, "variant", metric)
            if len(values):
                texts.append(f"{metric.upper()} {(values[ours] - values[rival])[0]:+.3f}")
                leads = _leads(part, "variant", metric, ours, [rival])
                parts.append(evidence.ahead(values[ours], values[rival], metric, NOT_FOLLOWED, printed=leads))
        return ", ".join(texts), all_of(parts)

    return ask


def _most_impactful(evidence: Evidence, part: pd.DataFrame) -> Answer:
    values = _values(part, "variant", "auroc")
    scaling = values[ABLATION[SCALED_ONLY.name]] - values[ABLATION[PLAIN.name]]
    adaptation = values[ABLATION[NOISED.name]] - values[ABLATION[PLAIN.name]]
    text = f"I-AUROC: scaling {scaling[0]:+.3f}, adaptation {adaptation[0]:+.3f}"
    return text, evidence.ahead(
        values[ABLATION[SCALED_ONLY.name]], values[ABLATION[NOISED.name]], "auroc", NOT_FOLLOWED,
        printed=_leads(part, "variant", "auroc", ABLATION[SCALED_ONLY.name], [ABLATION[NOISED.name]]),
    )  # fmt: skip


def _declines(evidence: Evidence, part: pd.DataFrame) -> Answer:
    """Whether ω = 0 is no worse than any other, and better than ω = 1."""
    line = _values(part, "omega", "auroc")
    text = f"I-AUROC {line[0.0][0]:.2f} at ω = 0, {line[1.0][0]:.2f} at ω = 1"
    best = (evidence.no_worse(line[0.0] - other, "auroc", NOT_FOLLOWED, line) for other in line.drop(0.0))
    return text, all_of([*best, evidence.ahead(line[0.0], line[1.0], "auroc", NOT_FOLLOWED)])


def _further_out(evidence: Evidence) -> Finding:
    texts, parts = [], []
    for name, part in evidence.table(BINS).groupby("set", sort=False):
        values = {}
        for kind in ("test, normal", "test, defective"):
            some = part[part["images"].isin(["training", kind])]
            further, distances = (some["images"] == kind).to_numpy(), some["distance"].to_numpy()
            drawn = bootstrap_metrics(further, distances[None], np.zeros((1, len(some)), bool), RESAMPLES, seed=0)
            values[kind] = np.r_[roc_auc_score(further, distances), drawn["auroc"]]
        texts.append(f"{name}: " + ", ".join(f"{kind} {value[0]:.2f}" for kind, value in values.items()))
        parts.append(evidence.part(values["test, defective"] - GUESS, "auroc", 0.0))
    return Finding("further out than training images with probability: " + "; ".join(texts), tuple(parts))


def _segments_best(evidence: Evidence, part: pd.DataFrame) -> Answer:
    """Asked on one grid: its latents are finer than the features of its rivals, and PRO rewards that by itself."""
    values, (own, *rivals) = by(part, "method"), ON_ONE_GRID.values()
    verdict = evidence.ahead(values[own], values[rivals], "pro", NOT_FOLLOWED)
    return "PRO " + told(values[[own, *rivals, "D3AD", *RIVALS.values()]]), verdict


def _detects_like(evidence: Evidence, part: pd.DataFrame) -> Answer:
    rows = part[part["metric"] == "auroc"].set_index("method").loc[["D3AD", *RIVALS.values()]]
    cells = ", ".join(f"{m} {with_interval(*rows.loc[m, ['ours', 'low', 'high']])}" for m in rows.index)
    slacks = (rows["value"]["D3AD"] - rows["value"][rival] for rival in RIVALS.values())
    return "I-AUROC " + cells, all_of(evidence.no_worse(s, "auroc", NOT_FOLLOWED, rows["value"]) for s in slacks)


def _slower(evidence: Evidence) -> Finding:
    times = evidence.measured(T9)["seconds"].pivot_table(index="method", columns="set", values="seconds")
    ratio = times.loc["D3AD"] / times.loc["PatchCore"]
    text = ", ".join(f"{name} {value:.1f}" for name, value in ratio.items())
    return Finding("D3AD's time over PatchCore's", tuple(exactly(r > 1) for r in ratio), f": {text}")


def _printed(evidence: Evidence, table: int, metric: str, rows: str = "set == set") -> pd.DataFrame:
    """Printed values of a metric: a row per set, a column per method."""
    found = evidence.printed_table(f"d3ad_table{table}").query(f"metric == @metric and {rows}")
    return found.pivot_table(index="set", columns="method", values="value", sort=False)


def _excels(evidence: Evidence) -> Finding:
    counts = {}
    for metric in ("pro", "auroc"):
        values = _printed(evidence, 1, metric, "set != 'average'")
        counts[metric] = int((values["D3AD"] >= values.max(axis=1) - POINT).sum())
    text = f"its Table 1: highest PRO in {counts['pro']} of 12 classes, highest I-AUROC in {counts['auroc']}"
    return Finding(text, (exactly(counts["pro"] == 8), exactly(counts["auroc"] == 3)))


def _margin(table: int, metric: str, stated: float) -> Callable[[Evidence], Finding]:
    """Whether D3AD's printed average is ahead of the next by what the text says, in points."""

    def check(evidence: Evidence) -> Finding:
        values = _printed(evidence, table, metric, "method != 'DDAD'").loc["average"]
        margin = 100 * (values["D3AD"] - values.drop("D3AD").max())
        return Finding(f"its Table {table}: ahead by {margin:.1f} points", (exactly(abs(margin - stated) < 0.051),))

    return check


def _against_draem(evidence: Evidence) -> Finding:
    gaps = {
        m: 100 * _printed(evidence, 7, m).loc["average"].pipe(lambda v: v["D3AD"] - v["DRAEM"])
        for m in ("pixel_auroc", "pro", "auroc")
    }
    stated = {"pixel_auroc": 0.1, "pro": 0.3, "auroc": -0.8}
    text = ", ".join(f"{metric} {value:+.1f}" for metric, value in gaps.items())
    close = tuple(exactly(abs(gaps[m] - stated[m]) < 0.051) for m in stated)
    return Finding(f"its Table 7, points above DRAEM: {text}", close)


def _averages(evidence: Evidence) -> Finding:
    """Whether the averages of its Tables 1, 2 and 7 follow from their own rows."""
    parts, wrong = [], []
    for table in (1, 2, 7):
        for metric in ("auroc", "pro", "pixel_auroc"):
            values = _printed(evidence, table, metric)
            if len(values) < 2:
                continue
            means = values.drop("average").mean()
            for method, mean in means.dropna().items():
                if pd.isna(values.loc["average", method]):
                    continue
                parts.append(exactly(abs(values.loc["average", method] - mean) <= ROUNDED))
                if not parts[-1].side:
                    wrong.append(
                        f"Table {table}, {method}, {metric}: printed {values.loc['average', method]:.3f}, rows give"
                        f" {mean:.3f}"
                    )
    right = sum(part.side for part in parts)
    return Finding(f"{right} of {len(parts)} averages follow" + "".join(f"; {w}" for w in wrong), tuple(parts))


def _ddad(evidence: Evidence) -> Finding:
    pro, auroc = (_printed(evidence, 1, metric).loc["average"] for metric in ("pro", "auroc"))
    text = (
        f"its Tables 1 and 4: PRO {pro['D3AD']:.3f} against {pro['DDAD']:.3f}, but I-AUROC {auroc['D3AD']:.3f} against"
        f" {auroc['DDAD']:.3f}"
    )
    return Finding(text, (exactly(pro["D3AD"] > pro["DDAD"]),))


def _more_than(*controls: str) -> Callable[[Evidence, pd.DataFrame], Answer]:
    """Whether dynamic steps detect better than each of these controls."""

    def ask(evidence: Evidence, part: pd.DataFrame) -> Answer:
        values = _values(part, "policy", "auroc")
        verdict = evidence.ahead(values[DYNAMIC], values[list(controls)], "auroc", NOT_FOLLOWED)
        return told(values[[DYNAMIC, *controls]]), verdict

    return ask


CLAIMS = [
    Claim(
        "Dynamic conditioning gives a higher I-AUROC than any fixed share of T_max",
        "Table 5", "0.960 against 0.947 to 0.954", T5, each_set(T5, _best_dynamic("auroc")),
    ),
    Claim(
        "Dynamic conditioning gives a higher P-AUROC than any fixed share of T_max",
        "Table 5", "0.979 against 0.966 to 0.967", T5,
        each_set(T5, _best_dynamic("pixel_auroc"), "metric == 'pixel_auroc'", "no set has masks"),
    ),
    Claim(
        "It does so by reconstructing: more than the distance gives, alone or times the map of fixed steps",
        "not asked by the paper", "no number", T5, each_set(T5, _more_than(DISTANCE, CONTROLS[SCALED])), own=True,
    ),
    Claim(
        "Each image needs its own number of steps: more than the same steps dealt out at random",
        "not asked by the paper", "no number", T5, each_set(T5, _more_than(CONTROLS[SHUFFLED.name])), own=True,
    ),
    Claim(
        "PRO hardly depends on the number of steps (within 0.01)",
        "§5", "0.940 to 0.943", T5, each_set(T5, _pro_hardly_differs, "metric == 'pro'", "no set has masks"),
    ),
    Claim(
        "Scaling without noise improves I-AUROC and PRO, with features as they are",
        "Table 6", "+0.062, +0.100", T6, each_set(T6, _gain(SCALED_ONLY.name, PLAIN.name)),
    ),
    Claim(
        "Domain adaptation improves I-AUROC and PRO where images are scaled",
        "Table 6", "+0.006, +0.021", T6, each_set(T6, _gain(D3AD.name, SCALED_ONLY.name)),
    ),
    Claim("Scaling is the more effective of the two", "§5", "+0.062 against +0.016", T6, each_set(T6, _most_impactful)),
    Claim(
        "Performance declines as the share of the noise grows; best without",
        "Fig. 13", "no number", OMEGA, each_set(OMEGA, _declines),
    ),
    Claim(
        "Defective test images lie further from their neighbours than training images",
        "Fig. 5", "no number", BINS, _further_out,
    ),
    Claim(
        "D3AD segments better than SPADE, PaDiM and PatchCore (PRO)",
        "Table 1", "0.941 against 0.659, 0.859, 0.912", T1,
        each_set(T1, _segments_best, f"{OURS} and metric == 'pro'", "no set has masks"),
    ),
    Claim(
        "D3AD detects about as well as the best of them (I-AUROC)",
        "Table 1", "0.960 against 0.821, 0.891, 0.951", T1, each_set(T1, _detects_like, OURS),
    ),
    Claim("D3AD is slower than PatchCore", "Table 9", "0.34 s against 0.21 s", T9, _slower),
    Claim(
        "Highest PRO in 8 and highest I-AUROC in 3 of the 12 classes of VisA",
        "§5", "8, 3", PAPER.format(1), _excels,
    ),
    Claim("PRO on VisA is 2.7 points above the next", "§5", "2.7", PAPER.format(1), _margin(1, "pro", 2.7)),
    Claim("PRO on BTAD is 5.9 points above the next", "§5", "5.9", PAPER.format(2), _margin(2, "pro", 5.9)),
    Claim(
        "On MVTec AD, 0.1 and 0.3 points above DRAEM in P-AUROC and PRO, 0.8 below in I-AUROC",
        "§5", "0.1, 0.3, −0.8", PAPER.format(7), _against_draem,
    ),
    Claim("Localises anomalies better than DDAD on VisA", "Table 4", "PRO 0.941 against 0.927", PAPER.format(1), _ddad),
    Claim("The averages follow from the classes", "Tables 1, 2, 7", "0.960, 0.941 on VisA", PAPER.format(1), _averages),
    Claim(
        "The latent space lets large missing components be reconstructed",
        "§5", "no number", "", untestable("no set here has missing components"),
    ),
]  # fmt: skip
