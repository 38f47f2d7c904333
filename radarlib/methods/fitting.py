"""What the systems of other papers have in common: what they are fitted on, how a network is trained, what a fit gives.

A system is a module with one function, `fit(given) → Fitted`. Images, steps and batch are the same for all, but where
its module says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from radarlib.denoiser import Denoiser
from radarlib.errors import UserError
from radarlib.extractor import Extractor, means
from radarlib.runtime import progress, resolve_precision

MORE = 4  # times the steps of other systems, of half the images each: what `Given.longer` gives
TOGETHER = 16  # images that the extractor is shown at once


class Found(NamedTuple):
    """What a system finds in an image.

    map : (h, w) float32. score : of the image, higher = more anomalous; None where it is the `peak` of the smoothed
    map. x_hat : (h, w) in about [-1, 1], of any size: the image as the system gives it back; None where it does not.
    """

    map: np.ndarray
    score: float | None = None
    x_hat: np.ndarray | None = None


Judge = Callable[[np.ndarray], Found]
"""Of an image (S, S) float32 in [-1, 1]."""


@dataclass(frozen=True)
class Fitted:
    """A system that knows what is normal. losses : of each step of its training, for the curve."""

    judge: Judge
    losses: Sequence[float] = field(default_factory=list)


@dataclass
class Given:
    """What a system is fitted on.

    images : normal images, (S, S) float32 in [-1, 1] of one size, S a multiple of 16.
    steps, batch : of its training, in images. settings : of systems that have a section of their own.
    denoiser : trained on whole normal images, for systems that diffuse pixels. folder : where a system may keep what
        it trains.
    """

    images: Sequence[np.ndarray]
    extractor: Extractor
    steps: int
    batch: int
    seed: int
    label: str = "system"
    denoiser: Denoiser | None = None
    settings: dict = field(default_factory=dict)
    folder: Path = Path()

    def longer(self) -> Given:
        """For autoencoders and GANs, small networks that learn from nothing to give an image back: after as many steps
        as the other systems have their errors still fall steeply.
        """
        return replace(self, steps=MORE * self.steps, batch=max(1, self.batch // 2))

    @property
    def device(self) -> torch.device:
        return self.extractor.device

    @property
    def precision(self) -> torch.dtype:
        """What an `Hourglass` learns in: `training.precision`. All else learns in float32, or by code of its own."""
        return resolve_precision(self.settings.get("training", {}).get("precision", "auto"), self.device)

    @property
    def diffusion(self) -> Denoiser:
        """The denoiser. Raises UserError without one."""
        if self.denoiser is None:
            raise UserError("systems that diffuse pixels need a denoiser of whole images")
        return self.denoiser

    @cached_property
    def stack(self) -> Tensor:
        """All images: (N, 1, S, S)."""
        return torch.from_numpy(np.stack(self.images))[:, None]

    @cached_property
    def levels(self) -> list[Tensor]:
        """Of all images, as `embed` gives them, on the CPU."""
        return self.embedded(self.stack)

    def embedded(self, stack: Tensor) -> list[Tensor]:
        """Of other images as many, (N, 1, S, S), the same."""
        parts = stack.split(TOGETHER)
        found = [embed(self.extractor, x) for x in progress(parts, desc=f"{self.label}: features", unit="batch")]
        return [torch.cat([m.cpu() for m in level]) for level in zip(*found, strict=True)]

    def drawn(self, positions: Tensor) -> list[Tensor]:
        """The levels of some images, on the device."""
        return [level[positions].to(self.device) for level in self.levels]


@torch.no_grad()
def embed(extractor: Extractor, x: Tensor) -> list[Tensor]:
    """The extractor's maps at a quarter, an eighth and a sixteenth of its side: (N, C_j, H_j, W_j) each."""
    return extractor.maps(x, finer=True)[: len(extractor.net.level_channels)]


def single(image: np.ndarray) -> Tensor:
    """(H, W) → (1, 1, H, W)."""
    return torch.from_numpy(image)[None, None]


def plane(x: Tensor) -> np.ndarray:
    """(1, 1, H, W) → (H, W), the way back."""
    return x[0, 0].cpu().numpy()


def at_side(x: Tensor, side: int) -> Tensor:
    """Images (N, 1, H, W) as a network of another side sees them, (N, 1, side, side)."""
    return F.interpolate(x, (side, side), mode="bilinear", antialias=True)


def together(levels: Sequence[Tensor], side: int) -> Tensor:
    """`means` of levels as one map of features: (N, ΣC_j, side, side)."""
    return torch.cat([F.interpolate(m, (side, side), mode="bilinear") for m in means(levels)], 1)


def added(maps: Sequence[Tensor], product: bool = False) -> np.ndarray:
    """Maps (1, H_j, W_j) of several grids, on the finest of them, summed or multiplied: (H, W) float32."""
    side = max(m.shape[-1] for m in maps)
    every = torch.cat([F.interpolate(m[None], (side, side), mode="bilinear")[0] for m in maps])
    return (every.prod(0) if product else every.sum(0)).cpu().numpy()


def minimise(
    net: nn.Module, loss: Callable[[Tensor, torch.Generator], Tensor], given: Given, lr: float, what: str = "training"
) -> list[float]:
    """Adam, whose learning rate falls to 0 as a cosine, over `given.steps` batches; the loss of each.

    loss : positions (batch,) of training images, and a generator for what it draws → the loss of them.
    """
    generator, device = torch.Generator().manual_seed(given.seed), given.device
    optimizer = torch.optim.Adam(net.to(device).train().parameters(), lr=lr, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, given.steps)
    losses = []
    for _ in progress(range(given.steps), desc=f"{given.label}: {what}", unit="step"):
        value = loss(torch.randint(len(given.images), (given.batch,), generator=generator), generator)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
        losses.append(value.item())
    net.eval()
    return losses
