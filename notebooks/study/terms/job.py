"""Reverse chains that were cut short, and the same images led back by every step, on one data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from radarlib.config import merge
from radarlib.datasets import ImageSet, drawn
from radarlib.denoiser import Denoiser
from radarlib.files import write_csv
from radarlib.methods import reconstruct
from radarlib.runtime import progress
from study.terms.plan import CHAINS


def run(data: ImageSet, models: dict[str, Denoiser], settings: dict, seed: int, out: Path, label: str) -> None:
    """Leaves `chain.csv` in `out`: of a seeded draw of test images (position, method) the residual's feature by the
    shortened chain (`short`), by the same with other noise (`again`), and by every step (`full`); and how the residuals
    of the latter two correlate with that of the first. No label is seen.
    """
    data = data.blind()
    start = settings["reconstruction"]["t_start"]
    every = merge(settings, {"reconstruction": {"reverse_steps": start}})
    test = drawn(np.array(data.where("test")), settings["terms"]["images"], settings["data"]["seed"])
    asked, rows = [(method, i) for method in CHAINS for i in test], []
    for method, i in progress(asked, desc=f"{label}: all {start} reverse steps", unit="image"):
        denoiser, image = models[CHAINS[method]], data.images[i]
        ways = {"short": (settings, seed), "again": (settings, seed + OTHER), "full": (every, seed)}
        found = {key: reconstruct.score(image, denoiser, *way) for key, way in ways.items()}
        features = {key: own["pixels"] for key, (_, own) in found.items()}
        alike = {f"{key}_correlation": _correlation(found["short"][0], found[key][0]) for key in ("again", "full")}
        rows.append({"position": i, "method": method, **features, **alike})
    write_csv(out / "chain.csv", pd.DataFrame(rows), 7)


OTHER = 1000  # added to the seed for other noise


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])
