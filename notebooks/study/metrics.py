"""Figures of merit with bootstrap intervals. Labels are for this, and for showing which image is which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from skimage.measure import label
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

DETECTION = ("accuracy", "precision", "recall", "f1", "auroc")
FAR = "auroc_far"  # of images by how far their features lie above those of the training images (`Distance`)
PIXEL = ("pixel_auroc", "pixel_ap", "pro", "best_f1")
TITLES = {
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "mse": "MSE, normal pixels",
    "pixel_auroc": "AUROC",
    "pixel_ap": "average precision",
    "pro": "PRO",
    "best_f1": "best F1",
}
"""How tables and figures of one level, images or pixels, head their columns."""
LEVELS = {"auroc": "I-AUROC", "pro": "PRO", "pixel_auroc": "P-AUROC"}
"""The same where both levels stand side by side, as D3AD has it."""
TIE = 0.005
"""A smaller difference of AUROC, average precision or PRO is none."""


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
    """`detection_metrics` on resampled test images, averaged over resampled runs; each value (resamples,).

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
    return {name: over_runs(values) for name, values in results.items()}


def over_runs(values: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """The mean over runs, drawn anew with replacement in each resample: with resampled images in `values`, a two-way
    bootstrap over trainings and images (Owen 2007). values : (runs, resamples). What has as many runs draws the same.

    Resamples of n runs spread by √((n − 1) / n) too little, so what they are off the mean over runs is stretched by as
    much, and kept within what a figure of merit can be: 0 to 1, an error more. One run says nothing about others: then
    the interval is over images alone.
    """
    runs, resamples = np.shape(values)
    if runs == 1:
        return np.asarray(values)[0]
    weights = np.random.default_rng(runs).multinomial(runs, np.full(runs, 1 / runs), resamples) / runs
    drawn, mean = (weights * np.transpose(values)).sum(axis=1), np.mean(values, axis=0)
    return np.clip(mean + np.sqrt(runs / (runs - 1)) * (drawn - mean), 0, max(1, np.max(values)))


def interval(values: np.ndarray, level: float) -> tuple[float, float]:
    """The central interval of bootstrap values that holds a share `level` of them."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


PRO_LIMIT = 0.3  # false-positive rate up to which PRO is integrated (Bergmann et al. 2020)


def pixel_histograms(maps: list[np.ndarray], masks: list[np.ndarray], bins: int = 4096) -> np.ndarray:
    """Counts of pixels per level of the map, (images, 3, bins): normal, defective, and shares of defect regions.

    maps : (H, W) float16, not negative; masks : (H, W) bool. A float16 has few values: levels are the ranks of
    its bit patterns (which sort like the values) that occur, merged to at most `bins` of about equal count. Regions are
    8-connected; each adds up to 1 over the levels.
    """
    bits = [np.abs(values.astype(np.float16)).view(np.uint16) for values in maps]
    total = np.sum([np.bincount(b.ravel(), minlength=2**16) for b in bits], axis=0)
    level = np.minimum((np.cumsum(total) - total) * bins // total.sum(), bins - 1)
    result = np.zeros((len(maps), 3, bins))
    for counts, b, mask in zip(result, bits, masks, strict=True):
        found, regions = level[b], label(mask, connectivity=2)
        sizes = np.bincount(regions.ravel())
        counts[0] = np.bincount(found[~mask], minlength=bins)
        counts[1] = np.bincount(found[mask], minlength=bins)
        counts[2] = np.bincount(found[mask], 1 / sizes[regions[mask]], minlength=bins)
    return result


def pixel_metrics(histogram: np.ndarray) -> dict[str, np.ndarray]:
    """Pixel AUROC and average precision (scikit-learn's definitions), PRO and the best F1 of any threshold.

    histogram : (…, 3, bins) of `pixel_histograms`, levels ascending; returns arrays of shape (…), NaN where normal or
    defective pixels are missing. PRO is the mean share of a defect region that is found, integrated over the
    false-positive rate up to PRO_LIMIT and divided by it.
    """
    normal, defective, regions = (histogram[..., k, ::-1].astype(float) for k in range(3))  # the highest level first
    fp, tp, found = normal.cumsum(-1), defective.cumsum(-1), regions.cumsum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = fp[..., -1] * tp[..., -1]
        precision = np.nan_to_num(tp / (tp + fp))
        values = {
            "pixel_auroc": (normal * (tp - defective / 2)).sum(-1) / total,
            "pixel_ap": (defective * precision).sum(-1) / tp[..., -1],
            "pro": _area_to(PRO_LIMIT, fp / fp[..., -1:], found / found[..., -1:]) / PRO_LIMIT,
            "best_f1": np.max(2 * tp / (tp[..., -1:] + tp + fp), axis=-1),
        }
    return {name: np.where(total == 0, np.nan, value) for name, value in values.items()}


def _area_to(limit: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Area from 0 to `limit` below the line through (0, 0) and the points (x, y), x ascending along the last axis."""
    x, y = (np.concatenate([np.zeros((*v.shape[:-1], 1)), v], axis=-1) for v in (x, y))
    start, width, rise = x[..., :-1], np.diff(x), np.diff(y)
    part = np.clip((limit - start) / np.where(width > 0, width, 1), 0, 1)  # of each segment that lies before the limit
    return (part * width * (y[..., :-1] + part * rise / 2)).sum(-1)
