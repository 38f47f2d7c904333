"""The chapter on the exact limit: its arithmetic against Gaussian fields that are drawn, and its job."""

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from radarlib.config import resolve
from radarlib.datasets import ImageSet
from radarlib.denoiser import Denoiser
from radarlib.diffusion import Schedule
from radarlib.methods.closed_form import ClosedForm, fit
from radarlib.radar import noise_map, sobel_features
from study.limit import job, theory
from study.limit.plan import CLOSED, GAUSSIAN, NETWORK

SHAPE = 48, 48


@pytest.fixture
def power() -> np.ndarray:
    """The spectrum of a smooth field with grain."""
    rng = np.random.default_rng(0)
    smooth = [0.3 * 3 * gaussian_filter(rng.standard_normal(SHAPE), 1.5, mode="wrap") for _ in range(200)]
    return theory.spectrum([x + 0.02 * rng.standard_normal(SHAPE) for x in smooth])


def test_spectrum_adds_up_to_the_variance_and_fields_have_it(power):
    rng = np.random.default_rng(1)
    fields = [theory.gaussian_surface(power, rng) for _ in range(400)]
    assert np.var(fields) == pytest.approx(power.mean(), rel=0.03)
    found = theory.spectrum(fields)
    for part in (np.s_[0:6, 0:6], np.s_[20:28, 20:28]):
        assert found[part].sum() == pytest.approx(power[part].sum(), rel=0.12)


def test_kernel_of_a_shift_invariant_filter_is_that_filter():
    """A matrix that adds 0.5 of the pixel to the right has a kernel with two entries, thinned at the patch's rim."""
    p = 6
    matrix = np.eye(p * p)
    for i in range(p):
        for j in range(p - 1):
            matrix[i * p + j, i * p + j + 1] = 0.5
    h = theory.kernel(matrix)
    assert h.shape == (2 * p - 1, 2 * p - 1) and np.count_nonzero(h) == 2
    assert h[p - 1, p - 1] == pytest.approx(1) and h[p - 1, p] == pytest.approx(0.5 * (p - 1) / p)


def test_moments_and_auroc_are_those_of_the_pipeline_on_gaussian_fields(power):
    """Prediction from the spectrum alone, against RADAR's code with the closed form on fields that are drawn."""
    settings = resolve({"training": {"patch": 12}, "radar": {"stride": 1}, "reconstruction": {"stride": 12}})
    rng, options = np.random.default_rng(2), settings["radar"]
    train = [theory.gaussian_surface(power, rng) for _ in range(60)]
    model = fit(train, settings, 0)
    a = model.schedule.alphas_cumprod[1].item()
    k = theory.passed(model, options, SHAPE)
    defect = 0.8 * theory.bump(SHAPE, (20, 30), 1.5)
    base, moved = (theory.moments(k, power, a**0.5, 1 - a, d) for d in (None, defect))
    values = [[], []]
    for _ in range(80):
        field = theory.gaussian_surface(power, rng)
        for found, image in zip(values, (field, field + defect), strict=True):
            # from a torus: the border of an image is not part of the theory
            wide = np.pad(image, 12, mode="wrap").astype(np.float32)
            s = sobel_features(noise_map(wide, model, 1, 3, 0, 4096), options)[0][12:-12, 12:-12]
            found.append((s.astype(float) ** 2).mean())
    for found, (mean, sd) in zip(values, (base, moved), strict=True):
        assert np.mean(found) == pytest.approx(mean, rel=0.06)
        assert np.std(found) == pytest.approx(sd, rel=0.25)
    measured = np.mean(np.array(values[1])[:, None] > np.array(values[0])[None])
    assert measured == pytest.approx(theory.predicted_auroc(base, moved), abs=0.06)
    assert 0.6 < measured < 0.98


def test_a_sensors_noise_makes_defects_harder_and_is_what_the_forward_step_adds(power):
    model = ClosedForm(np.zeros(16), 0.1 * np.eye(16), Schedule())
    spread = model.noisier(0.02)
    np.testing.assert_allclose(spread.values, 0.12)
    np.testing.assert_allclose(model.values, 0.1)
    options = {"t": 1, "blur": "gaussian", "sigma": 1.5}
    a, defect = model.schedule.alphas_cumprod[1].item(), 0.2 * theory.bump(SHAPE, (0, 0), 1.5)

    def auroc(variance: float) -> float:
        k = theory.passed(model.noisier(variance), options, SHAPE)
        pair = (theory.moments(k, power + variance, a**0.5, 1 - a, d) for d in (None, defect))
        return theory.predicted_auroc(*pair)

    assert auroc(0) > auroc(0.01) > auroc(0.1) > 0.5


def test_job_leaves_what_its_plan_says(settings, images, tmp_path):
    index = pd.DataFrame({
        "image": [f"{k}" for k in range(10)], "split": ["train"] * 6 + ["test"] * 4,
        "defect": ["good"] * 6 + ["good", "hole", "good", "hole"],
    })  # fmt: skip
    data = ImageSet(images, index, [None] * 10)
    chosen = {**settings, "limit": {**settings["limit"], "times": [1, 50], "images": 3, "contrasts": [1], "radii": [2]}}
    job.run(data, {"gaussian": Denoiser.untrained(settings, 0)}, chosen, 0, tmp_path, "test")
    errors, maps, graded, predicted, departure = (
        pd.read_csv(tmp_path / f"{name}.csv") for name in ("errors", "maps", "graded", "predicted", "departure")
    )
    assert set(errors["predictor"]) == {NETWORK, CLOSED, "bound"} and set(errors["t"]) == {1, 50}
    assert (errors["error"] > 0).all() and maps["correlation"].between(-1, 1).all()
    own = graded[(graded["surface"] != GAUSSIAN) & (graded["predictor"] == NETWORK)]
    assert sorted(own["image"].unique()) == [0, 1]  # the two normal test images
    assert len(predicted) == 2 * len(settings["limit"]["sensor"]) and predicted["auroc"].between(0.5, 1).all()
    assert departure.shape == (1, 2)


def test_departure_does_not_take_one_kind_for_the_measure_of_another(settings):
    """Images that alternate in kind."""
    rng = np.random.default_rng(0)
    ways = [gaussian_filter(rng.standard_normal((60, 40, 40)), (0, 3, 0.3)) for _ in range(2)]
    images = [(0.1 * (x if k % 2 else x.T)).astype(np.float32) for k, x in enumerate(ways[0][:40])]
    assert job._departure(images, settings, 0)["overdispersion"].item() < 5


def test_departure_is_zero_for_gaussian_patches_and_not_for_others(settings):
    rng = np.random.default_rng(0)
    kinds = {"gaussian": lambda: rng.standard_normal((40, 40)), "spots": lambda: rng.exponential(1, (40, 40))}
    found = {}
    for name, draw in kinds.items():
        images = [(0.1 * draw()).astype(np.float32) for _ in range(20)]
        found[name] = job._departure(images, settings, 0).iloc[0]
    assert found["gaussian"].abs().max() < 0.1
    assert found["spots"]["kurtosis"] > 1 and found["spots"]["overdispersion"] > 1
