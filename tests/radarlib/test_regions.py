"""Where an image departs: levels, the map's threshold, regions."""

import json

import cv2
import numpy as np
import pytest

from radarlib import conformal
from radarlib.config import resolve
from radarlib.extractor import Extractor
from radarlib.inspection import levels
from radarlib.inspection.detector import Detector
from radarlib.inspection.judge import detect, overlay
from radarlib.inspection.regions import Region, regions

SETTINGS = resolve({})


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor(SETTINGS["features"], "cpu")


def surface(k: int, side: int = 64) -> np.ndarray:
    """A noisy texture in [-1, 1]."""
    rng = np.random.default_rng(k)
    x = np.arange(side)
    return np.clip(0.3 * np.sin(x / 3)[None] + 0.1 * rng.standard_normal((side, side)), -1, 1).astype(np.float32)


def test_regions_are_boxes_of_what_is_above_1():
    found = np.zeros((20, 30), np.float32)
    found[2:5, 10:14] = 1.5
    found[3, 11] = 2
    found[5, 14] = 1.2  # touches by a corner: the same region
    found[15:17, 0:3] = 3
    found[10, 10] = 1  # not above
    peaks = np.array([0.2, 0.5, 0.9, 1.6])
    assert regions(found, peaks) == [
        Region(0, 15, 3, 2, 6, 3.0, 1 / 5),
        Region(10, 2, 5, 4, 13, 2.0, 1 / 5),
    ]
    assert regions(found / 1.4, peaks)[1].share == 2 / 5
    assert regions(found / 4, peaks) == []
    assert regions(found / 4, peaks, anomalous=True) == [Region(0, 15, 3, 2, 6, 0.75, 3 / 5)], "where to look first"


def test_boxes_lie_around_a_region_and_hide_none_of_it():
    image, found = np.zeros((40, 40), np.float32), np.zeros((40, 40), np.float32)
    found[10:20, 5:15] = 5
    box = Region(5, 10, 10, 10, 100, 5.0, 0.1)
    plain, boxed = overlay(image, found, 1.0), overlay(image, found, 1.0, [box])
    assert (plain[10:20, 5:15] == boxed[10:20, 5:15]).all()
    changed = np.argwhere((plain != boxed).any(-1))
    assert changed.min(0).tolist() == [8, 3] and changed.max(0).tolist() == [21, 16]


def test_levels_are_the_distance_from_what_is_normal(extractor):
    """Against the Mahalanobis distance in principal axes, from the half of the images that an image is not in."""
    images = [surface(k) for k in range(6)]
    found, embedded = levels.fit(images, extractor, 100, seed=0)
    features = [extractor.levels(image)[1] for image in images]
    assert [x.shape for x in features[0]] == [(56, 56, 24), (28, 28, 40), (14, 14, 112)]
    image, own = images[0], found.unseen[levels.content_hash(images[0])]
    others = [k for k, each in enumerate(images) if found.unseen[levels.content_hash(each)] != own]
    every = np.concatenate([features[k][0].reshape(-1, 24) for k in others]).astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(every, rowvar=False))
    x = features[0][0].reshape(-1, 24) - every.mean(0)
    expected = np.linalg.norm(x @ vectors / np.sqrt(np.maximum(values, 1e-3 * values.max())), axis=1).reshape(56, 56)
    white = np.linalg.norm(found.folds[own][0](features[0][0]), axis=-1)
    np.testing.assert_allclose(white, expected, rtol=2e-3)
    maps = found.maps(features[0], image)
    assert [m.shape for m in maps] == [(64, 64)] * 3 and all(m.dtype == np.float32 for m in maps)
    some, _, _ = levels.folded(images, 100, 0)
    for each, whole in zip(some, embedded, strict=True):
        np.testing.assert_array_equal(whole, extractor.embed(each))


def test_levels_are_kept_in_one_file(extractor, tmp_path):
    images = [surface(k) for k in range(4)]
    found, _ = levels.fit(images, extractor, 100, seed=0)
    levels.save(found, tmp_path / "levels.safetensors")
    again = levels.load(tmp_path / "levels.safetensors", extractor)
    new = surface(9)
    features = extractor.levels(new)[1]
    for one, two in zip(found.maps(features, new), again.maps(features, new), strict=True):
        np.testing.assert_array_equal(one, two)


def test_embedding_is_the_same_with_its_levels(extractor):
    image = surface(0)
    np.testing.assert_array_equal(extractor.embed(image), extractor.levels(image)[0])


@pytest.mark.parametrize("space", ["pixels", "features", "both"])
def test_a_defect_is_in_a_region_and_normal_images_have_none(tmp_path, space):
    """Of new normal images about one in n + 1 has a region; a gross defect has one where it is (in pixels: its rim)."""
    settings = resolve({
        "unet": {"width": 4, "multipliers": [1, 2], "attention_levels": []},
        "training": {"steps": 30, "batch": 4, "precision": "float32"},
        "decision": {"space": space},
        "feature_step": {"steps": 20},
    })  # fmt: skip
    images = [surface(k) for k in range(20)]
    detector = Detector(settings, device="cpu").fit(images, out=tmp_path)
    detector.save(tmp_path)
    assert detector.map_threshold_ == conformal.threshold(detector.peaks_, 0.05)
    new = [detector.detect(surface(100 + k)).regions for k in range(10)]
    assert sum(map(bool, new)) <= 4
    bad = surface(200)
    bad[20:30, 36:50] = 1
    found = Detector.load(tmp_path, "cpu").detect(bad)
    first = found.regions[0]
    assert first.x < 50 and first.x + first.width > 36 and first.y < 30 and first.y + first.height > 20
    assert first.score == found.anomaly_map.max() > 1 and first.share == 1 / 21


def test_detections_are_left_as_json(tmp_path):
    settings = resolve({"decision": {"space": "features"}, "feature_step": {"steps": 20}})
    for k in range(10):
        (tmp_path / "good").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"good/{k}.png"), ((surface(k, 48) + 1) * 127.5).astype(np.uint8))
    bad = ((surface(50, 48) + 1) * 127.5).astype(np.uint8)
    bad[10:20, 30:44] = 255
    (tmp_path / "new").mkdir()
    cv2.imwrite(str(tmp_path / "new/bad.png"), np.hstack([bad, bad]))
    detector = Detector(settings, device="cpu").fit(tmp_path / "good", out=tmp_path / "model")
    detector.save(tmp_path / "model")
    for _ in range(2):  # the second time from what is kept
        table, _ = detect(detector, [tmp_path / "new"], tmp_path / "out", tmp_path / "model")
    said = json.loads((tmp_path / "out/detections.json").read_text())["images"]["bad.png"]
    assert said["size"] == [96, 48] and said["anomalous"] and table["regions"].tolist() == [len(said["regions"])]
    assert set(said["regions"][0]) == {"x", "y", "width", "height", "area", "score", "share"}
    assert said["regions"][0]["score"] == max(region["score"] for region in said["regions"])
