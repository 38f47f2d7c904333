"""Patches: drawn straight from the images for training, overlap-averaged for inference (RADAR §III-C, §IV-A2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor


class PatchSampler:
    """Draws patches uniformly from every position of every image, without materialising them.

    The images lie one after another in one flat tensor, so sizes may differ and a batch is one gather.

    Parameters
    ----------
    images : float32 arrays in [-1, 1], gray (H, W), or colour (H, W, 3) all, each side at least `patch`.
    patch : side of the square patch in pixels.

    Raises
    ------
    ValueError : no image, or one that is smaller than the patch.

    Examples
    --------
    >>> sampler = PatchSampler([np.zeros((100, 100), np.float32)], patch=28)
    >>> len(sampler)  # 73 × 73 positions, RADAR §IV-A2
    5329
    """

    def __init__(self, images: Sequence[np.ndarray], patch: int):
        if not images:
            raise ValueError("no images to draw patches from")
        shapes = np.array([image.shape[:2] for image in images])
        if shapes.min() < patch:
            raise ValueError(f"an image of {shapes.min()} px is smaller than the {patch}-px patch")
        self.patch = patch
        # (pixels,) of gray images, (pixels, 3) of colour.
        self.flat = torch.from_numpy(np.concatenate([image.reshape(-1, *image.shape[2:]) for image in images]))
        self.offsets = torch.from_numpy(np.cumsum([0, *shapes.prod(1)])[:-1])
        self.widths = torch.from_numpy(shapes[:, 1])
        per_row = self.widths - patch + 1
        self.per_row = per_row
        self.ends = torch.cumsum(torch.from_numpy(shapes[:, 0] - patch + 1) * per_row, 0)

    def __len__(self) -> int:
        """Number of distinct patches (Table I's "training patches")."""
        return int(self.ends[-1])

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, 1, patch, patch) float32 patches, of colour (n, 3, …), drawn with replacement."""
        k = torch.randint(len(self), (n,), generator=generator)
        i = torch.searchsorted(self.ends, k, right=True)
        within = k - torch.where(i > 0, self.ends[i - 1], 0)
        row, column = within // self.per_row[i], within % self.per_row[i]
        corner = self.offsets[i] + row * self.widths[i] + column
        side = torch.arange(self.patch)
        index = corner[:, None, None] + side[:, None] * self.widths[i][:, None, None] + side
        found = self.flat[index]
        return found[:, None] if found.ndim == 3 else found.permute(0, 3, 1, 2)


BLOCK, HIT, GAIN = 2, 0.7, 5.0  # RDDPM §4.1: side of a block in px, share of the blocks of a patch, factor


def corrupt(x_0: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """A share of the patches with the measurement artefacts of RDDPM §4.1, the others untouched.

    In each such patch 70 % of the 2 × 2 blocks are five times as bright: in intensities from 0 to 1, clipped to them.
    Each patch is drawn on its own, with probability `share`.

    Parameters
    ----------
    x_0 : (N, 1, H, W) in [-1, 1], H and W even.
    share : 0 … 1.
    """
    n, _, height, width = x_0.shape
    chosen = torch.rand(n, generator=generator) < share
    blocks = torch.rand((n, (height // BLOCK) * (width // BLOCK)), generator=generator)
    count = round(HIT * blocks.shape[1])
    hit = torch.zeros_like(blocks, dtype=torch.bool).scatter_(1, blocks.topk(count).indices, True)
    hit = hit.view(n, 1, height // BLOCK, width // BLOCK).repeat_interleave(BLOCK, 2).repeat_interleave(BLOCK, 3)
    bright = ((x_0 + 1) / 2 * GAIN).clamp(max=1) * 2 - 1
    return torch.where(hit & chosen[:, None, None, None], bright, x_0)


def planes(image: np.ndarray) -> Tensor:
    """An image as a network takes it: (H, W) → (1, 1, H, W), of colour (H, W, 3) → (1, 3, H, W)."""
    x = torch.from_numpy(image)
    return x[None, None] if x.ndim == 2 else x.permute(2, 0, 1)[None]


def positions(size: int, patch: int, stride: int) -> list[int]:
    """Start of each patch along a side: every `stride`, and a last one flush with the border."""
    if size < patch:
        raise ValueError(f"a side of {size} px is smaller than the {patch}-px patch")
    last = size - patch
    return [*range(0, last, stride), last]


def overlap_average(image: Tensor, patch: int, stride: int, batch: int, predict: Callable[[Tensor], Tensor]) -> Tensor:
    """`overlap_averages` of one image."""
    return overlap_averages([image], patch, stride, batch, predict)[0]


def overlap_averages(
    images: Sequence[Tensor], patch: int, stride: int, batch: int, predict: Callable[[Tensor], Tensor]
) -> list[Tensor]:
    """Apply `predict` to overlapping patches of images and average where they overlap.

    Patches of several images share a batch: a network takes nearly as long for a few as for many. Memory is bounded by
    `batch` patches beside 1 + C canvases of each image's size.

    Parameters
    ----------
    images : (H, W) tensors on one device, or (3, H, W) of colour.
    predict : maps (N, 1, patch, patch), or (N, 3, …), to (N, C, patch, patch).

    Returns
    -------
    Float32 tensors on the images' device: (H, W), or (C, H, W) where C is more than 1.
    """
    corners = [
        (k, r, c)
        for k, image in enumerate(images)
        for r in positions(image.shape[-2], patch, stride)
        for c in positions(image.shape[-1], patch, stride)
    ]
    counts = [image.new_zeros(image.shape[-2:], dtype=torch.float32) for image in images]
    totals: list[Tensor] = []
    for start in range(0, len(corners), batch):
        part = corners[start : start + batch]
        inputs = torch.stack([images[k][..., r : r + patch, c : c + patch] for k, r, c in part])
        outputs = predict(inputs[:, None] if inputs.ndim == 3 else inputs)
        totals = totals or [count.new_zeros((outputs.shape[1], *count.shape)) for count in counts]
        for (k, r, c), output in zip(part, outputs, strict=True):
            totals[k][:, r : r + patch, c : c + patch] += output
            counts[k][r : r + patch, c : c + patch] += 1
    return [(total / count).squeeze(0) for total, count in zip(totals, counts, strict=True)]


def central_patch(image: np.ndarray, patch: int) -> torch.Tensor:
    """(1, 1, patch, patch) from the middle of an image."""
    r, c = (image.shape[0] - patch) // 2, (image.shape[1] - patch) // 2
    return torch.from_numpy(image[r : r + patch, c : c + patch].copy())[None, None]
