import cv2
import numpy as np
import pytest
import tifffile
from conftest import write_png
from PIL import Image

from radarlib.errors import UserError
from radarlib.images import content_hash, list_images, read_image, read_mask

GRAY = np.random.default_rng(0).integers(0, 256, (30, 40)).astype(np.uint8)


def assert_reads(path, image=GRAY, tolerance=1e-6):
    np.testing.assert_allclose(read_image(path), image / np.float32(127.5) - 1, atol=tolerance)


def test_eight_and_sixteen_bit_gray_and_colour_agree(tmp_path):
    assert_reads(write_png(tmp_path / "gray.png", GRAY))
    assert_reads(write_png(tmp_path / "gray16.png", GRAY.astype(np.uint16) * 257))
    assert_reads(write_png(tmp_path / "colour.png", np.dstack([GRAY] * 3)))
    assert_reads(write_png(tmp_path / "rgba.png", np.dstack([GRAY] * 4)))
    assert_reads(write_png(tmp_path / "colour16.png", np.dstack([GRAY.astype(np.uint16) * 257] * 3)), tolerance=1e-5)
    for suffix in ("bmp", "tif", "tiff"):
        Image.fromarray(GRAY).save(tmp_path / f"x.{suffix}")
        assert_reads(tmp_path / f"x.{suffix}")
    tifffile.imwrite(tmp_path / "x16.tiff", GRAY.astype(np.uint16) * 257)
    assert_reads(tmp_path / "x16.tiff")
    tifffile.imwrite(tmp_path / "float.tiff", GRAY.astype(np.float32) / 255)
    assert_reads(tmp_path / "float.tiff")
    Image.fromarray(GRAY).save(tmp_path / "x.jpg", quality=98)
    assert_reads(tmp_path / "x.jpg", tolerance=0.1)


def test_colour_becomes_luminance(tmp_path):
    green = np.zeros((30, 30, 3), np.uint8)
    green[..., 1] = 255
    assert read_image(write_png(tmp_path / "green.png", green)).mean() == pytest.approx(2 * 0.7154 - 1, abs=1e-3)


def test_other_colour_spaces_and_inverted_gray_are_understood(tmp_path):
    Image.new("CMYK", (30, 30)).save(tmp_path / "white.jpg")  # no ink
    assert read_image(tmp_path / "white.jpg").mean() > 0.95
    tifffile.imwrite(tmp_path / "inverted.tiff", GRAY, photometric="miniswhite")
    assert_reads(tmp_path / "inverted.tiff", 255 - GRAY)
    write_png(tmp_path / "palette.png", GRAY)
    Image.open(tmp_path / "palette.png").convert("P").save(tmp_path / "palette.png")
    assert_reads(tmp_path / "palette.png", tolerance=0.05)


def test_a_masks_alpha_is_no_defect(tmp_path):
    Image.new("LA", (40, 30), (0, 255)).save(tmp_path / "m.png")
    assert not read_mask(tmp_path / "m.png", tmp_path / "x.png", (30, 40)).any()


def test_resizing_averages(tmp_path):
    assert read_image(write_png(tmp_path / "x.png", GRAY), size=10).shape == (10, 10)


def bad_files(folder):
    png = cv2.imencode(".png", GRAY)[1].tobytes()
    yield "truncated.png", png[: len(png) // 2], "not a readable image"
    yield "text.png", b"this is not an image", "not a readable image"
    yield "empty.png", b"", "the file is empty"
    yield "truncated.jpg", cv2.imencode(".jpg", GRAY)[1].tobytes()[:300], "not a readable image"
    for name, value in (("nan", np.nan), ("infinite", np.inf)):
        tifffile.imwrite(folder / "tmp.tiff", np.full((30, 30), value, np.float32))
        yield f"{name}.tiff", (folder / "tmp.tiff").read_bytes(), "NaN or infinite"
    tifffile.imwrite(folder / "tmp.tiff", np.full((30, 30), 7.0, np.float32))
    yield "range.tiff", (folder / "tmp.tiff").read_bytes(), r"float values outside \[0, 1\]"
    tifffile.imwrite(folder / "tmp.tiff", np.zeros((5, 30, 30), np.uint8), photometric="minisblack")
    yield "pages.tiff", (folder / "tmp.tiff").read_bytes(), "several pages or frames"


def test_bad_files_get_one_line_that_names_them(tmp_path):
    for name, content, message in bad_files(tmp_path):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UserError, match=message) as caught:
            read_image(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value), name


def test_too_small_an_image_names_itself(tmp_path):
    path = write_png(tmp_path / "small.png", GRAY[:20])
    with pytest.raises(UserError, match=r"small.png: 40×20 px is smaller than the 28-px patch"):
        read_image(path, smallest=28)


def test_mask_of_another_size_is_refused(tmp_path):
    path = write_png(tmp_path / "x_mask.png", np.zeros((30, 41), np.uint8))
    with pytest.raises(UserError, match=r"x_mask.png: the mask is 41×30 px and its image x.png is 40×30 px"):
        read_mask(path, tmp_path / "x.png", (30, 40))


def test_mask_keeps_thin_defects_when_it_shrinks(tmp_path):
    mask = np.zeros((100, 100), np.uint8)
    mask[50, 10:90] = 255
    assert read_mask(write_png(tmp_path / "m.png", mask), tmp_path / "x.png", (100, 100), 20).sum() == 16


def test_missing_and_empty_folders_are_named(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        list_images(tmp_path / "missing")
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(UserError, match="no image in this folder"):
        list_images(tmp_path)


def test_content_hash_knows_pixels_and_shape():
    assert content_hash(GRAY) == content_hash(GRAY.copy())
    assert content_hash(GRAY) != content_hash(GRAY.reshape(40, 30))
