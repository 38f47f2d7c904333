"""The ledger: verdicts come from the exhibits."""

import json
import shutil

import pandas as pd
import pytest
from conftest import REPOSITORY

from radarlib.errors import UserError
from study.claims import FAILS, HOLDS, PARTLY, UNTESTED, Finding
from study.ledger import CLAIMS, exact, shown, verdicts

PAPER = REPOSITORY / "data/paper"


@pytest.fixture
def exhibits(smoke, tmp_path):
    """A copy of the smoke profile's exhibits, to be changed."""
    return shutil.copytree(smoke / "figures/smoke", tmp_path / "figures")


def verdict(folder, start: str) -> str:
    table, _ = verdicts(folder, PAPER)
    (row,) = [r for r in table.itertuples() if r.claim.startswith(start)]
    return row.verdict


def rewrite(path, change) -> None:
    table = pd.read_csv(path)
    change(table)
    table.to_csv(path, index=False)


def test_parts_make_a_verdict():
    assert [Finding("", parts).verdict for parts in ((True, True), (True, False), (False,), ())] == [
        HOLDS, PARTLY, FAILS, UNTESTED,
    ]  # fmt: skip


def test_every_claim_has_a_row(exhibits):
    table, used = verdicts(exhibits, PAPER)
    assert len(table) == sum(map(len, CLAIMS.values())) > 35 and set(table["verdict"]) <= {
        HOLDS,
        FAILS,
        PARTLY,
        UNTESTED,
    }
    assert table["ours"].str.len().min() > 0 and exhibits / "radar_table2_detection.csv" in used
    assert (table["verdict"] == UNTESTED).sum() == 4  # those that no exhibit can tell


@pytest.mark.parametrize(("p", "expected"), [(0.95, HOLDS), (0.5, FAILS)])
def test_highest_f1_follows_table_2(exhibits, p, expected):
    def change(table):
        table.loc[(table["method"] == "radar") & (table["metric"] == "p_highest_f1"), "ours"] = p

    rewrite(exhibits / "radar_table2_detection.csv", change)
    assert verdict(exhibits, "RADAR's F1 is the highest of the six methods on periodic") == expected


@pytest.mark.parametrize(
    ("normal", "anomalous", "expected"), [(0.05, 0.9, HOLDS), (0.05, 0.1, FAILS), (0.6, 0.9, FAILS)]
)
def test_gaussian_noise_follows_fig_4(exhibits, normal, anomalous, expected):
    def change(table):
        table["rejected"] = table["kind"].map({"normal": normal, "anomalous": anomalous})

    rewrite(exhibits / "radar_fig4_noise_distribution.csv", change)
    assert verdict(exhibits, "The predicted noise is Gaussian") == expected


@pytest.mark.parametrize(("factor", "expected"), [(2.0, HOLDS), (1.1, FAILS), (0.5, FAILS)])
def test_speed_follows_the_measured_times(exhibits, factor, expected):
    path = exhibits / "radar_cost.measured.json"
    data = json.loads(path.read_text())
    for row in data["methods"]:
        row["seconds_per_image"] = 1.0 if row["method"] == "radar" else factor
    path.write_text(json.dumps(data))
    assert verdict(exhibits, "One step is faster") == expected


def test_memory_claim_follows_the_count(exhibits):
    assert verdict(exhibits, "Patches of 1/400 of the image take 1/400") == HOLDS

    def change(table):
        table["ours"] = 10.0

    rewrite(exhibits / "radar_cost.csv", change)
    assert verdict(exhibits, "Patches of 1/400 of the image take 1/400") == FAILS


def test_the_papers_own_slips_are_told(exhibits):
    assert verdict(exhibits, "Table II is consistent with Table I") == HOLDS
    assert verdict(exhibits, "L&F's precision on Tile is 0.95") == FAILS
    assert verdict(exhibits, "DiffusionAD is below DDPM on prints") == FAILS


@pytest.mark.parametrize(("huber", "expected"), [(0.9, HOLDS), (0.4, FAILS)])
def test_rddpm_follows_its_tables(exhibits, huber, expected):
    def change(table):
        table["ours"] = 0.6
        table.loc[table["method"] == "RDDPM-Huber", "ours"] = huber

    for name in ("rddpm_table1_domain", "rddpm_table2_contaminated", "rddpm_fig5_contamination"):
        rewrite(exhibits / f"{name}.csv", change)
    for start in (
        "With a fifth of the training images",
        "The same for a kind",
        "With 20 %",
        "RDDPM is ahead",
        "Even without",
    ):
        assert verdict(exhibits, start) == expected


def test_a_claim_that_one_set_contradicts_holds_partly(exhibits):
    def change(table):
        table["ours"] = 0.6
        table.loc[(table["method"] == "RDDPM-Huber") & (table["set"] == "prints"), "ours"] = 0.7

    rewrite(exhibits / "rddpm_table1_domain.csv", change)
    assert verdict(exhibits, "With a fifth of the training images") == PARTLY


def test_the_best_delta_follows_table_3(exhibits):
    def change(table):
        values = {"0.0": 0.1, "0.1": 0.5, "0.2": 0.6, "0.3": 0.55, "0.4": 0.5}
        table["ours"] = table["delta"].map(values).fillna(0.9)

    rewrite(exhibits / "rddpm_table3_delta.csv", change)
    assert verdict(exhibits, "δ = 0 gives the lowest AUROC") == HOLDS
    assert verdict(exhibits, "AUROC and AUPRC are highest at δ = 0.2") == HOLDS
    assert verdict(exhibits, "Any δ above 0") == FAILS  # they lie 0.1 apart
    assert verdict(exhibits, "δ = 0 gives the lowest error") == HOLDS


def test_the_gain_of_rddpm_is_that_of_its_own_table(exhibits):
    assert verdict(exhibits, "RDDPM's AUROC is 8.08 %") == PARTLY  # points, not per cent
    assert verdict(exhibits, "The values passed to the loss") == FAILS


def test_the_exact_ledger_holds_nothing_that_was_timed(exhibits):
    table, _ = verdicts(exhibits, PAPER)
    timed = exact(table)["verdict"] == "timed: see claims.measured.json"
    assert (
        list(table.loc[timed, "exhibit"])
        == ["radar_cost", "radar_classifiers", "d3ad_table9_speed"]
        == list(exact(table).loc[timed, "exhibit"])
    )
    assert set(shown(table)["verdict"]) <= {HOLDS, FAILS, PARTLY, UNTESTED}


def test_a_missing_exhibit_is_named(exhibits):
    (exhibits / "radar_conformal.csv").unlink()  # not read by the ledger
    (exhibits / "radar_cost.csv").unlink()
    with pytest.raises(UserError, match=r"radar_cost\.csv: missing; run the workflow"):
        verdicts(exhibits, PAPER)
