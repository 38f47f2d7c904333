"""Anomaly maps from reconstructions: the DDPM baseline (RADAR §II-B, §IV-A3)."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor

from radarlib.denoiser import Denoiser
from radarlib.diffusion import chain
from radarlib.features import otsu_count
from radarlib.patches import overlap_average
from radarlib.runtime import image_generator


def reverse_chain(x_t: Tensor, denoiser: Denoiser, times: list[int], generator: torch.Generator) -> list[Tensor]:
    """Ancestral sampling along `times` (descending, ending at 0), Eq. 2: the states after each step, x_0 last.

    x_t : patches (N, 1, H, W) at times[0], on the denoiser's device.
    """
    states = []
    for t, t_next in itertools.pairwise(times):
        noise = torch.randn(x_t.shape, generator=generator).to(x_t)
        x_t = denoiser.schedule.reverse(x_t, t, t_next, denoiser.eps(x_t, t), noise)
        states.append(x_t)
    return states


def reconstruct(
    image: np.ndarray, denoiser: Denoiser, times: list[int], stride: int, seed: int, batch: int = 128
) -> np.ndarray:
    """Forward to times[0], then ancestral sampling back to x̂_0, patch by patch, averaged where patches overlap.

    image and result : (H, W) float32 in [-1, 1].
    """
    generator = image_generator(image, seed)
    x_0 = torch.from_numpy(image).to(denoiser.device)

    def predict(patches: Tensor) -> Tensor:
        eps = torch.randn(patches.shape, generator=generator).to(patches)
        x_t = denoiser.schedule.forward(patches, torch.full((len(patches),), times[0]), eps)
        return reverse_chain(x_t, denoiser, times, generator)[-1]

    return overlap_average(x_0, denoiser.patch, stride, batch, predict).clamp(-1, 1).cpu().numpy()


def score(image: np.ndarray, denoiser: Denoiser, settings: dict, seed: int) -> tuple[np.ndarray, dict[str, float]]:
    """DDPM's residual |x_0 − x̂_0| and its feature, the share of pixels above Otsu's threshold (§IV-A3)."""
    options = settings["reconstruction"]
    times = chain(options["t_start"], options["reverse_steps"])
    x_hat = reconstruct(image, denoiser, times, options["stride"], seed, settings["compute"]["inference_batch"])
    residual = np.abs(image - x_hat)
    return residual, {"pixels": otsu_count(residual)}
