"""Times of a fit, and what decisions on few images keep."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from radarlib.config import resolve
from study.radar.decision import RATE, fit_times, promise_table, promise_verdicts


def test_fit_times_have_a_slope_per_classifier():
    table = fit_times(np.random.default_rng(0).lognormal(size=(20, 2)), [20, 40, 80], repeats=1)
    assert len(table) == 9 and table.groupby("classifier")["exponent"].nunique().eq(1).all()


def test_what_few_images_promise_is_counted_on_images_that_were_left_out():
    """On features of one kind the distance keeps its promise and misses nothing gross; another kind shows as such."""
    rng = np.random.default_rng(0)

    def features(n: int, split: str, defect: str, level: float) -> pd.DataFrame:
        logs = level + 0.15 * rng.normal(size=(n, 2))
        found = pd.DataFrame(np.exp(logs), columns=["global", "local"])
        return found.assign(image=[f"{split}/{defect}/{k}" for k in range(n)], split=split, defect=defect)

    kinds = [("train", "good", 0.0, 60), ("test", "good", 0.6, 20), ("test", "hole", 3.0, 10)]
    every = pd.concat([features(n, *kind) for *kind, n in kinds])
    own = resolve({"evidence": {"promise_fits": 20, "bootstrap": 100}, "decision": {"trees": 20}})
    session = SimpleNamespace(settings=own, sets=["x"], seeds=[0], features=lambda *_: every)
    table = promise_table(session)
    assert set(table["n"]) == {8, 12, 20, 50, 60} and not len(
        table[(table["n"] == 60) & (table["place"] == "left out")]
    )
    ours = table[table["decision"] == "distance"].set_index(["n", "place"])
    assert (ours["missed"] == 0).all() and (ours["recall"] > 0.95).all()
    same = ours.xs("left out", level="place")
    assert (same["false_alarms"] <= same["promised"] + 0.03).all() and same.loc[8, "promised"] > RATE
    assert (ours.loc[(60, "test")][["false_alarms", "low"]] > 0.5).all()
    assert table[(table["decision"] == "forest") & (table["n"] == 8)]["missed"].max() > 0
    (line,) = promise_verdicts(table)
    assert "gross defects missed in 0 of 100 fits" in line
