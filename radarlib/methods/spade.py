"""SPADE (Cohen & Hoshen 2020): nearest neighbours among the images that look alike as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from radarlib.methods.patchcore import distances


@dataclass
class Normals:
    """Normal images: features by location (images, locations, C), and of the whole image (images, D)."""

    features: np.ndarray
    pooled: np.ndarray


def fit(features: Sequence[np.ndarray], pooled: Sequence[np.ndarray]) -> Normals:
    """features : of each normal image, (locations, C). pooled : its deepest map, the mean over locations, (D,)."""
    return Normals(np.stack(features), np.stack(pooled))


def score(
    features: np.ndarray, pooled: np.ndarray, normal: Normals, k: int, owner: int | None = None
) -> tuple[np.ndarray, float]:
    """Each location's distance to the nearest feature of the k images nearest as a whole; the image's score is its mean
    distance to those k.

    features, pooled : of the image, as `fit` has them. owner : the normal image that this is; it is no neighbour of its
        own.
    """
    far = np.linalg.norm(normal.pooled - pooled, axis=1)
    if owner is not None:
        far[owner] = np.inf
    near = np.argsort(far)[: min(k, len(far) - (owner is not None))]
    return distances(features, normal.features[near].reshape(-1, features.shape[1])), float(far[near].mean())
