"""How jobs keep maps and pictures, and how they come back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np


def laid_flat(maps: Iterable[np.ndarray]) -> np.ndarray:
    """Maps of any size end to end, float16: one array, which `taken_apart` takes apart."""
    return np.concatenate([m.ravel() for m in maps]).astype(np.float16)


def taken_apart(flat: np.ndarray, shapes: Iterable[tuple[int, ...]]) -> list[np.ndarray]:
    """Maps that lie end to end, by their shapes."""
    shapes = list(shapes)
    parts = np.split(flat, np.cumsum([np.prod(shape) for shape in shapes])[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def load_maps(path: Path) -> list[np.ndarray]:
    """The test images' maps in the order of the data set's index, (H, W) float16 each."""
    with np.load(path) as data:
        return taken_apart(data["pixels"], data["shapes"])


PICTURE = 128  # px at most of the reconstructions that are kept


def picture(x: np.ndarray, side: int = PICTURE) -> np.ndarray:
    """An image in [-1, 1] as it is kept: uint8, square, at most `side` px wide."""
    side = min(side, *x.shape)
    small = cv2.resize(x, (side, side), interpolation=cv2.INTER_AREA)
    return np.round((small + 1) * 127.5).astype(np.uint8)


def restored(kept: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A kept picture as an image in [-1, 1] of the size `shape`."""
    return cv2.resize(kept.astype(np.float32) / 127.5 - 1, shape[::-1], interpolation=cv2.INTER_LINEAR)
