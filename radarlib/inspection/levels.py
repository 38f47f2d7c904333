"""Where an image departs from normal ones: the closed form of the single step, on features of several scales.

The best predictor of the noise in Gaussian features answers with their distance from the mean, whitened (notebook 13
has it for pixels). It needs no training, so that it can be had at a quarter and an eighth of an image's side as well,
where small defects show. The trained step (`feature_step`) tells better which image is anomalous, and less well where.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from radarlib.extractor import Extractor
from radarlib.feature_step import FOLDS, Whitening, folded
from radarlib.files import write_bytes
from radarlib.images import content_hash
from radarlib.runtime import progress


@dataclass
class Levels:
    """folds : by part of the normal images that it has not seen, one whitening a scale. unseen : by the content of a
    training image, the part that it is in.
    """

    folds: list[list[Whitening]]
    unseen: dict[str, int]

    def maps(self, features: Sequence[np.ndarray], image: np.ndarray) -> list[np.ndarray]:
        """The map of each scale, (H, W) float32 at the image's size: the length of whitened features.

        A training image is judged by the part that has not seen it, a new one by the mean of all. features : of
        `Extractor.levels`.
        """
        own = self.unseen.get(content_hash(image))
        asked = self.folds if own is None else [self.folds[own]]
        height, width = image.shape[:2]
        found = []
        for k, x in enumerate(features):
            grid = np.mean([np.linalg.norm(fold[k](x), axis=-1) for fold in asked], axis=0)
            found.append(cv2.resize(grid.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR))
        return found


class _Moments:
    """Mean and covariance of what is added, without keeping it."""

    def __init__(self, channels: int):
        self.n, self.sum, self.squares = 0, np.zeros(channels), np.zeros((channels, channels))

    def add(self, x: np.ndarray) -> None:
        flat = x.reshape(-1, x.shape[-1]).astype(np.float64)
        self.n, self.sum, self.squares = self.n + len(flat), self.sum + flat.sum(0), self.squares + flat.T @ flat

    def whitening(self) -> Whitening:
        mean = self.sum / self.n
        return Whitening.of(
            mean.astype(np.float32), (self.squares - self.n * np.outer(mean, mean)) / max(1, self.n - 1)
        )


def fit(images: Sequence[np.ndarray], extractor: Extractor, limit: int, seed: int) -> tuple[Levels, list[np.ndarray]]:
    """From normal images of any size, (H, W) float32 in [-1, 1], none a copy of another; at most `limit` of them. And
    what `Extractor.embed` gives of each that `folded` takes.
    """
    some, folds, unseen = folded(images, limit, seed)
    every: list[list[_Moments]] = []
    embedded = []
    for image, fold in zip(progress(some, desc="features", unit="image"), folds, strict=True):
        whole, found = extractor.levels(image)
        embedded.append(whole)
        every = every or [[_Moments(x.shape[-1]) for x in found] for _ in range(FOLDS)]
        for other in range(FOLDS):
            if other != fold:
                for moments, x in zip(every[other], found, strict=True):
                    moments.add(x)
    return Levels([[moments.whitening() for moments in fold] for fold in every], unseen), embedded


def save(levels: Levels, path: Path) -> None:
    tensors = {
        f"{k}.{j}.{name}": torch.from_numpy(np.ascontiguousarray(getattr(whitening, name)))
        for k, fold in enumerate(levels.folds)
        for j, whitening in enumerate(fold)
        for name in ("mean", "matrix")
    }
    write_bytes(path, save_tensors(tensors, {"unseen": json.dumps(levels.unseen)}))


def load(path: Path, extractor: Extractor) -> Levels:
    """Read what `save` wrote. Raises SafetensorError, or one of Python's own errors, for a damaged file."""
    tensors = load_tensors(path.read_bytes())
    with safe_open(path, "pt") as file:
        unseen = json.loads(file.metadata()["unseen"])
    channels = extractor.net.level_channels
    folds = [
        [Whitening(tensors[f"{k}.{j}.mean"].numpy(), tensors[f"{k}.{j}.matrix"].numpy()) for j in range(len(channels))]
        for k in range(FOLDS)
    ]
    for fold in folds:
        for whitening, c in zip(fold, channels, strict=True):
            if whitening.mean.shape != (c,) or whitening.matrix.shape != (c, c):
                raise ValueError(f"not of the extractor's {c} features")
    if not all(tensor.is_floating_point() and bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise ValueError("holds numbers that are NaN or infinite")
    return Levels(folds, {content: range(FOLDS)[fold] for content, fold in unseen.items()})
