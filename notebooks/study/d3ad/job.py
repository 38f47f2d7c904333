"""D3AD in every variant of its tables, and the methods on features that they compare it with, on one data set."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from radarlib import feature_step
from radarlib.datasets import ImageSet, drawn, resized
from radarlib.denoiser import Denoiser
from radarlib.extractor import Extractor
from radarlib.files import write_csv, write_json, write_npz
from radarlib.map_features import MAP, on_grid, peak, smoothed
from radarlib.methods import padim, patchcore, spade
from radarlib.methods.d3ad_system import System
from radarlib.runtime import median_seconds, progress
from study.d3ad.plan import D3AD, FIXED, ONE_GRID, PERMUTED, SCALED, SHOWN, Variant, variants
from study.denoising import network_errors
from study.kept import picture

QUANTILE = 0.99  # of a map's values on normal images: the threshold of the masks in Fig. 6
OWN_SCORE = ("patchcore", "spade")  # of an image, as their authors have it; the others: the `peak` of the smoothed map
Scored = tuple[np.ndarray, float]
"""Map of the extractor's grid, flattened, and the image's score by the method itself."""


class Seen(NamedTuple):
    """An image as the extractor sees it.

    features : (locations, C) on a grid. pooled : (D,) of its deepest block, the mean over the image of its 3 × 3 means.
    """

    features: np.ndarray
    pooled: np.ndarray


def rivals(embedded: Sequence[Seen], options: dict, seed: int) -> dict[str, Callable[[Seen], Scored]]:
    """PatchCore, SPADE and PaDiM, fitted on normal images: by name, what they say of an image.

    PatchCore and SPADE take features as they are, as their authors' code does.
    """
    features = [one.features for one in embedded]
    bank = patchcore.fit(features, options["coreset"], seed, greedy=True)
    normal, gaussian = spade.fit(features, [one.pooled for one in embedded]), padim.fit(features, seed)
    return {
        "patchcore": lambda x: _with_peak(patchcore.score(x.features, bank)),
        "spade": lambda x: spade.score(*x, normal, options["spade"]),
        "padim": lambda x: _with_peak(padim.score(x.features, gaussian)),
    }


def _with_peak(found: np.ndarray) -> Scored:
    return found, peak(found)


def one_grid(extractor: Extractor) -> int:
    """Locations per side of the grid that D3AD and its rivals share: an eighth of the side that the extractor sees."""
    return extractor.side // 8


def own(extractor: Extractor, image: np.ndarray) -> Seen:
    """Features on the extractor's own grid, of its two last blocks."""
    features = extractor.embed(image)
    return Seen(features, _deepest(extractor, features))


def finer(extractor: Extractor, image: np.ndarray) -> Seen:
    """Features of every block at a sixteenth of the side or finer, on `one_grid`."""
    side = one_grid(extractor)
    features, levels = extractor.levels(image)
    fine = np.concatenate([on_grid(level, side) for level in levels], -1).reshape(side**2, -1)
    return Seen(fine, _deepest(extractor, features))


def _deepest(extractor: Extractor, features: np.ndarray) -> np.ndarray:
    return features[:, -extractor.net.channels[-1] :].mean(0)


class Ways:
    """A set's images through every variant: what all variants share is computed once."""

    def __init__(self, system: System, images: Sequence[np.ndarray]):
        self.system, self.images, options = system, images, system.options
        self.t_max, self.guidance = options["t_max"], options["guidance"]
        self.z_0 = {"test": system.encode(images), "normal": system.encode(system.normals)}
        self.features = {
            (part, adapted): system.features(some, adapted)
            for part, some in (("test", images), ("normal", system.normals))
            for adapted in ((True, False) if part == "test" else (True,))
        }
        self.distances = [system.conditioning.distance(system.feature(image)) for image in images]
        self.dynamic = {
            "test": np.array([system.conditioning.steps(d, self.t_max) for d in self.distances]),
            "normal": system.normal_steps,
        }

    def run(self, variant: Variant, part: str) -> tuple[np.ndarray, np.ndarray]:
        """A_map of the images of a part, "test" or "normal", and their reconstructions, uint8, at most PICTURE px
        wide.
        """
        images = self.images if part == "test" else self.system.normals
        steps = self.dynamic[part]
        if variant.steps == PERMUTED:
            steps = np.random.default_rng(self.system.seed).permutation(steps)
        elif not isinstance(variant.steps, str):
            steps = np.full(len(images), max(1, round(variant.steps * self.t_max)))
        denoiser = self.system.denoiser if variant.trained else self.system.untrained
        z_0, guidance = self.z_0[part], variant.guidance or self.guidance
        z_hat = self.system.denoise(images, z_0, steps, variant.omega, guidance, denoiser)
        maps = self.system.maps(self.features[part, variant.adapted], z_0, z_hat, variant.adapted)
        return maps, np.stack([picture(x) for x in self.system.decode(z_hat)[:, 0].numpy()])


class Results:
    """Maps and scores of the test images by every method, as they come."""

    def __init__(self, test: Sequence[int]):
        self.test, self.rows = test, list[tuple[int, str, float]]()
        self.maps: dict[str, np.ndarray] = {}

    def add(self, name: str, maps: Sequence[np.ndarray], scores: Iterable[float] | None = None) -> None:
        """scores : None for the `peak` of each map."""
        scores = map(peak, maps) if scores is None else scores
        self.maps[name] = np.stack(maps).astype(np.float16)
        self.rows += [(i, name, float(value)) for i, value in zip(self.test, scores, strict=True)]

    def save(self, out: Path) -> None:
        write_npz(out / "maps.npz", **self.maps)
        write_csv(out / "scores.csv", pd.DataFrame(self.rows, columns=["position", "method", "score"]), 7)


def run(data: ImageSet, models: dict[str, Denoiser], settings: dict, seed: int, out: Path, label: str) -> None:
    """Fit D3AD on the normal images of a set, and map every test image by each of `variants`, by the single step on
    features, and by `rivals` on two grids.

    All methods learn from the same normal images, `d3ad.memory` at most, resized to `d3ad.image_size`. Neither training
    nor scoring sees a label. Two controls: "raw", the squared distance of the image to its mean, and the variant whose
    diffusion is not trained.

    Leaves in `out`: `scores.csv` (position, method, score), `maps.npz` (by method (n, MAP, MAP) float16, test images in
    the order of the index), `pictures.npz` (x̂_0 of SHOWN, uint8), `bins.csv` (of each image that is learned from or
    judged its distance, bin and T̂), `thresholds.csv` (of SHOWN, from normal images), `timing.json` (seconds per image
    by method), `networks.csv` (what `network_errors` finds on the latents of normal test images, the one thing that
    takes labels), and the trained autoencoder and diffusion.
    """
    options = settings["d3ad"]
    good = data.normal_test()
    data = resized(data.blind(), options["image_size"])
    chosen, test = drawn(np.array(data.where("train")), options["memory"], seed), data.where("test")
    normal = [data.images[i] for i in chosen]
    images = [data.images[i] for i in test]
    system = System(normal, settings, seed, out, label)
    held = system.encode([data.images[i] for i in good])
    errors = network_errors("diffusion", system.denoiser, held, [options["t_max"]], seed)
    write_csv(out / "networks.csv", pd.DataFrame(errors), 7)
    results, ways = Results(test), Ways(system, images)
    thresholds, pictures = [], {}
    for variant in progress(variants(), desc=f"{label}: variants", unit="variant"):
        maps, pictured = ways.run(variant, "test")
        results.add(variant.name, list(maps))
        if variant in SHOWN:
            pictures[variant.name] = pictured
            thresholds.append((variant.name, float(np.quantile(ways.run(variant, "normal")[0], QUANTILE))))
    even = [on_grid(on_grid(m, one_grid(system.extractor)), MAP) for m in results.maps[D3AD.name].astype(np.float32)]
    results.add(f"{D3AD.name}{ONE_GRID}", even)
    times = np.array(ways.distances) / np.mean(system.distances)
    scaled = results.maps[FIXED.name] * times[:, None, None]
    results.add(SCALED, list(scaled))
    raw = [smoothed((x - x.mean()) ** 2, options["sigma"]) for x in images]
    results.add("raw", raw)
    seconds = _on_features(system, normal, images, settings, seed, label, results)
    seconds[D3AD.name] = median_seconds(system.judge, images)
    write_npz(out / "pictures.npz", **pictures)
    write_csv(out / "thresholds.csv", pd.DataFrame(thresholds, columns=["method", "threshold"]), 7)
    write_csv(out / "bins.csv", _bins(chosen.tolist(), test, ways), 7)
    write_json(out / "timing.json", seconds)
    results.save(out)


def _on_features(
    system: System,
    normal: Sequence[np.ndarray],
    images: Sequence[np.ndarray],
    settings: dict,
    seed: int,
    label: str,
    results: Results,
) -> dict[str, float]:
    """Fit and run the methods on features; their seconds per image.

    Maps lie on one grid and have D3AD's smoothing. The features lie on the extractor's own grid, which held-out normal
    images chose for detecting, and for `rivals` on `one_grid` as well, which shows better where a defect is.
    """
    options, seconds = settings["d3ad"], {}
    for mark, embed in (("", partial(own, system.extractor)), (ONE_GRID, partial(finer, system.extractor))):
        embedded = [embed(image) for image in progress(normal, desc=f"{label}: features{mark}", unit="image")]
        fitted = rivals(embedded, options, seed)
        if not mark:
            fitted["step"] = _step([one.features for one in embedded], settings["feature_step"], seed, label)
        seen = [embed(image) for image in images]
        for name, method in progress(fitted.items(), desc=f"{label}: methods on features{mark}", unit="method"):
            found = [method(x) for x in seen]
            grid = math.isqrt(len(found[0][0]))
            maps = [smoothed(m.reshape(grid, grid), options["sigma"]) for m, _ in found]
            results.add(f"{name}{mark}", maps, [value for _, value in found] if name in OWN_SCORE else None)
            seconds[f"{name}{mark}"] = median_seconds(_after(embed, method), images)
    return seconds


def _step(normal: Sequence[np.ndarray], options: dict, seed: int, label: str) -> Callable[[Seen], Scored]:
    model = feature_step.train(normal, options, seed, f"{label}: one step on features")
    return lambda x: feature_step.predict(x.features, model)


def _after(embed: Callable, method: Callable) -> Callable[[np.ndarray], object]:
    return lambda image: method(embed(image))


def _bins(normal: Sequence[int], test: Sequence[int], ways: Ways) -> pd.DataFrame:
    conditioning = ways.system.conditioning
    rows = [("train", i, d) for i, d in zip(normal, ways.system.distances, strict=True)]
    rows += [("test", i, d) for i, d in zip(test, ways.distances, strict=True)]
    table = pd.DataFrame(rows, columns=["split", "position", "distance"])
    table["bin"] = table["distance"].map(conditioning.bin)
    table["steps"] = table["distance"].map(lambda d: conditioning.steps(d, ways.t_max))
    return table
