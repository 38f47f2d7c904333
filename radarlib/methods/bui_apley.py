"""B&A: monitoring a stochastic textured surface by a supervised model (Bui & Apley 2018, *Technometrics* 60, 1–13).

A regression tree predicts each pixel from its causal neighbourhood. Where the texture changes, the residuals no longer
look like those of training images, which a statistic over a moving window shows. RADAR's benchmark (§IV-A3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import correlate
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeRegressor

from radarlib.methods.neighbourhoods import draw_pixels, standardise

EDGE = 1e-15  # probabilities stay this far from 0 and 1


def causal_neighbours(image: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """What a raster scan has seen around each pixel: n rows above and n pixels to the left.

    Returns the neighbours (pixels, n (2n + 2)) and the pixels themselves, for the (H − n) × (W − 2n) pixels that have
    a whole neighbourhood, row by row.
    """
    windows = sliding_window_view(image, (n + 1, 2 * n + 1))
    flat = windows.reshape(-1, (n + 1) * (2 * n + 1))
    here = n * (2 * n + 1) + n
    return flat[:, :here], flat[:, here]


@dataclass
class TailedCDF:
    """The residuals' distribution: empirical, with exponential tails beyond the joints (Bui & Apley §3).

    values : sorted residuals. rate : of the left and the right tail. joint : where each begins.
    """

    values: np.ndarray
    rate: tuple[float, float]
    joint: tuple[float, float]

    @classmethod
    def fit(cls, residuals: np.ndarray) -> TailedCDF:
        """Tails from the outermost 0.2 % on each side; they begin at the sixth value from the left and the fifth
        from the right, sooner where 0.2 % are fewer."""
        x = np.sort(residuals)
        n = int(max(2, 0.002 * len(x)))
        m = min(n, 5)
        rate = 1 / (x[n - 1] - x[:n]).mean(), 1 / (x[-n:] - x[-n]).mean()
        return cls(x, (float(rate[0]), float(rate[1])), (float(x[m]), float(x[-m])))

    def __call__(self, r: np.ndarray) -> np.ndarray:
        def empirical(x: np.ndarray | float) -> np.ndarray:
            return np.searchsorted(self.values, x, side="right") / len(self.values)

        (low, high), (left, right) = self.joint, self.rate
        p = np.where(r <= low, empirical(low) * np.exp(left * (np.minimum(r, low) - low)), empirical(r))
        above = 1 - (1 - empirical(high)) * np.exp(-right * (np.maximum(r, high) - high))
        return np.clip(np.where(r >= high, above, p), EDGE, 1 - EDGE)


def anderson_darling(p: np.ndarray, window: int) -> np.ndarray:
    """How far the residuals of each window are from the training residuals' distribution.

    p : (H, W) probabilities of the residuals → (H − window + 1, W − window + 1), Anderson and Darling's A².
    """
    parts = sliding_window_view(p, (window, window))
    ordered = np.sort(parts.reshape(*parts.shape[:2], -1), axis=-1)
    n = window**2
    weights = (2 * np.arange(1, n + 1) - 1) / n
    return -n - (np.log(ordered * (1 - ordered[..., ::-1])) * weights).sum(-1)


def box_pierce(r: np.ndarray, window: int) -> np.ndarray:
    """How much the residuals around each window's centre correlate with those at every lag within the window.

    r : (H, W) residuals → (H − window + 1, W − window + 1): the sum over lags of the squared covariance, each estimated
    with an Epanechnikov kernel that ends where one of its two residuals would lie outside the image.
    """
    half, reach = window // 2, (window + 1) // 2
    side = np.arange(1 - reach, reach)
    kernel = np.maximum(0.75 * (1 - (side[:, None] ** 2 + side**2) / reach**2), 0)
    total = np.zeros_like(r, dtype=np.float64)
    height, width = r.shape
    for dy in range(-half, half + 1):
        for dx in range(-half, half + 1):
            product, inside = np.zeros_like(total), np.zeros_like(total)
            here = np.s_[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
            there = np.s_[max(0, dy) : height - max(0, -dy), max(0, dx) : width - max(0, -dx)]
            product[here], inside[here] = r[here] * r[there], 1
            weight = correlate(inside, kernel, mode="constant")
            total += (correlate(product, kernel, mode="constant") / np.maximum(weight, EDGE)) ** 2
    return total[half : height - half, half : width - half]


@dataclass
class SurfaceModel:
    """The regression tree and the distribution of its residuals on the training pixels."""

    tree: DecisionTreeRegressor
    cdf: TailedCDF
    neighbourhood: int

    def residuals(self, image: np.ndarray) -> np.ndarray:
        """(H, W) → (H − n, W − 2n) residuals of the standardised image."""
        neighbours, pixels = causal_neighbours(standardise(image), self.neighbourhood)
        height, width = image.shape[0] - self.neighbourhood, image.shape[1] - 2 * self.neighbourhood
        return (pixels - self.tree.predict(neighbours)).reshape(height, width)


def fit(images: Sequence[np.ndarray], settings: dict, seed: int) -> SurfaceModel:
    """Grow the tree and prune it by cost complexity, chosen by 5-fold cross-validation, as the authors do."""
    options = settings["bui_apley"]
    n, rng = options["neighbourhood"], np.random.default_rng(seed)
    x, y = draw_pixels(images, lambda image: causal_neighbours(image, n), options["pixels"], rng)
    # rpart's cp is the alpha of scikit-learn in units of the variance
    search = GridSearchCV(
        DecisionTreeRegressor(min_samples_split=10, random_state=seed),
        {"ccp_alpha": np.geomspace(1e-5, 1e-2, 7) * y.var()},
        scoring="neg_mean_squared_error",
        cv=5,
    ).fit(x, y)
    tree = search.best_estimator_
    return SurfaceModel(tree, TailedCDF.fit(y - tree.predict(x)), n)


def statistic_map(image: np.ndarray, model: SurfaceModel, statistic: str, window: int) -> np.ndarray:
    """The moving statistic at the size of the image, zero where the window does not fit."""
    r = model.residuals(image)
    found = anderson_darling(model.cdf(r), window) if statistic == "ad" else box_pierce(r, window)
    n, half = model.neighbourhood, window // 2
    return np.pad(found, ((n + half, half), (n + half, n + half))).astype(np.float32)


def score(image: np.ndarray, model: SurfaceModel, settings: dict, seed: int) -> tuple[np.ndarray, dict[str, float]]:
    """The map of the moving statistic, and its maximum."""
    options = settings["bui_apley"]
    found = statistic_map(image, model, options["statistic"], options["window"])
    return found, {"maximum": float(found.max())}
