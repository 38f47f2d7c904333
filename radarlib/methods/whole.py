"""Methods on whole images, scaled to one size, as AnoDDPM (Wyatt et al. 2022), DiffusionAD (Zhang et al. 2023) and
RDDPM's Table 1 have them; beside the patches that RADAR trains on (RADAR §III-C).

The network is trained on images of that size, which is its "patch".
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from radarlib import radar
from radarlib.denoiser import Denoiser
from radarlib.images import resize
from radarlib.methods import reconstruct

Score = Callable[[np.ndarray, Denoiser, dict, int], tuple[np.ndarray, dict[str, float]]]


def scaled(score: Score) -> Score:
    """The method on an image that is scaled to the network's own size; its map is scaled back, its features are not."""

    def whole(image: np.ndarray, denoiser: Denoiser, settings: dict, seed: int) -> tuple[np.ndarray, dict[str, float]]:
        found, features = score(resize(image, denoiser.patch), denoiser, settings, seed)
        height, width = image.shape
        way = cv2.INTER_AREA if max(image.shape) < denoiser.patch else cv2.INTER_LINEAR
        return cv2.resize(found, (width, height), interpolation=way), features

    return whole


score_radar = scaled(radar.score)
"""RADAR's single step on the whole image at once."""
score = scaled(reconstruct.score)
"""DDPM or, with a network trained on simplex noise, AnoDDPM."""
score_one_step = scaled(reconstruct.score_one_step)
"""DiffusionAD."""
