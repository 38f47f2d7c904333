"""Figures of merit as rows with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from radarlib.datasets import GOOD, ImageSet
from study.metrics import (
    DETECTION,
    PIXEL,
    bootstrap_metrics,
    detection_metrics,
    interval,
    over_runs,
    pixel_histograms,
    pixel_metrics,
    stratified_weights,
)
from study.session import Session

KEPT = 400  # resamples of a figure that stay with it, by which the ledger compares it with others
NO_MASK = "no defective test image has a mask"


def metric_rows(
    session: Session, truth: np.ndarray, scores: np.ndarray, flagged: np.ndarray
) -> tuple[list[dict], dict[str, np.ndarray]]:
    """A row per metric, mean over runs with its bootstrap interval over images and runs and spread over runs; and the
    resamples, of which the row's `draws` are the first.

    truth : (images,) bool. scores, flagged : (runs, images).
    """
    evidence, rows = session.settings["evidence"], []
    values = pd.DataFrame([detection_metrics(truth, s, f) for s, f in zip(scores, flagged, strict=True)])
    drawn = bootstrap_metrics(truth, scores, flagged, evidence["bootstrap"], seed=0)
    for metric in DETECTION:
        low, high = interval(drawn[metric], evidence["level"])
        ours, sd = values[metric].mean(), values[metric].std(ddof=0)
        row = {"metric": metric, "ours": ours, "low": low, "high": high, "sd": sd, "seeds": len(scores)}
        rows.append({**row, "draws": drawn[metric][:KEPT]})
    return rows, drawn


def auroc_row(session: Session, part: pd.DataFrame) -> tuple[dict, np.ndarray]:
    """Image-level AUROC of scores: mean over seeds, interval over images, spread over seeds; and its resamples.

    part : a row per seed and image with `seed`, `position`, `score` and `defect`. Parts of the same images are
        resampled alike.
    """
    table = part.pivot_table(index="seed", columns="position", values="score")
    truth = part.drop_duplicates("position").set_index("position")["defect"].loc[table.columns] != GOOD
    values = table.to_numpy()
    rows, drawn = metric_rows(session, truth.to_numpy(), values, np.zeros(values.shape, bool))
    return next(row for row in rows if row["metric"] == "auroc"), drawn["auroc"]


def pixel_rows(
    session: Session, data: ImageSet, seeds: Sequence[int], maps_of: Callable[[int], Sequence[np.ndarray]]
) -> list[dict]:
    """A row per pixel-level metric of maps: mean over seeds, and its bootstrap interval over images and seeds; none
    without a mask.

    Resamples are stratified into images with a defect and without; images without a mask are left out.

    maps_of : a seed's maps of the test images in the order of the index, (H, W) each, not negative.
    """
    masks = [data.masks[i] for i in data.where("test")]
    known = [mask for mask in masks if mask is not None]
    defective = np.array([mask.any() for mask in known])
    if not defective.any():
        return []
    runs = []
    for seed in seeds:
        maps = [m for m, mask in zip(maps_of(seed), masks, strict=True) if mask is not None]
        runs.append(pixel_histograms(maps, known))
    evidence, rows = session.settings["evidence"], []
    weights = stratified_weights(defective, evidence["bootstrap"], np.random.default_rng(0)).astype(np.float32)
    drawn = [pixel_metrics(np.tensordot(part, run, 1)) for run in runs for part in np.array_split(weights, 40)]
    for metric in PIXEL:
        each = [float(pixel_metrics(run.sum(axis=0))[metric]) for run in runs]
        resamples = over_runs(np.concatenate([values[metric] for values in drawn]).reshape(len(runs), -1))
        low, high = interval(resamples, evidence["level"])
        row = {"metric": metric, "ours": np.mean(each), "low": low, "high": high, "sd": np.std(each)}
        rows.append({**row, "seeds": len(runs), "draws": resamples[:KEPT]})
    return rows
