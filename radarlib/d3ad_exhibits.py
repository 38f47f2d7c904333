"""Tables of the chapter on D3AD: dynamic noise, scaling without noise, adapted features, and methods on features."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
import pandas as pd

from radarlib.chapters import chapter_seeds, chapter_sets
from radarlib.d3ad_study import DIC, OMEGAS, STATIC, Variant
from radarlib.datasets import GOOD, ImageSet
from radarlib.detection import auroc_row
from radarlib.exhibits import first_of_each_defect, pixel_rows
from radarlib.metrics import pixel_histograms
from radarlib.roles import resized
from radarlib.study import Study
from radarlib.tables import beside, wide

METRICS = {"auroc": "I-AUROC", "pro": "PRO", "pixel_auroc": "P-AUROC"}
D3AD = Variant().name
METHODS = {
    D3AD: "D3AD", "step": "one step on features", "patchcore": "PatchCore", "spade": "SPADE", "padim": "PaDiM",
    Variant(trained=False).name: "control: untrained diffusion", "raw": "control: mean of the image",
}  # fmt: skip
"""Rows of Table 1, by their names in the job's results."""
POLICIES = {**{Variant(share).name: f"{share:.0%} of T_max" for share in STATIC}, D3AD: "dynamic"}
ABLATION = {  # (downscaling, domain adaptation)
    (False, False): Variant(omega=1.0, adapted=False), (True, False): Variant(adapted=False),
    (False, True): Variant(omega=1.0), (True, True): Variant(),
}  # fmt: skip


def sets(study: Study) -> list[str]:
    return chapter_sets(study.settings, "d3ad", study.root)


def seeds(study: Study) -> list[int]:
    return chapter_seeds(study.settings, "d3ad")


@cache
def images(study: Study, name: str) -> ImageSet:
    """The set at the size of the chapter."""
    return resized(study.data(name), study.settings["d3ad"]["image_size"])


def _table(study: Study, name: str, file: str) -> pd.DataFrame:
    """A table of every seed, with what is known of each image."""
    parts = [pd.read_csv(study.path(name, f"seed{seed}", "d3ad", file)).assign(seed=seed) for seed in seeds(study)]
    return pd.concat(parts).join(study.data(name).index["defect"], on="position")


@cache
def maps(study: Study, name: str, method: str, seed: int) -> np.ndarray:
    """Of the test images, at the size of the chapter's images: (n, S, S) float32."""
    with np.load(study.path(name, f"seed{seed}", "d3ad", "maps.npz")) as found:
        kept = found[method].astype(np.float32)
    side = study.settings["d3ad"]["image_size"]
    return np.stack([cv2.resize(m, (side, side), interpolation=cv2.INTER_LINEAR) for m in kept])


@cache
def rows(study: Study, name: str, method: str) -> tuple[dict, ...]:
    """I-AUROC, PRO and P-AUROC of a method on a set; the pixel level where a defect has a mask."""
    scores = _table(study, name, "scores.csv")
    found = [auroc_row(study, scores[scores["method"] == method])[0]]
    data = images(study, name)
    masks = [data.masks[i] for i in data.where("test")]
    known = [k for k, m in enumerate(masks) if m is not None]
    chosen = [m for m in masks if m is not None]
    defective = np.array([m.any() for m in chosen])
    if defective.any():
        runs = [pixel_histograms(list(maps(study, name, method, seed)[known]), chosen) for seed in seeds(study)]
        found += [
            {**row, "seeds": len(runs)}
            for row in pixel_rows(runs, defective, study.settings["evidence"])
            if row["metric"] in METRICS
        ]
    return tuple(found)


def compared(study: Study, chosen: dict[str, str], key: str) -> pd.DataFrame:
    """The metrics of the job's results `chosen`, labelled in a column `key`."""
    return pd.DataFrame(
        [
            {"set": name, key: label, **row}
            for name in sets(study)
            for method, label in chosen.items()
            for row in rows(study, name, method)
        ]
    )
