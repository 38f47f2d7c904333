"""Figures of merit with bootstrap intervals. Labels enter the study here and nowhere before."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
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


def bootstrap_metrics(
    anomalous: np.ndarray, scores: np.ndarray, flagged: np.ndarray, resamples: int, seed: int
) -> dict[str, np.ndarray]:
    """`detection_metrics` on resampled test images, averaged over runs; each value (resamples,).

    anomalous : (n,) bool. scores, flagged : (runs, n); a resample takes the same images from every run.
    Resamples are stratified by class, so a drawn set has as many anomalous images as the real one. Each is
    a vector of weights, which turns every metric into matrix products: AUROC is the share of (anomalous,
    normal) pairs in the right order, ties counted half.
    """
    rng = np.random.default_rng(seed)
    n_pos, n_neg = int(anomalous.sum()), int((~anomalous).sum())
    w_pos = rng.multinomial(n_pos, np.full(n_pos, 1 / n_pos), resamples).astype(float)
    w_neg = rng.multinomial(n_neg, np.full(n_neg, 1 / n_neg), resamples).astype(float)
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


def pixel_metrics(histogram: np.ndarray) -> dict[str, float]:
    """Pixel AUROC and average precision from counts (2, bins) of normal and defective pixels per level."""
    level = np.tile(np.arange(histogram.shape[1]), 2)
    label = np.repeat([0, 1], histogram.shape[1])
    weight = histogram.ravel()
    used = weight > 0
    label, level, weight = label[used], level[used], weight[used]
    if len(np.unique(label)) < 2:
        return {"pixel_auroc": np.nan, "pixel_ap": np.nan}
    return {
        "pixel_auroc": float(roc_auc_score(label, level, sample_weight=weight)),
        "pixel_ap": float(average_precision_score(label, level, sample_weight=weight)),
    }
