"""D3AD (Tebbe & Tayyub 2024): how far to diffuse, scaling without noise, guided DDIM, and the map (Algorithms 1, 2).

DDAD's guidance (Mousakhan et al. 2023) is Eq. 8.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from radarlib.diffusion import Schedule
from radarlib.extractor import Extractor

Eps = Callable[[Tensor, int], Tensor]


@dataclass
class Conditioning:
    """Dynamic implicit conditioning g: how many steps an image needs, by its distance to normal images (Algorithm 2).

    features : (n, C) of the training images, flattened. edges : (|B| + 1,) of the equidistant bins of their own
        distances.
    """

    features: np.ndarray
    edges: np.ndarray
    k: int
    smallest: int

    def distance(self, feature: np.ndarray, owner: int | None = None) -> float:
        """ȳ_0: the mean L1 distance to the k nearest training images; `owner` is the image itself, which does not
        count.
        """
        far = np.abs(self.features - feature).sum(1)
        if owner is not None:
            far = np.delete(far, owner)
        return float(np.sort(far)[: self.k].mean())

    def bin(self, distance: float) -> int:
        """b in `smallest` … |B|, by binary search; beyond the last edge lies the last bin."""
        bins = len(self.edges) - 1
        return int(np.clip(np.searchsorted(self.edges, distance, side="right"), self.smallest, bins))

    def steps(self, distance: float, t_max: int) -> int:
        """T̂ = ⌊b T_max / |B|⌋."""
        return self.bin(distance) * t_max // (len(self.edges) - 1)


def condition(features: Sequence[np.ndarray], k: int, bins: int, smallest: int) -> tuple[Conditioning, np.ndarray]:
    """The conditioning that training images define, and the distance of each of them."""
    every = np.stack([part.ravel() for part in features])
    draft = Conditioning(every, np.zeros(2), min(k, len(every) - 1), smallest)
    own = np.array([draft.distance(feature, i) for i, feature in enumerate(every)])
    return Conditioning(every, np.linspace(own.min(), own.max(), bins + 1), draft.k, smallest), own


def conditioning_feature(extractor: Extractor, image: np.ndarray) -> np.ndarray:
    """φ_j(x_0) of the conditioning: the first of the extractor's two blocks, averaged to half the grid, flattened."""
    with torch.inference_mode():
        found = extractor.maps(torch.from_numpy(image)[None, None])[0]
        return F.adaptive_avg_pool2d(found, extractor.grid // 2)[0].flatten().cpu().numpy()


def disturb(x_0: Tensor, t: int, omega: float, noise: Tensor, schedule: Schedule) -> Tensor:
    """x_t = √ᾱ_t x_0 + ω √(1 − ᾱ_t) ε (Eq. 12): ω = 0 scales without noise, ω = 1 is the forward process."""
    a = schedule.alphas_cumprod[t]
    return a.sqrt().item() * x_0 + omega * (1 - a).sqrt().item() * noise


def guided_ddim(
    x_t: Tensor,
    x_0: Tensor,
    eps: Eps,
    schedule: Schedule,
    times: Sequence[int],
    eta: float,
    draw: Callable[[Tensor], Tensor] | None = None,
) -> list[Tensor]:
    """DDIM along `times` (descending, ending at 0) that is drawn to x_0 (Eqs. 7 to 9): x̂_0 after each step.

    eta : the guidance's temperature η; 0 is DDIM itself. draw : noise like a tensor, for a way back with the standard
        deviations of ancestral sampling, as DDAD's (its own η = 1; Song et al. 2021, Eq. 16); None: deterministic.
    """
    found = []
    for t, t_next in itertools.pairwise(times):
        a, a_next = (schedule.alphas_cumprod[s] for s in (t, t_next))
        signal, sigma = a.sqrt().item(), (1 - a).sqrt().item()
        predicted = eps(x_t, t)
        target = signal * x_0 + sigma * predicted
        predicted = predicted - eta * sigma * (target - x_t)
        estimate = (x_t - sigma * predicted) / signal
        variance = ((1 - a / a_next) * (1 - a_next) / (1 - a)).item() if draw else 0.0
        x_t = a_next.sqrt().item() * estimate + (1 - a_next - variance).clamp(min=0).sqrt().item() * predicted
        if draw:
            x_t = x_t + variance**0.5 * draw(x_t)
        found.append(estimate)
    return found


def latent_map(z_0: Tensor, z_hat: Tensor, side: int) -> Tensor:
    """l_map: the L1 distance of latents over their channels, (N, side, side) (§4.2)."""
    return F.interpolate((z_0 - z_hat).abs().sum(1, keepdim=True), (side, side), mode="bilinear")[:, 0]


def adaptation_loss(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """L_DA of features of images and of their reconstructions: the mean cosine distance, summed over blocks (Eq.
    11).
    """
    return torch.stack([(1 - F.cosine_similarity(x, y, dim=1)).mean() for x, y in zip(a, b, strict=True)]).sum()
