"""Codes of patches that are learned from normal images alone: Deep SVDD (Ruff et al. 2018), and CutPaste (Li et al.
2021), which learns to see its own artificial defects.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from radarlib.feature_step import Whitening
from radarlib.methods.artificial import cut_paste, numpy_rng
from radarlib.methods.blocks import conv
from radarlib.methods.fitting import TOGETHER, Fitted, Found, Given, minimise, single

LR, LR_CUTPASTE = 0.001, 0.003
CODE = 32  # numbers of a code
WIDTHS = [1, 16, 32, 64]  # channels of Deep SVDD's network
PATCH = 3 / 8  # side of CutPaste's patches, of the image's; the paper's smallest are 64 of 256 px
STRIDE = 4  # of its patches, in px
RIDGE = 0.01  # of the codes' covariance, as a share of its largest eigenvalue
KINDS = 3  # normal, CutPaste, scar (§3.3)


class Sphere(nn.Module):
    """φ of Deep SVDD, without biases, at every eighth pixel: (N, 1, S, S) → (N, CODE, S / 8, S / 8). A location sees a
    patch of 36 px. Batch norms, which have no bias either, keep its codes from shrinking to nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 5, 1, 2, bias=False), nn.BatchNorm2d(b, eps=1e-4, affine=False))
            for a, b in itertools.pairwise(WIDTHS)
        )
        self.head = nn.Conv2d(WIDTHS[-1], CODE, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = F.max_pool2d(F.leaky_relu(layer(x), 0.1), 2)
        return self.head(x)


def _back() -> nn.Sequential:
    """From codes to images, for the pretraining."""
    steps = [
        layer
        for a, b in itertools.pairwise([CODE, *WIDTHS[:0:-1]])
        for layer in (conv(a, b), nn.Upsample(scale_factor=2))
    ]
    return nn.Sequential(*steps, nn.Conv2d(WIDTHS[1], 1, 3, padding=1))


def fit_deep_svdd(given: Given) -> Fitted:
    """The hard sphere ‖φ(x) − c‖² (Eq. 4); on patches, so that there is a map. φ is an autoencoder's first, and c the
    mean of its codes (§4.2).
    """
    torch.manual_seed(given.seed)
    net = Sphere().to(given.device)
    both = nn.Sequential(net, _back())

    def apart(some: Tensor, _: torch.Generator) -> Tensor:
        x = given.stack[some].to(given.device)
        return F.mse_loss(both(x), x)

    losses = minimise(both, apart, given, LR, "Deep SVDD, autoencoder")
    with torch.no_grad():
        centre = torch.cat([net(x.to(given.device)) for x in given.stack.split(TOGETHER)]).mean((0, 2, 3))
        centre = torch.where(centre.abs() < 0.1, 0.1 * torch.where(centre < 0, -1.0, 1.0), centre)[:, None, None]

    def far(x: Tensor) -> Tensor:
        return ((net(x.to(given.device)) - centre) ** 2).sum(1)

    losses += minimise(net, lambda some, _: far(given.stack[some]).mean(), given, LR, "Deep SVDD")

    @torch.inference_mode()
    def judge(image: np.ndarray) -> Found:
        return Found(far(single(image))[0].cpu().numpy())

    return Fitted(judge, losses)


class Classifier(nn.Module):
    """Patches (N, 1, p, p) → codes of unit length (N, CODE), and the logits of KINDS."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(1, 16), conv(16, 32, 2), conv(32, 64, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.code, self.head = nn.Linear(64, CODE), nn.Linear(CODE, KINDS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        code = self.code(self.body(x))
        return F.normalize(code, dim=1), self.head(F.silu(code))


def fit_cutpaste(given: Given) -> Fitted:
    """Three kinds of a patch are told apart (Eq. 1); a Gaussian of the normal codes judges (Eq. 2), patch by patch."""
    torch.manual_seed(given.seed)
    net = Classifier().to(given.device)
    side = given.stack.shape[-1]
    patch = 4 * round(PATCH * side / 4)
    kinds = torch.arange(KINDS, device=given.device).repeat_interleave(given.batch)

    def crops(some: Tensor, rng: np.random.Generator) -> list[np.ndarray]:
        corners = rng.integers(0, side - patch + 1, (len(some), 2))
        pairs = zip(some.tolist(), corners, strict=True)
        return [given.images[i][r : r + patch, c : c + patch] for i, (r, c) in pairs]

    def loss(some: Tensor, generator: torch.Generator) -> Tensor:
        rng = numpy_rng(generator)
        normal = crops(some, rng)
        every = [*normal, *(cut_paste(x, rng, scar) for scar in (False, True) for x in normal)]
        return F.cross_entropy(net(torch.from_numpy(np.stack(every))[:, None].to(given.device))[1], kinds)

    losses = minimise(net, loss, given, LR_CUTPASTE, "CutPaste")
    stride = min(STRIDE, side - patch)

    @torch.inference_mode()
    def codes(image: np.ndarray) -> np.ndarray:
        patches = single(image).unfold(2, patch, stride).unfold(3, patch, stride)[0, 0]
        return net(patches.reshape(-1, 1, patch, patch).to(given.device))[0].cpu().numpy()

    gaussian = Whitening.fit(np.concatenate([codes(image) for image in given.images]), RIDGE)

    def judge(image: np.ndarray) -> Found:
        far = (gaussian(codes(image)) ** 2).sum(1)
        n = (side - patch) // stride + 1
        return Found(_framed(far.reshape(n, n), patch, stride, side))

    return Fitted(judge, losses)


def _framed(grid: np.ndarray, patch: int, stride: int, side: int) -> np.ndarray:
    """Values of patches at the patches' middles, and as they are nearest beyond: (side, side)."""
    middle = np.clip(np.round((np.arange(side) - (patch - 1) / 2) / stride), 0, len(grid) - 1).astype(int)
    return grid[middle[:, None], middle].astype(np.float32)
