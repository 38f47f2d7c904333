"""STFPM (Wang et al. 2021): a student of the extractor's own architecture learns its features of normal images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from radarlib.extractor import Extractor
from radarlib.methods.fitting import Fitted, Found, Given, added, embed, minimise, single

MOMENTUM = 0.1  # of batch statistics
LR = 0.005  # of Adam; the paper's SGD takes 0.4. With 0.002 the loss ends twice as high


def untrained(extractor: Extractor, seed: int) -> Extractor:
    """A copy with weights that are drawn at random. Its batch statistics follow as fast as ResNet's do: at the
    extractor's own pace a short training would end with those that it began with.
    """
    torch.manual_seed(seed)
    other = extractor.copied()
    for module in other.net.modules():
        if reset := getattr(module, "reset_parameters", None):
            reset()
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = MOMENTUM
    return other


def distances(teacher: Sequence[Tensor], student: Sequence[Tensor]) -> list[Tensor]:
    """½ ‖F̂_t − F̂_s‖² of features of unit length, at each location of each level (Eqs. 1, 2): (N, H_j, W_j)."""
    return [
        0.5 * (F.normalize(t, dim=1) - F.normalize(s, dim=1)).square().sum(1)
        for t, s in zip(teacher, student, strict=True)
    ]


def fit(given: Given) -> Fitted:
    """The loss is the mean over locations, summed over levels (Eqs. 3, 4); the map is the product of levels (§3.3)."""
    student, n = untrained(given.extractor, given.seed), len(given.extractor.net.level_channels)

    def loss(some: Tensor, _: torch.Generator) -> Tensor:
        found = student.maps(given.stack[some], finer=True)[:n]
        return torch.stack([d.mean() for d in distances(given.drawn(some), found)]).sum()

    losses = minimise(student.net, loss, given, LR, "STFPM")

    def judge(image: np.ndarray) -> Found:
        x = single(image)
        return Found(added(distances(embed(given.extractor, x), embed(student, x)), product=True))

    return Fitted(judge, losses)
