"""Files as cameras, scanners and annotation tools write them: each is read as an independent decoder has it, or refused
in one line that says why.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from radarlib.errors import UserError
from radarlib.images import LUMINANCE, list_images, read_image, read_mask

Y, X = np.mgrid[:48, :64]
GRAY = ((3 * X + Y) % 256).astype(np.uint8)
SMOOTH = (2 * X + 2 * Y + 20).astype(np.uint8)  # which JPEG keeps
COLOUR = np.dstack([4 * X % 256, 5 * Y % 256, (2 * X + 2 * Y) % 256]).astype(np.uint8)
SOFT = np.dstack([3 * X, 4 * Y, 2 * X + Y]).astype(np.uint8)


def as_read(image: np.ndarray) -> np.ndarray:
    """What `read_image` gives of an image's values, uint8 or in [0, 1]."""
    unit = image / 255.0 if image.dtype == np.uint8 else image
    return (unit if unit.ndim == 2 else unit @ LUMINANCE) * 2 - 1


def tiff(pixels: np.ndarray, **options: object) -> Callable[[Path], None]:
    return lambda path: tifffile.imwrite(path, pixels, **options)


def pillow(image: np.ndarray | Image.Image, mode: str | None = None, **options: object) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        found = image if isinstance(image, Image.Image) else Image.fromarray(image)
        (found.convert(mode) if mode else found).save(path, **options)

    return write


def palette(image: np.ndarray) -> tuple[Image.Image, np.ndarray]:
    found = Image.fromarray(image).quantize(32)
    return found, np.asarray(found.convert("RGB"))


PALETTE, UNPACKED = palette(COLOUR)
CHECKS = (((X // 8 + Y // 8) % 2) * 255).astype(np.uint8)
ALPHA = np.dstack([COLOUR, np.full_like(GRAY, 9)])
INKS = np.asarray(Image.fromarray(SOFT).convert("CMYK"))

READ: dict[str, tuple[Callable[[Path], None], np.ndarray, float]] = {
    # name: how it is written, its pixels, and how far off they may be read (of 2)
    **{f"{c}.tif": (tiff(GRAY, compression=c), GRAY, 1e-6) for c in ("lzw", "zlib", "packbits")},
    **{f"{c}-colour.tif": (tiff(COLOUR, compression=c, photometric="rgb"), COLOUR, 1e-6) for c in ("lzw", "zlib")},
    "predictor.tif": (tiff(GRAY, compression="lzw", predictor=True), GRAY, 1e-6),
    "jpeg-gray.tif": (pillow(SMOOTH, compression="jpeg"), SMOOTH, 0.05),
    "jpeg-ycbcr.tif": (pillow(SOFT, compression="jpeg"), SOFT, 0.05),
    "jpeg-rgb.tif": (tiff(SOFT, compression="jpeg", photometric="rgb"), SOFT, 0.05),
    **{f"{c}.tif": (pillow(CHECKS, "1", compression=c), CHECKS, 1e-6) for c in ("group3", "group4")},
    "bilevel.png": (pillow(CHECKS, "1"), CHECKS, 1e-6),
    "bilevel.bmp": (pillow(CHECKS, "1"), CHECKS, 1e-6),
    "white-is-0.tif": (tiff(GRAY, photometric="miniswhite"), 255 - GRAY, 1e-6),
    "white-is-0-16.tif": (tiff(GRAY.astype(np.uint16) * 257, photometric="miniswhite"), 255 - GRAY, 1e-4),
    "planes.tif": (tiff(np.moveaxis(COLOUR, 2, 0), photometric="rgb", planarconfig="separate"), COLOUR, 1e-6),
    "tiles.tif": (tiff(np.tile(GRAY, (3, 3)), tile=(64, 64)), np.tile(GRAY, (3, 3)), 1e-6),
    "16-bit.tif": (tiff(GRAY.astype(np.uint16) * 257), GRAY, 1e-5),
    "16-bit-big-endian.tif": (tiff(GRAY.astype(np.uint16) * 257, byteorder=">"), GRAY, 1e-5),
    "16-bit-colour.tif": (tiff(COLOUR.astype(np.uint16) * 257, photometric="rgb"), COLOUR, 1e-5),
    "16-bit.png": (pillow(GRAY.astype(np.uint16) * 257), GRAY, 1e-5),
    "half-float.tif": (tiff((GRAY / 255).astype(np.float16)), GRAY, 1e-3),
    "float-colour.tif": (tiff((COLOUR / 255).astype(np.float32), photometric="rgb"), COLOUR, 1e-5),
    "big.tif": (tiff(GRAY, bigtiff=True), GRAY, 1e-6),
    **{f"palette.{s}": (pillow(PALETTE), UNPACKED, 1e-6) for s in ("tif", "png", "gif", "bmp")},
    "inks.tif": (pillow(Image.fromarray(INKS, "CMYK")), SOFT, 0.6),
    "inks.jpg": (pillow(Image.fromarray(INKS, "CMYK"), quality=98), SOFT, 0.6),
    "alpha.png": (pillow(ALPHA), COLOUR, 1e-6),
    "alpha.tif": (pillow(ALPHA), COLOUR, 1e-6),
    "alpha.webp": (pillow(ALPHA, lossless=True, exact=True), COLOUR, 1e-6),
    "gray-alpha.png": (pillow(np.dstack([GRAY, GRAY // 2])), GRAY, 1e-6),
    "lossless.webp": (pillow(COLOUR, lossless=True), COLOUR, 1e-6),
    "lossy.webp": (pillow(SOFT, quality=95), SOFT, 0.06),
    "progressive.jpg": (pillow(SOFT, progressive=True, quality=98), SOFT, 0.05),
    "phone.jpg": (pillow(SOFT, format="MPO", save_all=True, append_images=[Image.fromarray(COLOUR)], quality=98),
                  SOFT, 0.05),
    "gray.gif": (pillow(GRAY), GRAY, 1e-6),
    "colour.bmp": (pillow(COLOUR), COLOUR, 1e-6),
    "named-wrong.jpg": (pillow(COLOUR, format="PNG"), COLOUR, 1e-6),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_a_file_is_read_as_it_was_written(tmp_path, name):
    write, pixels, tolerance = READ[name]
    write(tmp_path / name)
    np.testing.assert_allclose(read_image(tmp_path / name), as_read(pixels), atol=tolerance)
    assert list_images(tmp_path) == [tmp_path / name]


def test_inks_are_no_negative(tmp_path):
    """A print's colours are not those of a screen, so only what is light and dark is held against Pillow's."""
    for name in ("inks.tif", "inks.jpg"):
        READ[name][0](tmp_path / name)
        found = read_image(tmp_path / name)
        assert np.corrcoef(found.ravel(), as_read(SOFT).ravel())[0, 1] > 0.9


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_a_photograph_is_upright(tmp_path, turn, suffix):
    """As an independent library turns it."""
    exif, path = Image.Exif(), tmp_path / f"x.{suffix}"
    exif[0x112] = turn
    options = {"tiffinfo": {274: turn}} if suffix == "tif" else {"exif": exif}
    Image.fromarray(SOFT).save(path, quality=98, **options)
    image, way = Image.fromarray(SOFT), TURNS.get(turn)
    upright = np.asarray(image.transpose(way) if way is not None else image)
    np.testing.assert_allclose(read_image(path), as_read(upright), atol=0.05)


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip


def lab(path: Path) -> None:
    profiles = (ImageCms.createProfile(name) for name in ("sRGB", "LAB"))
    transform = ImageCms.buildTransform(*profiles, "RGB", "LAB")
    ImageCms.applyTransform(Image.fromarray(COLOUR), transform).save(path)


TWO = {"save_all": True, "append_images": [Image.fromarray(255 - GRAY)]}
REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "lab.tif": (lab, "not a readable image|colours in"),
    "ycbcr.tif": (pillow(COLOUR, "YCbCr"), "YCbCr without JPEG"),
    "int32-small.tif": (tiff(GRAY.astype(np.int32)), "pixels of type int have no known range"),
    "uint32-large.tif": (tiff(GRAY.astype(np.uint32) * 16843009), "pixels of type uint have no known range"),
    "int16.tif": (tiff(GRAY.astype(np.int16)), "pixels of type short"),
    "int8.tif": (tiff((GRAY // 2).astype(np.int8)), "pixels of type char"),
    "float64.tif": (tiff(GRAY / 255), "not a readable image"),
    "zstd.tif": (tiff(GRAY, compression="zstd"), "not a readable image .*ZSTD"),
    "pages.tif": (tiff(np.stack([GRAY] * 3), photometric="minisblack"), "several pages or frames"),
    "frames.gif": (pillow(GRAY, **TWO), "several pages or frames"),
    "frames.png": (pillow(GRAY, **TWO), "several pages or frames"),
    "frames.webp": (pillow(GRAY, **TWO), "several pages or frames"),
    "channels.tif": (tiff(np.dstack([COLOUR, GRAY, GRAY]), photometric="rgb", extrasamples=[0, 0]), "channels"),
    "infrared.tif": (tiff(np.dstack([COLOUR, GRAY]), photometric="rgb", extrasamples=[0]), "4 channels are neither"),
    "three-grays.tif": (tiff(COLOUR, photometric="minisblack", planarconfig="contig"), "3 channels are neither"),
    "gray-and-alpha-planes.tif": (
        tiff(np.stack([GRAY, GRAY // 2]), photometric="minisblack", planarconfig="separate", extrasamples=[2]),
        "gray and alpha in separate planes",
    ),
    "float-white-is-0.tif": (tiff((GRAY / 255).astype(np.float32), photometric="miniswhite"), "0 is white"),
    "drawing.png": (lambda p: p.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>"), "of no known kind"),
    "damaged.bmp": (lambda p: p.write_bytes(b"BM" + bytes(30)), "damaged BMP"),
    "folder.png": (lambda p: p.mkdir(), "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_could_be_read_wrong_is_refused_in_one_line(tmp_path, name, capfd):
    write, message = REFUSED[name]
    write(tmp_path / name)
    with pytest.raises(UserError, match=message) as caught:
        read_image(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name)) and "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")  # nor does a library say anything beside it


def test_a_large_image_is_read_without_a_word(tmp_path, capfd):
    """One of 100 million pixels: some libraries warn of these."""
    cv2.imwrite(str(tmp_path / "large.png"), np.zeros((10_000, 10_400), np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert read_image(tmp_path / "large.png", size=50).shape == (50, 50)
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_written_anew_is_read_anew(tmp_path):
    for value in (0, 255):
        Image.fromarray(np.full((20, 20), value, np.uint8)).save(tmp_path / "x.png")
        assert read_image(tmp_path / "x.png").mean() == pytest.approx(2 * value / 255 - 1)


def test_images_of_kinds_that_are_not_read_are_counted(tmp_path, capsys):
    (tmp_path / "a.heic").write_bytes(b"x")
    with pytest.raises(UserError, match=r"no image in this folder .*; 1 .heic files are not read"):
        list_images(tmp_path)
    pillow(GRAY)(tmp_path / "b.png")
    assert list_images(tmp_path) == [tmp_path / "b.png"]
    assert "1 .heic files are not read" in capsys.readouterr().err


# --- masks ---

DEFECT = np.zeros((48, 64), bool)
DEFECT[10:20, 30:40] = True
MARK = np.where(DEFECT, 255, 0).astype(np.uint8)


def indexed(colours: list[int]) -> Image.Image:
    found = Image.fromarray(DEFECT.astype(np.uint8), "P")
    found.putpalette(colours)
    return found


MASKS: dict[str, Callable[[Path], None]] = {
    "255.png": pillow(MARK),
    "1.png": pillow(DEFECT.astype(np.uint8)),
    "colour.png": pillow(np.dstack([MARK, 0 * MARK, 0 * MARK])),
    "alpha.png": pillow(np.dstack([np.full((48, 64, 3), 255, np.uint8), MARK])),
    "black-and-alpha.png": pillow(np.dstack([np.zeros((48, 64, 3), np.uint8), MARK])),
    "opaque.png": pillow(np.dstack([MARK, MARK, MARK, np.full_like(MARK, 255)])),
    "blurred.jpg": pillow(MARK, quality=75),
    "faint.jpg": pillow(MARK // 3, quality=90),
    "lossy.webp": pillow(np.dstack([MARK] * 3), quality=80),
    "jpeg.tif": pillow(MARK, compression="jpeg"),
    "palette.png": pillow(indexed([0, 0, 0, 128, 0, 0])),
    "palette.gif": pillow(indexed([0, 0, 0, 128, 0, 0])),
    "bilevel.tif": pillow(MARK, "1", compression="group4"),
    "16-bit.png": pillow(MARK.astype(np.uint16) * 257),
    "x.bmp": pillow(MARK),
}


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_is_where_the_defect_is(tmp_path, name):
    MASKS[name](tmp_path / name)
    found = read_mask(tmp_path / name, tmp_path / "x.png", (48, 64))
    assert found.sum() == DEFECT.sum() and (found == DEFECT).all()


def test_an_empty_mask_of_a_lossy_kind_is_empty(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 4, (48, 64)).astype(np.uint8)).save(tmp_path / "m.jpg", quality=75)
    assert not read_mask(tmp_path / "m.jpg", tmp_path / "x.png", (48, 64)).any()


# --- damage ---

WHOLE = {
    name: READ[name] for name in ("lzw.tif", "alpha.png", "progressive.jpg", "palette.gif", "colour.bmp", "lossy.webp")
}


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(where=st.floats(0, 1), length=st.integers(0, 200), noise=st.binary(min_size=1, max_size=40))
def test_a_damaged_file_is_read_or_refused_in_one_line(tmp_path, name, where, length, noise):
    WHOLE[name][0](tmp_path / name)
    data = (tmp_path / name).read_bytes()
    at = int(where * len(data))
    (tmp_path / name).write_bytes(data[:at] + noise + data[at + length :])
    try:
        found = read_image(tmp_path / name)
        assert found.dtype == np.float32 and np.isfinite(found).all() and np.abs(found).max() <= 1
    except UserError as error:
        assert "\n" not in str(error) and str(error).startswith(str(tmp_path / name))
