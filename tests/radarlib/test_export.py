"""An exported detector says what the detector says, without PyTorch."""

import json
import re
import runpy
import shutil
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from radarlib.cli import main
from radarlib.config import resolve
from radarlib.errors import UserError
from radarlib.images import read_image
from radarlib.inspection.detector import Detector
from radarlib.inspection.export import EXAMPLE, export

pytestmark = pytest.mark.slow  # to export takes seconds
HEIGHT, WIDTH = 47, 61  # not a multiple of 16 pixels: the noise ends in an odd block


def surface(k: int) -> np.ndarray:
    rng = np.random.default_rng(k)
    values = 120 + 40 * np.sin(np.arange(WIDTH) / 3)[None] + 12 * rng.standard_normal((HEIGHT, WIDTH))
    if k >= 100:
        values[20:30, 30:40] = 250
    return np.clip(values, 0, 255).astype(np.uint8)


def fitted(folder, space: str, roi: np.ndarray | None = None, **more) -> Detector:
    settings = resolve({
        "unet": {"width": 4, "multipliers": [1, 2], "attention_levels": [1]},
        "training": {"steps": 20, "batch": 4, "precision": "float32"},
        "decision": {"space": space}, "feature_step": {"steps": 20}, **more,
    })  # fmt: skip
    detector = Detector(settings, seed=3, device="cpu", roi=roi).fit([surface(k) for k in range(10)], out=folder)
    detector.save(folder)
    return detector


def said(folder, *images) -> dict[str, tuple[float, float]]:
    """Scores and p-values by a fresh Python in which neither torch nor radarlib can be imported."""
    code = (
        "import sys, runpy; sys.modules.update(torch=None, radarlib=None);"
        f"sys.argv[1:] = {[str(i) for i in images]!r}; runpy.run_path({str(folder / 'run.py')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    told = re.findall(r"^(.*): (?:ANOMALOUS|normal), score (.*), p (.*)$", done.stdout, re.MULTILINE)
    return {file: (float(score), float(p)) for file, score, p in told}


@pytest.mark.parametrize(("space", "kind", "region"), [("both", "onnx", False), ("both", "openvino", True)])
def test_exported_scores_and_maps_are_the_detectors(tmp_path, space, kind, region):
    roi = np.zeros((HEIGHT, WIDTH), bool) if region else None
    if roi is not None:
        roi[:, 10:] = True
    detector = fitted(tmp_path / "model", space, roi)
    export(detector, tmp_path / "there", kind)
    files = []
    for k in (50, 51, 100):
        files.append(tmp_path / f"{k}.png")
        cv2.imwrite(str(files[-1]), surface(k))
    colour = tmp_path / "colour.png"
    cv2.imwrite(str(colour), np.dstack([surface(60), surface(61), surface(100)]))
    found = said(tmp_path / "there", *files, colour)
    for file in (*files, colour):
        expected = detector.detect(read_image(file))
        score, p = found[str(file)]
        assert score == pytest.approx(expected.score, rel=1e-3, abs=1e-3)
        assert p == pytest.approx(expected.p_value, rel=1e-2)
        beside = tmp_path / "there/maps" / file.relative_to(file.anchor)  # and not among the images
        there = cv2.imread(f"{beside}.map.tiff", cv2.IMREAD_UNCHANGED)
        np.testing.assert_allclose(there, expected.anomaly_map, rtol=2e-3, atol=2e-3)
    assert len((tmp_path / "there/run.py").read_text().splitlines()) < 130
    told = json.loads((tmp_path / "there/detector.json").read_text())
    assert told["threshold"] == detector.threshold_ and told["size"] == [HEIGHT, WIDTH]


def test_what_cannot_be_exported_is_told_in_a_line(tmp_path, capsys):
    forest = fitted(tmp_path / "forest", "features", decision={"space": "features", "rule": "forest"})
    with pytest.raises(UserError, match="--decision distance"):
        export(forest, tmp_path / "x")
    detector = fitted(tmp_path / "model", "features")
    detector.size_ = None
    with pytest.raises(UserError, match="several sizes; say which --size"):
        export(detector, tmp_path / "x")
    assert main(["export", str(tmp_path / "model"), "--out", str(tmp_path / "x"), "--size", "20", "20"]) == 2
    assert "smaller than the 28-px patch" in capsys.readouterr().err
    with pytest.raises(UserError, match="images of 4032×3024 px are too large to export on pixels"):
        export(fitted(tmp_path / "pixels", "pixels"), tmp_path / "x", size=(3024, 4032))
    with pytest.raises(UserError, match="holds a fitted model"):
        export(detector, tmp_path / "forest", size=(HEIGHT, WIDTH))
    assert not (tmp_path / "x").exists()


def test_the_command_exports_for_another_size(tmp_path, capsys):
    fitted(tmp_path / "model", "features")
    (tmp_path / "there").mkdir()
    (tmp_path / "there/detector.xml").write_text("of an earlier export")
    (tmp_path / "there/roi.png").write_text("of an earlier export")
    args = ["export", str(tmp_path / "model"), "--out", str(tmp_path / "there"), "--size", "90", "70"]
    assert main(args) == 0 and "run.py" in capsys.readouterr().out
    cv2.imwrite(str(tmp_path / "one.png"), np.resize(surface(0), (70, 90)))
    assert sorted(p.name for p in (tmp_path / "there").iterdir()) == ["detector.json", "detector.onnx", "run.py"]
    expected = Detector.load(tmp_path / "model", "cpu").score(read_image(tmp_path / "one.png"))
    assert said(tmp_path / "there", tmp_path / "one.png")[str(tmp_path / "one.png")][0] == (
        pytest.approx(expected, abs=1e-3)
    )


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("inks.jpg", lambda path: Image.fromarray(surface(0)).convert("CMYK").save(path)),
        ("plain.tif", lambda path: Image.fromarray(surface(0)).save(path)),
        ("frames.png", lambda path: Image.fromarray(surface(0)).save(
            path, save_all=True, append_images=[Image.fromarray(surface(1))])),
    ],
)  # fmt: skip
def test_the_exported_reader_refuses_what_opencv_reads_otherwise(tmp_path, name, write):
    (tmp_path / "detector.json").write_text(json.dumps({"side": None, "size": [HEIGHT, WIDTH]}))
    read = runpy.run_path(shutil.copy(EXAMPLE, tmp_path / "run.py"))["read"]
    write(tmp_path / name)
    with pytest.raises(ValueError, match="neither PNG, JPEG nor BMP with one picture in gray or RGB"):
        read(tmp_path / name)
    cv2.imwrite(str(tmp_path / "plain.png"), surface(0))
    np.testing.assert_array_equal(read(tmp_path / "plain.png"), read_image(tmp_path / "plain.png"))
    Image.fromarray(np.dstack([surface(0), surface(1)]), "LA").save(tmp_path / "alpha.png")
    np.testing.assert_array_equal(read(tmp_path / "alpha.png"), read_image(tmp_path / "alpha.png"))


def test_the_exported_reader_names_what_it_cannot_read_and_goes_on(tmp_path):
    export(fitted(tmp_path / "model", "features"), tmp_path / "there")
    Image.fromarray(surface(1)).save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) * 6 // 10])
    (tmp_path / "more.jpg").write_bytes(whole + b"\xff\xda of another kind")  # as phones add their own
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 200_000, 200_000, 8, 0, 0, 0, 0)
    huge = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + huge)
    run = [sys.executable, "there/run.py", "cut.jpg", "none.png", "there", "huge.png", "whole.jpg", "more.jpg"]
    done = subprocess.run([*run, "--out", "found"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["whole.jpg", "more.jpg"]
    assert [line for line in done.stderr.splitlines() if re.match(r"[\w.]+: ", line)] == [
        "cut.jpg: a JPEG that ends in the middle; copy it again",
        "none.png: No such file or directory",
        "there: Is a directory",
        "huge.png: no image that OpenCV reads",
    ]
    assert sorted(p.name for p in (tmp_path / "found").iterdir()) == ["more.jpg.map.tiff", "whole.jpg.map.tiff"]
    taken = subprocess.run([*run[:2], "whole.jpg", "--out", "cut.jpg"], capture_output=True, text=True, cwd=tmp_path)
    assert taken.returncode == 1 and taken.stderr == "cut.jpg: File exists\n"
    none = subprocess.run([sys.executable, "there/run.py"], capture_output=True, text=True, cwd=tmp_path)
    assert none.returncode == 2 and "image" in none.stderr
