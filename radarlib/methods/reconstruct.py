"""Anomaly maps from reconstructions: DDPM, AnoDDPM and DiffusionAD (RADAR §II-B, §IV-A3).

AnoDDPM is DDPM with a network that was trained with simplex noise: the denoiser brings its noise with it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from radarlib.denoiser import Denoiser
from radarlib.diffusion import Schedule, chain
from radarlib.map_features import otsu_count
from radarlib.patches import overlap_averages
from radarlib.runtime import image_generator

Eps = Callable[[Tensor, int], Tensor]


def reverse_chain(x_t: Tensor, denoiser: Denoiser, times: list[int], generator: torch.Generator) -> list[Tensor]:
    """Ancestral sampling along `times` (descending, ending at 0), Eq. 2: the states after each step, x_0 last.

    x_t : patches (N, 1, H, W) at times[0], on the denoiser's device.
    """
    states = []
    for t, t_next in itertools.pairwise(times):
        noise = denoiser.noise(tuple(x_t.shape), generator).to(x_t)
        x_t = denoiser.schedule.reverse(x_t, t, t_next, denoiser.eps(x_t, t), noise)
        states.append(x_t)
    return states


def norm_guided(
    x_0: Tensor, eps: Eps, schedule: Schedule, t_small: int, t_big: int, w: float, noise: tuple[Tensor, Tensor]
) -> Tensor:
    """DiffusionAD's norm-guided one-step reconstruction (Zhang et al. 2023, as RADAR benchmarks it).

    The image predicted from a strong noise at t_big, which hides the defect but loses detail, guides the prediction
    from a weak noise at t_small, which keeps both.

    Parameters
    ----------
    x_0 : patches (N, 1, H, W) in [-1, 1].
    noise : the noise added at t_small and at t_big, each of x_0's shape.
    """

    def at(t: int) -> Tensor:
        return torch.full((len(x_0),), t)

    x_small, x_big = (schedule.forward(x_0, at(t), e) for t, e in zip((t_small, t_big), noise, strict=True))
    eps_small, eps_big = eps(x_small, t_small), eps(x_big, t_big)
    guide = schedule.predict_x_0(x_big, at(t_big), eps_big).clamp(-1, 1)
    target = schedule.forward(guide, at(t_small), eps_small)
    sigma = (1 - schedule.alphas_cumprod[t_small]).sqrt().item()
    return schedule.predict_x_0(x_small, at(t_small), eps_small - sigma * w * (target - x_small)).clamp(-1, 1)


def reconstruct(
    image: np.ndarray,
    denoiser: Denoiser,
    predict: Callable[[Tensor, torch.Generator], Tensor],
    stride: int,
    seed: int,
    batch: int = 128,
) -> np.ndarray:
    """x̂_0 of an image, patch by patch, averaged where patches overlap.

    image and result : (H, W) float32 in [-1, 1]. predict : patches x_0 (N, 1, H, W), generator → x̂_0.
    """
    return reconstruct_all([image], denoiser, predict, stride, seed, batch)[0]


def reconstruct_all(
    images: Sequence[np.ndarray],
    denoiser: Denoiser,
    predict: Callable[[Tensor, torch.Generator], Tensor],
    stride: int,
    seed: int,
    batch: int = 128,
) -> list[np.ndarray]:
    """`reconstruct` for several images at once, which is faster where they are small; their noise is drawn together."""
    generator = image_generator(np.concatenate([image.ravel() for image in images]), seed)
    x_0 = [torch.from_numpy(image).to(denoiser.device) for image in images]
    x_hat = overlap_averages(x_0, denoiser.patch, stride, batch, lambda patches: predict(patches, generator))
    return [found.clamp(-1, 1).cpu().numpy() for found in x_hat]


def ancestral(denoiser: Denoiser, times: list[int]) -> Callable[[Tensor, torch.Generator], Tensor]:
    """DDPM's way to x̂_0: forward to times[0], then ancestral sampling back."""

    def predict(x_0: Tensor, generator: torch.Generator) -> Tensor:
        noise = denoiser.noise(tuple(x_0.shape), generator).to(x_0)
        x_t = denoiser.schedule.forward(x_0, torch.full((len(x_0),), times[0]), noise)
        return reverse_chain(x_t, denoiser, times, generator)[-1]

    return predict


def one_step(denoiser: Denoiser, options: dict) -> Callable[[Tensor, torch.Generator], Tensor]:
    """DiffusionAD's way to x̂_0; `options` is the section `diffusionad` of a configuration."""

    def predict(x_0: Tensor, generator: torch.Generator) -> Tensor:
        noise = [denoiser.noise(tuple(x_0.shape), generator).to(x_0) for _ in range(2)]
        t_small, t_big, w = (options[key] for key in ("t_small", "t_big", "guidance"))
        return norm_guided(x_0, denoiser.eps, denoiser.schedule, t_small, t_big, w, (noise[0], noise[1]))

    return predict


def residual_features(image: np.ndarray, x_hat: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
    """The residual |x_0 − x̂_0| and its feature, the share of pixels above Otsu's threshold (§IV-A3)."""
    residual = np.abs(image - x_hat)
    return residual, {"pixels": otsu_count(residual)}


def score(image: np.ndarray, denoiser: Denoiser, settings: dict, seed: int) -> tuple[np.ndarray, dict[str, float]]:
    """DDPM or, with a network trained on simplex noise, AnoDDPM; on RADAR's patches, so that a table has one stride."""
    options = settings["reconstruction"]
    predict = ancestral(denoiser, chain(options["t_start"], options["reverse_steps"]))
    stride, batch = settings["radar"]["stride"], settings["compute"]["inference_batch"]
    return residual_features(image, reconstruct(image, denoiser, predict, stride, seed, batch))


def score_one_step(
    image: np.ndarray, denoiser: Denoiser, settings: dict, seed: int
) -> tuple[np.ndarray, dict[str, float]]:
    """DiffusionAD, on RADAR's patches."""
    predict, batch = one_step(denoiser, settings["diffusionad"]), settings["compute"]["inference_batch"]
    stride = settings["radar"]["stride"]
    return residual_features(image, reconstruct(image, denoiser, predict, stride, seed, batch))
