"""What a table leaves unequal or open, looked at on one data set: reverse chains cut short, and the width of RADAR's
blur.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from radarlib.config import merge
from radarlib.datasets import ImageSet, drawn
from radarlib.denoiser import Denoiser
from radarlib.files import write_csv
from radarlib.methods import reconstruct
from radarlib.radar import noise_map, sobel_features
from radarlib.runtime import progress
from radarlib.textures import artificial_defect
from study.terms.plan import CHAINS


def run(data: ImageSet, models: dict[str, Denoiser], settings: dict, seed: int, out: Path, label: str) -> None:
    """Leaves in `out`: `chain.csv` (position, method, pixels and full: the feature by the shortened chain and by every
    step, correlation of both residuals), of a seeded draw of test images; `blur.csv` (sigma, image, kind: train, held,
    artificial or test, features). No label is seen.
    """
    data, options = data.blind(), settings["terms"]
    chain = whole_chains(data, models, settings, seed, label)
    blur = blurs(data, models["gaussian"], settings, seed, options["sigmas"], label)
    write_csv(out / "chain.csv", chain, 7)
    write_csv(out / "blur.csv", blur, 7)


def whole_chains(data: ImageSet, models: dict[str, Denoiser], settings: dict, seed: int, label: str) -> pd.DataFrame:
    """Some test images by the shortened chain and by one that visits every step."""
    start = settings["reconstruction"]["t_start"]
    every = merge(settings, {"reconstruction": {"reverse_steps": start}})
    test = drawn(np.array(data.where("test")), settings["terms"]["images"], settings["data"]["seed"])
    rows = []
    asked = [(method, i) for method in CHAINS for i in test]
    for method, i in progress(asked, desc=f"{label}: all {start} reverse steps", unit="image"):
        denoiser, image = models[CHAINS[method]], data.images[i]
        (short, own), (full, other) = (reconstruct.score(image, denoiser, s, seed) for s in (settings, every))
        rows.append({
            "position": i, "method": method, "pixels": own["pixels"], "full": other["pixels"],
            "correlation": float(np.corrcoef(short.ravel(), full.ravel())[0, 1]),
        })  # fmt: skip
    return pd.DataFrame(rows)


def blurs(
    data: ImageSet, denoiser: Denoiser, settings: dict, seed: int, sigmas: list[float], label: str
) -> pd.DataFrame:
    """RADAR's features at each width of the blur. Held-out images are those that the classifier is not fitted on; the
    network has seen them.
    """
    options, radar, every = settings["terms"], settings["radar"], data.index["image"]
    mixed = np.random.default_rng(seed).permutation(data.where("train"))
    n = min(max(4, len(mixed) // 5), len(mixed) // 2)
    train, held = mixed[n:][: options["limit"]], mixed[:n]
    probes = [
        artificial_defect(data.images[held[k % n]], np.random.default_rng([seed, k]))[0]
        for k in range(options["probes"])
    ]
    asked = [
        *(("train", every[i], data.images[i]) for i in train), *(("held", every[i], data.images[i]) for i in held),
        *(("artificial", f"{k}", image) for k, image in enumerate(probes)),
        *(("test", every[i], data.images[i]) for i in data.where("test")),
    ]  # fmt: skip
    rows, batch = [], settings["compute"]["inference_batch"]
    for kind, name, image in progress(asked, desc=f"{label}: blurs", unit="image"):
        noise = noise_map(image, denoiser, radar["t"], radar["stride"], seed, batch)
        for sigma in sigmas:
            found = sobel_features(noise, {**radar, "sigma": sigma})[1]
            rows.append({"sigma": sigma, "image": name, "kind": kind, **found})
    return pd.DataFrame(rows)
