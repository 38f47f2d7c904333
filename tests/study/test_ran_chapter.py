"""The chapter on RAN: its job, what pictures lose, and verdicts that follow its table."""

import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY, sure, whole_chains

from radarlib.config import load_settings, merge
from radarlib.datasets import ImageSet, read_set
from radarlib.denoiser import Denoiser
from study.claims import FAILS, HOLDS, SHORTENED, Evidence
from study.kept import picture, restored
from study.ledger import verdicts
from study.ran import claims, job, tables


@pytest.fixture
def denoiser(settings) -> Denoiser:
    return Denoiser.untrained(settings, 0, "cpu")


def test_spaces_are_brought_to_one_scale_before_they_are_averaged():
    maps = {"pixel": np.full((2, 3, 3), 4.0), "feature": np.full((2, 3, 3), 0.5)}
    found = job.combined(maps, {"pixel": np.array([2.0, 1.0]), "feature": np.array([0.5, 0.25])})
    np.testing.assert_allclose(found["pixel"][:, 0, 0], [2, 4, 3])  # the last is the mean of the steps
    np.testing.assert_allclose(found["both"][:, 0, 0], [1.5, 3, 2.25])


@pytest.mark.slow
def test_the_job_reads_every_step_and_sees_no_label(mvtec, settings, denoiser, tmp_path):
    data = read_set(mvtec, "cloth", settings["data"], 8)
    settings = merge(
        settings, {"ran": {"steps": 2, "limit": 2, "examples": 1, "descents": 2, "copies": 1}, "features": {"side": 32}}
    )
    job.run(data, {"gaussian": denoiser}, settings, 0, tmp_path / "a", "ran")
    table = pd.read_csv(tmp_path / "a/scores.csv", dtype={"step": str})
    assert len(table) == 8 * 3 * 3 and set(table["step"]) == {"250", "125", "all"}
    both = table.query("space == 'both' and step == 'all'")
    with np.load(tmp_path / "a/gradient.npz") as found:
        assert found["positions"].tolist() == [both.loc[both["score"].idxmax(), "position"]]
        assert found["paths"].shape == (1, 2, 24, 24)
    other = ImageSet(data.images, data.index.assign(defect="good"), [None] * len(data.images))
    job.run(other, {"gaussian": denoiser}, settings, 0, tmp_path / "b", "ran")
    assert (tmp_path / "a/scores.csv").read_bytes() == (tmp_path / "b/scores.csv").read_bytes()


def test_images_of_several_sizes_are_kept_at_one(mvtec, settings, denoiser, tmp_path):
    data = read_set(mvtec, "cloth", settings["data"], 8)
    larger = [np.pad(image, (0, 8 * (k % 2)), mode="reflect") for k, image in enumerate(data.images)]
    data = ImageSet(larger, data.index, [None] * len(larger))
    options = {"steps": 2, "limit": 2, "examples": 2, "descents": 1, "copies": 1}
    job.run(
        data, {"gaussian": denoiser}, merge(settings, {"ran": options, "features": {"side": 32}}), 0, tmp_path, "ran"
    )
    with np.load(tmp_path / "estimates.npz") as found:
        assert found["estimates"].shape == (8, 2, 24, 24)


def test_what_pictures_lose_is_no_change():
    image = np.random.default_rng(0).uniform(-1, 1, (200, 150)).astype(np.float32)
    kept = picture(image, 100)
    assert np.abs(restored(kept, image.shape) - image).mean() > 0.1
    assert np.abs(restored(kept, image.shape) - tables.as_kept(image, 100)).max() == 0


def test_it_reads_the_network_of_radar_and_ddpm():
    settings = load_settings(None)
    assert settings["ran"]["steps"] <= settings["reconstruction"]["t_start"]


@pytest.mark.parametrize(("all_steps", "expected"), [(0.9, HOLDS), (0.3, FAILS)])
def test_verdicts_follow_the_table_of_steps_and_spaces(smoke, tmp_path, monkeypatch, all_steps, expected):
    monkeypatch.setattr(claims, "NOT_FOLLOWED", 0.0)
    folder = shutil.copytree(smoke / "figures/smoke", tmp_path / "figures")
    table = pd.read_csv(folder / "ran_table_steps_spaces.csv", dtype={"step": str})
    table["ours"] = 0.7
    table.loc[table["step"] == "all", "ours"] = all_steps
    table.to_csv(folder / "ran_table_steps_spaces.csv", index=False)
    sure(folder, "ran_table_steps_spaces")
    for verdict in (SHORTENED, expected):  # its steps are some of those that there are, and then all of them
        rows, _ = verdicts(folder, REPOSITORY / "data/paper")
        found = rows.set_index("claim")["verdict"]
        for start in (
            "In pixels, errors of all intermediate steps detect",
            "In pixels, errors of all intermediate steps localise",
        ):
            assert found[found.index.str.startswith(start)].item() == verdict
        whole_chains(folder)


def test_images_say_whether_gradients_keep_the_rest_and_few_of_them_say_nothing(monkeypatch, tmp_path):
    """Each image counts by itself, though all have the same kind of defect."""
    monkeypatch.setattr(Evidence, "cut", lambda *_, **__: False)
    evidence = Evidence(tmp_path, tmp_path)

    def found(changes: list[tuple[float, float]]) -> tuple:
        rows = [
            {"defect": "blob", "image": i, "step": step, "region": region, "change": change * step}
            for i, pair in enumerate(changes)
            for region, change in zip(("defect", "normal"), pair, strict=True)
            for step in (1, 2)
        ]
        return claims._keeps_the_rest(evidence, pd.DataFrame(rows))

    text, part = found([(0.5, 0.1)] * 3 + [(0.1, 0.2)] * 3)
    assert text == "change on 6 defects 0.600, elsewhere 0.300" and part.slack[0] == pytest.approx(0)
    assert part.slack[1:].min() < -0.2 and part.slack[1:].max() > 0.2
    assert found([(0.5, 0.1)] * 4)[1] is None
    clear = found([(0.5, 0.1 + 0.01 * k) for k in range(6)])[1]
    assert clear.side and clear.slack[1:].min() > 0
