"""On one data set: reverse chains that were cut short, and the same images led back by every step; and a network of one
pattern beside one of all.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from radarlib.config import merge
from radarlib.datasets import ImageSet, drawn
from radarlib.denoiser import Denoiser
from radarlib.files import write_csv
from radarlib.images import resize
from radarlib.methods import closed_form, reconstruct
from radarlib.runtime import progress
from radarlib.train import train
from study.denoising import asked, network_errors
from study.methods import METHODS, WHOLE
from study.terms.plan import ASKED, BOTH, CHAINS, ONE

OTHER = 1000  # added to the seed for other noise


def run(data: ImageSet, models: dict[str, Denoiser], settings: dict, seed: int, out: Path, label: str) -> None:
    """Leaves in `out`: `chain.csv`, of a seeded draw of test images (position, method) the residual's feature by the
    shortened chain (`short`), by the same with other noise (`again`), and by every step (`full`), and how the residuals
    of the latter two correlate with that of the first; `patterns.csv` (of a set with several angles: method, network,
    image, kind: train or test, features), of the images of one angle by networks of one and of both; `networks.csv`,
    what `network_errors` finds of the study's networks. Labels say which test images are normal, for these errors
    alone; nothing that scores sees one.
    """
    write_csv(out / "networks.csv", pd.DataFrame(told(data, models, settings, seed)), 7)
    angles = data.index["angle"] if "angle" in data.index else pd.Series("", data.index.index)
    data = data.blind()
    patterns = by_pattern(data, angles, models["gaussian"], settings, seed, out, label)
    write_csv(out / "patterns.csv", patterns, 7)
    start = settings["reconstruction"]["t_start"]
    every = merge(settings, {"reconstruction": {"reverse_steps": start}})
    test = drawn(np.array(data.where("test")), settings["terms"]["images"], settings["data"]["seed"])
    chains, rows = [(method, i) for method in CHAINS for i in test], []
    for method, i in progress(chains, desc=f"{label}: all {start} reverse steps", unit="image"):
        denoiser, image = models[CHAINS[method]], data.images[i]
        ways = {"short": (settings, seed), "again": (settings, seed + OTHER), "full": (every, seed)}
        if every == settings:  # no chain is cut short
            del ways["full"]
        found = {key: reconstruct.score(image, denoiser, *way) for key, way in ways.items()}
        found.setdefault("full", found["short"])
        features = {key: own["pixels"] for key, (_, own) in found.items()}
        alike = {f"{key}_correlation": _correlation(found["short"][0], found[key][0]) for key in ("again", "full")}
        rows.append({"position": i, "method": method, **features, **alike})
    write_csv(out / "chain.csv", pd.DataFrame(rows), 7)


def told(data: ImageSet, models: dict[str, Denoiser], settings: dict, seed: int) -> list[dict]:
    """Errors of the study's networks on normal test images, at the t at which methods ask them."""
    normal, closed = [data.images[i] for i in data.normal_test()], closed_form.fit(data.train_images, settings, seed)
    rows = []
    for name, denoiser in models.items():
        held = [resize(image, denoiser.patch) for image in normal] if name in WHOLE else normal
        same = name not in WHOLE and denoiser.settings["noise"]["kind"] == "gaussian"
        rows += network_errors(name, denoiser, held, asked(settings), seed, closed if same else None)
    return rows


def by_pattern(
    data: ImageSet, angles: pd.Series, both: Denoiser, settings: dict, seed: int, out: Path, label: str
) -> pd.DataFrame:
    """The images of the first angle, by a network that was trained on them alone and by one of all images.

    Both take as many steps of as many patches, so that the network of one angle sees each image twice as often.
    """
    columns = ["method", "network", "image", "kind"]
    if angles.nunique() < 2:
        return pd.DataFrame(columns=columns)
    own = np.flatnonzero(angles == angles.iloc[0])
    train_on = [data.images[i] for i in own if data.index["split"][i] == "train"]
    device = settings["compute"]["device"]
    one = train(train_on, settings, seed, out / "one_angle", device, f"{label}: one angle")
    questions = [(m, key, i) for m in ASKED for key in (ONE, BOTH) for i in own]
    rows, networks = [], {ONE: one, BOTH: both}
    for method, key, i in progress(questions, desc=f"{label}: one angle, and both", unit="image"):
        features = METHODS[method].load()(data.images[i], networks[key], settings, seed)[1]
        index = data.index.iloc[i]
        rows.append({"method": method, "network": key, "image": index["image"], "kind": index["split"], **features})
    return pd.DataFrame(rows)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])
