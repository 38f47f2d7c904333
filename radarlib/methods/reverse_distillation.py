"""RD4AD (Deng & Li 2022): a student that gets the teacher's features through a bottleneck and must give them back. And
RD++ (Tien et al. 2023): layers before the bottleneck that learn to turn disturbed features into normal ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from radarlib.methods.fitting import Fitted, Found, Given, added, embed, minimise, single
from radarlib.noise import simplex

LR = 0.005  # RD4AD §4.1
WEIGHTS = (
    0.01,
    0.1,
)  # of the losses on reconstruction and contrast, that of the transport being 1, in the authors' code
MARGIN = 0.5  # of the contrast
PROJECTION = 0.2  # of these beside the distillation
STRENGTH, SIMPLEX = 0.2, (6, 0.8, 64.0)  # of the simplex noise: in intensities; octaves, persistence, frequency


def _conv(c_in: int, c_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU())


class Student(nn.Module):
    """The one-class bottleneck and the decoder (RD4AD §3.2, 3.3): levels of a teacher → levels of the same shapes."""

    def __init__(self, channels: Sequence[int]):
        super().__init__()
        last, width = len(channels) - 1, channels[-1]
        self.fuse = nn.ModuleList(
            nn.Sequential(*[_conv(c if i == 0 else width, width, 2) for i in range(last - k)]) if k < last
            else nn.Sequential(nn.Conv2d(c, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
            for k, c in enumerate(channels)
        )  # fmt: skip
        self.embed = nn.Sequential(_conv(width * len(channels), width), _conv(width, 2 * width, 2))
        widths = [2 * width, *channels[:0:-1]]
        self.up = nn.ModuleList(
            nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), _conv(c_in, c_out), _conv(c_out, c_out))
            for c_in, c_out in zip(widths, channels[::-1], strict=True)
        )
        self.heads = nn.ModuleList(nn.Conv2d(c, c, 1) for c in channels[::-1])

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        h = self.embed(torch.cat([fuse(x) for fuse, x in zip(self.fuse, levels, strict=True)], 1))
        found = []
        for up, head in zip(self.up, self.heads, strict=True):
            h = up(h)
            found.append(head(h))
        return found[::-1]


def cosine_maps(a: Sequence[Tensor], b: Sequence[Tensor]) -> list[Tensor]:
    """M^k = 1 − cos(f_E, f_D) at each location (RD4AD Eq. 1): (N, H_j, W_j)."""
    return [1 - F.cosine_similarity(x, y, dim=1) for x, y in zip(a, b, strict=True)]


def distillation(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """L_KD as the authors' code has it: the cosine distance of whole maps, summed over levels."""
    pairs = zip(a, b, strict=True)
    return torch.stack([(1 - F.cosine_similarity(x.flatten(1), y.flatten(1))).mean() for x, y in pairs]).sum()


def fit(given: Given) -> Fitted:
    """RD4AD."""
    torch.manual_seed(given.seed)
    student = Student(given.extractor.net.level_channels).to(given.device)

    def loss(some: Tensor, _: torch.Generator) -> Tensor:
        levels = given.drawn(some)
        return distillation(levels, student(levels))

    losses = minimise(student, loss, given, LR, "RD4AD")

    @torch.inference_mode()
    def judge(image: np.ndarray) -> Found:
        levels = embed(given.extractor, single(image))
        return Found(added(cosine_maps(levels, student(levels))))

    return Fitted(judge, losses)


class Projection(nn.Module):
    """φ of one level: (N, C, H, W) → the same shape (RD++ §3.1)."""

    def __init__(self, channels: int):
        super().__init__()
        widths = [channels, channels // 2, channels // 4, channels // 2, channels]
        self.net = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, 3, 1, 1), nn.InstanceNorm2d(b), nn.LeakyReLU())
                for a, b in itertools.pairwise(widths)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def projection_loss(disturbed: Tensor, from_disturbed: Tensor, from_normal: Tensor) -> Tensor:
    """RD++ Eqs. 3 to 5 of one level: disturbed features are led to normal ones (reconstruction), and stay apart from
    them before they are (contrast, as in the authors' code).

    Their optimal transport (Eq. 2) compares a batch with its own permutation. That is 0, with its gradient, and so left
    out.
    """
    apart = F.cosine_similarity(disturbed.flatten(1), from_normal.flatten(1))
    led = 1 - F.cosine_similarity(from_disturbed, from_normal)
    return (WEIGHTS[0] * led.mean() + WEIGHTS[1] * (apart - MARGIN).clamp(min=0).mean()) / (1 + sum(WEIGHTS))


def fit_plus(given: Given) -> Fitted:
    """RD++: a copy of every image with simplex noise is embedded once."""
    torch.manual_seed(given.seed)
    channels, generator = given.extractor.net.level_channels, torch.Generator().manual_seed(given.seed)
    student, layers = Student(channels), [Projection(c) for c in channels]
    net = nn.ModuleDict({"student": student, "projections": nn.ModuleList(layers)}).to(given.device)
    noisy = given.stack + STRENGTH * simplex(*SIMPLEX)(tuple(given.stack.shape), generator)
    disturbed = given.embedded(noisy.clamp(-1, 1))

    def projected(levels: Sequence[Tensor]) -> list[Tensor]:
        return [layer(x) for layer, x in zip(layers, levels, strict=True)]

    def loss(some: Tensor, _: torch.Generator) -> Tensor:
        levels, other = given.drawn(some), [level[some].to(given.device) for level in disturbed]
        normal, led = projected(levels), projected(other)
        every = [projection_loss(*three) for three in zip(other, led, normal, strict=True)]
        return distillation(levels, student(normal)) + PROJECTION * torch.stack(every).sum()

    losses = minimise(net, loss, given, LR, "RD++")

    @torch.inference_mode()
    def judge(image: np.ndarray) -> Found:
        levels = embed(given.extractor, single(image))
        return Found(added(cosine_maps(levels, student(projected(levels)))))

    return Fitted(judge, losses)
