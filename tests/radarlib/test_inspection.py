"""The detector from Python, the part that is looked at, files that arrive, processes side by side, and the report."""

import io
import json
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from conftest import write_png
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from radarlib.cli import main
from radarlib.config import resolve
from radarlib.errors import UserError
from radarlib.files import alone_in, read_json, sha256_file, write_json
from radarlib.images import from_array, read_image
from radarlib.inspection import detector as detector_module
from radarlib.inspection import judge
from radarlib.inspection.detector import Detector
from radarlib.inspection.inputs import inputs
from radarlib.inspection.roi import read_roi
from radarlib.inspection.shards import cut, gather
from radarlib.inspection.spaces import SPACES, Features, Pixels

TINY = resolve({
    "unet": {"width": 4, "multipliers": [1, 2], "attention_levels": []},
    "training": {"patch": 16, "steps": 3, "batch": 2, "precision": "float32"},
    "radar": {"stride": 8, "window": 8}, "reconstruction": {"stride": 8},
    "features": {"side": 32}, "feature_step": {"width": 8, "steps": 3},
})  # fmt: skip


def pictures(n: int, seed: int = 0, shape: tuple[int, int] = (24, 32)) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, shape).astype(np.uint8) for _ in range(n)]


@pytest.fixture(scope="module")
def fitted() -> Detector:
    return Detector(TINY).fit(pictures(9))


# --- from Python ---


def test_it_keeps_the_conventions_of_scikit_learn(fitted):
    images = pictures(5, seed=1)
    again = clone(fitted)
    assert again.get_params().keys() == fitted.get_params().keys() == {"settings", "seed", "device", "roi"}
    with pytest.raises(NotFittedError):
        again.score(images[0])
    assert again.fit(pictures(9)) is again and again.set_params(seed=3).seed == 3
    scores = fitted.score_samples(images)
    np.testing.assert_allclose(scores, clone(fitted).fit(pictures(9)).score_samples(images), rtol=1e-5)
    assert scores.tolist() == [-fitted.score(image) for image in images]
    np.testing.assert_allclose(fitted.decision_function(images), scores + fitted.threshold_)
    assert set(fitted.predict(images)) <= {-1, 1}
    assert ((fitted.predict(images) == -1) == [fitted.detect(image).anomalous for image in images]).all()
    assert set(clone(fitted).fit_predict(pictures(9))) <= {-1, 1}


def test_images_in_memory_and_in_files_are_judged_alike(fitted, tmp_path):
    image = pictures(1, seed=2)[0]
    read = read_image(write_png(tmp_path / "a.png", image))
    assert fitted.score(image) == fitted.score(read) == fitted.score(image.astype(np.uint16) * 257)
    assert fitted.score(np.dstack([image] * 3)) == pytest.approx(fitted.score(image), rel=1e-3)


@pytest.mark.parametrize(
    "image",
    [np.zeros((24, 32)) + 3, np.full((24, 32), np.nan), np.zeros((24, 32), int), np.zeros((24, 32, 2), np.uint8)],
)
def test_an_array_that_is_no_image_is_refused(fitted, image):
    with pytest.raises(ValueError, match="image"):
        fitted.score(image)


def test_an_array_that_is_too_small_is_refused(fitted):
    with pytest.raises(ValueError, match="smaller than the 16-px patch"):
        fitted.score(np.zeros((24, 10), np.uint8))


def test_images_in_memory_are_resized_as_the_files_are(tmp_path):
    """A detector that was fitted on images of one size sees no others."""
    own = resolve({**TINY, "data": {**TINY["data"], "image_size": 24}})
    for k, image in enumerate(pictures(9, shape=(40, 50))):
        write_png(tmp_path / f"good/{k}.png", image)
    detector = Detector(own).fit(tmp_path / "good")
    new = pictures(1, seed=1, shape=(40, 50))[0]
    write_png(tmp_path / "new.png", new)
    found = detector.detect(new)
    assert found.anomaly_map.shape == (24, 24)
    assert found.score == detector.score(read_image(tmp_path / "new.png", 24))
    assert detector.detect(read_image(tmp_path / "new.png")).anomaly_map.shape == (24, 24)
    np.testing.assert_allclose(Detector(own).fit(pictures(9, shape=(40, 50))).features_, detector.features_, rtol=1e-5)


def test_a_rate_that_few_images_could_not_promise_gets_as_many_as_it_needs():
    own = resolve({**TINY, "data": {**TINY["data"], "max_classifier": 8}, "decision": {"false_alarm_rate": 0.06}})
    assert len(Detector(own).fit(pictures(20)).features_) == 16
    assert len(Detector(resolve({**own, "decision": {"false_alarm_rate": 0.2}})).fit(pictures(20)).features_) == 8


@pytest.mark.parametrize("space", ["pixels", "both"])
def test_of_enough_images_a_third_decides_that_the_network_has_not_seen(space, monkeypatch):
    """What it learned from it knows better than new images, and a threshold from those would flag too many."""
    learned, original = {}, {kind: kind.fit for kind in SPACES["both"]}
    for kind in SPACES["both"]:

        def fit(images, *rest, kind=kind):
            learned[kind] = {image.tobytes() for image in images}
            return original[kind](images, *rest)

        monkeypatch.setattr(kind, "fit", fit)
    own = resolve({**TINY, "decision": {"space": space}})
    images = pictures(57)
    detector = Detector(own).fit(images)
    assert len(detector.features_) == len(detector.peaks_) == 19 and detector.unseen_
    assert len(learned[Pixels]) == 38 and len(learned.get(Features, images)) == 57
    known = [from_array(image).tobytes() in learned[Pixels] for image in images]
    judged = [detector._scored(from_array(image))[1] for image, seen in zip(images, known, strict=True) if not seen]
    np.testing.assert_allclose(detector.features_, judged, rtol=1e-4)
    fewer = Detector(own).fit(images[:55])
    assert len(fewer.features_) == 55 and not fewer.unseen_
    assert Detector(resolve({**own, "decision": {"space": "features"}})).fit(images).unseen_


@pytest.mark.parametrize(("space", "part"), [("pixels", "training"), ("features", "feature_step")])
def test_a_training_that_diverged_leaves_no_model(folders, capsys, space, part):
    (folders / "tiny.json").write_text(json.dumps({**TINY, part: {**TINY[part], "lr": 1e30}}))
    assert fit(folders, "--space", space) == 2
    assert "the training diverged: scores are no numbers; lower training.lr" in capsys.readouterr().err
    assert not (folders / "model/detector.json").exists()


def test_what_is_saved_is_loaded(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    loaded, image = Detector.load(tmp_path / "model", "cpu"), pictures(1, seed=3)[0]
    assert loaded.score(image) == pytest.approx(fitted.score(image)) and loaded.threshold_ == fitted.threshold_


# --- the part that is looked at ---


@pytest.mark.parametrize("space", ["pixels", "features", "both"])
def test_what_lies_outside_counts_nowhere(tmp_path, space):
    roi = np.zeros((24, 32), bool)
    roi[4:22, 5:28] = True
    own = {**TINY, "decision": {**TINY["decision"], "space": space}}
    detector = Detector(own, roi=roi).fit(pictures(9))
    one, other = pictures(2, seed=4)
    mixed = np.where(roi, one, other)
    assert detector.score(mixed) == detector.score(one) != detector.score(np.where(roi, other, one))
    assert not detector.detect(one).anomaly_map[~roi].any() and detector.detect(one).anomaly_map[roi].any()
    detector.save(tmp_path / "m")
    assert Detector.load(tmp_path / "m", "cpu").score(mixed) == pytest.approx(detector.score(one))
    (tmp_path / "m/roi.png").write_bytes(cv2.imencode(".png", np.ones((24, 32), np.uint8))[1].tobytes())
    with pytest.raises(UserError, match="roi.png: damaged, or of another fit"):
        Detector.load(tmp_path / "m", "cpu")


def test_a_region_comes_from_an_image_or_from_polygons(tmp_path):
    mask = np.zeros((24, 32), np.uint8)
    cv2.rectangle(mask, (5, 4), (20, 15), 255, -1)
    write_png(tmp_path / "roi.png", mask)
    shape = {"label": "part", "points": [[5, 4], [20, 4], [20, 15], [5, 15]], "shape_type": "polygon"}
    (tmp_path / "roi.json").write_text(json.dumps({"imageHeight": 24, "imageWidth": 32, "shapes": [shape]}))
    image, polygons = read_roi(tmp_path / "roi.png"), read_roi(tmp_path / "roi.json")
    assert image.sum() == 12 * 16 and (image == polygons).all()


@pytest.mark.parametrize(
    ("kind", "points", "pixels"),
    [("rectangle", [[20, 15], [5, 4]], 12 * 16), ("circle", [[16, 12], [16, 6]], 113)],
)
def test_a_region_may_be_a_rectangle_or_a_circle(tmp_path, kind, points, pixels):
    shape = {"label": "part", "points": points, "shape_type": kind}
    (tmp_path / "roi.json").write_text(json.dumps({"imageHeight": 24, "imageWidth": 32, "shapes": [shape]}))
    roi = read_roi(tmp_path / "roi.json")
    assert roi.sum() == pytest.approx(pixels, abs=4) and roi[12, 16]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.png", None, "none.png: no such file"),
        ("x.json", b"{}", "x.json: not polygons as labelme writes them"),
        ("x.json", b'{"imageHeight": 9, "imageWidth": 9, "shapes": []}', "marks no pixel to look at"),
        (
            "x.json",
            b'{"imageHeight": 9, "imageWidth": 9, "shapes": [{"shape_type": "line", "points": [[1, 1], [5, 5]]}]}',
            "a line encloses nothing; draw polygons, rectangles or circles",
        ),
        ("x.json", b'{"imageHeight": 9, "imageWidth": 9, "shapes": ["x"]}', "not polygons"),
        ("x.json", b'{"imageHeight": 1e999, "imageWidth": 9, "shapes": []}', "not polygons"),
        ("x.json", b'{"imageHeight": 9, "imageWidth": 9, "shapes": [{"points": [[NaN, 1]]}]}', "lies in no image"),
        ("x.json", b'{"imageHeight": 9, "imageWidth": 9, "shapes": [{"points": []}]}', "not polygons"),
        ("x.json", b'{"imageHeight": 1e12, "imageWidth": 1e12, "shapes": []}', "not polygons"),
        ("black.png", cv2.imencode(".png", np.zeros((9, 9), np.uint8))[1].tobytes(), "marks no pixel to look at"),
    ],
)
def test_a_region_that_is_none_is_named(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_roi(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.fixture
def folders(tmp_path):
    """Good images, new ones, a configuration, and a command line to fit with."""
    for k, image in enumerate(pictures(9)):
        write_png(tmp_path / f"good/{k}.png", image)
    for k, image in enumerate(pictures(5, seed=1)):
        write_png(tmp_path / f"new/{k}.png", image)
    (tmp_path / "tiny.json").write_text(json.dumps(TINY))
    return tmp_path


def fit(folders, *options: str) -> int:
    command = ["fit", str(folders / "good"), "--out", str(folders / "model"), "--config", str(folders / "tiny.json")]
    return main([*command, *options])


def test_a_region_is_for_images_of_its_size(folders, capsys):
    write_png(folders / "roi.png", np.full((24, 33), 255, np.uint8))
    assert fit(folders, "--roi", str(folders / "roi.png")) == 2
    assert "0.png: 32×24 px, and the region to look at is 33×24" in capsys.readouterr().err
    write_png(folders / "roi.png", np.full((24, 32), 255, np.uint8))
    assert fit(folders, "--roi", str(folders / "roi.png")) == 0
    write_png(folders / "new/wide.png", np.zeros((24, 40), np.uint8))
    assert main(["detect", str(folders / "model"), str(folders / "new"), "--out", str(folders / "out")]) == 1
    assert "new/wide.png: 40×24 px, and the region to look at is 32×24" in capsys.readouterr().err
    assert len(pd.read_csv(folders / "out/scores.csv")) == 5


def test_a_region_is_for_images_of_its_size_before_they_are_resized(folders, capsys):
    small = ("--roi", str(folders / "roi.png"), "--image-size", "16")
    write_png(folders / "roi.png", np.full((32, 24), 255, np.uint8))
    assert fit(folders, *small) == 2
    assert "0.png: 32×24 px, and the region to look at is 24×32" in capsys.readouterr().err
    write_png(folders / "roi.png", np.full((24, 32), 255, np.uint8))
    assert fit(folders, *small) == 0
    detector = Detector.load(folders / "model", "cpu")
    assert detector.region_.shape == (16, 16) and detector.shape == (24, 32)
    in_memory, read = (
        detector.detect(x) for x in (cv2.imread(str(folders / "good/0.png"), 0), detector.read(folders / "good/0.png"))
    )
    assert in_memory.score == read.score and (in_memory.anomaly_map == read.anomaly_map).all()
    with pytest.raises(UserError, match="40×24 px, and the region to look at is 32×24"):
        detector.score(np.zeros((24, 40), np.uint8))


def test_a_model_with_a_region_that_was_kept_resized_still_judges(folders):
    """As fits have left them before the region was held against the files."""
    write_png(folders / "roi.png", np.full((24, 32), 255, np.uint8))
    assert fit(folders, "--roi", str(folders / "roi.png"), "--image-size", "16") == 0
    model, saved = folders / "model", read_json(folders / "model/detector.json")
    assert saved.pop("photographs") == [24, 32]
    write_png(model / "roi.png", np.full((16, 16), 255, np.uint8))
    saved["files"]["roi.png"] = sha256_file(model / "roi.png")
    write_json(model / "detector.json", saved)
    detector = Detector.load(model, "cpu")
    assert detector.shape is None and detector.detect(pictures(1)[0]).anomaly_map.any()


def test_a_region_as_small_as_images_are_made_is_for_photographs_of_that_size(folders, capsys):
    write_png(folders / "roi.png", np.full((16, 16), 255, np.uint8))
    assert fit(folders, "--roi", str(folders / "roi.png"), "--image-size", "16") == 2
    assert "0.png: 32×24 px, and the region to look at is 16×16" in capsys.readouterr().err


@pytest.mark.parametrize("space", ["pixels", "features"])
def test_a_model_stays_until_the_next_one_is_whole(folders, monkeypatch, capsys, space):
    model, changed = ("--space", space), ("--space", space, "--seed", "7")
    assert fit(folders, *model) == 0
    before, detect = held(folders), ["detect", str(folders / "model"), str(folders / "new"), "--out", str(folders)]
    capsys.readouterr()
    assert fit(folders, *model) == 0 and held(folders).keys() == before.keys()
    assert "training" not in capsys.readouterr().err  # what was trained already is not trained again

    def stopped(self: Detector) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Detector, "_decide", stopped)
        assert fit(folders, *changed) == 130
    assert held(folders) == before and main([*detect[:-1], str(folders / "a")]) == 0
    assert fit(folders, *changed) == 0 and main([*detect[:-1], str(folders / "b")]) == 0
    assert held(folders).keys() == before.keys() and held(folders)["detector.json"] != before["detector.json"]


def held(folders: Path) -> dict[str, bytes]:
    """The files of the model, without measured times."""
    files = (p for p in (folders / "model").iterdir() if p.is_file() and p.name != "timing.json")
    return {p.name: p.read_bytes() for p in files}


def test_images_of_another_size_than_the_good_ones_are_named(folders, capsys):
    assert fit(folders) == 0
    write_png(folders / "new/wide.png", np.zeros((24, 40), np.uint8))
    assert main(["detect", str(folders / "model"), str(folders / "new"), "--out", str(folders / "out")]) == 0
    assert "wide.png: of another size than the good images (32×24 px)" in capsys.readouterr().err


def test_good_images_beside_masks_are_refused(folders, capsys):
    write_png(folders / "good/masks/0.png", np.full((24, 32), 255, np.uint8))
    assert fit(folders) == 2
    assert "good/masks: holds masks, or defects too" in capsys.readouterr().err
    shutil.rmtree(folders / "good/masks")
    for name in ("0_mask.png", "0_Label.bmp"):
        (folders / "good" / name).write_bytes((folders / "good/0.png").read_bytes())
        assert fit(folders) == 2
        assert f"good/{name}: a mask, by its name" in capsys.readouterr().err
        (folders / "good" / name).rename(folders / "good" / f"9{name[1:]}")  # of no image here: an image of that name
    assert fit(folders) == 0


def test_a_model_and_an_export_stay_apart(folders, capsys):
    (folders / "model").mkdir()
    (folders / "model/detector.json").write_text('{"side": null}')
    assert fit(folders) == 2
    assert "model: holds an export" in capsys.readouterr().err


def test_a_fit_that_was_stopped_while_its_model_took_the_others_place_is_repaired(folders, monkeypatch):
    assert fit(folders) == 0
    moved, replace = [], Path.replace

    def stopped(file: Path, there: Path) -> Path:
        if file.parent.name == judge.REFIT:
            moved.append(file.name)
            if len(moved) == 3:
                raise KeyboardInterrupt
        return replace(file, there)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stopped)
        assert fit(folders, "--seed", "7") == 130
    begun, learn = [], Detector.fit

    def watched(self: Detector, *arguments: object, **more: object) -> Detector:
        begun.append(sorted(p.name for p in (folders / "model" / judge.REFIT).iterdir()))
        return learn(self, *arguments, **more)

    monkeypatch.setattr(Detector, "fit", watched)
    assert fit(folders, "--seed", "7") == 0
    assert [names[:2] for names in begun] == [["model.json", "model.safetensors"]]  # what was trained already
    assert main(["detect", str(folders / "model"), str(folders / "new"), "--out", str(folders / "out")]) == 0


def test_results_of_shards_and_of_a_detection_stay_apart(folders, capsys):
    assert fit(folders) == 0
    detect = ["detect", str(folders / "model"), str(folders / "new"), "--out"]
    cut([folders / "new"], folders / "shards", 2)
    assert main([*detect, str(folders / "shards")]) == 2
    assert "shards: holds the table of `snakemake detect`" in capsys.readouterr().err
    assert main([*detect, str(folders / "out")]) == 0
    with pytest.raises(UserError, match="out: holds what `radarlib detect` found"):
        cut([folders / "new"], folders / "out", 2)
    with alone_in(folders / "shards"), pytest.raises(UserError, match="another"):
        gather(folders / "shards")


def test_a_name_that_leaves_no_room_for_a_map_stops_no_other_file(folders, capsys):
    assert fit(folders) == 0
    (folders / "new" / f"{'n' * 248}.png").write_bytes((folders / "new/0.png").read_bytes())
    for maps in ("all", "none"):
        detect = ["detect", str(folders / "model"), str(folders / "new"), "--out", str(folders / "out"), "--maps", maps]
        assert main(detect) == 1
        assert "a name too long for that of its map" in capsys.readouterr().err
        assert len(pd.read_csv(folders / "out/scores.csv")) == 5
        kept = sum(1 for p in (folders / "out/maps").rglob("*") if p.is_file())
        assert kept == (5 if maps == "all" else 0)  # what an earlier run kept is removed


def test_an_image_that_is_named_twice_is_judged_once(folders):
    (folders / "new/sub").mkdir()
    (folders / "new/0.png").rename(folders / "new/sub/0.png")
    names = [name for _, name in inputs([folders / "new", folders / "new/sub/0.png", folders / "new/sub"])]
    assert names == ["1.png", "2.png", "3.png", "4.png", "sub/0.png"]


def test_what_another_user_owns_is_told_in_a_line(folders, monkeypatch, capsys):
    def closed(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied", "list.txt")

    assert fit(folders) == 0
    monkeypatch.setattr(judge, "inputs", closed)
    assert main(["detect", str(folders / "model"), str(folders / "new"), "--out", str(folders / "out")]) == 2
    assert capsys.readouterr().err.endswith("radarlib: list.txt: permission denied; allow it, or copy it\n")


def test_what_lies_among_the_good_images_is_not_learned(folders, capsys):
    write_png(folders / "good/roi.png", np.full((24, 32), 255, np.uint8))
    assert fit(folders, "--roi", str(folders / "good/roi.png")) == 2
    assert "roi.png: lies among the good images" in capsys.readouterr().err
    assert main(["fit", str(folders / "good"), "--out", str(folders / "good/model")]) == 2
    assert "good/model: lies in" in capsys.readouterr().err


def test_a_name_that_is_no_text_stops_no_other_file(folders, capsys):
    assert fit(folders) == 0
    (folders / "new" / os.fsdecode(b"gr\xfcn.png")).write_bytes((folders / "new/0.png").read_bytes())
    assert main(["detect", str(folders / "model"), str(folders / "new"), "--out", str(folders / "out")]) == 1
    assert "a name that is no UTF-8; rename the file" in capsys.readouterr().err
    assert len(pd.read_csv(folders / "out/scores.csv")) == 5


@pytest.mark.parametrize(("lines", "message"), [(b".\n", "cannot be read"), ("a.png\n".encode("utf-16-le"), "UTF-8")])
def test_an_odd_list_is_told_in_a_line(folders, capsys, lines, message):
    assert fit(folders) == 0
    (folders / "list.txt").write_bytes(lines)
    found = main(["detect", str(folders / "model"), str(folders / "list.txt"), "--out", str(folders / "out")])
    said = capsys.readouterr().err
    assert found in (1, 2) and message in said and "Traceback" not in said


# --- processes side by side, and files as they arrive ---


@pytest.mark.slow
def test_processes_side_by_side_find_the_same(folders):
    assert fit(folders) == 0
    (folders / "new/broken.png").write_bytes(b"no image")
    for jobs in ("1", "2"):
        arguments = ["detect", str(folders / "model"), str(folders / "new"), "--out", str(folders / jobs)]
        assert main([*arguments, "--jobs", jobs]) == 1
    one, two = (pd.read_csv(folders / jobs / "scores.csv") for jobs in ("1", "2"))
    pd.testing.assert_frame_equal(one, two, rtol=1e-3)  # another number of threads adds up in another order
    assert len(one) == 5 and (folders / "2/report.html").is_file()


def test_files_are_judged_as_they_arrive(folders, monkeypatch, capsys):
    assert fit(folders) == 0
    monkeypatch.setattr(judge, "POLL_SECONDS", 0.05)
    detector, inbox, out = Detector.load(folders / "model", "cpu"), folders / "inbox", folders / "out"
    inbox.mkdir()
    data = (folders / "new/0.png").read_bytes()

    def arrive() -> None:
        with (inbox / "slow.png").open("wb") as file:  # written in pieces, over several looks
            for k in range(0, len(data), len(data) // 8):
                file.write(data[k : k + len(data) // 8])
                file.flush()
                time.sleep(0.03)
        (inbox / "bad.png").write_bytes(b"no image")
        (inbox / "whole.png").write_bytes((folders / "new/1.png").read_bytes())

    thread = threading.Thread(target=arrive)
    thread.start()
    judge.watch(detector, inbox, out, folders / "model", polls=40)
    thread.join()
    said = capsys.readouterr()
    table = pd.read_csv(out / "scores.csv").set_index("image")
    assert set(table.index) == {"slow.png", "whole.png"} and (out / "report.html").is_file()
    assert said.out.count("slow.png: ") == said.out.count("whole.png: ") == 1
    assert said.err.count("bad.png: not a readable image") == 1
    assert "bad.png: not a readable image" in (out / "report.html").read_text()
    assert table.loc["slow.png", "score"] == pytest.approx(detector.score(read_image(folders / "new/0.png")), abs=1e-6)


def test_a_watch_names_what_it_passes_over(folders, monkeypatch, capsys):
    assert fit(folders) == 0
    monkeypatch.setattr(judge, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(judge, "EMPTY_SECONDS", 0.02)
    for name in ("empty.png", "phone.heic"):
        (folders / "new" / name).touch()
    (folders / "new/gone.png").symlink_to(folders / "nowhere.png")
    write_png(folders / "new/wide.png", np.zeros((24, 40), np.uint8))
    judge.watch(Detector.load(folders / "model", "cpu"), folders / "new", folders / "out", folders / "model", polls=10)
    said = capsys.readouterr().err
    for line in ("1 .heic files are not read", "empty.png: empty, or a link", "gone.png: empty, or a link"):
        assert said.count(line) == 1
    assert said.count("wide.png: of another size than the good images (32×24 px)") == 1
    assert "empty.png: empty" in (folders / "out/report.html").read_text()


def test_a_name_that_the_output_cannot_show_ends_nothing(folders, monkeypatch):
    assert fit(folders) == 0
    shown = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", shown)
    assert main(["detect", str(folders / "model"), str(folders / "new"), "--out", str(folders / "部品")]) == 0
    shown.flush()
    assert b"\\u90e8\\u54c1" in shown.buffer.getvalue()


def test_what_a_watch_has_found_is_written_when_nothing_more_arrives(folders, monkeypatch):
    """Not with the next image alone, which may be long in coming."""
    assert fit(folders) == 0
    monkeypatch.setattr(judge, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(judge, "FLUSH_SECONDS", 1e9)
    written: list[int] = []
    flush = judge.Results.flush
    monkeypatch.setattr(judge.Results, "flush", lambda self: (written.append(len(self.rows)), flush(self)))
    detector = Detector.load(folders / "model", "cpu")
    judge.watch(detector, folders / "new", folders / "out", folders / "model", polls=6)
    assert written == [5, 5]  # once all were judged, and at the end


def test_a_watch_that_goes_on_keeps_what_is_gone_and_drops_what_has_become_unreadable(folders, monkeypatch, capsys):
    assert fit(folders) == 0
    monkeypatch.setattr(judge, "POLL_SECONDS", 0.01)
    detector, out, model = Detector.load(folders / "model", "cpu"), folders / "out", folders / "model"
    judge.watch(detector, folders / "new", out, model, polls=4)
    before = pd.read_csv(out / "scores.csv").set_index("image")
    judge.watch(detector, folders / "new", out, model, polls=0)  # stopped at once
    assert list(pd.read_csv(out / "scores.csv")["image"]) == list(before.index)
    (folders / "new/0.png").unlink()
    (folders / "new/1.png").write_bytes(b"no image")
    judge.watch(detector, folders / "new", out, model, polls=4)
    after = pd.read_csv(out / "scores.csv").set_index("image")
    pd.testing.assert_frame_equal(after, before.drop("1.png"))
    assert set(json.loads((out / "detections.json").read_text())["images"]) == set(after.index)
    assert "1.png: not a readable image" in (out / "report.html").read_text()
    capsys.readouterr()


def test_a_watch_tries_again_what_could_not_be_written(folders, monkeypatch, capsys):
    assert fit(folders) == 0
    monkeypatch.setattr(judge, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(judge, "AGAIN_SECONDS", 0.1)
    monkeypatch.setattr(judge, "FLUSH_SECONDS", 0)

    def on_a_full_disk(write, times: int):
        left = [times]

        def refused(path: Path, *arguments: object) -> None:
            left[0] -= 1
            if left[0] >= 0:
                raise UserError(f"{path}: cannot be written (No space left on device)")
            write(path, *arguments)

        return refused

    for name in ("write_bytes", "write_json"):
        monkeypatch.setattr(judge, name, on_a_full_disk(getattr(judge, name), 2))
    judge.watch(Detector.load(folders / "model", "cpu"), folders / "new", folders / "out", folders / "model", polls=60)
    assert len(pd.read_csv(folders / "out/scores.csv")) == 5
    assert "No space left" not in (folders / "out/report.html").read_text()
    assert capsys.readouterr().err.count("No space left") == 3  # of two maps, and of the results once


def test_the_page_of_a_watch_has_what_was_written_before(folders, monkeypatch):
    """Files that arrive slowly are written one by one, and the page when nothing more comes."""
    assert fit(folders) == 0
    monkeypatch.setattr(judge, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(judge, "FLUSH_SECONDS", 0)
    monkeypatch.setattr(judge, "FLUSH_SHARE", 0)
    pages: list[int] = []
    monkeypatch.setattr(judge, "report", lambda table, failures, out: pages.append(len(table)))
    detector = Detector.load(folders / "model", "cpu")
    judge.watch(detector, folders / "new", folders / "out", folders / "model", polls=40)
    assert pages == [5, 5]  # once all were judged, and at the end


def test_a_watch_that_is_terminated_ends_well(folders, monkeypatch):
    assert fit(folders) == 0
    monkeypatch.setattr(judge, "POLL_SECONDS", 0.01)
    before = signal.getsignal(signal.SIGTERM)

    def stop_it_when_all_are_judged() -> None:
        while not (folders / "out/report.html").is_file():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_it_when_all_are_judged, daemon=True).start()
    arguments = ["detect", str(folders / "model"), str(folders / "new"), "--out", str(folders / "out"), "--watch"]
    assert main(arguments) == 0 and signal.getsignal(signal.SIGTERM) is before
    assert len(pd.read_csv(folders / "out/scores.csv")) == 5 and (folders / "out/report.html").is_file()


def test_a_watch_does_not_judge_what_it_leaves(folders):
    assert fit(folders) == 0
    detector = Detector.load(folders / "model", "cpu")
    with pytest.raises(UserError, match="lies in"):
        judge.watch(detector, folders / "new", folders / "new/found", folders / "model", polls=1)


def test_a_watch_takes_one_folder(folders, capsys):
    assert fit(folders) == 0
    arguments = ["detect", str(folders / "model"), str(folders / "new"), str(folders / "good"), "--out", "x", "--watch"]
    assert main(arguments) == 2 and "--watch takes one folder" in capsys.readouterr().err
    assert main([*arguments[:2], str(folders / "none"), "--out", "x", "--watch"]) == 2
    assert "none: no such folder" in capsys.readouterr().err


# --- the report ---


def test_the_report_shows_every_image_and_holds_no_foreign_code(folders):
    assert fit(folders) == 0
    name = "<script>alert(1)</script> 100% & ünï.png"
    (folders / "new/0.png").rename(folders / "new" / name.replace("/", "_"))
    (folders / "new/broken.png").write_bytes(b"no image")
    arguments = ["detect", str(folders / "model"), str(folders / "new"), "--out", str(folders / "out")]
    assert main(arguments) == 1
    page = (folders / "out/report.html").read_text()
    assert page.count("<tr data-bad") == 5 and "<script>alert" not in page and "http" not in page.replace("xhttp", "")
    assert "broken.png: not a readable image" in page
    for source in pd.Series(page.split('img src="')[1:]).str.split('"').str[0]:
        from urllib.parse import unquote

        assert (folders / "out" / unquote(source)).is_file()


# --- a model directory that somebody made ---


def spoiled(model, change) -> None:
    """Change the weights of pixels, and let every digest fit them: what only an attacker would do."""
    path = model / "model.safetensors"
    tensors = load(path.read_bytes())
    change(tensors)
    path.write_bytes(save(tensors))
    digest = sha256_file(path)
    for name, key in (("model.json", "sha256"), ("detector.json", "files")):
        meta = read_json(model / name)
        meta[key] = digest if key == "sha256" else {**meta[key], "model.safetensors": digest}
        write_json(model / name, meta)


def retold(model, name: str, change) -> None:
    meta = read_json(model / name)
    change(meta)
    write_json(model / name, meta)


def huge(meta: dict) -> None:
    meta["settings"]["unet"]["width"] = 10**7


def told(name: str, **values: object):
    """A change of the values of a JSON file."""
    return lambda model: retold(model, name, lambda meta: meta.update(values))


HOSTILE = {
    "NaN weights": (lambda m: spoiled(m, lambda t: next(iter(t.values())).fill_(float("nan"))), "NaN, infinite"),
    "a network that no memory holds": (lambda m: retold(m, "model.json", huge), "model.json: does not fit"),
    "an unknown key": (lambda m: retold(m, "model.json", lambda x: x["settings"]["unet"].update(x=1)), "does not fit"),
    "no sections": (told("model.json", settings={}), "model.json: does not fit"),
    "NaN features": (
        lambda m: retold(m, "detector.json", lambda x: x["features"][0].__setitem__(0, float("nan"))), "no numbers"
    ),
    "no features": (told("detector.json", features=[]), "too few images"),
    "a scale of 0": (told("detector.json", map_scale=[0]), "map_scale"),
    "scales that are text": (told("detector.json", map_scale="../x"), "damaged"),
    "a space that is none": (
        lambda m: retold(m, "detector.json", lambda x: x["settings"]["decision"].update(space="../..")), "space"
    ),
    "files that are a list": (told("detector.json", files=[]), "damaged"),
    "settings that are a list": (told("detector.json", settings=[]), "damaged|object"),
    "a format that is text": (told("detector.json", format="3"), "format '3'"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_model_directory_is_refused_in_one_line(fitted, tmp_path, case):
    fitted.save(tmp_path / "m")
    assert Detector.load(tmp_path / "m", "cpu").threshold_ == fitted.threshold_
    change, message = HOSTILE[case]
    change(tmp_path / "m")
    with pytest.raises(UserError, match=message) as caught:
        Detector.load(tmp_path / "m", "cpu")
    assert "\n" not in str(caught.value) and str(tmp_path / "m") in str(caught.value)


@pytest.mark.parametrize("file", ["detector.json", "model.json", "model.safetensors"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(where=st.floats(0, 1), length=st.integers(0, 300), noise=st.binary(min_size=1, max_size=60))
def test_a_model_directory_that_is_damaged_anywhere_is_refused_or_the_same(
    fitted, tmp_path, file, where, length, noise
):
    fitted.save(tmp_path / "m")
    path = tmp_path / "m" / file
    data = path.read_bytes()
    at = int(where * len(data))
    path.write_bytes(data[:at] + noise + data[at + length :])
    try:
        assert np.isfinite(Detector.load(tmp_path / "m", "cpu").threshold_)
    except UserError as error:
        assert "\n" not in str(error)


def test_large_photographs_are_told_what_they_cost(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(detector_module, "LARGE", 40 * 30)
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((60, 44), np.uint8))
    with pytest.raises(UserError, match="too few"):
        Detector().fit(tmp_path)
    assert "images of 44×60 px take about 20 s each; --image-size 1024 takes 2" in capsys.readouterr().err
