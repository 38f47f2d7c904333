"""Practices that look at the test set: what each does, and that none can lose what it chooses by."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from study.metrics import stratified_weights
from study.protocol import tables
from study.protocol.tables import Run


@pytest.fixture
def run() -> Run:
    rng = np.random.default_rng(0)
    defects = np.array(["good"] * 20 + ["hole"] * 8 + ["scratch"] * 6)
    scores = np.round(rng.normal(np.where(defects == "good", 0, 1.0)), 1)  # some are equal
    return Run(scores, scores > 1.2, defects)


def test_weighted_figures_are_those_of_the_images_that_the_weights_stand_for(run):
    weights = stratified_weights(run.truth, 5, np.random.default_rng(1))
    for w, f1, auroc in zip(
        weights, tables.weighted_f1(run, run.flagged, weights), tables.weighted_auroc(run, weights), strict=True
    ):
        drawn = np.repeat(np.arange(len(w)), w.astype(int))
        assert f1 == pytest.approx(f1_score(run.truth[drawn], run.flagged[drawn]))
        assert auroc == pytest.approx(roc_auc_score(run.truth[drawn], run.scores[drawn]))


def test_best_threshold_is_the_best_of_all(run):
    whole = np.ones((1, len(run.scores)))
    every = [f1_score(run.truth, run.scores >= limit) for limit in np.unique(run.scores)]
    assert tables.best_f1(run, whole)[0] == pytest.approx(max(every))
    weights = stratified_weights(run.truth, 50, np.random.default_rng(1))
    assert (tables.best_f1(run, weights) >= tables.weighted_f1(run, run.flagged, weights) - 1e-9).all()


def test_the_two_hardest_of_each_type_are_left_out(run):
    keep = tables.left_out(run)
    assert keep[~run.truth].all()
    for kind in ("hole", "scratch"):
        place = run.defects == kind
        assert (~keep[place]).sum() == 2 and run.scores[place & ~keep].max() <= run.scores[place & keep].min()
    few = Run(run.scores[:22], run.flagged[:22], run.defects[:22])
    assert tables.left_out(few).all()  # of two holes none
    weights = stratified_weights(run.truth, 50, np.random.default_rng(1))
    assert (tables.weighted_auroc(run, weights * keep) >= tables.weighted_auroc(run, weights) - 1e-9).all()


def test_maps_are_normalised_by_the_extremes_of_all():
    maps = [np.array([[0.0, 0.2]]), np.array([[0.1, 1.0]]), np.array([[0.3, 0.6]])]
    found = tables.normalised(Run(np.zeros(3), np.zeros(3, bool), np.array(["good", "hole", "hole"])), maps)
    np.testing.assert_allclose(found.scores, [0.2, 1, 0.6], atol=1e-3)
    assert found.flagged.tolist() == [False, True, True]


def test_the_best_is_chosen_in_each_resample():
    one = {"auroc": np.array([0.8, 0.5]), "f1": np.array([0.1, 0.2])}
    other = {"auroc": np.array([0.7, 0.9]), "f1": np.array([0.9, 0.8])}
    found = tables._best([one, other])
    assert found["auroc"].tolist() == [0.8, 0.9] and found["f1"].tolist() == [0.1, 0.8]
