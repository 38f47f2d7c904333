"""PaDiM (Defard et al. 2021): a Gaussian of the features of normal images at each location."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DIMENSIONS, RIDGE = 100, 0.01  # features that are kept, drawn at random; added to the covariance's diagonal


@dataclass
class Padim:
    """kept : (D,) of the feature's dimensions.

    mean : (locations, D). inverse : (locations, D, D) of the covariances.
    """

    kept: np.ndarray
    mean: np.ndarray
    inverse: np.ndarray


def fit(features: Sequence[np.ndarray], seed: int) -> Padim:
    """features : of each normal image, (locations, C)."""
    channels = features[0].shape[1]
    kept = np.sort(np.random.default_rng(seed).choice(channels, min(DIMENSIONS, channels), replace=False))
    every = np.stack([part[:, kept] for part in features])
    mean = every.mean(0)
    centred = (every - mean).transpose(1, 0, 2)  # (locations, images, D)
    covariance = centred.transpose(0, 2, 1) @ centred / max(1, len(every) - 1)
    return Padim(kept, mean, np.linalg.inv(covariance + RIDGE * np.eye(len(kept), dtype=np.float32)))


def score(features: np.ndarray, model: Padim) -> np.ndarray:
    """The Mahalanobis distance of each location, (locations,). The image's score is the highest:
    `map_features.peak`.
    """
    x = features[:, model.kept] - model.mean
    return np.sqrt(np.maximum(np.einsum("ld,lde,le->l", x, model.inverse, x, optimize=True), 0))
