"""Scoring a whole set: no label is seen, and mistakes get one line."""

import pytest
from conftest import run

from radarlib.datasets import ImageSet, read_set
from study.kept import load_maps
from study.radar.score import score_set


@pytest.mark.parametrize("method", ["raw", "untrained"])
def test_a_set_is_scored_without_its_labels(mvtec, settings, tmp_path, method):
    data = read_set(mvtec, "cloth", settings["data"], 8)
    table = score_set(data, method, settings, 0, None, tmp_path / "a")
    blind = ImageSet(data.images, data.index.assign(defect="good"), [None] * len(data.images))
    score_set(blind, method, settings, 0, None, tmp_path / "b")
    assert (tmp_path / "a/features.csv").read_bytes() == (tmp_path / "b/features.csv").read_bytes()
    assert list(table["image"]) == list(data.index["image"])
    assert [m.shape for m in load_maps(tmp_path / "a/maps.npz")] == [(24, 24)] * 8


def test_unknown_command_line_method_gets_one_line(mvtec, tmp_path):
    from conftest import REPOSITORY

    done = run(
        "study",
        "score",
        str(tmp_path / "no.npz"),
        "--method",
        "radar",
        "--settings",
        "{}",
        "--out",
        "x",
        cwd=REPOSITORY,
    )
    assert done.returncode == 2 and done.stderr.strip().endswith("missing; run the workflow's data rule first")
    assert "Traceback" not in done.stderr
