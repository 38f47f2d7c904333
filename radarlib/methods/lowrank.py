"""A background and a sparse rest, image by image and without training: RPCA, smooth-sparse, periodic-sparse (RADAR
§II-A).

Each method returns the sparse part S; its size is the map, and the share of pixels over Otsu's threshold the feature,
as for the methods that reconstruct.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.linalg
from scipy.interpolate import BSpline
from skimage.filters import threshold_otsu

from radarlib.map_features import otsu_count


def soft(x: np.ndarray, threshold: float) -> np.ndarray:
    return np.sign(x) * np.maximum(np.abs(x) - threshold, 0)


def svd(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thin singular value decomposition; by QR where LAPACK's faster divide and conquer does not converge, as happens
    on matrices of repeated rows.
    """
    try:
        return np.linalg.svd(matrix, full_matrices=False)
    except np.linalg.LinAlgError:
        return scipy.linalg.svd(matrix, full_matrices=False, lapack_driver="gesvd")


def rpca(image: np.ndarray, tolerance: float = 1e-5, iterations: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Robust principal component analysis by the inexact augmented Lagrangian (Candès 2011; Lin, Chen & Ma 2010).

    Minimises ‖L‖_* + λ‖S‖_1 with L + S = image and λ = 1/√max(H, W). Returns L (low rank) and S (sparse), float64.
    """
    d = image.astype(np.float64)
    weight, norm = 1 / np.sqrt(max(d.shape)), np.linalg.norm(d)
    if norm == 0:
        return np.zeros_like(d), np.zeros_like(d)
    top = np.linalg.norm(d, 2)
    y = d / max(top, np.abs(d).max() / weight)
    mu, s = 1.25 / top, np.zeros_like(d)
    highest = mu * 1e7
    for _ in range(iterations):
        u, values, v = svd(d - s + y / mu)
        low = (u * np.maximum(values - 1 / mu, 0)) @ v
        s = soft(d - low + y / mu, weight / mu)
        rest = d - low - s
        y += mu * rest
        mu = min(mu * 1.5, highest)
        if np.linalg.norm(rest) < tolerance * norm:
            break
    return low, s


def bspline_smoother(n: int, spacing: int, roughness: float) -> np.ndarray:
    """The (n, n) matrix of a P-spline fit to n values (Eilers & Marx 1996): cubic B-splines on equidistant knots, about
    `spacing` apart, with penalised second differences of their coefficients, so that straight lines pass unchanged."""
    degree, segments = 3, max(1, round((n - 1) / spacing))
    knots = np.arange(-degree, segments + degree + 1) * ((n - 1) / segments)
    basis = BSpline.design_matrix(np.linspace(0, knots[-degree - 1], n), knots, degree).toarray()
    penalty = np.diff(np.eye(basis.shape[1]), 2, axis=0)
    return basis @ np.linalg.solve(basis.T @ basis + roughness * penalty.T @ penalty, basis.T)


def split(
    image: np.ndarray, background: Callable[[np.ndarray], np.ndarray], iterations: int = 20
) -> tuple[np.ndarray, np.ndarray]:
    """Alternate a background's fit to image − S with soft thresholding of image − background (Yan et al. 2017, Alg. 1).

    Half of Otsu's threshold of the rest's size is the soft threshold, as they choose it. Returns background and S.
    """
    s = np.zeros(image.shape)
    for _ in range(iterations):
        smooth = background(image - s)
        rest = image - smooth
        size = np.abs(rest)
        if size.max() - size.min() < 1e-12:
            return smooth, np.zeros(image.shape)
        new = soft(rest, threshold_otsu(size) / 2)
        change, s = np.abs(new - s).max(), new
        if change < 1e-4:
            break
    return smooth, s


def smooth_sparse(image: np.ndarray, spacing: int, roughness: float) -> tuple[np.ndarray, np.ndarray]:
    """Smooth-sparse decomposition (Yan, Paynabar & Shi 2017): a tensor B-spline background with a knot every
    `spacing` px, and sparse single pixels."""
    rows, columns = (bspline_smoother(n, spacing, roughness) for n in image.shape)
    return split(image, lambda x: rows @ x @ columns.T)


def periodic_sparse(image: np.ndarray, frequencies: int) -> tuple[np.ndarray, np.ndarray]:
    """Periodic-sparse decomposition, our reading: the background has the image's mean and its strongest frequencies.

    `frequencies` : how many of the discrete Fourier transform are kept, each with its conjugate.
    """

    def background(x: np.ndarray) -> np.ndarray:
        spectrum = np.fft.rfft2(x)
        power = np.abs(spectrum)
        power[0, 0] = np.inf  # the mean is always kept
        keep = np.partition(power.ravel(), -frequencies - 1)[-frequencies - 1]
        return np.fft.irfft2(np.where(power >= keep, spectrum, 0), x.shape)

    return split(image, background)


def _map(sparse: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
    size = np.abs(sparse).astype(np.float32)
    return size, {"pixels": otsu_count(size)}


def score_rpca(image: np.ndarray, model: None, settings: dict, seed: int) -> tuple[np.ndarray, dict[str, float]]:
    return _map(rpca(image)[1])


def score_smooth_sparse(
    image: np.ndarray, model: None, settings: dict, seed: int
) -> tuple[np.ndarray, dict[str, float]]:
    options = settings["lowrank"]
    return _map(smooth_sparse(image, options["knot_spacing"], options["roughness"])[1])


def score_periodic_sparse(
    image: np.ndarray, model: None, settings: dict, seed: int
) -> tuple[np.ndarray, dict[str, float]]:
    return _map(periodic_sparse(image, settings["lowrank"]["frequencies"])[1])
