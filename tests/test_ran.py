"""RAN: errors at intermediate steps, in pixels and in features, and gradients to normality."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import REPOSITORY

from radarlib import ran, ran_exhibits, ran_study
from radarlib.claims import ledger
from radarlib.config import load_settings, merge
from radarlib.d3ad_study import picture, restored
from radarlib.datasets import ImageSet, read_mvtec
from radarlib.denoiser import Denoiser
from radarlib.diffusion import chain
from radarlib.evidence import FAILS, HOLDS
from radarlib.extractor import Extractor

OPTIONS = {"extractor": "efficientnet_lite0", "side": 64, "weights": None}


@pytest.fixture
def denoiser(settings) -> Denoiser:
    return Denoiser.untrained(settings, 0, "cpu")


def test_estimates_are_x_0_where_the_noise_is_known(denoiser, images, monkeypatch):
    """With ε_θ = ε of the forward process, x̂_0 is the image at the first step."""
    schedule, kept = denoiser.schedule, []
    monkeypatch.setattr(Denoiser, "noise", property(lambda _: lambda shape, generator: kept[0][:, :, : shape[2]]))
    image = images[0][:8, :8].copy()
    kept.append(torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(3)))
    monkeypatch.setattr(Denoiser, "eps", lambda _, x, t: kept[0])
    times = chain(250, 5)
    found = ran.estimates(image, denoiser, times, stride=8, seed=0, batch=4)
    assert found.shape == (5, 8, 8) and schedule.steps == 1000
    np.testing.assert_allclose(found[0], image, atol=1e-4)


def test_errors_are_zero_for_the_image_itself(images):
    extractor, image = Extractor(OPTIONS, "cpu"), images[0]
    found = ran.errors(image, np.stack([image, -image]), extractor)
    assert {m.shape for m in found.values()} == {(2, *image.shape)}
    assert np.abs(found["pixel"][0]).max() == 0 and np.abs(found["feature"][0]).max() < 1e-4
    np.testing.assert_allclose(found["pixel"][1], 4 * image**2, rtol=1e-5)
    assert found["feature"][1].mean() > 0.05


def test_spaces_are_brought_to_one_scale_before_they_are_averaged():
    maps = {"pixel": np.full((2, 3, 3), 4.0), "feature": np.full((2, 3, 3), 0.5)}
    found = ran_study.combined(maps, {"pixel": np.array([2.0, 1.0]), "feature": np.array([0.5, 0.25])})
    np.testing.assert_allclose(found["pixel"][:, 0, 0], [2, 4, 3])  # the last is the mean of the steps
    np.testing.assert_allclose(found["both"][:, 0, 0], [1.5, 3, 2.25])


def test_gradients_bring_an_image_nearer_to_its_normal_one():
    extractor, rng = Extractor(OPTIONS, "cpu"), np.random.default_rng(0)
    normal = (0.3 * np.sin(np.arange(48) / 2) + 0.05 * rng.normal(size=(48, 48))).astype(np.float32)
    image = normal.copy()
    image[10:20, 10:20] = 0.8
    path = ran.to_normality(image, normal, extractor, steps=6, rate=0.05, copies=2, sigma=0.02, seed=0)
    start, end = (ran.errors(normal, x[None], extractor)["feature"].mean() for x in (image, path[-1]))
    assert len(path) == 6 and end < 0.9 * start and np.abs(path[0] - image).max() == pytest.approx(0.05, rel=1e-3)
    change = np.abs(path[-1] - image)
    assert change[10:20, 10:20].mean() > 2 * change.mean()


def test_the_job_reads_every_step_and_sees_no_label(mvtec, settings, denoiser, tmp_path):
    data = read_mvtec(mvtec, "cloth", settings["data"], 8)
    settings = merge(
        settings, {"ran": {"steps": 2, "limit": 2, "examples": 1, "descents": 2, "copies": 1}, "features": {"side": 32}}
    )
    ran_study.study_steps(data, denoiser, settings, 0, tmp_path / "a")
    table = pd.read_csv(tmp_path / "a/scores.csv", dtype={"step": str})
    assert len(table) == 8 * 3 * 3 and set(table["step"]) == {"250", "125", "all"}
    both = table.query("space == 'both' and step == 'all'")
    with np.load(tmp_path / "a/gradient.npz") as found:
        assert found["positions"].tolist() == [both.loc[both["score"].idxmax(), "position"]]
        assert found["paths"].shape == (1, 2, 24, 24)
    other = ImageSet(data.images, data.index.assign(defect="good"), [None] * len(data.images))
    ran_study.study_steps(other, denoiser, settings, 0, tmp_path / "b")
    assert (tmp_path / "a/scores.csv").read_bytes() == (tmp_path / "b/scores.csv").read_bytes()


def test_images_of_several_sizes_are_kept_at_one(mvtec, settings, denoiser, tmp_path):
    data = read_mvtec(mvtec, "cloth", settings["data"], 8)
    larger = [np.pad(image, (0, 8 * (k % 2)), mode="reflect") for k, image in enumerate(data.images)]
    data = ImageSet(larger, data.index, [None] * len(larger))
    options = {"steps": 2, "limit": 2, "examples": 2, "descents": 1, "copies": 1}
    ran_study.study_steps(data, denoiser, merge(settings, {"ran": options, "features": {"side": 32}}), 0, tmp_path)
    with np.load(tmp_path / "estimates.npz") as found:
        assert found["estimates"].shape == (8, 2, 24, 24)


def test_what_pictures_lose_is_no_change():
    image = np.random.default_rng(0).uniform(-1, 1, (200, 150)).astype(np.float32)
    kept = picture(image, 100)
    assert np.abs(restored(kept, image.shape) - image).mean() > 0.1
    assert np.abs(restored(kept, image.shape) - ran_exhibits.as_kept(image, 100)).max() == 0


def test_it_reads_the_network_of_radar_and_ddpm():
    settings = load_settings(None)
    assert settings["ran"]["steps"] <= settings["reconstruction"]["t_start"]


@pytest.mark.parametrize(("all_steps", "expected"), [(0.9, HOLDS), (0.3, FAILS)])
def test_verdicts_follow_the_table_of_steps_and_spaces(smoke, tmp_path, all_steps, expected):
    folder = shutil.copytree(smoke / "figures/smoke", tmp_path / "figures")
    table = pd.read_csv(folder / "ran_table_steps_spaces.csv", dtype={"step": str})
    table["ours"] = 0.5
    table.loc[table["step"] == "all", "ours"] = all_steps
    table.to_csv(folder / "ran_table_steps_spaces.csv", index=False)
    rows, _ = ledger(folder, REPOSITORY / "data/paper")
    found = rows.set_index("claim")["verdict"]
    for start in ("Errors of all intermediate steps detect", "Errors of all intermediate steps localise"):
        assert found[found.index.str.startswith(start)].item() == expected
