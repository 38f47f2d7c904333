"""Single images and masks in, checked: gray or colour, 8 or 16 bit, any size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image

from radarlib.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
LUMINANCE = np.array([0.2125, 0.7154, 0.0721], np.float32)  # of red, green, blue (ITU-R BT.709)


def _pixels(path: Path) -> np.ndarray:
    """The file's raw pixels, (H, W) or (H, W, C), in the file's own type."""
    try:
        if path.suffix.lower() in (".tif", ".tiff"):
            with tifffile.TiffFile(path) as file:
                pixels = file.asarray()
                inverted = file.pages.first.photometric == tifffile.PHOTOMETRIC.MINISWHITE
            return np.iinfo(pixels.dtype).max - pixels if inverted and pixels.dtype.kind == "u" else pixels
        with Image.open(path) as image:
            if image.mode == "P":
                return np.asarray(image.convert("RGBA" if "transparency" in image.info else "RGB"))
            if image.mode not in ("1", "L", "LA", "RGB", "RGBA") and not image.mode.startswith(("I", "F")):
                return np.asarray(image.convert("RGB"))  # CMYK, YCbCr, Lab
            return np.asarray(image)
    except Exception as error:  # decoders raise every kind of exception on damaged files
        if path.is_file() and path.stat().st_size == 0:
            raise UserError(f"{path}: the file is empty (0 bytes); remove it or copy it again") from None
        reason = (str(error) or type(error).__name__).splitlines()[0].replace(f" {str(path)!r}", "")
        raise UserError(f"{path}: not a readable image ({reason}); remove it or copy it again") from None


def read_image(path: Path, size: int | None = None, smallest: int = 1) -> np.ndarray:
    """Read a gray or colour image of 8 or 16 bits, or float in [0, 1], as gray.

    Parameters
    ----------
    size : resize to (size, size); None keeps the size.
    smallest : least side that is accepted, after resizing.

    Returns
    -------
    (H, W) float32 in [-1, 1].

    Raises
    ------
    UserError : unreadable, empty, truncated; neither gray nor colour; NaN or infinite; too small.
    """
    path = Path(path)
    pixels = _pixels(path)
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):  # alpha does not show what the camera saw
        pixels = pixels[..., :-1]
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3) or pixels.size == 0:
        raise UserError(
            f"{path}: shape {pixels.shape} is neither a gray nor a colour image; export single pages or channels"
        )
    if np.issubdtype(pixels.dtype, np.floating):
        if not np.isfinite(pixels).all():
            raise UserError(f"{path}: holds NaN or infinite values; replace them before use")
        if pixels.min() < 0 or pixels.max() > 1:
            raise UserError(
                f"{path}: float values outside [0, 1] ({pixels.min():.3g} to {pixels.max():.3g}); rescale them"
            )
        unit = pixels.astype(np.float32)
    elif pixels.dtype == bool:
        unit = pixels.astype(np.float32)
    elif pixels.dtype in (np.uint8, np.uint16, np.int32):  # Pillow gives some 16-bit files as int32
        top = np.float32(255 if pixels.dtype == np.uint8 else 65535)
        unit = pixels.astype(np.float32) / top
    else:
        raise UserError(f"{path}: pixels of type {pixels.dtype} are not supported; save as 8 or 16 bit")
    gray: np.ndarray = unit if unit.ndim == 2 else unit @ LUMINANCE
    if size is not None:
        gray = resize(gray, size)
    if min(gray.shape) < smallest:
        raise UserError(
            f"{path}: {gray.shape[1]}×{gray.shape[0]} px is smaller than the {smallest}-px patch; use larger images"
        )
    return np.ascontiguousarray(gray.clip(0, 1) * 2 - 1, np.float32)


def read_mask(path: Path, image: Path, shape: tuple[int, int], size: int | None = None) -> np.ndarray:
    """Read a defect mask (any value above 0 is a defect) that must have its image's size."""
    pixels = _pixels(path)
    if pixels.ndim == 3:
        pixels = pixels[..., : 1 if pixels.shape[2] < 3 else 3].max(axis=-1)  # without alpha
    mask = pixels > 0
    if mask.shape != shape:
        raise UserError(
            f"{path}: the mask is {mask.shape[1]}×{mask.shape[0]} px and its image {image.name} is"
            f" {shape[1]}×{shape[0]} px; export it again at the image's size"
        )
    return mask if size is None else resize_mask(mask, size)


def resize(image: np.ndarray, side: int) -> np.ndarray:
    """(side, side) float32 by the mean over areas; an image of that size as it is."""
    if image.shape == (side, side):
        return image
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.float32)


def resize_mask(mask: np.ndarray, side: int) -> np.ndarray:
    """(side, side) bool: any defective pixel makes the pixel that it falls into defective."""
    return resize(mask.astype(np.float32), side) > 0


def list_images(folder: Path) -> list[Path]:
    """Image files of a folder, sorted, subfolders included. Raises UserError for a missing folder or none."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    if not files:
        raise UserError(f"{folder}: no image in this folder (looked for {', '.join(SUFFIXES)})")
    return files


def content_hash(image: np.ndarray) -> str:
    return hashlib.sha256(str(image.shape).encode() + image.tobytes()).hexdigest()


def distinct(images: Iterable[np.ndarray]) -> dict[str, int]:
    """By their content's hash, the positions of the images that are not, pixel for pixel, copies of an earlier one."""
    first: dict[str, int] = {}
    for position, image in enumerate(images):
        first.setdefault(content_hash(image), position)
    return first
