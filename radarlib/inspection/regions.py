"""Parts of an image where its map is higher than anywhere in nearly all normal images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from skimage.measure import label, regionprops

from radarlib import conformal

AROUND = 0.8  # of the highest value: what belongs to it


@dataclass(frozen=True)
class Region:
    """A connected part of the map above its threshold, 1; or the highest part of an anomalous image that has none.

    x, y, width, height : of its box, in px of the image. area : in px. score : the map's highest value in it. share :
    of normal images that are as high anywhere, as far as those that were learned from can tell (a conformal p-value).
    """

    x: int
    y: int
    width: int
    height: int
    area: int
    score: float
    share: float


def regions(found: np.ndarray, peaks: np.ndarray, anomalous: bool = False) -> list[Region]:
    """The highest first. found : (H, W) map, of which 1 is the threshold. peaks : (n,) of normal images' maps.

    anomalous : where nothing is above 1, the one part around the highest value, for whoever asks where to look. Its
        `share` says how usual that is.
    """
    above = found > 1
    if anomalous and not above.any():
        parted = label(found >= AROUND * found.max(), connectivity=2)
        above = parted == parted[np.unravel_index(found.argmax(), found.shape)]
    parts = regionprops(label(above, connectivity=2), found)
    scores = np.array([float(part.intensity_max) for part in parts])
    shares = conformal.p_values(peaks, scores)
    kept = []
    for k in np.argsort(-scores, kind="stable"):
        top, left, bottom, right = parts[k].bbox
        kept.append(
            Region(
                int(left), int(top), int(right - left), int(bottom - top), int(parts[k].area),
                scores[k].item(), float(shares[k]),
            )
        )  # fmt: skip
    return kept
