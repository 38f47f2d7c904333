"""Maps and features of a whole data set by one method: the step between a trained model and the exhibits."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from radarlib.artifacts import write_csv, write_json, write_npz
from radarlib.datasets import ImageSet, drawn
from radarlib.errors import UserError
from radarlib.methods import method as find_method
from radarlib.runtime import progress


def classifier_images(index: pd.DataFrame, limit: int | None, seed: int) -> np.ndarray:
    """Positions of the training images whose features the classifier sees: all, or a seeded draw of `limit`."""
    return drawn(np.flatnonzero(index["split"] == "train"), limit, seed)


def score_set(
    data: ImageSet, method: str, settings: dict, seed: int, model: Path | None, out: Path, label: str = "scoring"
) -> pd.DataFrame:
    """Score the classifier's training images and all test images by `method`.

    The method sees pixels only: neither labels nor masks. Leaves in `out`: `features.csv` (image, split,
    features), `maps.npz` (test images' maps, float16, laid end to end), `timing.json`.
    """
    entry, device = find_method(method), settings["compute"]["device"]
    function, given = entry.load(), None
    if entry.trained or entry.model == "untrained":
        from radarlib.denoiser import Denoiser  # here, for the methods that do without PyTorch

        if entry.trained and model is None:
            raise UserError(f"method {method!r} needs a trained model")
        given = Denoiser.load(model, device) if model else Denoiser.untrained(settings, seed, device)
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
    write_npz(
        out / "maps.npz", pixels=np.concatenate([m.ravel() for m in maps]), shapes=np.array([m.shape for m in maps])
    )
    write_json(
        out / "timing.json",
        {"seconds": round(seconds, 2), "images": len(chosen), "seconds_per_image": seconds / len(chosen)},
    )
    write_csv(out / "features.csv", table, 7)
    return table


def taken_apart(flat: np.ndarray, shapes: Iterable[tuple[int, ...]]) -> list[np.ndarray]:
    """Maps that lie end to end, by their shapes."""
    shapes = list(shapes)
    parts = np.split(flat, np.cumsum([np.prod(shape) for shape in shapes])[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def load_maps(path: Path) -> list[np.ndarray]:
    """The test images' maps in the order of the data set's index, (H, W) float16 each."""
    with np.load(path) as data:
        return taken_apart(data["pixels"], data["shapes"])
