"""The script that measures what a user gets."""

import os
import runpy
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY, copy_repository, write_png

SETTINGS = (
    '{"unet": {"width": 4, "multipliers": [1, 2], "attention_levels": [1]}, "feature_step": {"steps": 3},'
    ' "training": {"patch": 8, "steps": 3, "batch": 4, "precision": "float32"}, "radar": {"stride": 4, "window": 8},'
    ' "reconstruction": {"stride": 4}, "features": {"side": 64}}'
)


@pytest.fixture(scope="module")
def script() -> dict:
    return runpy.run_path(str(REPOSITORY / "workflow/detectors.py"))


def test_a_set_is_measured_once_by_every_way(mvtec, tmp_path):
    for k in range(6, 12):  # a detector takes no fewer than eight good images
        image = np.random.default_rng(k).integers(0, 256, (24, 24)).astype(np.uint8)
        write_png(mvtec / "cloth/train/good" / f"{k}.png", image)
    copy = copy_repository(tmp_path / "copy")
    command = [sys.executable, str(copy / "workflow/detectors.py"), "--settings", SETTINGS]
    environment = {**os.environ, "RADARLIB_DATA": str(mvtec)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(copy / "data/detectors.csv")
    ways = ["pixels", "features", "both", "PatchCore", "PaDiM", "chosen"]
    assert table["way"].tolist() == 2 * ways and table["set"].tolist() == 6 * ["cloth"] + 6 * ["mean"]
    one = table[table["set"] == "cloth"].set_index("way")
    assert (one["good"] == 4).all() and (one["defective"] == 4).all() and one["auroc"].between(0, 1).all()
    assert one.loc[ways[:3], ["f1", "false_alarms", "alarms_low", "alarms_high"]].notna().all(axis=None)
    assert one.loc[["PatchCore", "PaDiM"], "f1"].isna().all()  # they have no threshold of their own
    assert one.loc["chosen", "probes"] == one["probes"].max()
    assert (one[["fit_s", "image_s", "peak_mb", "pixel_auroc", "pro"]] > 0).all(axis=None)
    lines = (copy / "data/detectors.md").read_text().splitlines()
    assert len(lines) == 2 + len(ways) and "above PatchCore" not in lines[0] and "| cloth | both" in lines[4]
    means = (copy / "data/detectors_mean.md").read_text().splitlines()
    assert len(means) == len(lines) and " to " in means[2] and "| –" in means[5] and "set" not in means[0]
    kept = {file: file.stat().st_mtime_ns for file in (copy / "results/detectors").rglob("*.json")}
    assert len(kept) == 5 and subprocess.run(command, env=environment, capture_output=True).returncode == 0
    assert kept == {file: file.stat().st_mtime_ns for file in kept}


def test_a_row_has_the_figures_of_its_images(script):
    found = {
        "truth": [True, True, False, False, False, False], "score": [3.0, 2.0, 2.5, 1.0, 0.5, 0.1],
        "flagged": [True, False, True, False, False, False], "images": 9, "pixel_auroc": 0.5, "pro": 0.25, "fit_s": 1.0,
        "image_s": 0.1, "peak_mb": 100.0, "probes": 0.9,
    }  # fmt: skip
    row = script["row"]("cloth", "both", found)
    assert row["auroc"] == 7 / 8 and row["f1"] == 0.5 and row["false_alarms"] == 0.25
    assert row["alarms_low"] == pytest.approx(0.0063, abs=1e-4) and row["alarms_high"] == pytest.approx(
        0.8059, abs=1e-4
    )
    other = script["row"]("cloth", "patchcore", {**found, "score": [1.0, 1.0, 1.0, 1.0, 1.0, 1.0], "probes": np.nan})
    means = script["table"]([row, other]).query("set == 'mean'").set_index("way")
    assert means.loc["both", "auroc"] == 7 / 8 and means.loc["both", "over_high"] == pytest.approx(0.5)
    assert means.loc["PatchCore", ["over_low", "over_high"]].tolist() == [0, 0]
