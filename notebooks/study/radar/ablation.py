"""What RADAR's free choices do: one factor changed at a time, and which value normal images alone would have chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from radarlib.datasets import ImageSet, classifier_images, drawn
from radarlib.denoiser import Denoiser
from radarlib.files import write_csv
from radarlib.methods import closed_form
from radarlib.radar import Predictor, noise_map, sobel_features
from radarlib.runtime import progress
from radarlib.textures import artificial_defect

CLOSED = "closed form"
PROBES = 60  # training images that also get an artificial defect


@dataclass(frozen=True)
class Variant:
    """One value of one factor: changes to the section `radar` of the settings, and the denoiser, or CLOSED."""

    factor: str
    value: str
    changes: tuple[tuple[str, float | str], ...] = ()
    model: str = "gaussian"

    def options(self, settings: dict) -> dict:
        return {**settings["radar"], **dict(self.changes)}


def variants(settings: dict, patches: dict[str, int]) -> list[Variant]:
    """What is varied, around the settings. patches : side of the patches of each denoiser at hand."""
    base, side = settings["radar"], patches["gaussian"]

    def of(factor: str, *values: float | str) -> list[Variant]:
        every = dict.fromkeys([*values, base[factor]])
        ordered = sorted(every) if all(isinstance(v, (int, float)) for v in every) else list(every)
        return [Variant(factor, f"{value}", ((factor, value),)) for value in ordered]

    return [
        *of("t", 1, 5, 20, 50),
        *[replace(v, factor=f"t, {CLOSED}", model=CLOSED) for v in of("t", 1, 5, 20, 50)],
        *of("stride", side // 4, side // 2, side),
        *of("sigma", 0, 0.5, 1, 1.5, 2, 3),
        *of("blur", "gaussian", "uniform"),
        *of("window", side // 2, side, 2 * side),
        *[
            Variant("patch", f"{p}", (("stride", p // 2),) if model != "gaussian" else (), model)
            for model, p in sorted(patches.items(), key=lambda item: item[1])
            if model == "gaussian" or p != side
        ],
    ]


def _images(data: ImageSet, settings: dict, seed: int) -> Iterator[tuple[str, str, np.ndarray]]:
    """(name, kind, image): the classifier's training images, some of them with an artificial defect, the test images.

    Of training and of test images at most `evidence.ablation_images` each, a seeded draw that sees no label.
    """
    limit, draw = settings["evidence"]["ablation_images"], settings["data"]["seed"]
    train = classifier_images(
        data.index, min(filter(None, (limit, settings["data"]["max_classifier"])), default=None), draw
    )
    for i in train:
        yield data.index["image"][i], "train", data.images[i]
    rng = np.random.default_rng(seed)
    for i in train[1::2][:PROBES]:  # the odd ones: `ablation_table` fits on the even ones
        yield data.index["image"][i], "artificial", artificial_defect(data.images[i], rng)[0]
    for i in drawn(np.array(data.where("test")), limit, draw):
        yield data.index["image"][i], "test", data.images[i]


def run(data: ImageSet, models: dict[str, Denoiser], settings: dict, seed: int, out: Path, label: str) -> None:
    """RADAR's features under every variant, left as `ablation.csv` in `out`; sees no label and no mask.

    Of training and test images at most `evidence.ablation_images` each, and training images with artificial defects.

    models : "gaussian", trained with the settings, and others that differ in the size of their patches.
    """
    data = data.blind()
    plan = variants(settings, {name: denoiser.patch for name, denoiser in models.items()})
    batch, rows = settings["compute"]["inference_batch"], []
    predictors: dict[str, Predictor] = {**models, CLOSED: closed_form.fit(data.train_images, settings, seed)}
    images = list(_images(data, settings, seed))
    for name, kind, image in progress(images, desc=f"{label}: ablation", unit="image"):
        maps: dict[tuple, np.ndarray] = {}
        for variant in plan:
            options = variant.options(settings)
            key = (variant.model, options["t"], options["stride"])
            if key not in maps:
                maps[key] = noise_map(image, predictors[variant.model], options["t"], options["stride"], seed, batch)
            features = sobel_features(maps[key], options)[1]
            rows.append({"image": name, "kind": kind, "factor": variant.factor, "value": variant.value, **features})
    write_csv(out / "ablation.csv", pd.DataFrame(rows), 7)
