"""Maps and features of a whole data set by one method: the step between a trained model and the exhibits."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd

from radarlib.datasets import ImageSet, classifier_images
from radarlib.errors import UserError
from radarlib.files import write_csv, write_json, write_npz
from radarlib.runtime import progress
from study.kept import laid_flat
from study.methods import WHOLE
from study.methods import method as find_method


def score_set(
    data: ImageSet, method: str, settings: dict, seed: int, model: Path | None, out: Path, label: str = "scoring"
) -> pd.DataFrame:
    """Score the classifier's training images and all test images by `method`.

    The method sees pixels only: neither labels nor masks. Leaves in `out`: `features.csv` (image, split,
    features), `maps.npz` (test images' maps, float16, laid end to end), `timing.json` (seconds; and of a network the
    patches that it was asked about per image, and how often each pixel passed through it).
    """
    entry, device = find_method(method), settings["compute"]["device"]
    function, given, network = entry.load(), None, None
    if entry.trained or entry.model == "untrained":
        from radarlib.denoiser import Denoiser  # here, for the methods that do without PyTorch

        if entry.trained and model is None:
            raise UserError(f"method {method!r} needs a trained model")
        given = network = Denoiser.load(model, device) if model else Denoiser.untrained(settings, seed, device)
    elif entry.model == "fit":
        given = entry.load_fit()(data.train_images, settings, seed)
    chosen = [
        *classifier_images(data.index, settings["data"]["max_classifier"], settings["data"]["seed"]),
        *data.where("test"),
    ]
    rows, maps = [], []
    started = time.monotonic()
    for i in progress(chosen, desc=label, unit="image"):
        anomaly_map, features = function(data.images[i], given, settings, seed)
        rows.append({"image": data.index["image"][i], "split": data.index["split"][i], **features})
        if rows[-1]["split"] == "test":
            maps.append(anomaly_map.astype(np.float16))
    seconds = time.monotonic() - started
    table = pd.DataFrame(rows)
    write_npz(out / "maps.npz", pixels=laid_flat(maps), shapes=np.array([m.shape for m in maps]))
    facts = {"seconds": round(seconds, 2), "images": len(chosen), "seconds_per_image": seconds / len(chosen)}
    if network:
        whole = entry.model in WHOLE  # which sees a scaled image
        pixels = sum(network.patch**2 if whole else data.images[i].size for i in chosen)
        facts |= {"evaluations": network.evaluations / len(chosen), "passes": network.pixels / pixels}
    write_json(out / "timing.json", facts)
    write_csv(out / "features.csv", table, 7)
    return table
