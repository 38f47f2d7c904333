"""The noise that the forward process adds: Gaussian (RADAR Eq. 1), simplex (AnoDDPM, Wyatt et al. 2022) or bumps of a
Gaussian mixture (Fučka et al. 2023).

Every kind is called with a shape (N, 1, H, W) and a CPU generator and returns independent fields of zero mean and
unit variance, so that the equations of `diffusion` hold for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

Noise = Callable[[tuple[int, ...], torch.Generator], Tensor]
BANK = 64, 256  # simplex fields drawn beforehand, and their side in px


def gaussian(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator)


def simplex_fields(
    n: int, height: int, width: int, octaves: int, persistence: float, frequency: float, seed: int
) -> np.ndarray:
    """Fractal simplex noise as AnoDDPM makes it: n slices of one 3-D field, (n, height, width) float32.

    Octave k has features of frequency / 2ᵏ px and amplitude persistenceᵏ. The slices lie ten features of the first
    octave apart, so they are independent. Not standardised.
    """
    import numba  # here, since Gaussian noise does not need it
    from opensimplex import OpenSimplex

    # numba's OpenMP layer would set the threads of PyTorch as well, and with them its rounding
    numba.config.THREADING_LAYER = "workqueue"  # type: ignore[attr-defined]
    numba.set_num_threads(1)
    source = OpenSimplex(seed)
    total = np.zeros((n, height, width))
    for k in range(octaves):
        size = frequency / 2**k
        # the noise is zero at whole numbers of features: start elsewhere
        y, x, z = (
            np.arange(count) * step / size + 0.37 for count, step in ((height, 1), (width, 1), (n, 10 * frequency))
        )
        total += persistence**k * source.noise3array(x, y, z)
    return total.astype(np.float32)


@cache
def _bank(octaves: int, persistence: float, frequency: float) -> tuple[Tensor, float, float]:
    fields = simplex_fields(BANK[0], BANK[1], BANK[1], octaves, persistence, frequency, seed=0)
    mean, sd = float(fields.mean()), float(fields.std())
    return torch.from_numpy((fields - mean) / sd), mean, sd


def crops(bank: Tensor, n: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """n windows of `bank` (fields, S, S) at random places, mirrored and transposed at random: (n, 1, height, width)."""
    count, side, _ = bank.shape
    field, top, left, down, right, turn = (
        torch.randint(high, (n, 1, 1), generator=generator)
        for high in (count, side - height + 1, side - width + 1, 2, 2, 2)
    )
    i, j = torch.arange(height)[:, None], torch.arange(width)
    row = top + torch.where(down == 1, i, height - 1 - i)
    column = left + torch.where(right == 1, j, width - 1 - j)
    row, column = torch.where(turn == 1, column, row), torch.where(turn == 1, row, column)
    return bank.flatten()[(field * side + row) * side + column][:, None]


def simplex(octaves: int, persistence: float, frequency: float) -> Noise:
    """Simplex noise with one mean and variance for all fields; a single field keeps its own low frequencies.

    Fields of up to 256 px are windows of 64 larger ones made once, which costs a patch next to nothing; larger fields
    are made directly.
    """

    def draw(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        n, _, height, width = shape
        bank, mean, sd = _bank(octaves, persistence, frequency)
        if max(height, width) <= BANK[1]:
            return crops(bank, n, height, width, generator)
        seed = int(torch.randint(2**31, (1,), generator=generator))
        fields = simplex_fields(n, height, width, octaves, persistence, frequency, seed)
        return torch.from_numpy((fields - mean) / sd)[:, None]

    return draw


AREA = 28 * 28  # px that a mixture's number of bumps is told for: RADAR's patch
REACH = 3  # standard deviations beyond which a bump is nothing
TILE = 256  # side in px of what is evaluated at once


def bumps(
    n: int, height: int, width: int, components: float, sigma: Sequence[float], generator: torch.Generator
) -> Tensor:
    """n sums of two-dimensional Gaussian bumps, each standardised: (n, height, width) float32 (noise study, Eqs. 7, 8).

    Weights are uniform in [0, 1], standard deviations along each axis lie between the two of `sigma` px, and centres in
    the field and around it as far as bumps reach, or its borders would be darker than its middle. Eq. 7's 1/2π falls
    out with the scale.

    components : bumps on 28 × 28 px; other areas have as many for their size.
    """
    margin = REACH * sigma[1]
    count = max(1, round(components * (height + 2 * margin) * (width + 2 * margin) / AREA))

    def uniform() -> Tensor:
        return torch.rand((n, count), generator=generator)

    weight = uniform()
    centres = [(side + 2 * margin) * uniform() - margin for side in (height, width)]
    spreads = [sigma[0] + (sigma[1] - sigma[0]) * uniform() for _ in range(2)]
    weight = weight / (spreads[0] * spreads[1])

    def profile(axis: int, start: int, stop: int, near: Tensor) -> Tensor:
        """Of the bumps `near`, along an axis: (…, bumps, px)."""
        centre, spread = (values[..., near, None] for values in (centres[axis], spreads[axis]))
        return torch.exp(-(((torch.arange(start, stop) - centre) / spread) ** 2) / 2)

    field = torch.empty(n, height, width)
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            bottom, right = min(top + TILE, height), min(left + TILE, width)
            inside = (centres[0] > top - margin) & (centres[0] < bottom + margin)
            inside &= (centres[1] > left - margin) & (centres[1] < right + margin)
            near = inside.any(0).nonzero()[:, 0]  # of any field: all of them where one tile is enough
            rows = weight[:, near, None] * profile(0, top, bottom, near)
            field[:, top:bottom, left:right] = rows.transpose(1, 2) @ profile(1, left, right, near)
    spread, mean = torch.std_mean(field, (1, 2), correction=0, keepdim=True)
    return (field - mean) / spread


def mixture(components: float, sigma: Sequence[float]) -> Noise:
    """Noise that is one function of the place for a whole field."""

    def draw(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        n, _, height, width = shape
        return bumps(n, height, width, components, sigma, generator)[:, None]

    return draw


def make_noise(options: dict) -> Noise:
    """The noise of a configuration's `noise` section."""
    if options["kind"] == "simplex":
        return simplex(options["octaves"], options["persistence"], options["frequency"])
    if options["kind"] == "mixture":
        return mixture(options["components"], options["sigma"])
    return gaussian
