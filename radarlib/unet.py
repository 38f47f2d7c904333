"""The noise predictor ε_θ(x_t, t): RADAR's attention U-Net (RADAR §IV-A2, Fig. 5).

Read top to bottom: time embedding, ResNet block, attention, network.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def time_embedding(t: Tensor, dim: int) -> Tensor:
    """Sinusoidal embedding of the time step: (N,) in 1 … T → (N, dim) float32 (RADAR Fig. 3)."""
    frequencies = torch.exp(-math.log(10_000) * torch.arange(dim // 2, device=t.device) / (dim // 2))
    angles = t.float()[:, None] * frequencies[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def group_norm(channels: int) -> nn.GroupNorm:
    """The normalisation layer of Fig. 5; the paper names no kind, 8 groups are our choice."""
    return nn.GroupNorm(math.gcd(8, channels), channels)


class ResBlock(nn.Module):
    """Normalisation, SiLU, convolution, twice, plus a residual; the time enters between the two."""

    def __init__(self, c_in: int, c_out: int, time_dim: int):
        super().__init__()
        self.norm1, self.conv1 = group_norm(c_in), nn.Conv2d(c_in, c_out, 3, padding=1)
        self.time = nn.Linear(time_dim, c_out)
        self.norm2, self.conv2 = group_norm(c_out), nn.Conv2d(c_out, c_out, 3, padding=1)
        self.residual = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.time(emb)[:, :, None, None]
        return self.residual(x) + self.conv2(F.silu(self.norm2(h)))


class Attention(nn.Module):
    """Self-attention over all positions of a feature map (N, C, H, W), plus a residual."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = group_norm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        qkv = self.qkv(self.norm(x)).reshape(n, 3, 1, c, h * w).transpose(3, 4)  # (N, 3, 1, HW, C)
        y = F.scaled_dot_product_attention(qkv[:, 0], qkv[:, 1], qkv[:, 2])  # (N, 1, HW, C)
        return x + self.out(y.transpose(2, 3).reshape(n, c, h, w))


class Level(nn.Module):
    """One resolution of the down or up path: a ResNet block and, if asked for, attention."""

    def __init__(self, c_in: int, c_out: int, time_dim: int, attention: bool):
        super().__init__()
        self.res = ResBlock(c_in, c_out, time_dim)
        self.attention = Attention(c_out) if attention else nn.Identity()

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        return self.attention(self.res(x, emb))


class UNet(nn.Module):
    """ε_θ: predicts the noise in a patch (RADAR Eq. 3, Fig. 5).

    Parameters
    ----------
    width : channels at full resolution.
    channels : of its input and output; 1 for gray patches, more for latents.
    multipliers : channels of each level as a multiple of `width`; each further level halves the side.
    attention_levels : levels (0 = full resolution) with self-attention. The middle block always has it.

    Examples
    --------
    >>> UNet(width=8)(torch.zeros(2, 1, 28, 28), torch.ones(2)).shape
    torch.Size([2, 1, 28, 28])
    """

    def __init__(
        self, width: int = 16, multipliers: Sequence[int] = (1, 2, 4), attention_levels: Sequence[int] = (2,),
        channels: int = 1,
    ):  # fmt: skip
        super().__init__()
        self.width, self.scale = width, 2 ** (len(multipliers) - 1)
        widths = [width * m for m in multipliers]
        time_dim = 4 * width
        attends = [level in attention_levels for level in range(len(widths))]
        ins = [widths[0], *widths[:-1]]

        self.time = nn.Sequential(nn.Linear(width, time_dim), nn.SiLU(), nn.Linear(time_dim, time_dim), nn.SiLU())
        self.stem = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList(Level(i, c, time_dim, a) for i, c, a in zip(ins, widths, attends, strict=True))
        self.downsample = nn.ModuleList(nn.Conv2d(c, c, 4, stride=2, padding=1) for c in widths[:-1])
        last = widths[-1]
        self.mid1, self.mid_attention, self.mid2 = (
            ResBlock(last, last, time_dim), Attention(last), ResBlock(last, last, time_dim)
        )  # fmt: skip
        self.up = nn.ModuleList(Level(2 * c, c, time_dim, a) for c, a in zip(widths, attends, strict=True))
        self.upsample = nn.ModuleList(
            nn.ConvTranspose2d(deep, c, 4, stride=2, padding=1) for c, deep in itertools.pairwise(widths)
        )
        self.head_norm, self.head = group_norm(widths[0]), nn.Conv2d(widths[0], channels, 3, padding=1)

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        """x_t (N, C, H, W) with H and W divisible by `scale`; t (N,) in 1 … T → ε (N, C, H, W) float32."""
        emb = self.time(time_embedding(t, self.width))
        h = self.stem(x_t)
        skips = []
        for i, level in enumerate(self.down):
            h = level(h if i == 0 else self.downsample[i - 1](h), emb)
            skips.append(h)
        h = self.mid2(self.mid_attention(self.mid1(h, emb)), emb)
        for i in reversed(range(len(self.up))):
            h = self.up[i](torch.cat([h, skips[i]], dim=1), emb)
            if i > 0:
                h = self.upsample[i - 1](h)
        return self.head(F.silu(self.head_norm(h))).float()
