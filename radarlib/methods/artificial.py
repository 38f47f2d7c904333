"""Artificial defects that networks are trained on: DRAEM's (Zavrtanik et al. 2021a) and CutPaste's (Li et al. 2021).

DRAEM takes its textures from another data set (DTD). Here they are simulated, for there is no download: smooth fields,
stripes, checks, and shuffled tiles of the surface itself. A network may learn to see these alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from radarlib.textures import smooth_field

SHARE = 0.5  # of the images that get a defect (DRAEM §4.1)
OPACITY = (0.1, 1.0)  # β of DRAEM Eq. 2
CELLS = [2**k for k in range(6)]  # of a mask's noise along a side
TILES = 8  # per side, of a shuffled surface


def numpy_rng(generator: torch.Generator) -> np.random.Generator:
    """What NumPy draws with where a training draws by PyTorch's generator."""
    return np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))


def blob(side: int, rng: np.random.Generator) -> np.ndarray:
    """A mask of uneven regions, (side, side) bool: noise above a threshold, whose scales along the two axes are drawn
    each by itself, as DRAEM's Perlin noise of 1 to 32 cells.
    """
    cells = np.array(CELLS)[rng.integers(0, len(CELLS), 2)]
    return smooth_field((side, side), tuple(side / (3 * cells)), rng) > rng.uniform(1.0, 1.8)


def texture(surface: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another texture, of the surface's shape and in [-1, 1]."""
    side = len(surface)
    kind = rng.choice(["field", "stripes", "checks", "tiles"])
    if kind == "tiles":
        edge = side // TILES
        tiles = surface[: edge * TILES, : edge * TILES].reshape(TILES, edge, TILES, edge).swapaxes(1, 2)
        mixed = rng.permutation(tiles.reshape(-1, edge, edge)).reshape(TILES, TILES, edge, edge)
        found = np.pad(mixed.swapaxes(1, 2).reshape(edge * TILES, -1), (0, side - edge * TILES), mode="edge")
        return found if rng.random() < 0.5 else -found
    y, x = np.mgrid[:side, :side]
    angle, period = rng.uniform(0, np.pi), rng.uniform(3, side / 4)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    if kind == "field":
        found = smooth_field((side, side), rng.uniform(0.5, side / 12), rng) / 2
    elif kind == "stripes":
        found = np.sin(2 * np.pi * u / period)
    else:
        found = np.sign(np.sin(2 * np.pi * u / period) * np.sin(2 * np.pi * v / period))
    return np.clip(rng.uniform(0.2, 1) * found + rng.uniform(-0.6, 0.6), -1, 1).astype(np.float32)


def blended(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """DRAEM's I_a = M̄ ⊙ I + (1 − β)(M ⊙ I) + β (M ⊙ A) (Eq. 2), and M; in a half of the cases the image as it is."""
    mask = blob(len(image), rng) if rng.random() < SHARE else np.zeros(image.shape, bool)
    other, beta = texture(image, rng), rng.uniform(*OPACITY)
    return np.where(mask, (1 - beta) * image + beta * other, image).astype(np.float32), mask


def batch(images: Sequence[np.ndarray], positions: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Images, the same with artificial defects, and their masks as float: (N, 1, S, S) each."""
    rng = numpy_rng(generator)
    chosen = [images[i] for i in positions.tolist()]
    made = [blended(image, rng) for image in chosen]
    parts = (chosen, [image for image, _ in made], [mask.astype(np.float32) for _, mask in made])
    return tuple(torch.from_numpy(np.stack(part))[:, None] for part in parts)  # type: ignore[return-value]


def cut_paste(image: np.ndarray, rng: np.random.Generator, scar: bool) -> np.ndarray:
    """A rectangle of the image pasted elsewhere; as a scar long, thin and turned (CutPaste §3.1, 3.2)."""
    side = len(image)
    if scar:
        height, width = rng.uniform(0.04, 0.1) * side, rng.uniform(0.2, 0.6) * side
        angle = rng.uniform(-np.pi / 4, np.pi / 4)
    else:
        area, aspect = rng.uniform(0.02, 0.15) * side**2, np.exp(rng.uniform(np.log(0.3), np.log(3.3)))
        height, width, angle = np.sqrt(area / aspect), np.sqrt(area * aspect), 0.0
    y, x = np.mgrid[:side, :side]
    row, column = rng.uniform(0, side, 2)
    along = (x - column) * np.cos(angle) + (y - row) * np.sin(angle)
    across = (y - row) * np.cos(angle) - (x - column) * np.sin(angle)
    inside = (np.abs(along) <= width / 2) & (np.abs(across) <= height / 2)
    moved = np.roll(image, rng.integers(side // 8, side - side // 8, size=2), axis=(0, 1)) * rng.uniform(0.9, 1.1)
    return np.where(inside, np.clip(moved + rng.uniform(-0.1, 0.1), -1, 1), image).astype(np.float32)
