"""Nearest neighbours among the local features of normal images, in the manner of PatchCore (Roth et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HIGHEST = 10  # an image's score is the mean over this many locations


@dataclass
class Bank:
    """Standardised features of normal images, and the image that each comes from.

    vectors : (n, C) float32. owners : (n,) int. mean, sd : (C,) of the training features.
    """

    vectors: np.ndarray
    owners: np.ndarray
    mean: np.ndarray
    sd: np.ndarray


def fit(features: Sequence[np.ndarray], size: int, seed: int) -> Bank:
    """A bank of `size` features, drawn evenly from those of all images: each (locations, C).

    PatchCore keeps a greedy coreset instead; a draw keeps the share of unclean features what it is in the data.
    """
    every = np.concatenate(features)
    owners = np.repeat(np.arange(len(features)), [len(part) for part in features])
    mean, sd = every.mean(0), every.std(0) + 1e-6
    kept = np.sort(np.random.default_rng(seed).choice(len(every), min(size, len(every)), replace=False))
    return Bank((every[kept] - mean) / sd, owners[kept], mean, sd)


def score(features: np.ndarray, bank: Bank, owner: int | None = None) -> tuple[np.ndarray, float]:
    """The distance of each location to its nearest neighbour, and the image's score, the mean of the highest ones.

    features : (locations, C). owner : the training image that this is; its own features are no neighbours.
    """
    x = (features - bank.mean) / bank.sd
    vectors = bank.vectors if owner is None else bank.vectors[bank.owners != owner]
    squares = (x**2).sum(1)[:, None] + (vectors**2).sum(1) - 2 * x @ vectors.T
    distances = np.sqrt(np.maximum(squares.min(1), 0))
    return distances, float(np.sort(distances)[-HIGHEST:].mean())
