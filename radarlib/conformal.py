"""A threshold with a promise: split-conformal p-values (Vovk et al. 2005; Bates et al. 2023).

If calibration images and a new normal image are exchangeable, which images that neither the network nor the classifier
has seen are, the new one's p-value is at most α with probability at most α. No distribution is assumed.
"""

from __future__ import annotations

import numpy as np

from radarlib.errors import UserError


def p_values(calibration: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(1 + number of calibration scores at least as high) / (n + 1), for scores (m,) where larger is more anomalous."""
    below = np.searchsorted(np.sort(calibration), scores, side="left")
    return (1 + len(calibration) - below) / (len(calibration) + 1)


def threshold(calibration: np.ndarray, rate: float) -> float:
    """The score above which p ≤ rate; infinite where the calibration images are too few to promise that rate."""
    n = len(calibration)
    k = n - _ranks(n, rate)
    return float(np.sort(calibration)[k]) if k < n else float("inf")


def _ranks(n: int, rate: float) -> int:
    """How many of the n + 1 ranks that a new image may take among n have p ≤ rate."""
    return int(np.floor(rate * (n + 1) + 1e-9))


def promised(n: int, rate: float) -> float:
    """The false-alarm rate that n calibration images can promise: the one asked for, or 1 in n + 1."""
    return max(rate, 1 / (n + 1))


def reached(n: int, rate: float) -> float:
    """The false-alarm rate that a threshold of n calibration images has: theirs are steps of 1 in n + 1."""
    return _ranks(n, promised(n, rate)) / (n + 1)


def images_needed(rate: float) -> int:
    """The least number of calibration images that can promise a false-alarm rate."""
    return int(np.ceil(1 / rate - 1e-9)) - 1


def split(n: int, rate: float, seed: int, least: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Positions of n normal images for training and for calibration: a third, or as many as the rate needs.

    Raises UserError where fewer than `least` would be left for training.
    """
    count = max(round(n / 3), images_needed(rate))
    if n - count < least:
        raise UserError(
            f"a false-alarm rate of {rate:g} needs {images_needed(rate)} calibration images beside {least} for"
            f" training; {n} were given: give more, or ask for a higher rate"
        )
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[count:]), np.sort(order[:count])
