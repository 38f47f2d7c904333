"""The chapter on equal terms: one stride, whole chains; and the run with half of the training."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY

from radarlib.config import merge
from radarlib.datasets import ImageSet, read_set, simulate
from radarlib.denoiser import Denoiser
from radarlib.errors import UserError
from study.methods import METHODS, model_settings
from study.plan import LENGTHS, STEPS, profile_settings, without_steps
from study.terms import job, tables


@pytest.fixture
def own(settings) -> dict:
    return merge(settings, {"terms": {"images": 2}, "reconstruction": {"t_start": 6}})


@pytest.fixture
def models(own) -> dict[str, Denoiser]:
    return {name: Denoiser.untrained(model_settings(own, name), 0) for name in ("gaussian", "simplex", "whole")}


def test_the_job_sees_no_label(mvtec, own, models, tmp_path):
    data = read_set(mvtec, "cloth", own["data"], 8)
    job.run(data, models, own, 0, tmp_path / "a", "terms")
    other = ImageSet(data.images, data.index.assign(defect="good"), [None] * len(data.images))
    job.run(other, models, own, 0, tmp_path / "b", "terms")
    assert (tmp_path / "a/chain.csv").read_bytes() == (tmp_path / "b/chain.csv").read_bytes()
    seen = [pd.read_csv(tmp_path / name / "networks.csv") for name in "ab"]
    assert not seen[0].equals(seen[1])  # but by the errors on normal test images, which choose nothing
    assert pd.read_csv(tmp_path / "a/patterns.csv").empty  # of real images nobody knows the pattern


def test_errors_of_networks_stand_beside_the_closed_forms_where_it_has_one(mvtec, own, models, tmp_path):
    data = read_set(mvtec, "cloth", own["data"], 8)
    job.run(data, models, own, 0, tmp_path, "terms")
    table = pd.read_csv(tmp_path / "networks.csv")
    asked = {own["radar"]["t"], own["diffusionad"]["t_small"], 6}
    assert {name: set(part["t"]) for name, part in table.groupby("network")} == dict.fromkeys(models, asked)
    known = table.set_index("network")["closed"].notna()
    assert known["gaussian"].all() and not known[["simplex", "whole"]].any()
    # random weights start at 0: the error is that of no answer at all
    np.testing.assert_allclose(table.loc[table["network"] != "simplex", "error"], 1, atol=0.15)


def test_the_table_of_errors_names_the_best_and_the_worst():
    rows = [("tiles", "a", "one", 1, 1, 0.9, 1.0, -0.1), ("tiles", "a", "two", 1, 1, 1.2, 1.0, 0.2),
            ("tiles", "b", "other", 5, 1, 0.5, np.nan, np.nan)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["set", "chapter", "network", "t", "seeds", "error", "closed", "excess"])
    shown = tables.networks_shown(table)
    assert shown["error"].tolist() == ["0.9 (one) … 1.2 (two)", "0.5 (other)"]
    assert shown["over the closed form"].tolist() == ["-10% (one) … +20% (two)", "–"]


def test_a_chain_that_visits_every_step_is_the_whole_chain(mvtec, own, models, tmp_path):
    """Where the chain is not shortened, every step changes nothing, and other noise does."""
    data = read_set(mvtec, "cloth", own["data"], 8)
    job.run(data, models, own, 0, tmp_path / "short", "terms")
    same = merge(own, {"reconstruction": {"reverse_steps": 6}})
    job.run(data, models, same, 0, tmp_path / "same", "terms")
    short, same = (pd.read_csv(tmp_path / name / "chain.csv") for name in ("short", "same"))
    np.testing.assert_allclose(same["short"], same["full"])
    np.testing.assert_allclose(same["full_correlation"], 1)
    assert (short["full"] == same["full"]).all() and short["full_correlation"].max() < 1
    assert same["again_correlation"].max() < 1 and (same["again"] != same["short"]).any()


def test_a_network_of_one_angle_stands_beside_one_of_both(own, models, tmp_path):
    counts = {"train": 6, "test_good": 4, "test_defective": {"gap": 4}}
    data = simulate("prints", counts, 24, 0)
    job.run(data, models, own, 0, tmp_path, "terms")
    table = pd.read_csv(tmp_path / "patterns.csv", dtype={"image": str})
    first = data.index[data.index["angle"] == "45"]
    for _, part in table.groupby(["method", "network"]):
        assert set(part["image"]) == set(first["image"]) and set(part["kind"]) == {"train", "test"}
    assert set(table["method"]) == {"radar", "ddpm"} and set(table["network"]) == {"one", "both"}
    trained = json.loads((tmp_path / "one_angle/model.json").read_text())["settings"]["training"]
    assert trained == own["training"]  # as long, and on as many patches


def test_a_draw_of_one_class_has_no_auroc_and_a_dash():
    row = {"set": "a", "method": "ddpm", "images": 4, "defective": 0, "full_correlation": 0.9, "again_correlation": 0.8}
    assert set(tables.chains_shown(pd.DataFrame([row]))["change by every step"]) == {"–"}


def test_all_methods_on_patches_have_one_stride(own, images):
    for name in ("radar", "ddpm", "diffusionad", "noiseless"):
        denoiser = Denoiser.untrained(own, 0)
        METHODS[name].load()(images[0], denoiser, own, 0)
        per_patch = {"radar": 1, "noiseless": 1, "ddpm": 3, "diffusionad": 2}[name]
        assert denoiser.evaluations == per_patch * 4 * 3  # 20 x 16 px, patches of 8 at RADAR's stride of 4


@pytest.mark.parametrize(("ending", "words"), [("-half", "half of"), ("-twice", "2 times"), ("-fourfold", "4 times")])
def test_a_profile_of_another_length_differs_in_its_steps_alone(ending, words):
    own, other = (profile_settings(REPOSITORY, f"default{end}") for end in ("", ending))
    assert without_steps(own) == without_steps(other) and other["watermark"] == f"{words} the training"
    for name in STEPS:
        section, key = name.split(".")
        assert other[section][key] == own[section][key] * LENGTHS[ending]
    assert other["budget"]["steps"][-1] == other["training"]["steps"]
    changed = profile_settings(REPOSITORY, f"default{ending}", {"training": {"steps": 10}})
    assert changed["training"]["steps"] == 10 * LENGTHS[ending]
    with pytest.raises(UserError, match="nothere"):
        profile_settings(REPOSITORY, f"nothere{ending}")
