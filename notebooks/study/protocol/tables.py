"""How much of a ranking is protocol: the same networks judged as here, and under practices that look at the test set.

These numbers enter no other table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from radarlib.datasets import GOOD
from study.chapter import Chapter
from study.detection import decide, judged
from study.methods import METHODS, label_of
from study.metrics import interval, stratified_weights
from study.protocol.names import LABELS
from study.protocol.plan import DROPPED, HALF, PRACTICES, RANKED, RESAMPLES
from study.session import Session


@dataclass(frozen=True)
class Run:
    """One run's answer to the test images: scores, which are flagged, and what they are, (n,) each."""

    scores: np.ndarray
    flagged: np.ndarray
    defects: np.ndarray

    @property
    def truth(self) -> np.ndarray:
        return self.defects != GOOD


def weighted_f1(run: Run, flagged: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """F1 of a decision in each resample. weights : (resamples, n), how often each image stands in it."""
    positive, chosen = weights * run.truth, weights * flagged
    return 2 * (positive * flagged).sum(1) / np.maximum(positive.sum(1) + chosen.sum(1), 1e-12)


def best_f1(run: Run, weights: np.ndarray) -> np.ndarray:
    """The highest F1 of any threshold, in each resample."""
    order = np.argsort(-run.scores, kind="stable")
    ends = np.r_[np.diff(run.scores[order]) != 0, True]  # a threshold cannot part equal scores
    w, truth = weights[:, order], run.truth[order]
    tp, taken, positive = (w * truth).cumsum(1), w.cumsum(1), (w * truth).sum(1, keepdims=True)
    return (2 * tp / np.maximum(positive + taken, 1e-12))[:, ends].max(1)


def weighted_auroc(run: Run, weights: np.ndarray) -> np.ndarray:
    """AUROC in each resample."""
    positive, negative = run.scores[run.truth], run.scores[~run.truth]
    pairs = np.sign(positive[:, None] - negative) / 2 + 0.5
    w_pos, w_neg = weights[:, run.truth], weights[:, ~run.truth]
    total = w_pos.sum(1) * w_neg.sum(1)
    return np.einsum("bp,pn,bn->b", w_pos, pairs, w_neg, optimize=True) / np.maximum(total, 1e-12)


def left_out(run: Run) -> np.ndarray:
    """All images but the DROPPED of each type with the lowest scores, bool (n,): the choice that helps most. A type
    with no more images than that stays.
    """
    keep = np.ones(len(run.scores), bool)
    for kind in np.unique(run.defects[run.truth]):
        place = np.flatnonzero(run.defects == kind)
        if len(place) > DROPPED:
            keep[place[np.argsort(run.scores[place], kind="stable")[:DROPPED]]] = False
    return keep


def _label_free(run: Run, weights: np.ndarray) -> dict[str, np.ndarray]:
    return {"f1": weighted_f1(run, run.flagged, weights), "auroc": weighted_auroc(run, weights)}


def _threshold(run: Run, weights: np.ndarray) -> dict[str, np.ndarray]:
    return {"f1": best_f1(run, weights), "auroc": weighted_auroc(run, weights)}


def _left_out(run: Run, weights: np.ndarray) -> dict[str, np.ndarray]:
    return _label_free(run, weights * left_out(run))


def _together(run: Run, weights: np.ndarray) -> dict[str, np.ndarray]:
    return _threshold(run, weights * left_out(run))


def normalised(run: Run, maps: Iterable[np.ndarray]) -> Run:
    """The same images by the highest value of their maps, normalised by the extremes of all, cut at HALF."""
    maps = [m.astype(np.float32) for m in maps]
    low, high = min(float(m.min()) for m in maps), max(float(m.max()) for m in maps)
    scores = np.array([float(m.max()) - low for m in maps]) / max(high - low, 1e-12)
    return Run(scores, scores > HALF, run.defects)


Judge = Callable[[Run, np.ndarray], dict[str, np.ndarray]]


def _judged(runs: list[Run], judge: Judge, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The mean over runs, (1 + resamples,) by metric."""
    found = [judge(run, weights) for run in runs]
    return {metric: np.mean([values[metric] for values in found], axis=0) for metric in ("f1", "auroc")}


def _weights(truth: np.ndarray) -> np.ndarray:
    """The test set as it is, and its resamples."""
    drawn = stratified_weights(truth, RESAMPLES, np.random.default_rng(0))
    return np.vstack([np.ones(len(truth)), drawn])


def _best(candidates: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """In each resample the candidate of the highest AUROC."""
    auroc, f1 = (np.stack([found[metric] for found in candidates]) for metric in ("auroc", "f1"))
    place = auroc.argmax(0)[None]
    return {"auroc": np.take_along_axis(auroc, place, 0)[0], "f1": np.take_along_axis(f1, place, 0)[0]}


def _alternatives(session: Session, name: str, table: pd.DataFrame, keys: list[str], seed: int) -> dict[tuple, Run]:
    """A run for each group of a job's features, by the study's classifier. table : with `kind` train or test."""
    found = {}
    for key, part in table.groupby(keys, sort=False):
        own = judged(session, name, part.drop(columns=keys), seed)
        found[key if isinstance(key, tuple) else (key,)] = Run(own.scores, own.flagged, own.defects)
    return found


def _row(session: Session, keys: dict, usual: dict[str, np.ndarray], ours: dict[str, np.ndarray]) -> list[dict]:
    rows = []
    for metric in ("f1", "auroc"):
        gain = ours[metric] - usual[metric]
        low, high = interval(gain[1:], session.settings["evidence"]["level"])
        rows.append({**keys, "metric": metric, "label_free": usual[metric][0], "ours": ours[metric][0],
                     "gain": gain[0], "low": low, "high": high})  # fmt: skip
    return rows


def protocol_table(session: Session, training: Chapter, choices: Chapter) -> pd.DataFrame:
    """`protocol_gain`: by set, method and practice F1 and AUROC without labels, under the practice, and the gain with
    its interval over test images. Thresholds, checkpoints and settings are chosen anew in each resample of these; which
    images are left out, and the extremes of the maps, are those of the whole test set.

    training : the chapter that follows networks while they learn, for "checkpoint". choices : the ablation of RADAR,
    for "settings".
    """
    rows: list[dict] = []
    for name in session.sets:
        for method in RANKED:
            runs = _runs(session, name, method)
            weights = _weights(runs[0].truth)
            usual = _judged(runs, _label_free, weights)
            judges: dict[str, Judge] = {"threshold": _threshold, "left_out": _left_out, "together": _together}
            for practice, judge in judges.items():
                keys = {"set": name, "method": method, "practice": practice}
                rows += _row(session, keys, usual, _judged(runs, judge, weights))
            seeds = session.decision_seeds(method)
            cut = [normalised(run, session.maps(name, method, _scored(session, method, seed)))
                   for run, seed in zip(runs, seeds, strict=True)]  # fmt: skip
            keys = {"set": name, "method": method, "practice": "normalised"}
            found = _row(session, keys, usual, _judged(cut, _label_free, weights))
            rows += [row for row in found if row["metric"] == "f1"]  # another score has another AUROC anyway
        rows += _by_checkpoint(session, name, training)
        rows += _by_settings(session, name, choices)
    table = pd.DataFrame(rows)
    order = {practice: k for k, practice in enumerate(PRACTICES)}
    return table.sort_values("practice", key=lambda column: column.map(order), kind="stable", ignore_index=True)


def _scored(session: Session, method: str, seed: int) -> int:
    """The seed whose maps a decision's seed rests on."""
    seeds = session.scored_seeds(method)
    return seed if seed in seeds else seeds[0]


def _runs(session: Session, name: str, method: str) -> list[Run]:
    tables = [decide(session, name, method, seed) for seed in session.decision_seeds(method)]
    return [Run(*(t[c].to_numpy() for c in ("score", "flagged", "defect"))) for t in tables]


def _by_checkpoint(session: Session, name: str, training: Chapter) -> list[dict]:
    """The milestone of the highest test AUROC against the last, for networks that are trained as published."""
    if name not in training.sets(session):
        return []
    seed, width = training.seeds(session)[0], session.settings["unet"]["width"]
    table = training.table(session, name, seed, "features.csv", dtype={"image": str})
    published = (table["t_max"] == session.settings["diffusion"]["steps"]) & (table["width"] == width)
    table = table[published & (table["images"] == 0) & ~table["whole"] & table["kind"].isin(["train", "test"])]
    rows = []
    for method, part in table.drop(columns=["t_max", "width", "images", "noise", "whole"]).groupby(
        "method", sort=False
    ):
        runs = _alternatives(session, name, part.drop(columns="method"), ["steps"], seed)
        weights = _weights(next(iter(runs.values())).truth)
        found = {steps: _label_free(run, weights) for (steps,), run in runs.items()}
        keys = {"set": name, "method": method, "practice": "checkpoint"}
        rows += _row(session, keys, found[max(found)], _best(list(found.values())))
    return rows


def _by_settings(session: Session, name: str, choices: Chapter) -> list[dict]:
    """RADAR's free choice of the highest test AUROC, one factor changed, against the study's settings."""
    seed = session.seeds[0]
    table = choices.table(session, name, seed, "ablation.csv", dtype={"image": str, "value": str})
    table = table[table["kind"].isin(["train", "test"]) & ~table["factor"].str.contains("closed")]
    runs = _alternatives(session, name, table, ["factor", "value"], seed)
    usual = runs["t", f"{session.settings['radar']['t']}"]
    weights = _weights(usual.truth)
    found = [_label_free(run, weights) for run in runs.values()]
    keys = {"set": name, "method": "radar", "practice": "settings"}
    return _row(session, keys, _label_free(usual, weights), _best(found))


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Gains in points, a row per set and method, a column per practice and metric."""
    cells = [f"{100 * r.gain:+.0f} [{100 * r.low:+.0f}, {100 * r.high:+.0f}]" for r in table.itertuples()]
    head = [
        f"{'F1' if m == 'f1' else 'AUROC'}: {LABELS[p]}"
        for m, p in zip(table["metric"], table["practice"], strict=True)
    ]
    moved = table.assign(cell=cells, head=head, method=table["method"].map(label_of))
    moved = moved[~((table["metric"] == "auroc") & table["practice"].isin(["threshold", "together"]))]
    wide = moved.pivot_table(index=["set", "method"], columns="head", values="cell", aggfunc="first", sort=False)
    return wide.fillna("–").rename_axis(columns=None).reset_index()


def rankings(table: pd.DataFrame) -> list[str]:
    """Computed lines: whose F1 is the highest, without labels and under each practice that all were judged by."""
    lines = []
    part = table[table["metric"] == "f1"]
    for name, rows in part.groupby("set", sort=False):
        usual = rows[rows["practice"] == "threshold"].set_index("method")["label_free"]
        cells = [f"without labels {METHODS[usual.idxmax()].label} {usual.max():.2f}"]
        for practice in ("threshold", "left_out", "normalised", "together"):
            values = rows[rows["practice"] == practice].set_index("method")["ours"]
            cells.append(f"{LABELS[practice]}: {METHODS[values.idxmax()].label} {values.max():.2f}")
        lines.append(f"{name}: {'; '.join(cells)}")
    return lines
