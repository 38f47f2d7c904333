"""SimpleNet (Liu et al. 2023): features are adapted, disturbed by Gaussian noise, and told from disturbed ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from radarlib.map_features import peak
from radarlib.methods.fitting import Fitted, Found, Given, embed, minimise, single, together

LR, HIDDEN = 0.001, 256
SIGMA = 0.25  # of the noise, where features have a mean variance of 1; the paper's 0.015 is on WideResNet's own
MARGIN = 0.5  # th^+ and th^- (§4.2)
LOCATIONS = 128  # of each image in a batch


class Net(nn.Module):
    """Feature adaptor g (Eq. 3) and discriminator D (Eq. 5): (n, C) → (n,), high where a feature is normal.

    Weights start as the authors' do (Xavier, normal): from PyTorch's smaller ones the adaptor shrinks features until
    the noise on them is told at once, and the discriminator learns nothing of them.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.adaptor = nn.Linear(channels, channels)
        self.discriminator = nn.Sequential(
            nn.Linear(channels, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, 1, bias=False)
        )
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight)


def fit(given: Given) -> Fitted:
    """The truncated L1 loss of Eq. 6; a location's score is −D, an image's the highest (Eqs. 8, 9).

    Features of the last two levels lie on the grid of the first of them, as in the paper. One number scales them all:
    directions in which normal features hardly vary are those in which noise of one strength is told first, and
    whitening would take that away.
    """
    torch.manual_seed(given.seed)
    side = given.levels[1].shape[-1]
    every = together(given.levels[1:], side).permute(0, 2, 3, 1).flatten(1, 2)  # (images, locations, C)
    scale = every.flatten(0, 1).var(0).mean().sqrt()
    data = every / scale
    net = Net(data.shape[-1]).to(given.device)

    def loss(some: Tensor, generator: torch.Generator) -> Tensor:
        where = torch.randint(data.shape[1], (len(some), LOCATIONS), generator=generator)
        q = net.adaptor(data[some[:, None], where].flatten(0, 1).to(given.device))
        disturbed = q + SIGMA * torch.randn(q.shape, generator=generator).to(q)
        found = net.discriminator(torch.cat([q, disturbed]))
        normal, other = found.split(len(q))
        return (MARGIN - normal).clamp(min=0).mean() + (MARGIN + other).clamp(min=0).mean()

    losses = minimise(net, loss, given, LR, "SimpleNet")

    @torch.inference_mode()
    def judge(image: np.ndarray) -> Found:
        features = together(embed(given.extractor, single(image))[1:], side)[0].flatten(1).T
        found = -net.discriminator(net.adaptor(features / scale.to(features))).view(side, side).cpu().numpy()
        return Found(found, peak(found))

    return Fitted(judge, losses)
