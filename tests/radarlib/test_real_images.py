"""Real images, where $RADARLIB_DATA names a folder of data sets; skipped elsewhere."""

import os
from pathlib import Path

import numpy as np
import pytest

from radarlib.config import resolve
from radarlib.datasets import read_set
from radarlib.images import read_image
from radarlib.inspection.detector import Detector
from radarlib.inspection.judge import detect, fit
from radarlib.layout import available_sets

ROOT = Path(os.environ.get("RADARLIB_DATA", "nowhere"))


SETS = available_sets(ROOT)
pytestmark = pytest.mark.skipif(not SETS, reason="RADARLIB_DATA names no folder with data sets")


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS or ["none"])
def test_real_sets_are_read_as_they_come(name):
    data = read_set(ROOT, name, resolve({"data": {"max_test": 30}})["data"], 28)
    assert len(data.where("test")) <= 40
    assert all(image.dtype == np.float32 and np.abs(image).max() <= 1 for image in data.images)
    for i in data.where("test"):
        assert data.masks[i] is None or data.masks[i].shape == data.images[i].shape


@pytest.mark.slow
def test_a_short_training_on_real_images_leads_to_finite_scores(tmp_path):
    good = sorted((ROOT / SETS[0] / "train" / "good").iterdir())[:8]
    for path in good:
        (tmp_path / "good").mkdir(exist_ok=True)
        (tmp_path / "good" / path.name).symlink_to(path)
    fit(tmp_path / "good", tmp_path / "m", resolve({"training": {"steps": 5}, "data": {"image_size": 64}}))
    test = next(p for p in sorted((ROOT / SETS[0] / "test").iterdir()) if p.name != "good")
    targets = sorted(test.iterdir())[:3]
    table, failures = detect(Detector.load(tmp_path / "m"), targets, tmp_path / "out", tmp_path / "m")
    assert not failures and len(table) == len(targets) and np.isfinite(table["score"]).all()
    assert read_image(targets[0]).ndim == 2
