"""PatchCore: the coreset and the nearest neighbours."""

import numpy as np

from radarlib.methods import patchcore


def test_the_coreset_holds_what_is_rare():
    x = np.zeros((200, 5), np.float32)
    x[:, 0] = np.linspace(0, 0.1, 200)
    x[17], x[99] = 10, -10
    chosen = patchcore.coreset(x, 3, np.random.default_rng(0))
    assert {17, 99} < set(chosen) and len(set(chosen)) == 3
    bank = patchcore.fit([x[:100], x[100:]], 3, 0, greedy=True)
    assert {tuple(v) for v in bank.vectors.round(3)} >= {
        tuple(v) for v in ((x[[17, 99]] - bank.mean) / bank.sd).round(3)
    }


def test_nearest_neighbours_find_what_is_far_and_leave_an_image_itself_out():
    rng = np.random.default_rng(0)
    normal = [rng.normal(size=(30, 4)).astype(np.float32) for _ in range(10)]
    bank = patchcore.fit(normal, size=300, seed=0)
    odd = normal[0] + 8
    assert patchcore.score(odd, bank)[1] > 3 * patchcore.score(rng.normal(size=(30, 4)), bank)[1]
    distances, _ = patchcore.score(normal[3], bank)
    own, _ = patchcore.score(normal[3], bank, owner=3)
    assert distances.shape == (30,) and distances.max() < 0.01 < own.min()
    assert len(patchcore.fit(normal, size=50, seed=0).vectors) == 50
