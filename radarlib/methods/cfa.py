"""CFA (Lee, Lee & Song 2022): features are adapted so that normal ones crowd around memorised ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from radarlib.methods.fitting import Fitted, Found, Given, embed, minimise, single, together

LR = 0.001
NEAR, HARD = 3, 3  # K neighbours that attract, and J after them that repel
ALPHA, NU = 0.1, 1e-3  # how far beyond the sphere those must lie; the weight of a breach


class Descriptor(nn.Module):
    """φ: a 1 × 1 convolution that is told where it is (CoordConv): levels → (N, 2 C, h, w), on the grid of the second.

    Each level is divided by its number of channels, and the answer has twice as many: so the authors' code has it for
    this family of extractors, and only so do distances come near to α. radius : of the spheres around the memorised
    vectors (Eq. 1), learned as well.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.layer, self.radius = nn.Conv2d(channels + 2, 2 * channels, 1), nn.Parameter(torch.tensor(1e-5))

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        x = together([m / m.shape[1] for m in levels], levels[1].shape[-1])
        n = x.shape[-1]
        line = torch.linspace(-1, 1, n, device=x.device)
        place = torch.stack([line[:, None].expand(n, n), line.expand(n, n)]).expand(len(x), -1, -1, -1)
        return self.layer(torch.cat([x, place], 1))


def squares(x: Tensor, memory: Tensor, k: int) -> Tensor:
    """Squared distances of each vector (n, D) to its k nearest of the memory (m, D), ascending: (n, k)."""
    found = x.square().sum(1, keepdim=True) + memory.square().sum(1) - 2 * x @ memory.T
    return found.clamp(min=0).topk(k, largest=False).values


def soft_boundary(nearest: Tensor, radius: Tensor) -> Tensor:
    """L_att + L_rep (Eqs. 1 to 3): into the spheres of the K nearest, out of those of the J after them.

    nearest : squared distances to K + J vectors, (n, K + J), ascending.
    """
    attracted, repelled = nearest[:, :NEAR], nearest[:, HARD:]
    inside = (attracted - radius**2).clamp(min=0).mean()
    return (inside + (radius**2 - repelled - ALPHA).clamp(min=0).mean()) / NU


def fit(given: Given) -> Fitted:
    """The memory holds the mean feature of each location over normal images, as the untrained φ gives them (§3.2)."""
    torch.manual_seed(given.seed)
    net = Descriptor(sum(given.extractor.net.level_channels)).to(given.device)
    with torch.inference_mode():
        parts = torch.arange(len(given.images)).split(given.batch)
        total = torch.stack([net(given.drawn(part)).sum(0) for part in parts]).sum(0) / len(given.images)
    memory = total.flatten(1).T.clone()

    def loss(some: Tensor, _: torch.Generator) -> Tensor:
        x = net(given.drawn(some)).permute(0, 2, 3, 1).flatten(0, 2)
        return soft_boundary(squares(x, memory, NEAR + HARD), net.radius)

    losses = minimise(net, loss, given, LR, "CFA")

    @torch.inference_mode()
    def judge(image: np.ndarray) -> Found:
        x = net(embed(given.extractor, single(image)))
        far = squares(x[0].flatten(1).T, memory, NEAR).sqrt()
        return Found((torch.softmax(-far, 1)[:, 0] * far[:, 0]).view(x.shape[-2:]).cpu().numpy())  # Eq. 4

    return Fitted(judge, losses)
