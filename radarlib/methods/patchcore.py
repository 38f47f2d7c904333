"""PatchCore (Roth et al. 2022): nearest neighbours among the features of normal images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PROJECTED = 64  # dimensions that the coreset's distances are computed in


def distances(x: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Euclidean distance of each row of x (n, C) to its nearest row of `vectors` (m, C): (n,)."""
    squares = (x**2).sum(1)[:, None] + (vectors**2).sum(1) - 2 * x @ vectors.T
    return np.sqrt(np.maximum(squares.min(1), 0))


@dataclass
class Bank:
    """Features of normal images as they are, and the image that each comes from.

    vectors : (n, C) float32. owners : (n,) int.
    """

    vectors: np.ndarray
    owners: np.ndarray


def fit(features: Sequence[np.ndarray], size: int, seed: int, greedy: bool = False) -> Bank:
    """A bank of `size` features of all images: each (locations, C).

    greedy : PatchCore's coreset, which covers rare features; otherwise an even draw, which keeps the share of unclean
        features what it is in the data.
    """
    every = np.concatenate(features)
    owners = np.repeat(np.arange(len(features)), [len(part) for part in features])
    rng, size = np.random.default_rng(seed), min(size, len(every))
    kept = np.sort(coreset(every, size, rng) if greedy else rng.choice(len(every), size, replace=False))
    return Bank(every[kept], owners[kept])


def coreset(vectors: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of `size` vectors, each the farthest from those before (k-centre greedy, Roth et al. Algorithm 1).

    Distances are those of a random projection to PROJECTED dimensions.
    """
    x = (vectors @ rng.normal(size=(vectors.shape[1], PROJECTED))).astype(np.float32)
    norms, chosen = (x**2).sum(1), [int(rng.integers(len(x)))]
    nearest = np.full(len(x), np.inf, np.float32)
    while len(chosen) < size:
        last = x[chosen[-1]]
        nearest = np.minimum(nearest, norms + last @ last - 2 * x @ last)
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)


def score(features: np.ndarray, bank: Bank, owner: int | None = None) -> np.ndarray:
    """The distance of each location to its nearest neighbour, (locations,). The image's score is the largest (Roth et
    al. Eq. 6; as in their code, not weighted by Eq. 7): `map_features.peak`.

    features : (locations, C). owner : the training image that this is; its own features are no neighbours.
    """
    return distances(features, bank.vectors if owner is None else bank.vectors[bank.owners != owner])
