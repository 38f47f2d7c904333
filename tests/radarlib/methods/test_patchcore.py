"""PatchCore: the coreset and the nearest neighbours."""

import numpy as np
import pytest
from conftest import REPOSITORY
from sklearn.metrics import roc_auc_score

from radarlib.methods import patchcore


def test_the_coreset_holds_what_is_rare():
    x = np.zeros((200, 5), np.float32)
    x[:, 0] = np.linspace(0, 0.1, 200)
    x[17], x[99] = 10, -10
    chosen = patchcore.coreset(x, 3, np.random.default_rng(0))
    assert {17, 99} < set(chosen) and len(set(chosen)) == 3
    bank = patchcore.fit([x[:100], x[100:]], 3, 0, greedy=True)
    assert {tuple(v) for v in bank.vectors} >= {tuple(v) for v in x[[17, 99]]}


def test_nearest_neighbours_find_what_is_far_and_leave_an_image_itself_out():
    rng = np.random.default_rng(0)
    normal = [rng.normal(size=(30, 4)).astype(np.float32) for _ in range(10)]
    bank = patchcore.fit(normal, size=300, seed=0)
    odd = normal[0] + 8
    assert patchcore.score(odd, bank).max() > 3 * patchcore.score(rng.normal(size=(30, 4)), bank).max()
    distances = patchcore.score(normal[3], bank)
    own = patchcore.score(normal[3], bank, owner=3)
    assert distances.shape == (30,) and distances.max() < 0.01 < own.min()
    assert len(patchcore.fit(normal, size=50, seed=0).vectors) == 50


def test_features_are_compared_as_they_are():
    """As its authors have it: not standardised."""
    normal = np.zeros((10, 2), np.float32)
    normal[:, 1] = np.linspace(-100, 100, 10)  # a standardised feature of this spread would count for little
    found = patchcore.score(np.array([[0, 130], [3, 100]], np.float32), patchcore.fit([normal], 10, 0))
    np.testing.assert_allclose(found, [30, 3], atol=1e-4)


def test_distances_and_coresets_are_those_of_anomalib():
    with np.load(REPOSITORY / "tests/reference/anomalib.npz") as found:
        reference = {name: found[name].astype(np.float32) for name in found}
    train, test, truth = list(reference["train"]), reference["test"], reference["defective"]
    size = sum(len(x) for x in train)
    whole = patchcore.fit(train, size, 0)
    assert np.stack([patchcore.score(x, whole) for x in test]) == pytest.approx(reference["nearest"], abs=1e-3)
    theirs = np.mean([roc_auc_score(truth, scores) for scores in reference["coreset"]])
    banks = [patchcore.fit(train, size // 10, seed, greedy=True) for seed in range(5)]
    ours = np.mean([roc_auc_score(truth, [patchcore.score(x, bank).max() for x in test]) for bank in banks])
    assert ours == pytest.approx(theirs, abs=0.02)  # 0.80; a coreset depends on its first vector, by 0.03
