"""From an anomaly map to an image's features (RADAR §III-D; benchmarks §IV-A3).

SciPy's filters, not OpenCV's: those round differently with the place of an array in memory, and equal runs
should give equal bytes.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter, grey_closing, sobel, uniform_filter
from skimage.filters import threshold_otsu

HIGHEST = 10  # an image's score is the mean over this many locations
MAP = 64  # side in px of the maps that are kept
RIM = 16  # the side over its rim: SPADE, PaDiM and PatchCore leave out as much, who crop 224 px of 256
PAPER_SIDE = 256  # px of the images that its filter's width is meant for; the paper gives none


def sobel_map(image: np.ndarray, blur: str = "gaussian", sigma: float = 1.5) -> np.ndarray:
    """Blurred Sobel magnitude S of a map (RADAR §III-D; also the pixel map of §III-F).

    Parameters
    ----------
    image : (H, W) float32, a noise map or, for the control without a model, the image itself.
    blur : "gaussian" (standard deviation `sigma` px) or "uniform" (a box of the same standard deviation).
    """
    image = blurred(np.asarray(image, np.float32), blur, sigma)
    return np.hypot(sobel(image, axis=0), sobel(image, axis=1))


def blurred(image: np.ndarray, blur: str, sigma: float, mode: str = "reflect") -> np.ndarray:
    """The blur before Sobel. mode : of SciPy's filters, what lies beyond the border."""
    if sigma == 0:
        return image
    if blur == "gaussian":
        return gaussian_filter(image, sigma, mode=mode)
    return uniform_filter(image, max(1, round(np.sqrt(12 * sigma**2 + 1))), mode=mode)


def norm_features(s: np.ndarray, window: int) -> tuple[float, float]:
    """Global and largest local norm of S: RADAR's two features.

    Root mean squares, that is ‖S‖₂ divided by the square root of the number of pixels: the same features
    up to a constant for images of one size, and comparable between images of different sizes.
    """
    squares = s.astype(np.float64) ** 2
    window = min(window, *s.shape)
    half = window // 2
    local = uniform_filter(squares, window)  # mean over the window around each pixel
    valid = local[half : s.shape[0] - window + half + 1, half : s.shape[1] - window + half + 1]
    return float(np.sqrt(squares.mean())), float(np.sqrt(max(valid.max(), 0.0)))


def otsu_count(residual: np.ndarray) -> float:
    """Share of the pixels above Otsu's threshold of the residual (§IV-A3).

    The paper counts the pixels; a share is the same for images of one size and comparable between sizes.
    """
    if residual.min() == residual.max():
        return 0.0
    return float((residual > threshold_otsu(residual)).mean())


def filled(s: np.ndarray) -> np.ndarray:
    """The map S with the inside of closed edges raised to their lowest rim, so that a defect's inside is not dark.

    Filling of holes by morphological reconstruction (Vincent 1993), after a closing that mends small gaps in the rim.
    """
    from skimage.morphology import reconstruction  # here: it takes a second to import, and most jobs do without it

    closed = grey_closing(np.asarray(s, np.float32), 5)
    marker = np.full_like(closed, closed.max())
    marker[[0, -1]], marker[:, [0, -1]] = closed[[0, -1]], closed[:, [0, -1]]
    return reconstruction(marker, closed, method="erosion").astype(np.float32)


def mask(error: np.ndarray, size: int) -> np.ndarray:
    """The anomaly mask M: squared error after a mean filter of `size` px; the image's score is its maximum.

    Fučka et al. 2023, Eq. 6. error : (H, W), x̂_0 − x_0.
    """
    # The filter's running sum can fall below zero by a rounding.
    return np.maximum(uniform_filter(np.asarray(error, np.float32) ** 2, size), 0)


def on_grid(x: np.ndarray, side: int) -> np.ndarray:
    """A map (h, w) or (h, w, C) on another grid, (side, side, …): means of areas where that is coarser."""
    way = cv2.INTER_AREA if max(x.shape[:2]) > side else cv2.INTER_LINEAR
    return cv2.resize(x, (side, side), interpolation=way)


def smoothed(found: np.ndarray, sigma: float) -> np.ndarray:
    """A map on the grid that all methods on features are judged on, (MAP, MAP), after their filter: one grid, one
    smoothing.

    found : (h, w), of any size. sigma : of the filter, in px of an image of PAPER_SIDE.
    """
    if found.shape != (MAP, MAP):
        found = on_grid(np.asarray(found, np.float32), MAP)
    return gaussian_filter(found, sigma * MAP / PAPER_SIDE)


def inner(grid: np.ndarray) -> np.ndarray:
    """A map (H, W) without its rim, by which alone an image is scored where that is by the map's highest value.

    Beside the image a convolution sees padding. Nearly every system gives a normal image its highest value there, which
    says how odd the padding looks, not the image.
    """
    (rows, columns), (height, width) = (side // RIM for side in grid.shape), grid.shape
    return grid[rows : height - rows, columns : width - columns]


def peak(found: np.ndarray) -> float:
    """The highest value of a map but for its rim.

    found : (H, W), or of a square grid flattened, (S²,). Where the rim is narrower than a location, the map is asked on
        the grid of MAP.
    """
    grid = found if found.ndim == 2 else found.reshape(math.isqrt(found.size), -1)
    return float(inner(grid if min(grid.shape) >= RIM else on_grid(grid, MAP)).max())


def highest(scores: np.ndarray) -> float:
    """An image's score from those of its locations."""
    return float(np.sort(scores)[-HIGHEST:].mean())
