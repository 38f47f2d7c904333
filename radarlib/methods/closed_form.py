"""RADAR without a network: for Gaussian patches the best noise predictor has a closed form.

The noise predictor of least squared error is E[ε | x_t] = −√(1−ᾱ_t) ∇ log p_t(x_t), where p_t is the density of x_t
(Tweedie's formula; Song et al. 2021). With normal patches x_0 ~ N(μ, Σ) this density is N(√ᾱ_t μ, ᾱ_t Σ + (1−ᾱ_t) I),
and so

    ε*(x_t) = √(1−ᾱ_t) (ᾱ_t Σ + (1−ᾱ_t) I)⁻¹ (x_t − √ᾱ_t μ).

A trained network is better only where patches are not Gaussian, and where it has learned that.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from radarlib import radar
from radarlib.diffusion import Schedule
from radarlib.noise import gaussian
from radarlib.patches import PatchSampler
from radarlib.runtime import resolve_device

BATCH = 5000  # patches whose products are added up at once


class ClosedForm:
    """ε* of Gaussian patches, with what `radar.noise_map` asks of a denoiser.

    Parameters
    ----------
    mean : (d,) float64, μ of the normal patches, d = patch². covariance : (d, d) float64, Σ.
    """

    noise = staticmethod(gaussian)

    def __init__(self, mean: np.ndarray, covariance: np.ndarray, schedule: Schedule, device: str = "cpu"):
        values, vectors = np.linalg.eigh(covariance)
        self._keep(mean, np.maximum(values, 0), vectors, schedule, resolve_device(device))

    def _keep(
        self, mean: np.ndarray, values: np.ndarray, vectors: np.ndarray, schedule: Schedule, device: torch.device
    ) -> None:
        self.mean, self.values, self.vectors, self.schedule, self.device = mean, values, vectors, schedule, device
        self.patch = round(len(mean) ** 0.5)
        self._map_at = cache(self._map)

    def noisier(self, variance: float) -> ClosedForm:
        """The closed form of the same patches under a sensor's white noise: Σ + variance · I.

        So the sensor's noise and the one that the forward process adds, 1 − ᾱ_t, do the same.
        """
        other = object.__new__(ClosedForm)
        other._keep(self.mean, self.values + variance, self.vectors, self.schedule, self.device)
        return other

    def _spread(self, t: int) -> np.ndarray:
        """Eigenvalues of the covariance of x_t, (d,)."""
        a = self.schedule.alphas_cumprod[t].item()
        return a * self.values + 1 - a

    def matrix(self, t: int) -> np.ndarray:
        """√(1−ᾱ_t) (ᾱ_t Σ + (1−ᾱ_t) I)⁻¹, (d, d) float64: what ε* does to a difference from the mean."""
        sigma = (1 - self.schedule.alphas_cumprod[t].item()) ** 0.5
        return (self.vectors * (sigma / self._spread(t))) @ self.vectors.T

    def error(self, t: int) -> float:
        """The mean squared error a pixel, E‖ε − ε*‖² / d, that no predictor can be below on Gaussian patches.

        Between 0 and 1: a direction of variance λ keeps the share ᾱ_t λ / (ᾱ_t λ + 1 − ᾱ_t) of its noise hidden.
        """
        a = self.schedule.alphas_cumprod[t].item()
        return float((a * self.values / self._spread(t)).mean())

    def whitened(self, x_t: np.ndarray, t: int) -> np.ndarray:
        """Patches (N, 1, H, W) at t with uncorrelated pixels of unit variance, (N, d): standard normal if Gaussian.

        Whitened symmetrically, so that each number belongs to a pixel.
        """
        signal = self.schedule.alphas_cumprod[t].item() ** 0.5
        along = (x_t.reshape(len(x_t), -1) - signal * self.mean) @ self.vectors
        return along / np.sqrt(self._spread(t)) @ self.vectors.T

    def _map(self, t: int) -> tuple[Tensor, Tensor]:
        signal = self.schedule.alphas_cumprod[t].item() ** 0.5
        parts = self.matrix(t), signal * self.mean
        matrix, mean = (torch.from_numpy(part).float().to(self.device) for part in parts)
        return matrix, mean

    def eps(self, x_t: Tensor, t: int) -> Tensor:
        """ε*(x_t): patches (N, 1, H, W) → expected noise of the same shape, float32."""
        matrix, mean = self._map_at(t)
        return ((x_t.flatten(1) - mean) @ matrix).view_as(x_t)


def fit(images: Sequence[np.ndarray], settings: dict, seed: int) -> ClosedForm:
    """μ and Σ of patches that are drawn from normal images, (H, W) float32 in [-1, 1].

    settings : the sections `closed_form`, `diffusion` and `compute`, and `training.patch`.
    """
    sampler, left = PatchSampler(images, settings["training"]["patch"]), settings["closed_form"]["patches"]
    generator = torch.Generator().manual_seed(seed)
    d = sampler.patch**2
    total, products = np.zeros(d), np.zeros((d, d))
    for start in range(0, left, BATCH):
        x = sampler.sample(min(BATCH, left - start), generator).flatten(1).numpy().astype(np.float64)
        total += x.sum(0)
        products += x.T @ x
    mean = total / left
    covariance = products / left - np.outer(mean, mean)
    return ClosedForm(mean, covariance, Schedule(**settings["diffusion"]), settings["compute"]["device"])


def score(image: np.ndarray, model: ClosedForm, settings: dict, seed: int) -> tuple[np.ndarray, dict[str, float]]:
    """RADAR's map S and its two features, with ε* in the network's place."""
    return radar.score(image, model, settings, seed)
