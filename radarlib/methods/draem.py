"""DRAEM (Zavrtanik, Kristan & Skočaj 2021): artificial defects are taken out by one network, and found by another that
sees the image before and after. And DiffusionAD whole (Zhang et al. 2023), which takes them out by one diffusion step.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.ndimage import uniform_filter
from torch import Tensor, nn
from torch.nn import functional as F

from radarlib.denoiser import Denoiser
from radarlib.map_features import inner, peak
from radarlib.methods import artificial
from radarlib.methods.blocks import Hourglass, focal, ssim_map
from radarlib.methods.fitting import Fitted, Found, Given, at_side, minimise, plane, single
from radarlib.methods.reconstruct import one_step

LR = 0.002
MEAN = 21 / 256  # side of DRAEM's mean filter over the map, of the image's side (§3.4)
HIGHEST = 50 / 256**2  # share of the map's pixels whose mean is DiffusionAD's score, in the authors' code


def highest_mean(found: np.ndarray) -> float:
    """A map's score: the highest value of its local mean (§3.4)."""
    return peak(uniform_filter(found, max(1, round(MEAN * len(found)))))


def fit(given: Given) -> Fitted:
    """Loss: L2 and SSIM of the restored image, focal loss of the segmentation (Eqs. 4 to 6); the map is the
    segmentation, the score the highest value of its local mean.
    """
    torch.manual_seed(given.seed)
    net = nn.ModuleDict({
        "restore": Hourglass(1, 1, skip=False, learns_in=given.precision),
        "find": Hourglass(2, 1, skip=True, learns_in=given.precision),
    }).to(given.device)  # fmt: skip

    def loss(some: Tensor, generator: torch.Generator) -> Tensor:
        x, defective, mask = (part.to(given.device) for part in artificial.batch(given.images, some, generator))
        x_hat = net["restore"](defective)
        logits = net["find"](torch.cat([defective, x_hat], 1))
        return F.mse_loss(x_hat, x) + (1 - ssim_map(x_hat, x)).mean() + focal(logits, mask, gamma=2)

    losses = minimise(net, loss, given, LR, "DRAEM")

    @torch.inference_mode()
    def judge(image: np.ndarray) -> Found:
        x = single(image).to(given.device)
        x_hat = net["restore"](x)
        found = plane(net["find"](torch.cat([x, x_hat], 1)).sigmoid())
        return Found(found, highest_mean(found), plane(x_hat))

    return Fitted(judge, losses)


def _restorer(denoiser: Denoiser, options: dict) -> Callable[[Tensor, torch.Generator], Tensor]:
    """DiffusionAD's reconstruction of whole images of any side, at the network's own."""
    predict = one_step(denoiser, options)

    @torch.no_grad()
    def restore(x: Tensor, generator: torch.Generator) -> Tensor:
        x_hat = predict(at_side(x, denoiser.patch).to(denoiser.device), generator)
        return F.interpolate(x_hat, x.shape[-2:], mode="bilinear").clamp(-1, 1)

    return restore


def fit_diffusionad(given: Given) -> Fitted:
    """The segmentation sub-network learns on artificial defects, before and after the norm-guided step, from
    5 · focal loss (γ = 4) and smooth L1, as the authors' code has it.

    The denoising sub-network is the study's own of whole normal images; theirs learns beside the other one, with a loss
    on normal images alone, and the steps are drawn anew for each image of a batch.
    """
    torch.manual_seed(given.seed)
    net = Hourglass(2, 1, skip=True, learns_in=given.precision).to(given.device)
    restore = _restorer(given.diffusion, given.settings["diffusionad"])

    def loss(some: Tensor, generator: torch.Generator) -> Tensor:
        _, defective, mask = (part.to(given.device) for part in artificial.batch(given.images, some, generator))
        logits = net(torch.cat([defective, restore(defective, generator).to(given.device)], 1))
        return 5 * focal(logits, mask, gamma=4) + F.smooth_l1_loss(logits.sigmoid(), mask)

    losses = minimise(net, loss, given, LR, "DiffusionAD")

    @torch.inference_mode()
    def judge(image: np.ndarray) -> Found:
        x, generator = single(image).to(given.device), torch.Generator().manual_seed(given.seed)
        x_hat = restore(x, generator).to(given.device)
        found = plane(net(torch.cat([x, x_hat], 1)).sigmoid())
        highest = np.sort(inner(found), axis=None)[-max(1, round(HIGHEST * found.size)) :]
        return Found(found, float(highest.mean()), plane(x_hat))

    return Fitted(judge, losses)
