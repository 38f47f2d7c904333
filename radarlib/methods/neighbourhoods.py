"""Pixels and what surrounds them: what the methods that predict a pixel learn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np


def standardise(image: np.ndarray) -> np.ndarray:
    """Zero mean and unit variance; a constant image becomes zero."""
    return (image - image.mean()) / (image.std() or 1.0)


Neighbours = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def draw_pixels(
    images: Sequence[np.ndarray], neighbours: Neighbours, pixels: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """At most about `pixels` pixels and their neighbours, drawn evenly over the standardised images."""
    share = -(-pixels // len(images))
    drawn = []
    for image in images:
        around, pixel = neighbours(standardise(image))
        chosen = rng.choice(len(pixel), min(share, len(pixel)), replace=False)
        drawn.append((around[chosen], pixel[chosen]))
    return np.concatenate([x for x, _ in drawn]), np.concatenate([y for _, y in drawn])
