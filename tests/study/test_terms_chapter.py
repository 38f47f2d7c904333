"""The chapter on equal terms: one stride, whole chains, the blur that normal images choose, half of the training."""

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY

from radarlib.config import merge
from radarlib.datasets import ImageSet, read_mvtec
from radarlib.denoiser import Denoiser
from radarlib.errors import UserError
from study.methods import METHODS, model_settings
from study.plan import HALF, STEPS, profile_settings, without_steps
from study.terms import job


@pytest.fixture
def own(settings) -> dict:
    few = {"images": 2, "sigmas": [0, 1.5], "probes": 3, "limit": 3}
    return merge(settings, {"terms": few, "reconstruction": {"t_start": 6}})


def test_the_job_sees_no_label(mvtec, own, tmp_path):
    data = read_mvtec(mvtec, "cloth", own["data"], 8)
    models = {name: Denoiser.untrained(model_settings(own, name), 0) for name in ("gaussian", "simplex")}
    job.run(data, models, own, 0, tmp_path / "a", "terms")
    other = ImageSet(data.images, data.index.assign(defect="good"), [None] * len(data.images))
    job.run(other, models, own, 0, tmp_path / "b", "terms")
    for file in ("chain.csv", "blur.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    blur = pd.read_csv(tmp_path / "a/blur.csv", dtype={"image": str})
    assert set(blur["kind"]) == {"train", "held", "artificial", "test"} and set(blur["sigma"]) == {0, 1.5}
    by = {kind: set(part["image"]) for kind, part in blur.groupby("kind")}
    assert not by["train"] & by["held"] and len(by["artificial"]) == 3


def test_a_chain_of_every_step_is_the_whole_chain(mvtec, own):
    """Where the shortened chain visits every step, nothing is left to change."""
    data = read_mvtec(mvtec, "cloth", own["data"], 8).blind()
    models = {name: Denoiser.untrained(model_settings(own, name), 0) for name in ("gaussian", "simplex")}
    short = job.whole_chains(data, models, own, 0, "terms")
    same = job.whole_chains(data, models, merge(own, {"reconstruction": {"reverse_steps": 6}}), 0, "terms")
    np.testing.assert_allclose(same["pixels"], same["full"])
    np.testing.assert_allclose(same["correlation"], 1)
    assert (short["full"] == same["full"]).all() and short["correlation"].max() < 1


def test_all_methods_on_patches_have_one_stride(own, images):
    for name in ("radar", "ddpm", "diffusionad", "noiseless"):
        denoiser = Denoiser.untrained(own, 0)
        METHODS[name].load()(images[0], denoiser, own, 0)
        per_patch = {"radar": 1, "noiseless": 1, "ddpm": 3, "diffusionad": 2}[name]
        assert denoiser.evaluations == per_patch * 4 * 3  # 20 x 16 px, patches of 8 at RADAR's stride of 4


def test_half_of_a_profile_differs_in_its_steps_alone():
    full, half = (profile_settings(REPOSITORY, f"default{end}") for end in ("", HALF))
    assert without_steps(full) == without_steps(half) and half["watermark"] == "half of the training"
    for name in STEPS:
        section, key = name.split(".")
        assert half[section][key] == full[section][key] // 2
    assert half["budget"]["steps"][-1] == half["training"]["steps"]
    changed = profile_settings(REPOSITORY, f"default{HALF}", {"training": {"steps": 10}})
    assert changed["training"]["steps"] == 5
    with pytest.raises(UserError, match="nothere"):
        profile_settings(REPOSITORY, f"nothere{HALF}")
