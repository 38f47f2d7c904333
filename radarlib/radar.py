"""RADAR: the anomaly map from a single forward step, without reconstruction (RADAR §III-C, §III-D, §III-F)."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

from radarlib.diffusion import Schedule
from radarlib.map_features import norm_features, sobel_map
from radarlib.noise import Noise
from radarlib.patches import overlap_average, planes
from radarlib.runtime import image_generator


class Predictor(Protocol):
    """What the single step asks of a noise predictor: a `Denoiser`, or the closed form of `methods.closed_form`."""

    @property
    def patch(self) -> int: ...
    @property
    def device(self) -> torch.device: ...
    @property
    def schedule(self) -> Schedule: ...
    @property
    def noise(self) -> Noise: ...
    def eps(self, x_t: torch.Tensor, t: int) -> torch.Tensor: ...


def noise_map(
    image: np.ndarray, denoiser: Predictor, t: int, stride: int, seed: int, batch: int = 128, noisy: bool = True
) -> np.ndarray:
    """One forward step to x_t, then ε_θ(x_t, t) on overlapping patches, averaged where they overlap (§III-C).

    Parameters
    ----------
    image : (H, W) float32 in [-1, 1], each side at least the denoiser's patch; or of colour (H, W, 3).
    seed : of the noise, which also depends on the image's content but not on its place among others.
    noisy : False adds no noise, x_t = √ᾱ_t x_0: the control that asks what the noise does.

    Returns
    -------
    (H, W) float32, the predicted noise: about unit variance at large t, smaller at t = 1, where most of the
    noise cannot be told from the image's own. Of colour (3, H, W).
    """
    x_0 = planes(image)
    eps = denoiser.noise(tuple(x_0.shape), image_generator(image, seed)) if noisy else torch.zeros_like(x_0)
    x_t = denoiser.schedule.forward(x_0, torch.tensor([t]), eps)[0].squeeze(0).to(denoiser.device)
    return overlap_average(x_t, denoiser.patch, stride, batch, lambda x: denoiser.eps(x, t)).cpu().numpy()


def score(
    image: np.ndarray, denoiser: Predictor, settings: dict, seed: int, noisy: bool = True
) -> tuple[np.ndarray, dict[str, float]]:
    """RADAR's pixel map S and its two features of one image; `settings` is a whole configuration."""
    options, batch = settings["radar"], settings["compute"]["inference_batch"]
    return sobel_features(noise_map(image, denoiser, options["t"], options["stride"], seed, batch, noisy), options)


def score_noiseless(
    image: np.ndarray, denoiser: Predictor, settings: dict, seed: int
) -> tuple[np.ndarray, dict[str, float]]:
    """The control that adds no noise: the single step on √ᾱ_t x_0."""
    return score(image, denoiser, settings, seed, noisy=False)


def score_raw(image: np.ndarray, denoiser: None, settings: dict, seed: int) -> tuple[np.ndarray, dict[str, float]]:
    """The control without a model: RADAR's Sobel map and features of the image itself."""
    return sobel_features(image, settings["radar"])


def sobel_features(noise: np.ndarray, options: dict) -> tuple[np.ndarray, dict[str, float]]:
    """The map S of a noise map, and the features "global" and "local" (§III-D).

    noise : (H, W); or of colour (3, H, W), whose maps are joined by the root of their squares' sum.
    """
    maps = [sobel_map(plane, options["blur"], options["sigma"]) for plane in noise.reshape(-1, *noise.shape[-2:])]
    s = maps[0] if len(maps) == 1 else np.sqrt(np.sum(np.square(maps), axis=0))
    overall, local = norm_features(s, options["window"])
    return s, {"global": overall, "local": local}
