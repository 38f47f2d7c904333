"""What RADAR's global feature must be on a Gaussian surface, and how far a defect moves it: arithmetic, no image.

With the closed form in the network's place all of RADAR before the norm is linear: x_t, the filter
σ (ᾱ Σ + σ² I)⁻¹ averaged over overlapping patches, the blur, the Sobel filters. On a stationary Gaussian surface of
power spectrum P every Fourier coefficient of x_t is then an independent complex Gaussian of variance N (ᾱ P + σ²), and
K = |H|² (|D_x|² + |D_y|²), the power that the filters pass, is all one must know: the squared feature is
Σ K |X|² / N², a weighted sum of exponential variables. Fourier coefficients are NumPy's (not normalised), N is the
number of pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import sobel
from scipy.stats import norm

from radarlib.map_features import blurred
from radarlib.methods.closed_form import ClosedForm


def spectrum(images: Sequence[np.ndarray]) -> np.ndarray:
    """P (H, W): the mean power of images of one size around their common mean, so that its mean is their variance."""
    mean, power = float(np.mean([image.mean() for image in images])), np.zeros(images[0].shape)
    for image in images:  # one by one: a set may be large
        power += np.abs(np.fft.fft2(image.astype(np.float64) - mean)) ** 2
    return power / len(images) / images[0].size


def gaussian_surface(power: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A Gaussian field of zero mean with the power spectrum P, (H, W) float32."""
    white = np.fft.fft2(rng.standard_normal(power.shape))
    return np.fft.ifft2(white * np.sqrt(power)).real.astype(np.float32)


def bump(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    """A defect of height 1: a Gaussian of standard deviation `radius` px, on a torus."""
    far = [np.abs(np.arange(n) - c) for n, c in zip(shape, centre, strict=True)]
    y, x = (np.minimum(d, n - d) for d, n in zip(far, shape, strict=True))
    return np.exp(-(y[:, None] ** 2 + x[None] ** 2) / (2 * radius**2)).astype(np.float32)


def kernel(matrix: np.ndarray) -> np.ndarray:
    """The filter of overlapping patches, (2p − 1, 2p − 1): a patch's (d, d) matrix averaged over places in the patch.

    Every pixel is seen by patches in which it lies at different places; the average over all of them is exact for a
    stride of one, and leaves out a ripple of the period of a longer stride.
    """
    p = round(len(matrix) ** 0.5)
    rows, found = matrix.reshape(p, p, p, p), np.zeros((2 * p - 1, 2 * p - 1))
    for i in range(p):
        for j in range(p):
            # row (i, j) says what each pixel of the patch adds to this one
            found[p - 1 - i : 2 * p - 1 - i, p - 1 - j : 2 * p - 1 - j] += rows[i, j]
    return found / p**2


def passed(model: ClosedForm, options: dict, shape: tuple[int, int]) -> np.ndarray:
    """K (H, W): the power that the single step, the blur and the Sobel filters pass together.

    options : the section `radar` of the settings.
    """
    h = kernel(model.matrix(options["t"]))
    whole = np.zeros(shape)
    side = min(len(h), *shape)  # what is further off than half the image is next to nothing
    cut = (len(h) - side) // 2
    whole[:side, :side] = h[cut : cut + side, cut : cut + side]
    whole = np.roll(whole, (-(side // 2), -(side // 2)), (0, 1))
    whole = blurred(whole, options["blur"], options["sigma"], mode="wrap")
    along = (np.abs(np.fft.fft2(sobel(whole, axis, mode="wrap"))) ** 2 for axis in (0, 1))
    return np.sum(list(along), axis=0)


def moments(
    power_passed: np.ndarray, power: np.ndarray, signal: float, noise: float, defect: np.ndarray | None = None
) -> tuple[float, float]:
    """Mean and standard deviation of the squared global feature (the mean of S²) on a Gaussian surface.

    Parameters
    ----------
    power_passed, power : K and P, (H, W); P with the sensor's noise. signal : √ᾱ_t. noise : 1 − ᾱ_t, the variance of
        the noise that is added.
    defect : (H, W) what is added to the surface; it shifts the mean by Σ K ᾱ |D|² / N².
    """
    n, k = power.size, power_passed
    x = n * (signal**2 * power + noise)  # E|X|²
    shift = signal**2 * np.abs(np.fft.fft2(defect)) ** 2 if defect is not None else np.zeros_like(x)
    mean = (k * (x + shift)).sum() / n**2
    # |X + D|² has the variance x² + 2 x |D|²; a coefficient and its mirror image are one variable
    variance = 2 * (k**2 * (x**2 + 2 * x * shift)).sum() / n**4
    return float(mean), float(np.sqrt(variance))


def predicted_auroc(normal: tuple[float, float], defective: tuple[float, float]) -> float:
    """AUROC of two normal variables, each by mean and standard deviation."""
    return float(norm.cdf((defective[0] - normal[0]) / np.hypot(normal[1], defective[1])))
