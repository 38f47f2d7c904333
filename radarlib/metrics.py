"""Figures of merit with bootstrap intervals. Labels are for this, and for showing which image is which."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

DETECTION = ("accuracy", "precision", "recall", "f1", "auroc")


def detection_metrics(anomalous: np.ndarray, scores: np.ndarray, flagged: np.ndarray) -> dict[str, float]:
    """Accuracy, precision, recall, F1 (RADAR §IV-A4) and AUROC of one run.

    anomalous, flagged : (n,) bool truth and decision; scores : (n,), larger = more anomalous.
    """
    return {
        "accuracy": accuracy_score(anomalous, flagged),
        "precision": precision_score(anomalous, flagged, zero_division=0),
        "recall": recall_score(anomalous, flagged),
        "f1": f1_score(anomalous, flagged),
        "auroc": roc_auc_score(anomalous, scores),
    }


def stratified_weights(anomalous: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often each image stands in each resample, (resamples, n) float: drawn with replacement within its class."""
    weights = np.zeros((resamples, len(anomalous)))
    for kind in (True, False):
        n = int((anomalous == kind).sum())
        if n:
            weights[:, anomalous == kind] = rng.multinomial(n, np.full(n, 1 / n), resamples)
    return weights


def bootstrap_metrics(
    anomalous: np.ndarray, scores: np.ndarray, flagged: np.ndarray, resamples: int, seed: int
) -> dict[str, np.ndarray]:
    """`detection_metrics` on resampled test images, averaged over runs; each value (resamples,).

    anomalous : (n,) bool. scores, flagged : (runs, n); a resample takes the same images from every run.
    Resamples are stratified by class, so a drawn set has as many anomalous images as the real one. Each is
    a vector of weights, which turns every metric into matrix products: AUROC is the share of (anomalous,
    normal) pairs in the right order, ties counted half.
    """
    weights = stratified_weights(anomalous, resamples, np.random.default_rng(seed))
    n_pos, n_neg = int(anomalous.sum()), int((~anomalous).sum())
    w_pos, w_neg = weights[:, anomalous], weights[:, ~anomalous]
    results: dict[str, list[np.ndarray]] = {name: [] for name in DETECTION}
    for score, flag in zip(scores, flagged, strict=True):
        tp, fp = w_pos @ flag[anomalous], w_neg @ flag[~anomalous]
        pairs = np.sign(score[anomalous][:, None] - score[~anomalous]) / 2 + 0.5
        results["accuracy"].append((tp + n_neg - fp) / (n_pos + n_neg))
        results["precision"].append(np.divide(tp, tp + fp, out=np.zeros_like(tp), where=tp + fp > 0))
        results["recall"].append(tp / n_pos)
        results["f1"].append(2 * tp / (n_pos + tp + fp))
        results["auroc"].append(np.einsum("bp,pn,bn->b", w_pos, pairs, w_neg, optimize=True) / (n_pos * n_neg))
    return {name: np.mean(values, axis=0) for name, values in results.items()}


def interval(values: np.ndarray, level: float) -> tuple[float, float]:
    """The central interval of bootstrap values that holds a share `level` of them."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def pixel_histograms(maps: list[np.ndarray], masks: list[np.ndarray], bins: int = 4096) -> np.ndarray:
    """Counts of normal and defective pixels per level of the map, (images, 2, bins).

    maps : (H, W) float16, not negative; masks : (H, W) bool. A float16 has few values: levels are the ranks of
    its bit patterns (which sort like the values) that occur, merged to at most `bins` of about equal count.
    """
    bits = [np.abs(values.astype(np.float16)).view(np.uint16) for values in maps]
    total = np.sum([np.bincount(b.ravel(), minlength=2**16) for b in bits], axis=0)
    level = np.minimum((np.cumsum(total) - total) * bins // total.sum(), bins - 1)
    return np.stack(
        [
            [np.bincount(level[b[m == kind]], minlength=bins) for kind in (False, True)]
            for b, m in zip(bits, masks, strict=True)
        ]
    )


def pixel_metrics(histogram: np.ndarray) -> dict[str, np.ndarray]:
    """Pixel AUROC and average precision (scikit-learn's definitions) from counts of pixels per level.

    histogram : (…, 2, bins), normal and defective pixels per level, levels ascending; returns arrays of shape (…),
    NaN where one of the two kinds is missing.
    """
    normal, defective = (histogram[..., k, ::-1].astype(float) for k in (0, 1))  # the highest level first
    fp, tp = normal.cumsum(-1), defective.cumsum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = fp[..., -1] * tp[..., -1]
        auroc = (normal * (tp - defective / 2)).sum(-1) / total
        precision = np.nan_to_num(tp / (tp + fp))
        ap = (defective * precision).sum(-1) / tp[..., -1]
    missing = total == 0
    return {"pixel_auroc": np.where(missing, np.nan, auroc), "pixel_ap": np.where(missing, np.nan, ap)}
