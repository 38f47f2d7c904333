"""Networks that give an image back, and fail where it is not normal: autoencoders with L2 or SSIM (Bergmann et al.
2019), and RIAD (Zavrtanik et al. 2021b), which never sees what it must paint.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from radarlib.methods.blocks import Hourglass, ssim_map
from radarlib.methods.fitting import Fitted, Found, Given, minimise, plane, single

LR = 0.002
LATENT = 4  # channels of the bottleneck, at an eighth of the side; Bergmann et al.: 100 to 500 numbers
CELLS, PARTS = (2, 4, 8, 16), 3  # RIAD: sides of the squares in px, and sets that they are dealt to (§3.1)
WEIGHT = 0.01  # of SSIM and of gradients beside L2 (RIAD §4.1)
SCALES, CONSTANT = 4, 0.0026 * 2**2  # of the gradients' similarity (§3.2); intensities span 2 here, theirs 1


def _autoencoder(given: Given, error: Callable[[Tensor, Tensor], Tensor], what: str) -> Fitted:
    """error : of an image and its reconstruction, at each pixel: the loss is its mean, the map it is."""
    torch.manual_seed(given.seed)
    net = Hourglass(1, 1, skip=False, latent=LATENT, learns_in=given.precision).to(given.device)

    def loss(some: Tensor, _: torch.Generator) -> Tensor:
        x = given.stack[some].to(given.device)
        return error(x, net(x)).mean()

    losses = minimise(net, loss, given.longer(), LR, what)

    @torch.inference_mode()
    def judge(image: np.ndarray) -> Found:
        x = single(image).to(given.device)
        x_hat = net(x)
        return Found(plane(error(x, x_hat)), x_hat=plane(x_hat))

    return Fitted(judge, losses)


def fit_l2(given: Given) -> Fitted:
    return _autoencoder(given, lambda x, y: (x - y) ** 2, "autoencoder, L2")


def fit_ssim(given: Given) -> Fitted:
    return _autoencoder(given, lambda x, y: 1 - ssim_map(x, y), "autoencoder, SSIM")


def disjoint(side: int, cell: int, generator: torch.Generator) -> Tensor:
    """Squares of `cell` px dealt at random to PARTS sets, as masks of what each leaves out: (PARTS, 1, side, side)."""
    n = -(-side // cell)
    owner = torch.randperm(n * n, generator=generator).view(n, n) % PARTS
    owner = owner.repeat_interleave(cell, 0).repeat_interleave(cell, 1)[:side, :side]
    return torch.stack([owner == k for k in range(PARTS)])[:, None].float()


def painted(net: Hourglass, x: Tensor, masks: Tensor) -> Tensor:
    """Every pixel as it is painted where it was left out (RIAD Eq. 1): (N, 1, S, S)."""
    return torch.stack([mask * net((1 - mask) * x) for mask in masks]).sum(0)


def _gradients(x: Tensor) -> Tensor:
    """Prewitt's gradient magnitude."""
    rows = torch.tensor([[1.0, 0, -1]] * 3, device=x.device) / 3
    kernels = torch.stack([rows, rows.T])[:, None]
    return (F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernels) ** 2).sum(1, keepdim=True).add(1e-12).sqrt()


def gradient_similarity(x: Tensor, y: Tensor) -> Tensor:
    """MSGMS: the similarity of gradients' magnitudes, the mean over scales (RIAD Eqs. 2 to 4), (N, 1, S, S)."""
    side, total = x.shape[-2:], torch.zeros_like(x)
    for _ in range(SCALES):
        a, b = _gradients(x), _gradients(y)
        total = total + F.interpolate((2 * a * b + CONSTANT) / (a * a + b * b + CONSTANT), side, mode="bilinear")
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    return total / SCALES


def fit_riad(given: Given) -> Fitted:
    """The loss is Eq. 6, for a random size of squares at each step; the map is 1 − MSGMS, the mean over all sizes."""
    torch.manual_seed(given.seed)
    net = Hourglass(1, 1, skip=True, learns_in=given.precision).to(given.device)
    side = given.stack.shape[-1]

    def loss(some: Tensor, generator: torch.Generator) -> Tensor:
        x = given.stack[some].to(given.device)
        cell = CELLS[int(torch.randint(len(CELLS), (1,), generator=generator))]
        y = painted(net, x, disjoint(side, cell, generator).to(x))
        alike = (1 - gradient_similarity(x, y)).mean() + (1 - ssim_map(x, y)).mean()
        return F.mse_loss(y, x) + WEIGHT * alike

    losses = minimise(net, loss, given.longer(), LR, "RIAD")

    @torch.inference_mode()
    def judge(image: np.ndarray) -> Found:
        x, generator = single(image).to(given.device), torch.Generator().manual_seed(given.seed)
        every = [painted(net, x, disjoint(side, cell, generator).to(x)) for cell in CELLS]
        apart = torch.stack([1 - gradient_similarity(x, y) for y in every]).mean(0)
        return Found(plane(apart), x_hat=plane(torch.stack(every).mean(0)))

    return Fitted(judge, losses)
