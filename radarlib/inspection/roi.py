"""The part of an image that is looked at: what lies outside counts nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from radarlib.errors import UserError
from radarlib.files import write_bytes
from radarlib.images import marked, unlike

FAR = 1e6  # px beyond which no point of a region lies


def read_roi(path: Path) -> np.ndarray:
    """The region to look at, (H, W) bool, of an image whose pixels above 0 are looked at, or of a file of polygons.

    Polygons, rectangles and circles are those of labelme (`imageWidth`, `imageHeight`, and of each of the `shapes` its
    `shape_type` and `points`), in JSON. Raises UserError for a region that is unreadable or empty.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; it says which part of the images is looked at")
    roi = _polygons(path) if path.suffix.lower() == ".json" else marked(path)
    if not roi.any():
        raise UserError(f"{path}: marks no pixel to look at")
    return roi


def _polygons(path: Path) -> np.ndarray:
    try:
        found = json.loads(path.read_text())
        roi = np.zeros((int(found["imageHeight"]), int(found["imageWidth"])), np.uint8)
        for shape in found["shapes"]:
            points = np.array(shape["points"], float).reshape(-1, 2)
            if not (np.abs(points) <= FAR).all():
                raise ValueError("a point that lies in no image")
            _draw(roi, shape.get("shape_type", "polygon"), points)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, cv2.error, MemoryError, OSError) as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"{path}: not polygons as labelme writes them ({why})") from None
    return roi > 0


def _draw(roi: np.ndarray, kind: str, points: np.ndarray) -> None:
    """A shape of labelme: a rectangle has two corners, a circle its centre and a point on its rim."""
    if kind == "circle":
        centre, rim = points
        cv2.circle(roi, np.round(centre).astype(int).tolist(), round(float(np.hypot(*(rim - centre)))), 1, cv2.FILLED)
        return
    if kind == "rectangle":
        (left, top), (right, bottom) = points
        points = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    elif kind != "polygon":
        raise ValueError(f"a {kind} encloses nothing; draw polygons, rectangles or circles")
    cv2.fillPoly(roi, [np.round(points).astype(np.int32)], 1)


def write_roi(roi: np.ndarray, path: Path) -> None:
    """As a PNG that `read_roi` reads."""
    write_bytes(path, cv2.imencode(".png", roi.astype(np.uint8) * 255)[1].tobytes())


def looked_at(image: np.ndarray, roi: np.ndarray | None, name: str) -> np.ndarray:
    """The image with the mean of the region everywhere outside of it.

    image : (H, W) float32, or of colour (H, W, 3). Raises UserError for a region of another size.
    """
    if roi is None:
        return image
    if roi.shape != image.shape[:2]:
        raise UserError(f"{name}: {unlike(image.shape, roi.shape)}")
    seen = roi if image.ndim == 2 else roi[..., None]
    return np.where(seen, image, image[roi].mean(axis=0, dtype=np.float64)).astype(np.float32)
