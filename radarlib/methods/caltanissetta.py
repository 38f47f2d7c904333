"""L&F: image texturing by a random forest and clustering, after Caltanissetta, Bertoli & Colosimo (RADAR's reference
7).

The original text was not at hand. What is built is what its abstract and RADAR's words say: a random forest predicts
each pixel from the pixels around it; robust statistics of the residuals over windows; clustering separates windows
that are in control from those that are not. All details are our reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestRegressor

from radarlib.methods.neighbourhoods import draw_pixels, standardise


def surroundings(image: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """All pixels within `reach` of a pixel on both axes, and the pixel: (pixels, (2 reach + 1)² − 1), (pixels,)."""
    side = 2 * reach + 1
    flat = sliding_window_view(image, (side, side)).reshape(-1, side**2)
    here = side**2 // 2
    return np.delete(flat, here, axis=1), flat[:, here]


@dataclass
class ForestModel:
    """The forest, and location and scale of the window statistics on training images (median, MAD)."""

    forest: RandomForestRegressor
    reach: int
    window: int
    step: int
    centre: np.ndarray
    spread: np.ndarray

    def statistics(self, image: np.ndarray) -> np.ndarray:
        """Robust statistics of the residuals' size in overlapping windows: (rows, columns, 2), median and 95th
        percentile.
        """
        around, pixels = surroundings(standardise(image), self.reach)
        shape = image.shape[0] - 2 * self.reach, image.shape[1] - 2 * self.reach
        size = np.abs(pixels - self.forest.predict(around)).reshape(shape)
        parts = sliding_window_view(size, (self.window, self.window))[:: self.step, :: self.step]
        return np.stack([np.median(parts, axis=(2, 3)), np.quantile(parts, 0.95, axis=(2, 3))], axis=-1)

    def deviations(self, image: np.ndarray) -> np.ndarray:
        """The window statistics in robust standard deviations from those of training images."""
        return (self.statistics(image) - self.centre) / self.spread


def fit(images: Sequence[np.ndarray], settings: dict, seed: int) -> ForestModel:
    options, rng = settings["caltanissetta"], np.random.default_rng(seed)
    x, y = draw_pixels(images, lambda image: surroundings(image, options["reach"]), options["pixels"], rng)
    forest = RandomForestRegressor(options["trees"], min_samples_leaf=5, max_features=1 / 3, random_state=seed).fit(
        x, y
    )
    model = ForestModel(forest, options["reach"], options["window"], options["step"], np.zeros(2), np.ones(2))
    some = rng.permutation(len(images))[: options["images"]]
    found = np.concatenate([model.statistics(images[i]).reshape(-1, 2) for i in some])
    model.centre = np.median(found, axis=0)
    model.spread = 1.4826 * np.median(np.abs(found - model.centre), axis=0)
    return model


def score(image: np.ndarray, model: ForestModel, settings: dict, seed: int) -> tuple[np.ndarray, dict[str, float]]:
    """Two clusters of the image's windows; the feature is how far apart their centres are.

    In an image that is in control the two halves of one cloud lie close together; windows on a defect form a cluster of
    their own. The map is each window's deviation from training, at its centre, linearly in between.
    """
    found = model.deviations(image)
    centres = KMeans(2, n_init=3, random_state=seed).fit(found.reshape(-1, found.shape[-1])).cluster_centers_
    deviation = np.linalg.norm(np.maximum(found, 0), axis=-1)
    return upsample(deviation, image.shape, model), {"separation": float(np.linalg.norm(centres[0] - centres[1]))}


def upsample(values: np.ndarray, shape: tuple[int, ...], model: ForestModel) -> np.ndarray:
    """Window values at the size of the image; beyond the outermost windows the nearest value stands."""
    first = model.reach + model.window / 2 - 0.5
    rows, columns = ((np.arange(n) - first) / model.step for n in shape)
    by_row = np.stack([np.interp(rows, np.arange(values.shape[0]), column) for column in values.T], axis=1)
    return np.stack([np.interp(columns, np.arange(values.shape[1]), row) for row in by_row]).astype(np.float32)
