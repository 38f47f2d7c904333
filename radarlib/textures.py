"""Simulated surfaces with exact masks: `prints` (periodic) and `tiles` (stochastic), and artificial defects on any.

They stand in for RADAR's two data sets (§IV-A1), which cannot be redistributed. A defect changes an image
only inside its mask. On `prints` its local mean is removed as well, so that, as in RADAR's own prints,
defects look like the pattern in intensity and neither brightness nor contrast gives them away.
All lengths are in pixels, the intensities of prints and tiles in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

Defect = tuple[np.ndarray, np.ndarray]
"""A surface with a defect, and the defect's region (H, W, bool): its mask."""

PERIOD = 8.0  # distance between two deposition tracks


def smooth_field(shape: tuple[int, int], sigma: float | tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """A Gaussian random field of zero mean and unit variance with correlation length `sigma`."""
    field = gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap")
    return (field - field.mean()) / field.std()


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:size, :size].astype(float)
    return y, x


def _spot(size: int, rng: np.random.Generator, margin: float = 0.2) -> np.ndarray:
    """A point (y, x) that keeps `margin` of the side away from the border."""
    return rng.uniform(margin * size, (1 - margin) * size, 2)


class Tracks:
    """One printed layer: parallel tracks at `angle` degrees whose profile, path and brightness wander."""

    def __init__(self, size: int, angle: float, rng: np.random.Generator):
        y, x = _grid(size)
        theta = np.deg2rad(angle + rng.normal(0, 0.7))
        self.along = x * np.cos(theta) - y * np.sin(theta)
        across = x * np.sin(theta) + y * np.cos(theta)
        wander = 0.45 * smooth_field((size, size), 9, rng)
        self.across = across + wander + rng.uniform(0, PERIOD)
        shape = (size, size)
        self.gain = 1 + 0.12 * smooth_field(shape, 5, rng)
        self.light = rng.normal(0, 0.03) + 0.05 * smooth_field(shape, 6, rng) + 0.03 * smooth_field(shape, 20, rng)
        self.contrast = rng.uniform(0.17, 0.26)
        self.grain = 0.012 * smooth_field(shape, 0.6, rng)

    def profile(self, across: np.ndarray) -> np.ndarray:
        """Brightness of a track's cross-section: a ridge with a narrow valley between two tracks."""
        phase = 2 * np.pi * across / PERIOD
        return np.cos(phase) - 0.25 * np.cos(2 * phase)

    def render(self, ridges: np.ndarray | None = None) -> np.ndarray:
        ridges = self.profile(self.across) if ridges is None else ridges
        return 0.5 + self.light + self.contrast * self.gain * ridges + self.grain


def _box(tracks: Tracks, centre: np.ndarray, tracks_wide: float, length: float) -> np.ndarray:
    """Pixels within a rectangle laid along the tracks, centred on the track nearest to `centre`."""
    row, column = centre.astype(int)
    middle = np.round(tracks.across[row, column] / PERIOD) * PERIOD
    across, along = tracks.across - middle, tracks.along - tracks.along[row, column]
    return (np.abs(across) < tracks_wide * PERIOD / 2) & (np.abs(along) < length / 2)


def _gap(tracks: Tracks, size: int, rng: np.random.Generator) -> Defect:
    """A stretch of one or two tracks is missing: the ridge is flat there."""
    region = _box(tracks, _spot(size, rng), int(rng.integers(1, 3)), rng.uniform(0.12, 0.3) * size)
    return tracks.render(np.where(region, -0.6, tracks.profile(tracks.across))), region


def _over_extrusion(tracks: Tracks, size: int, rng: np.random.Generator) -> Defect:
    """Too much material: neighbouring tracks swell and the valley between them is filled."""
    region = _box(tracks, _spot(size, rng), rng.uniform(2, 3.5), rng.uniform(0.14, 0.3) * size)
    return tracks.render(
        np.where(region, np.maximum(tracks.profile(tracks.across), 0.7), tracks.profile(tracks.across))
    ), region


def _shifted(tracks: Tracks, size: int, rng: np.random.Generator) -> Defect:
    """Some tracks were laid half a period aside."""
    region = _box(tracks, _spot(size, rng), int(rng.integers(2, 5)), rng.uniform(0.14, 0.35) * size)
    return tracks.render(tracks.profile(tracks.across + region * PERIOD * rng.uniform(0.35, 0.65))), region


def _blob(tracks: Tracks, size: int, rng: np.random.Generator) -> Defect:
    """A drop of material: rings with the tracks' own profile instead of straight tracks."""
    y, x = _grid(size)
    centre = _spot(size, rng)
    radius = np.hypot(y - centre[0], x - centre[1]) + 0.8 * smooth_field((size, size), 4, rng)
    region = radius < rng.uniform(0.07, 0.13) * size
    return tracks.render(np.where(region, tracks.profile(radius * 1.3), tracks.profile(tracks.across))), region


def _string(tracks: Tracks, size: int, rng: np.random.Generator) -> Defect:
    """A thin thread of molten material that crosses the tracks."""
    _y, _x = _grid(size)
    centre, turn = _spot(size, rng), np.deg2rad(rng.uniform(35, 145))
    row, column = centre.astype(int)
    dv, du = tracks.across - tracks.across[row, column], tracks.along - tracks.along[row, column]
    bend = rng.uniform(-0.01, 0.01)
    along, across = du * np.cos(turn) + dv * np.sin(turn), dv * np.cos(turn) - du * np.sin(turn)
    across = across + bend * along**2
    region = (np.abs(across) < 2.2) & (np.abs(along) < rng.uniform(0.15, 0.3) * size)
    return tracks.render(
        np.where(region, 0.9 * np.cos(2 * np.pi * across / 4.4), tracks.profile(tracks.across))
    ), region


PRINT_DEFECTS: dict[str, Callable[[Tracks, int, np.random.Generator], Defect]] = {
    "gap": _gap, "over_extrusion": _over_extrusion, "shifted": _shifted, "blob": _blob, "string": _string,
}  # fmt: skip


def _balanced(delta: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Take a change's local mean away inside its region, so that a blurred image does not show it."""
    weight = region.astype(float)
    for sigma in (4.0, 2.5):
        mean = gaussian_filter(delta * weight, sigma) / np.maximum(gaussian_filter(weight, sigma), 1e-6)
        delta = (delta - mean) * weight
    return delta


def _middle(region: np.ndarray, share: float) -> np.ndarray:
    """This share of a region's pixels: those nearest to its centre."""
    inside = np.argwhere(region)
    order = np.argsort(((inside - inside.mean(0)) ** 2).sum(1), kind="stable")
    found = np.zeros_like(region)
    found[tuple(inside[order[: max(1, round(share * len(inside)))]].T)] = True
    return found


def print_image(
    size: int, angle: float, defect: str | None, rng: np.random.Generator, contrast: float = 1.0, area: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """A printed layer and its defect mask.

    Parameters
    ----------
    size : side in pixels. angle : 45 or 135 degrees. defect : a key of `PRINT_DEFECTS`, or None. contrast, area : of
        the defect, as shares of the full ones.

    Returns
    -------
    image (size, size) float32 in [0, 1]; mask (size, size) bool, all False without a defect.
    """
    tracks = Tracks(size, angle, rng)
    clean = tracks.render()
    if defect is None:
        return _exposed(clean, rng), np.zeros((size, size), bool)
    defective, region = PRINT_DEFECTS[defect](tracks, size, rng)
    region = _middle(region, area)
    return _exposed(clean + contrast * _balanced(defective - clean, region), rng), region


def _exposed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The camera's share: sensor noise and saturation."""
    return np.clip(image + rng.normal(0, 0.012, image.shape), 0, 1).astype(np.float32)


def _grain(size: int, rng: np.random.Generator, scale: float = 1.0) -> np.ndarray:
    """Mottled stone: dark and light grains of several sizes, roughly in [-1, 1]."""
    shape = (size, size)
    coarse = np.tanh(1.6 * smooth_field(shape, 2.4 * scale, rng))
    fine = np.tanh(1.6 * smooth_field(shape, 1.1 * scale, rng))
    return 0.65 * coarse + 0.45 * fine


def _patch(size: int, rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """An irregular region, 1 inside and 0 outside, with radius between `low` and `high` of the side."""
    y, x = _grid(size)
    centre = _spot(size, rng, 0.25)
    radius = rng.uniform(low, high) * size
    edge = np.hypot((y - centre[0]) * rng.uniform(0.7, 1.3), x - centre[1]) + 0.25 * radius * smooth_field(
        (size, size), 5, rng
    )
    return np.clip((radius - edge) / 1.5, 0, 1)


def _line(size: int, rng: np.random.Generator, length: float, wander: float, width: float) -> np.ndarray:
    """A wandering line, 1 on it and 0 off it."""
    steps = int(length * size)
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, wander, steps))
    path = np.cumsum(np.stack([np.sin(heading), np.cos(heading)]), axis=1)
    path += (_spot(size, rng, 0.35) - path.mean(1))[:, None]
    y, x = _grid(size)
    distance = np.min(np.hypot(y[..., None] - path[0], x[..., None] - path[1]), axis=-1)
    return np.clip(width - distance, 0, 1)


def _crack(image: np.ndarray, rng: np.random.Generator) -> Defect:
    """A thin dark line."""
    line = _line(len(image), rng, rng.uniform(0.5, 0.9), 0.25, rng.uniform(1.2, 1.9))
    return image - line * rng.uniform(0.35, 0.55), line > 0


def _glue(image: np.ndarray, rng: np.random.Generator) -> Defect:
    """A film of glue: the grain shows through blurred."""
    film = _patch(len(image), rng, 0.13, 0.22)
    return image + film * (gaussian_filter(image, 2.0) + rng.uniform(0.05, 0.2) - image), film > 0


def _gray_stroke(image: np.ndarray, rng: np.random.Generator) -> Defect:
    """A stroke of gray paint that covers most of the grain."""
    stroke = _line(len(image), rng, rng.uniform(0.3, 0.5), 0.05, rng.uniform(4, 7))
    return image + 0.85 * stroke * (image.mean() - rng.uniform(0.02, 0.15) - image), stroke > 0


def _oil(image: np.ndarray, rng: np.random.Generator) -> Defect:
    """An oil stain: darker, and of lower contrast."""
    stain = _patch(len(image), rng, 0.12, 0.22)
    return image + stain * (0.6 * (image - image.mean()) + image.mean() - rng.uniform(0.15, 0.3) - image), stain > 0


def _rough(image: np.ndarray, rng: np.random.Generator) -> Defect:
    """A rough spot: the same grain, crumbled to a finer one."""
    size = len(image)
    y, x = _grid(size)
    jitter = [3 * smooth_field((size, size), 0.8, rng) for _ in range(2)]
    crumbled = map_coordinates(image, [y + jitter[0], x + jitter[1]], order=1, mode="reflect")
    spot = _patch(size, rng, 0.13, 0.22)
    return image + spot * (1.4 * (crumbled - image.mean()) + image.mean() - image), spot > 0


TILE_DEFECTS: dict[str, Callable[[np.ndarray, np.random.Generator], Defect]] = {
    "crack": _crack, "glue": _glue, "gray_stroke": _gray_stroke, "oil": _oil, "rough": _rough,
}  # fmt: skip


def tile_image(size: int, defect: str | None, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A tile's surface and its defect mask; parameters and returns as in `print_image`."""
    shape = (size, size)
    light = rng.normal(0, 0.03) + 0.04 * smooth_field(shape, 12, rng)
    clean = 0.5 + light + rng.uniform(0.165, 0.2) * _grain(size, rng)
    if defect is None:
        return _exposed(clean, rng), np.zeros(shape, bool)
    defective, region = TILE_DEFECTS[defect](clean, rng)
    return _exposed(defective, rng), region


def artificial_defect(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A defect made from the image itself, for choices that may not see a real one: (image, mask).

    image : (H, W) float32 in [-1, 1]. In a region of about 2 to 15 % of the shorter side squared, before its outline is
        made uneven, the surface is mirrored and taken from elsewhere, or smoothed, or roughened, or made brighter or
        darker; drawn at random.
    """
    side = min(image.shape)
    area = rng.uniform(0.02, 0.15) * side**2
    radius = np.sqrt(area / np.pi)
    y, x = np.indices(image.shape)
    centre = rng.uniform(radius, np.maximum(np.array(image.shape) - radius, radius + 1))
    stretch, angle = rng.uniform(1, 2.5), rng.uniform(0, np.pi)
    u = (y - centre[0]) * np.cos(angle) + (x - centre[1]) * np.sin(angle)
    v = (x - centre[1]) * np.cos(angle) - (y - centre[0]) * np.sin(angle)
    outline = 1 + 0.3 * smooth_field(image.shape, max(radius / 2, 1), rng)
    mask = u**2 / stretch + v**2 * stretch < (radius * outline) ** 2
    spread = float(image.std())
    kind = rng.choice(["elsewhere", "smooth", "rough", "level"])
    if kind == "elsewhere":
        changed = np.roll(image[:, ::-1], rng.integers(side, size=2), axis=(0, 1))
    elif kind == "smooth":
        changed = gaussian_filter(image, rng.uniform(1, 3))
    elif kind == "rough":
        changed = image + rng.uniform(0.5, 1.5) * spread * smooth_field(image.shape, rng.uniform(0.5, 1.5), rng)
    else:
        changed = image + rng.choice([-1, 1]) * rng.uniform(0.5, 2) * spread
    return np.clip(np.where(mask, changed, image), -1, 1).astype(np.float32), mask
