"""What systems on pixels are built of: one small network for all of them, similarities, and a segmentation's loss."""

from __future__ import annotations

import itertools
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from radarlib.runtime import autocast
from radarlib.unet import group_norm

WIDTH, DEPTH = 16, 3  # channels at full resolution; how often the side is halved
C1, C2 = 0.01**2, 0.03**2  # of SSIM, times the squared range of intensities
SPAN = 2.0  # of intensities in [-1, 1]


def conv(c_in: int, c_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(c_in, c_out, 3, stride, 1), group_norm(c_out), nn.SiLU())


class Hourglass(nn.Module):
    """Down by halves and up again: (N, c_in, S, S) → (N, c_out, S, S), S a multiple of 2^DEPTH.

    skip : whether details may go past the bottleneck, as in a U-Net. latent : channels of the bottleneck. learns_in :
        precision of its layers while it trains, but for the last convolution of `encode` and of `decode`
        (`Given.precision`). It judges in float32.
    """

    def __init__(
        self, c_in: int, c_out: int, skip: bool, latent: int | None = None, learns_in: torch.dtype = torch.float32
    ):
        super().__init__()
        self.learns_in = learns_in
        widths = [WIDTH * 2**k for k in range(DEPTH + 1)]
        self.skip, deep = skip, latent or widths[-1]
        self.down = nn.ModuleList([conv(c_in, widths[0])])
        self.down += [conv(a, b, 2) for a, b in itertools.pairwise(widths)]
        self.narrow = nn.Conv2d(widths[-1], deep, 3, padding=1)
        self.widen = conv(deep, widths[-1])
        self.up = nn.ModuleList(
            conv(b + (a if skip else 0), a) for a, b in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.head = nn.Conv2d(widths[0], c_out, 3, padding=1)

    def encode(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The bottleneck, (N, latent, S / 2^DEPTH, …), and what goes past it."""
        past = []
        with self._precision(x):
            for layer in self.down:
                x = layer(x)
                past.append(x)
        return self.narrow(x.float()), past[:-1]

    def decode(self, z: Tensor, past: list[Tensor]) -> Tensor:
        with self._precision(z):
            h = self.widen(z)
            for layer, other in zip(self.up, past[::-1], strict=True):
                h = F.interpolate(h, scale_factor=2, mode="nearest")
                h = layer(torch.cat([h, other], 1) if self.skip else h)
        return self.head(h.float())

    def _precision(self, x: Tensor) -> AbstractContextManager[None]:
        return autocast(x.device, self.learns_in if self.training else torch.float32)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(*self.encode(x))


def ssim_map(x: Tensor, y: Tensor, window: int = 11) -> Tensor:
    """Structural similarity at each pixel (Wang et al. 2004), in a box: (N, 1, H, W) each → the same shape."""

    def mean(v: Tensor) -> Tensor:
        return F.avg_pool2d(v, window, 1, window // 2, count_include_pad=False)

    a, b = mean(x), mean(y)
    var_x, var_y, cov = mean(x * x) - a * a, mean(y * y) - b * b, mean(x * y) - a * b
    c1, c2 = C1 * SPAN**2, C2 * SPAN**2
    return (2 * a * b + c1) * (2 * cov + c2) / ((a * a + b * b + c1) * (var_x + var_y + c2))


def focal(logits: Tensor, mask: Tensor, gamma: float) -> Tensor:
    """The focal loss (Lin et al. 2017) of a segmentation, without weights of classes."""
    each = F.binary_cross_entropy_with_logits(logits, mask, reduction="none")
    return ((1 - torch.exp(-each)) ** gamma * each).mean()
