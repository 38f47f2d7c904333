"""Tables of the chapter on equal terms: whole chains, whole images, and the blur that normal images choose."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from radarlib.datasets import GOOD
from study.chapter import Chapter
from study.detection import detection_table, judged, pixel_table
from study.evaluate import metric_rows
from study.methods import label_of
from study.metrics import TITLES, interval, stratified_weights
from study.session import Session
from study.tables import with_interval
from study.terms.names import METRICS
from study.terms.plan import JOB, PAIRS

CHAPTER = Chapter(JOB)


def setup(session: Session) -> str:
    """How the chapter's numbers were made, for captions."""
    return CHAPTER.setup(session)


def chains(session: Session) -> pd.DataFrame:
    """`terms_chain`: by set and method AUROC of the feature by the shortened chain (`ours`) and by every reverse step
    (`full`), the difference with its interval, over a seeded draw of test images; and how alike both are: the rank
    correlation of features, and the mean correlation of residuals.
    """
    level, rows = session.settings["evidence"]["level"], []
    for name in CHAPTER.sets(session):
        every = CHAPTER.tables(session, name, "chain.csv")
        for method, part in every.groupby("method", sort=False):
            truth = (part["defect"] != GOOD).to_numpy()
            row = {
                "set": name, "method": method, "images": len(part), "defective": int(truth.sum()),
                "rank_correlation": part["pixels"].corr(part["full"], method="spearman"),
                "map_correlation": part["correlation"].mean(),
            }  # fmt: skip
            if truth.any() and not truth.all():
                weights = stratified_weights(truth, session.settings["evidence"]["bootstrap"], np.random.default_rng(0))
                short, full = (_aurocs(truth, part[key].to_numpy(), weights) for key in ("pixels", "full"))
                low, high = interval((full - short)[1:], level)
                row |= {"ours": short[0], "full": full[0], "change": full[0] - short[0], "low": low, "high": high}
            rows.append(row)
    return pd.DataFrame(rows)


def _aurocs(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AUROC of the images as they are, and of their resamples."""
    drawn = [roc_auc_score(truth, scores, sample_weight=w) for w in weights]
    return np.array([roc_auc_score(truth, scores), *drawn])


def chains_shown(table: pd.DataFrame) -> pd.DataFrame:
    """As people read it."""
    found = table.reindex(columns=[*table.columns, *{"ours", "full", "change", "low", "high"} - set(table.columns)])
    return pd.DataFrame({
        "set": found["set"], "method": found["method"].map(label_of),
        "images (defective)": [f"{r.images} ({r.defective})" for r in found.itertuples()],
        "AUROC, shortened": [f"{v:.2f}" for v in found["ours"]],
        "AUROC, every step": [f"{v:.2f}" for v in found["full"]],
        "difference": [f"{r.change:+.2f} [{r.low:+.2f}, {r.high:+.2f}]" for r in found.itertuples()],
        "rank correlation": [f"{v:.2f}" for v in found["rank_correlation"]],
        "correlation of maps": [f"{v:.2f}" for v in found["map_correlation"]],
    })  # fmt: skip


def whole(session: Session) -> pd.DataFrame:
    """`terms_whole`: by set, method and metric the figure on patches and on whole images, and the gain of patches with
    its interval over the same test images.
    """
    methods = [name for pair in PAIRS.items() for name in pair]
    pixels = [pixel_table(session, name, method) for name in session.sets for method in methods]
    table = pd.concat([detection_table(session, tuple(methods)), *pixels]).set_index(["set", "method", "metric"])
    rows = []
    for name in session.sets:
        for method, other in PAIRS.items():
            for metric in METRICS:
                if (name, method, metric) not in table.index or pd.isna(table.loc[name, method, metric]["ours"]):
                    continue
                ours, theirs = (table.loc[name, m, metric] for m in (method, other))
                low, high = interval(ours["draws"] - theirs["draws"], session.settings["evidence"]["level"])
                rows.append({
                    "set": name, "method": method, "metric": metric, "patches": ours["ours"], "whole": theirs["ours"],
                    "gain": ours["ours"] - theirs["ours"], "low": low, "high": high,
                })  # fmt: skip
    return pd.DataFrame(rows)


def whole_shown(table: pd.DataFrame) -> pd.DataFrame:
    """As people read it: a row per set and method, "patches, whole images (gain of patches [interval])" per metric."""
    cells = [
        f"{r.patches:.2f}, {r.whole:.2f} ({r.gain:+.2f} [{r.low:+.2f}, {r.high:+.2f}])" for r in table.itertuples()
    ]
    found = table.assign(cell=cells, method=table["method"].map(label_of), metric=table["metric"].map(TITLES))
    wide = found.pivot_table(index=["set", "method"], columns="metric", values="cell", aggfunc="first", sort=False)
    return wide.fillna("–").rename_axis(columns=None).reset_index()


def blurs(session: Session) -> pd.DataFrame:
    """`terms_blur`: by set and width of the blur `proxy`, the AUROC of artificial defects on held-out normal images,
    which chooses; and AUROC and F1 on the test images, with intervals. `chosen` marks what normal images choose,
    `study` the width that all other tables have.
    """
    rows = []
    for name in CHAPTER.sets(session):
        parts = []
        runs = {seed: CHAPTER.table(session, name, seed, "blur.csv", dtype={"image": str})
                for seed in CHAPTER.seeds(session)}  # fmt: skip
        for sigma in session.settings["terms"]["sigmas"]:
            found = [judged(session, name, t[t["sigma"] == sigma].drop(columns="sigma"), k) for k, t in runs.items()]
            scores, flagged = np.stack([r.scores for r in found]), np.stack([r.flagged for r in found])
            row = {"set": name, "sigma": sigma, "proxy": np.mean([r.proxy for r in found])}
            for metric in metric_rows(session, found[0].truth, scores, flagged)[0]:
                if metric["metric"] in ("auroc", "f1"):
                    key = metric["metric"]
                    row |= {key: metric["ours"], f"{key}_low": metric["low"], f"{key}_high": metric["high"]}
            parts.append(row)
        best = max(range(len(parts)), key=lambda k: parts[k]["proxy"])
        own = session.settings["radar"]["sigma"]
        rows += [{**row, "chosen": k == best, "study": row["sigma"] == own} for k, row in enumerate(parts)]
    return pd.DataFrame(rows)


def blurs_shown(table: pd.DataFrame) -> pd.DataFrame:
    """The study's width and the chosen one, a row each."""
    part = table[table["chosen"] | table["study"]]
    return pd.DataFrame({
        "set": part["set"], "blur": [f"{v:g} px" for v in part["sigma"]],
        "": [", ".join(w for w, on in (("the study's", r.study), ("chosen by normal images", r.chosen)) if on)
             for r in part.itertuples()],
        "artificial defects, AUROC": [f"{v:.2f}" for v in part["proxy"]],
        "AUROC": [with_interval(r.auroc, r.auroc_low, r.auroc_high) for r in part.itertuples()],
        "F1": [with_interval(r.f1, r.f1_low, r.f1_high) for r in part.itertuples()],
    })  # fmt: skip


def findings(chain: pd.DataFrame, patches: pd.DataFrame, blur: pd.DataFrame) -> list[str]:
    """Computed lines: whether a term that was unequal or open decides anything."""
    lines = []
    if "change" in chain:
        moved = chain[(chain["low"] > 0) | (chain["high"] < 0)]
        lines.append(
            f"Every reverse step: AUROC changes by {chain['change'].abs().max():.2f} at most; clearly in {len(moved)}"
            f" of {len(chain)} cases"
        )
    part = patches[patches["metric"] == "auroc"]
    for method, rows in part.groupby("method", sort=False):
        ahead, behind = int((rows["low"] > 0).sum()), int((rows["high"] < 0).sum())
        lines.append(
            f"{label_of(str(method))}: patches ahead of whole images in AUROC on {ahead}, behind on {behind}, of"
            f" {len(rows)} sets"
        )
    for name, rows in blur.groupby("set", sort=False):
        chosen, usual = rows[rows["chosen"]].iloc[0], rows[rows["study"]]
        text = f"; the study's {usual.iloc[0]['sigma']:g} px: {usual.iloc[0]['auroc']:.2f}" if len(usual) else ""
        lines.append(
            f"{name}: normal images choose a blur of {chosen['sigma']:g} px, AUROC {chosen['auroc']:.2f}{text}"
        )
    return lines
