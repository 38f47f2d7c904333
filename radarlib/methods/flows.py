"""Normalising flows on features: FastFlow (Yu et al. 2021), in which neighbours matter, and CFLOW (Gudovskiy et al.
2022), which judges each location by itself and is told where it lies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from radarlib.methods.fitting import Fitted, Found, Given, added, embed, minimise, single

LR_FAST, LR_C = 0.001, 0.002
STEPS = 8  # couplings of a flow, in both papers
SOFT = 1.9  # bound of a coupling's log scale, as FrEIA has it
POSITION = 32  # channels of a location's code; CFLOW: 128


class Coupling(nn.Module):
    """Half of the channels scale and shift the other half, then both change places at random (Dinh et al. 2017).

    subnet : channels in, channels out → a network of them.
    """

    order: Tensor

    def __init__(self, channels: int, subnet: Callable[[int, int], nn.Module], condition: int = 0):
        super().__init__()
        self.kept = channels // 2
        self.subnet = subnet(self.kept + condition, 2 * (channels - self.kept))
        self.register_buffer("order", torch.randperm(channels))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z, and the log determinant at each location: (N, C, …) → (N, C, …), (N, …)."""
        kept, moved = x[:, : self.kept], x[:, self.kept :]
        told = kept if condition is None else torch.cat([kept, condition], 1)
        scale, shift = self.subnet(told).chunk(2, 1)
        scale = SOFT * 2 / torch.pi * torch.atan(scale / SOFT)
        z = torch.cat([kept, moved * scale.exp() + shift], 1)
        return z[:, self.order], scale.sum(1)


class Flow(nn.Module):
    """Couplings one after the other, on channels that are standardised first."""

    mean: Tensor
    sd: Tensor

    def __init__(self, every: Tensor, subnets: Sequence[Callable[[int, int], nn.Module]], condition: int = 0):
        super().__init__()
        around = [0, *range(2, every.dim())]
        self.register_buffer("mean", every.mean(around, keepdim=True))
        self.register_buffer("sd", every.std(around, keepdim=True).clamp(min=1e-6))
        self.couplings = nn.ModuleList(Coupling(every.shape[1], subnet, condition) for subnet in subnets)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, volume = (x - self.mean) / self.sd, torch.zeros((), device=x.device)
        for coupling in self.couplings:
            z, more = coupling(z, condition)
            volume = volume + more
        return z, volume

    def unlikely(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """−log p of each location over its number of channels, but for a constant: (N, …)."""
        z, volume = self(x, condition)
        return (0.5 * z.square().sum(1) - volume) / x.shape[1]


def _convolutions(kernel: int) -> Callable[[int, int], nn.Module]:
    def subnet(c_in: int, c_out: int) -> nn.Module:
        width = c_in  # FastFlow's hidden ratio of 1
        return nn.Sequential(
            nn.Conv2d(c_in, width, kernel, padding="same"), nn.ReLU(), nn.Conv2d(width, c_out, kernel, padding="same")
        )

    return subnet


def _perceptron(c_in: int, c_out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(c_in, 2 * c_in), nn.ReLU(), nn.Linear(2 * c_in, c_out))


def fit_fast(given: Given) -> Fitted:
    """FastFlow: a flow a level, of 3 × 3 and 1 × 1 convolutions in turn; the map is the mean over levels of −log p of
    a location under a Gaussian, which leaves out the volume, as the authors' Eq. 7 does.
    """
    torch.manual_seed(given.seed)
    subnets = [_convolutions(3 if k % 2 == 0 else 1) for k in range(STEPS)]
    net = [Flow(level, subnets) for level in given.levels]

    def loss(some: Tensor, _: torch.Generator) -> Tensor:
        return torch.stack([flow.unlikely(x).mean() for flow, x in zip(net, given.drawn(some), strict=True)]).sum()

    losses = minimise(nn.ModuleList(net), loss, given, LR_FAST, "FastFlow")

    @torch.inference_mode()
    def judge(image: np.ndarray) -> Found:
        levels = embed(given.extractor, single(image))
        return Found(added([0.5 * flow(x)[0].square().mean(1) for flow, x in zip(net, levels, strict=True)]))

    return Fitted(judge, losses)


def positions(side: int, channels: int = POSITION) -> Tensor:
    """Sines and cosines of a location's row and column (CFLOW §4.2): (side², channels)."""
    rates = 10_000 ** (-torch.arange(channels // 4) / (channels // 4))
    angles = torch.arange(side)[:, None] * rates
    line = torch.cat([angles.sin(), angles.cos()], 1)  # (side, channels / 2)
    row, column = line[:, None].expand(side, side, -1), line[None].expand(side, side, -1)
    return torch.cat([row, column], -1).flatten(0, 1)


def fit_conditional(given: Given) -> Fitted:
    """CFLOW: a flow a level of single locations, told where they lie; the map is the sum over levels of how much less
    likely a location is than the likeliest of normal images (§4.3; the authors' code takes the likeliest of the test
    images).
    """
    torch.manual_seed(given.seed)
    flats = [level.flatten(2).transpose(1, 2) for level in given.levels]  # (images, locations, C)
    codes = [positions(level.shape[-1]) for level in given.levels]
    net = [Flow(x.flatten(0, 1), [_perceptron] * STEPS, POSITION) for x in flats]
    fewest = flats[-1].shape[1]  # locations of each image in a batch, of every level

    def loss(some: Tensor, generator: torch.Generator) -> Tensor:
        parts = []
        for flow, x, code in zip(net, flats, codes, strict=True):
            where = torch.randint(x.shape[1], (len(some), fewest), generator=generator)
            told = code[where].flatten(0, 1).to(given.device)
            parts.append(flow.unlikely(x[some[:, None], where].flatten(0, 1).to(given.device), told).mean())
        return torch.stack(parts).sum()

    losses = minimise(nn.ModuleList(net), loss, given, LR_C, "CFLOW")

    @torch.inference_mode()
    def unlikely(levels: Sequence[Tensor]) -> list[Tensor]:
        """Of one image, at the locations of each level."""
        parts = zip(net, levels, codes, strict=True)
        return [flow.unlikely(x[0].flatten(1).T, code.to(given.device)) for flow, x, code in parts]

    own = [unlikely([level[i : i + 1].to(given.device) for level in given.levels]) for i in range(len(given.images))]
    least = [torch.stack(level).min() for level in zip(*own, strict=True)]

    def judge(image: np.ndarray) -> Found:
        maps = []
        for found, low in zip(unlikely(embed(given.extractor, single(image))), least, strict=True):
            side = math.isqrt(len(found))
            maps.append(1 - torch.exp(low - found).clamp(max=1).view(1, side, side))
        return Found(added(maps))

    return Fitted(judge, losses)
