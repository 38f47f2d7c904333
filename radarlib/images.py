"""Single images and masks in, checked: gray or colour, 8 or 16 bit, any size.

libvips decodes, for it is the one well-kept reader that turns photographs upright, knows palettes, planes, inks and
inverted grays, reads every common compression of TIFF at 16 bits as well, and says how many pages a file has. OpenCV
reads BMP, which libvips does not know. What neither reads rightly is refused, never guessed.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np

from radarlib.errors import UserError
from radarlib.layout import SUFFIXES, files_in, images_in

FOREIGN = (".heic", ".heif", ".avif", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raw", ".jp2", ".jxl", ".psd", ".pgm")
"""Endings of images that are not read here: a folder of them is told so, not passed over in silence."""
LOADERS = {"png": False, "jpeg": True, "tiff": False, "webp": True, "gif": False}
"""What libvips may load, whatever a file's name says; and whether it loses what a mask needs exactly."""
LUMINANCE = np.array([0.2125, 0.7154, 0.0721], np.float32)  # of red, green, blue (ITU-R BT.709)
ROWS = 512  # of an image that are made gray at once, for memory


@dataclass
class _Pixels:
    """values : (H, W, C) in the file's own type, C = 1 (gray) or 3 (red, green, blue). alpha : (H, W), or None where
    there is none. lossy : whether values near an edge are not exact.
    """

    values: np.ndarray
    alpha: np.ndarray | None
    lossy: bool


class _RefusedError(Exception):
    """Why a file that can be decoded is not taken, and what to do."""


def _pixels(path: Path) -> _Pixels:
    """A file's pixels, upright. Raises UserError, one line with the file's name, where they cannot be had rightly."""
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # the latter for a name that no system can have
        raise UserError(f"{path}: cannot be read ({getattr(error, 'strerror', error)})") from None
    if not data:
        raise UserError(f"{path}: the file is empty (0 bytes); remove it or copy it again")
    try:
        return _bitmap(data) if data[:2] == b"BM" else _decoded(data)
    except _RefusedError as reason:
        raise UserError(f"{path}: {reason}") from None
    except Exception as error:  # decoders raise every kind of exception on damaged files
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        why = next((line for line in lines if not line.startswith("unable to")), lines[0])  # libvips' own lines
        why = "of no known kind" if "not in a known format" in why else why
        raise UserError(f"{path}: not a readable image ({why}); remove it or copy it again") from None


def _bitmap(data: bytes) -> _Pixels:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what is wrong is said below
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise _RefusedError("not a readable image (a damaged BMP); remove it or copy it again")
    found = np.atleast_3d(found)
    colour, alpha = found[..., :3], found[..., 3] if found.shape[2] == 4 else None
    return _Pixels(colour[..., ::-1], alpha, False)


def _decoded(data: bytes) -> _Pixels:
    import pyvips  # here: it loads a library, which jobs without images do without

    logging.getLogger("pyvips").setLevel(logging.CRITICAL)  # what it warns of is raised as well
    pyvips.cache_set_max(0)  # or a file that was written anew would be the one before
    pyvips.block_untrusted_set(True)
    image = pyvips.Image.new_from_buffer(data, "", fail_on="error")
    kind = image.get("vips-loader").removesuffix("_buffer").removesuffix("load")
    if kind not in LOADERS:
        raise _RefusedError(f"an image of another kind ({kind}); save it as PNG, TIFF or JPEG")
    lossy = LOADERS[kind] or (kind == "tiff" and _tiff_is_lossy(data))
    pages = image.get("n-pages") if "n-pages" in image.get_fields() else 1
    if pages > 1 or (kind == "png" and b"acTL" in data[: data.find(b"IDAT")]):
        raise _RefusedError("several pages or frames; save the one that is meant as a file of its own")
    if image.interpretation == "cmyk":
        image = image.icc_transform("srgb", embedded=True, input_profile="cmyk")
    elif image.interpretation in ("lab", "labs", "labq", "xyz", "lch", "hsv", "yxy"):
        raise _RefusedError(f"colours in {image.interpretation}; save it as gray or RGB")
    if image.format not in ("uchar", "ushort", "float"):
        raise _RefusedError(
            f"pixels of type {image.format} have no known range; save as 8 or 16 bit, or float in [0, 1]"
        )
    found = image.autorot().numpy()
    found = found[..., None] if found.ndim == 2 else found
    alpha = found[..., -1] if image.hasalpha() and found.shape[2] > 1 else None
    colour = found if alpha is None else found[..., :-1]
    if colour.shape[2] not in (1, 3):
        raise _RefusedError(f"{found.shape[2]} channels are neither gray nor colour; export single channels")
    return _Pixels(colour, alpha, lossy)


def _tiff_is_lossy(data: bytes) -> bool:
    """Whether a TIFF holds JPEG. Raises _RefusedError for colours that libvips takes for others without a word."""
    import tifffile

    with tifffile.TiffFile(BytesIO(data)) as file:
        page = file.pages.first
        jpeg = page.compression in (tifffile.COMPRESSION.JPEG, tifffile.COMPRESSION.OJPEG)
        if page.photometric == tifffile.PHOTOMETRIC.YCBCR and not jpeg:
            raise _RefusedError("colours in YCbCr without JPEG; save it as gray or RGB")
        planes = tifffile.PLANARCONFIG.SEPARATE
        if page.planarconfig == planes and page.samplesperpixel == 2:
            raise _RefusedError("gray and alpha in separate planes; save it as gray")
        if tifffile.EXTRASAMPLE.UNSPECIFIED in page.extrasamples:
            raise _RefusedError(f"{page.samplesperpixel} channels are neither gray nor colour; export single channels")
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and page.sampleformat == tifffile.SAMPLEFORMAT.IEEEFP:
            raise _RefusedError("float values of which 0 is white; save it with 0 as black")
        return jpeg


def read_image(
    path: Path,
    size: int | None = None,
    smallest: int = 1,
    colour: bool = False,
    shape: tuple[int, int] | None = None,
    least: int = 1,
) -> np.ndarray:
    """Read a gray or colour image of 8 or 16 bits, or float in [0, 1], upright as its camera says.

    Parameters
    ----------
    size : resize to (size, size); None keeps the size.
    smallest : least side that is accepted, after resizing.
    colour : as red, green and blue, three equal ones of a gray image; else as gray.
    shape : (height, width) that the file must have, of a region to look at; None: any.
    least : least side that the file itself must have.

    Returns
    -------
    (H, W) float32 in [-1, 1], or (H, W, 3). Alpha does not show what the camera saw, and is left out.

    Raises
    ------
    UserError : unreadable, empty, truncated; several pages or frames; neither gray nor colour; integers without a known
        range; NaN or infinite; too small; of another shape.
    """
    path = Path(path)
    values = _pixels(path).values
    if shape is not None and values.shape[:2] != shape:
        raise UserError(f"{path}: {unlike(values.shape, shape)}")
    if values.dtype == np.float32:
        if not np.isfinite(values).all():
            raise UserError(f"{path}: holds NaN or infinite values; replace them before use")
        if values.min() < 0 or values.max() > 1:
            raise UserError(
                f"{path}: float values outside [0, 1] ({values.min():.3g} to {values.max():.3g}); rescale them"
            )
    image = np.concatenate([_unit(values[k : k + ROWS], colour) for k in range(0, len(values), ROWS)])
    seen = image if size is None else resize(image, size)
    for (height, width, *_), side in ((image.shape, least), (seen.shape, smallest)):
        if min(height, width) < side:
            raise UserError(f"{path}: {width}×{height} px is smaller than the {side}-px patch; use larger images")
    return np.ascontiguousarray(seen.clip(0, 1) * 2 - 1, np.float32)


def unlike(shape: tuple[int, ...], region: tuple[int, ...]) -> str:
    """Why an image of this shape has no part that is looked at."""
    return (
        f"{shape[1]}×{shape[0]} px, and the region to look at is {region[1]}×{region[0]}; it is for images of its own"
        " size"
    )


def _unit(values: np.ndarray, colour: bool) -> np.ndarray:
    """(h, W, C) of a file's type → float32 in [0, 1], gray (h, W) or colour (h, W, 3)."""
    top = {np.uint8: 255, np.uint16: 65535}.get(values.dtype.type, 1)
    unit = values.astype(np.float32) / np.float32(top)
    if colour:
        return np.broadcast_to(unit, (*unit.shape[:2], 3))
    return unit[..., 0] if unit.shape[2] == 1 else unit @ LUMINANCE


def read_mask(path: Path, image: Path, shape: tuple[int, int], size: int | None = None) -> np.ndarray:
    """`marked` pixels of a defect mask that must have its image's size."""
    mask = marked(path)
    if mask.shape != shape:
        raise UserError(
            f"{path}: the mask is {mask.shape[1]}×{mask.shape[0]} px and its image {image.name} is"
            f" {shape[1]}×{shape[0]} px; export it again at the image's size"
        )
    return mask if size is None else resize_mask(mask, size)


def marked(path: Path) -> np.ndarray:
    """What a mask marks, (H, W) bool. Raises UserError where it is unreadable.

    Any value above 0 is marked, in a palette any colour but black; where a lossy format blurs edges, what is above half
    of the highest value. In a mask of one colour with an alpha channel it is what is above half there.
    """
    pixels = _pixels(path)
    values = pixels.values.max(axis=-1)
    top = np.iinfo(values.dtype).max if values.dtype.kind == "u" else 1.0
    if pixels.alpha is not None and values.min() == values.max() and pixels.alpha.min() < pixels.alpha.max():
        return pixels.alpha > top / 2
    return values > (max(values.max() / 2, top / 16) if pixels.lossy else 0)


def from_array(pixels: np.ndarray, colour: bool = False, size: int | None = None) -> np.ndarray:
    """An image that is in memory, as `read_image` gives it: (H, W) float32 in [-1, 1], or of colour (H, W, 3).

    pixels : (H, W) or (H, W, 3) of red, green, blue, uint8 or uint16; or float in [-1, 1] that is as it shall be.
    size : resize to (size, size). Raises ValueError for anything else.
    """
    pixels = np.asarray(pixels)
    three = pixels.ndim == 3 and pixels.shape[2] == 3
    if pixels.dtype.kind == "f" and (three if colour else pixels.ndim == 2):
        if not (np.isfinite(pixels).all() and np.abs(pixels).max(initial=0) <= 1):
            raise ValueError("a float image must have values in [-1, 1], without NaN")
        image = np.ascontiguousarray(pixels, np.float32)
        return resize(image, size) if size else image
    if not (pixels.ndim == 2 or three) or pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f"an image of shape {pixels.shape} and type {pixels.dtype}: give (H, W) or (H, W, 3) of uint8 or uint16, or"
            f" {'(H, W, 3)' if colour else '(H, W)'} of float in [-1, 1]"
        )
    image = _unit(pixels if three else pixels[..., None], colour)
    return np.ascontiguousarray((resize(image, size) if size else image) * 2 - 1, np.float32)


def resize(image: np.ndarray, side: int) -> np.ndarray:
    """(side, side) float32 by the mean over areas, or of colour (side, side, 3); an image of that size as it is."""
    if image.shape[:2] == (side, side):
        return image
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.float32)


def resize_mask(mask: np.ndarray, side: int) -> np.ndarray:
    """(side, side) bool: any defective pixel makes the pixel that it falls into defective."""
    return resize(mask.astype(np.float32), side) > 0


def list_images(folder: Path) -> list[Path]:
    """Image files of a folder, sorted, subfolders included. Raises UserError for a missing folder or none.

    Says on stderr how many images there are of kinds that are not read.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    files, unread = images_in(folder), foreign(files_in(folder, FOREIGN))
    if not files:
        raise UserError(
            f"{folder}: no image in this folder (looked for {', '.join(SUFFIXES)}){unread and f'; {unread}'}"
        )
    if unread:
        print(f"{folder}: {unread}", file=sys.stderr)
    return files


def foreign(files: Iterable[Path]) -> str:
    """How many images there are of kinds that are not read, in words; empty where there is none."""
    kinds = Counter(p.suffix.lower() for p in files)
    unread = ", ".join(f"{n} {suffix}" for suffix, n in kinds.items())
    return f"{unread} files are not read; save them as PNG, TIFF or JPEG" if kinds else ""


def content_hash(image: np.ndarray) -> str:
    return hashlib.sha256(str(image.shape).encode() + image.tobytes()).hexdigest()


def distinct(images: Iterable[np.ndarray]) -> dict[str, int]:
    """By their content's hash, the positions of the images that are not, pixel for pixel, copies of an earlier one."""
    first: dict[str, int] = {}
    for position, image in enumerate(images):
        first.setdefault(content_hash(image), position)
    return first
