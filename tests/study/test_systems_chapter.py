"""The chapter on systems: no label is seen, what is finished is kept, and the tables say what was found."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY

from radarlib.config import merge
from radarlib.datasets import GOOD, ImageSet, read_set
from radarlib.files import read_json
from study.budget import plan as budget
from study.d3ad import plan as d3ad
from study.limit import plan as limit
from study.noise import plan as noise
from study.plan import BORROWED, profile_settings
from study.ran import plan as ran
from study.systems import charts, job, pages, plan, tables
from study.terms import plan as terms
from study.unclean import plan as unclean


@pytest.fixture
def own(settings, monkeypatch) -> dict:
    few = {name: plan.SYSTEMS[name] for name in ("padim", "ae", "svdd")}
    for module in (job, plan, tables, charts):
        monkeypatch.setattr(module, "SYSTEMS", few, raising=False)
    smoke = profile_settings(REPOSITORY, "smoke")
    same = {name: smoke[name] for name in ("systems", "features", "whole")}
    return merge(settings, {**same, "training": {"steps": 2}, "compute": {"device": "cpu"}})


def test_the_job_sees_no_label_and_keeps_what_is_finished(mvtec, own, tmp_path, monkeypatch):
    data = read_set(mvtec, "cloth", own["data"], 8)
    job.run(data, {}, own, 0, tmp_path / "a", "systems")
    other = ImageSet(data.images, data.index.assign(defect="good"), [None] * len(data.images))
    job.run(other, {}, own, 0, tmp_path / "b", "systems")
    for name in ("scores.csv", "maps.npz", "losses.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    scores = pd.read_csv(tmp_path / "a/scores.csv")
    held = set(scores.loc[scores["kind"] == "held", "position"])
    assert held < set(data.where("train")) and len(held) == 3  # a rate of 0.2 needs 4: a half at most
    assert set(scores.loc[scores["kind"] == "test", "position"]) == set(data.where("test"))
    assert read_json(tmp_path / "a/timing.json")["ae"]["fit"] > 0

    def again(*_: object) -> None:
        raise AssertionError("what is finished is not done again")

    monkeypatch.setattr(job, "_measured", again)
    job.run(data, {}, own, 0, tmp_path / "a", "systems")
    with pytest.raises(AssertionError, match="not done again"):  # other settings are another run
        job.run(data, {}, merge(own, {"systems": {"steps": 5}}), 0, tmp_path / "a", "systems")


def test_what_is_held_out_is_a_third_or_what_the_rate_needs():
    for n, rate, count in ((81, 0.05, 27), (30, 0.05, 15), (200, 0.01, 99), (6, 0.5, 2)):
        fitted_on, held = job.held_out(n, rate, 0)
        assert len(held) == count and sorted([*fitted_on, *held]) == list(range(n))


def test_a_curve_is_means_over_shares_of_the_training():
    assert job._curve([]) == []
    assert job._curve([3.0, 1.0]) == [(1, 3.0), (2, 1.0)]
    curve = job._curve(list(range(100)))
    assert len(curve) == job.CURVE and curve[0] == (5, 2.0) and curve[-1] == (100, 97.0)


def test_ranks_are_means_over_sets_with_the_spread_of_resamples():
    rng = np.random.default_rng(0)
    rows = [
        {"set": name, "system": system, "metric": "auroc", "ours": value, "draws": value + 0.001 * rng.normal(size=50)}
        for name, values in {"a": (0.9, 0.8, 0.7), "b": (0.8, 0.9, 0.7)}.items()
        for system, value in zip(("padim", "ae", "svdd"), values, strict=True)
    ]
    found = tables.ranks(pd.DataFrame(rows), 0.95)
    assert found["rank"].tolist() == [1.5, 1.5, 3.0] and found["system"].iloc[-1] == "svdd"
    assert (found["low"] <= found["rank"]).all() and (found["high"] >= found["rank"]).all()


def test_the_rim_decides_where_maps_are_highest_there(monkeypatch):
    """Normal images with a bright rim, defects of half and of full contrast inside."""
    defects = [GOOD, GOOD, "blob", "blob"]
    maps = np.zeros((4, 64, 64), np.float32)
    maps[:2, 0, 0], maps[2, 30, 30], maps[3, 30, 30] = 5, 1, 2
    index = pd.DataFrame({"defect": ["train", *defects], "contrast": [None, None, None, 0.5, 1], "area": [1.0] * 5})
    session = SimpleNamespace(data=lambda _: SimpleNamespace(index=index))
    judged = pd.DataFrame({"position": [1, 2, 3, 4], "defect": defects, "score": [1.0, 3, 2, 4]})
    monkeypatch.setattr(tables, "SYSTEMS", {"ae": plan.SYSTEMS["ae"]})
    monkeypatch.setattr(tables, "_judged", lambda *_: [judged])
    monkeypatch.setattr(
        tables, "CHAPTER", SimpleNamespace(seeds=lambda _: [0], sets=lambda _: ["cloth"], array=lambda *_: maps)
    )
    found = tables.rim(session)
    assert found.iloc[0].to_dict() == {
        "set": "cloth", "system": "ae", "at_rim": 1, "whole": 0, "inside": 1, "clear_n": 1, "clear": 1
    }  # fmt: skip
    assert tables.rim_shown(found).iloc[0].tolist() == [plan.SYSTEMS["ae"].label, "100%", "0.00, 1.00", "1.00"]
    index["contrast"] = 1  # nothing is weaker: which defects are easy is not known
    assert list(tables.rim_shown(tables.rim(session)).columns[1:]) == [
        "cloth: highest in the rim", "cloth: I-AUROC with, without it"
    ]  # fmt: skip


def test_printed_averages_stand_beside_the_mean_over_our_sets():
    rows = [("padim", "auroc", 0.8, 0.891), ("padim", "pro", 0.5, 0.859), ("ae", "auroc", 0.7, np.nan)]
    table = pd.DataFrame(rows, columns=["system", "metric", "ours", "VisA"]).assign(
        **dict.fromkeys(("BTAD", "MVTec AD", tables.NOISE_STUDY), np.nan)
    )
    shown = tables.printed_shown(table)
    assert shown["system"].tolist() == ["PaDiM"]  # no paper prints the other
    assert shown["VisA"].tolist() == ["0.89, –, 0.86"] and shown["BTAD"].tolist() == ["–, –, –"]


def test_every_system_has_a_function_a_source_and_a_page():
    assert set(pages.PAGES) == set(plan.SYSTEMS)
    for key, system in plan.SYSTEMS.items():
        assert callable(system.load()) and system.source
        assert 4 <= pages.PAGES[key].about.count(". ") + 1 <= 6 and pages.PAGES[key].equation
    assert len({system.label for system in plan.SYSTEMS.values()}) == len(plan.SYSTEMS) >= 20


def test_the_ledger_knows_which_other_chapters_section_it_reads():
    settings = profile_settings(REPOSITORY, "default")
    chapters = {key for key, part in settings.items() if isinstance(part, dict) and {"sets", "runs"} <= part.keys()}
    for one in (budget.JOB, d3ad.JOB, limit.JOB, noise.JOB, plan.JOB, ran.JOB, terms.JOB, unclean.JOB):
        borrowed = chapters.intersection(key.split(".")[0] for key in one.reads)
        assert borrowed == {section for folder, section in BORROWED.items() if folder == one.folder}
        assert one.section == one.folder  # by which the ledger knows them
