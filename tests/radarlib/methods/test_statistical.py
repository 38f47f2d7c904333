"""B&A against its authors' figures; L&F and the low-rank methods by what they must do."""

import numpy as np
import pytest
from conftest import REPOSITORY

from radarlib.config import resolve
from radarlib.methods import bui_apley, caltanissetta, lowrank
from radarlib.methods.bui_apley import TailedCDF, anderson_darling, box_pierce, causal_neighbours

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def reference() -> dict:
    with np.load(REPOSITORY / "tests/reference" / "bui_apley.npz") as data:
        return dict(data)


def texture(seed: int, side: int = 48, defect: bool = False) -> np.ndarray:
    """A first-order autoregressive texture; a defect is a patch of white noise with its mean and variance."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(side + 20, side + 20))
    for i in range(1, len(x)):
        for j in range(1, len(x)):
            x[i, j] += 0.6 * x[i - 1, j] + 0.35 * x[i, j - 1] - 0.2 * x[i - 1, j - 1]
    x = x[20:, 20:] / x.std()
    if defect:
        x[14:34, 14:34] = rng.normal(size=(20, 20)) * x.std()
    return np.clip(x / 4, -1, 1).astype(np.float32)


def test_causal_neighbours_are_what_a_raster_scan_has_seen():
    image = np.arange(30.0).reshape(5, 6)
    around, pixels = causal_neighbours(image, 1)
    assert around.shape == (4 * 4, 4)
    np.testing.assert_array_equal(pixels, image[1:, 1:-1].ravel())
    np.testing.assert_array_equal(around[0], [0, 1, 2, 6])  # pixel 7: above left, above, above right, left


def test_distribution_is_the_packages(reference):
    """Between the joints exactly; in the tails the package takes one extreme for all (see the README of reference/)."""
    cdf = TailedCDF.fit(reference["training_residuals"])
    assert cdf.joint == pytest.approx((-1.85903690834096, 1.84091446272117))
    assert cdf.rate[0] == pytest.approx(6.95099880745483)
    # the package's right tail leaves out the largest residual, by a fractional index
    x = np.sort(reference["training_residuals"])
    right = 1 / (x[-19:-1] - x[-19]).mean()
    assert right == pytest.approx(5.95203561549618)
    r, theirs = reference["residual_field"], reference["residual_cdf"]
    inner = (r > cdf.joint[0]) & (r < cdf.joint[1])
    np.testing.assert_allclose(cdf(r)[inner], theirs[inner], atol=1e-12)
    low, high = r <= cdf.joint[0], r >= cdf.joint[1]
    np.testing.assert_allclose(theirs[low], cdf(r)[low].max(), rtol=1e-9)
    with_their_rate = TailedCDF(cdf.values, (cdf.rate[0], float(right)), cdf.joint)(r)
    np.testing.assert_allclose(theirs[high], with_their_rate[high].min(), rtol=1e-9)


def test_tails_decrease_element_by_element(reference):
    cdf = TailedCDF.fit(reference["training_residuals"])
    p = cdf(np.linspace(-4, 4, 200))
    assert (np.diff(p) >= 0).all() and p[0] < 1e-6 and p[-1] > 1 - 1e-6


def test_moving_statistics_are_the_packages(reference):
    np.testing.assert_allclose(anderson_darling(reference["residual_cdf"], 5), reference["ad_w5"], atol=1e-10)
    np.testing.assert_allclose(box_pierce(reference["residual_field"], 5), reference["bp_w5"], atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize(("statistic", "most_false"), [("ad", 2), ("bp", 3)])
def test_detects_what_the_package_detects(reference, statistic, most_false):
    """At limit 0.05 the package flags 20 of 20 defective images and 0 (AD) or 1 (BP) of 20 normal ones."""
    settings = resolve({"bui_apley": {"neighbourhood": 3, "statistic": statistic}})
    model = bui_apley.fit([reference["train"].astype(np.float32)], settings, 0)
    highest = {
        kind: np.array(
            [bui_apley.score(x.astype(np.float32), model, settings, 0)[1]["maximum"] for x in reference[kind]]
        )
        for kind in ("phase1", "good", "defective")
    }
    limit = np.quantile(highest["phase1"], 0.95)
    assert (highest["defective"] > limit).sum() == 20
    assert (highest["good"] > limit).sum() <= most_false


@pytest.mark.parametrize("image", [np.zeros((30, 40), np.float32), np.ones((30, 40), np.float32)])
def test_a_constant_image_has_a_finite_score(image):
    settings = resolve({"bui_apley": {"pixels": 500}})
    model = bui_apley.fit([texture(k) for k in range(2)], settings, 0)
    found, features = bui_apley.score(image, model, settings, 0)
    assert found.shape == image.shape and np.isfinite(found).all() and np.isfinite(features["maximum"])


def test_forest_separates_the_windows_on_a_defect():
    settings = resolve({"caltanissetta": {"pixels": 3000, "trees": 10}})
    model = caltanissetta.fit([texture(k) for k in range(6)], settings, 0)
    normal = [caltanissetta.score(texture(k), model, settings, 0)[1]["separation"] for k in range(10, 16)]
    found, features = caltanissetta.score(texture(20, defect=True), model, settings, 0)
    assert features["separation"] > max(normal)
    assert found.shape == (48, 48) and found[20:28, 20:28].mean() > 3 * found[:8, :8].mean()


def test_windows_are_put_back_where_they_were():
    settings = resolve({"caltanissetta": {"pixels": 500, "trees": 2, "reach": 1, "window": 3, "step": 2}})
    model = caltanissetta.fit([texture(0)], settings, 0)
    centres = np.arange(5) * 2.0 + model.reach + 1  # of the windows along a side of 13 px
    image = caltanissetta.upsample(np.add.outer(centres, 10 * centres), (13, 13), model)
    np.testing.assert_allclose(image[4, 6], 4 + 60)
    np.testing.assert_allclose(image[5, 7], 5 + 70)


def test_rpca_recovers_a_low_rank_matrix_from_sparse_gross_errors():
    low = RNG.normal(size=(60, 3)) @ RNG.normal(size=(3, 50))
    sparse = np.where(RNG.random((60, 50)) < 0.05, 10.0, 0.0)
    found, rest = lowrank.rpca(low + sparse)
    np.testing.assert_allclose(found, low, atol=0.02)
    np.testing.assert_allclose(rest, sparse, atol=0.02)


def test_rpca_does_without_divide_and_conquer_where_it_fails(monkeypatch):
    image = RNG.normal(size=(30, 20))
    expected = lowrank.rpca(image)

    def fail(*_, **__):
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr(np.linalg, "svd", fail)
    np.testing.assert_allclose(lowrank.rpca(image), expected, atol=1e-8)


def test_smoother_keeps_straight_lines():
    smoother = lowrank.bspline_smoother(40, 5, 100.0)
    line = np.linspace(-1, 2, 40)
    np.testing.assert_allclose(smoother @ line, line, atol=1e-9)
    noise = RNG.normal(size=40)
    assert (smoother @ noise).std() < 0.5 * noise.std()


@pytest.mark.parametrize(
    ("split", "background"),
    [
        (
            lambda x: lowrank.smooth_sparse(x, 10, 1.0),
            np.add.outer(np.linspace(-1, 0, 60) ** 2, np.linspace(0, 0.5, 50)),
        ),
        (
            lambda x: lowrank.periodic_sparse(x, 4),
            0.5 * np.add.outer(np.sin(np.arange(60) / 60 * 12 * np.pi), np.zeros(50)),
        ),
    ],
    ids=["smooth", "periodic"],
)
def test_decomposition_finds_spots_on_its_background(split, background):
    image = background + RNG.normal(0, 0.01, background.shape)
    image[20:24, 30:34] += 0.8
    sparse = np.abs(split(image)[1])
    assert sparse[20:24, 30:34].min() > 0.4
    sparse[18:26, 28:36] = 0
    assert sparse.max() < 0.2


@pytest.mark.parametrize("method", [lowrank.score_rpca, lowrank.score_smooth_sparse, lowrank.score_periodic_sparse])
def test_an_image_of_one_colour_has_nothing_sparse(method):
    found, features = method(np.full((40, 30), 0.5, np.float32), None, resolve({}), 0)
    assert found.shape == (40, 30) and features["pixels"] == 0
