"""RADAR's noise map, the reconstruction baseline, the controls, and the step that runs them on a set."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import run

from radarlib import radar, reconstruct
from radarlib.datasets import ImageSet, read_mvtec
from radarlib.denoiser import Denoiser
from radarlib.diffusion import Schedule, chain
from radarlib.errors import UserError
from radarlib.features import sobel_map
from radarlib.methods import METHODS, method, model_settings
from radarlib.runtime import image_generator, resolve_device, resolve_precision
from radarlib.score import classifier_images, load_maps, score_set


class Perfect(torch.nn.Module):
    """Knows x_0 and so predicts the noise exactly."""

    def __init__(self, x_0: float, schedule):
        super().__init__()
        self.x_0, self.schedule = x_0, schedule

    def forward(self, x_t, t):
        a = self.schedule.alphas_cumprod[t.long()].float().reshape(-1, 1, 1, 1)
        return (x_t - a.sqrt() * self.x_0) / (1 - a).sqrt()


@pytest.fixture
def perfect(settings) -> Denoiser:
    denoiser = Denoiser.untrained(settings, 0)
    denoiser.net = Perfect(0.25, denoiser.schedule)
    return denoiser


def test_noise_map_of_a_perfect_predictor_is_the_noise_that_was_added(perfect):
    image = np.full((20, 25), 0.25, np.float32)
    expected = torch.randn(20, 25, generator=image_generator(image, 5)).numpy()
    np.testing.assert_allclose(radar.noise_map(image, perfect, 1, 4, 5), expected, atol=1e-3)


def test_an_anomaly_shows_as_noise_far_beyond_what_was_added(perfect):
    image = np.full((24, 24), 0.25, np.float32)
    image[8:14, 8:14] += 0.2
    noise = np.abs(radar.noise_map(image, perfect, 1, 4, 0))
    assert noise[8:14, 8:14].min() > 10 > noise[:6].max()  # 0.2 / √(1 − ᾱ_1) = 20 standard deviations


def test_score_depends_on_the_image_alone(settings, images):
    denoiser = Denoiser.untrained(settings, 0)
    alone = radar.score(images[3], denoiser, settings, 0)[1]
    for image in images[:3]:
        radar.score(image, denoiser, settings, 0)
    assert radar.score(images[3], denoiser, settings, 0)[1] == alone
    assert radar.score(images[3], denoiser, settings, 1)[1] != alone


def test_noise_map_does_not_depend_on_the_batch(settings, images):
    denoiser = Denoiser.untrained(settings, 0)
    whole, single = (radar.noise_map(images[0], denoiser, 1, 4, 0, batch) for batch in (500, 1))
    np.testing.assert_allclose(whole, single, atol=1e-5)


def test_raw_control_is_radars_features_of_the_image_itself(settings, images):
    s, features = radar.score_raw(images[0], None, settings, 0)
    np.testing.assert_array_equal(s, sobel_map(images[0], "gaussian", 1.5))
    assert set(features) == {"global", "local"}


@pytest.mark.parametrize("steps", [250, 5])
def test_reconstruction_by_a_perfect_predictor_returns_its_x_0(perfect, steps):
    defective = np.full((16, 16), 0.25, np.float32)
    defective[4:8, 4:8] = 0.9
    x_hat = reconstruct.reconstruct(defective, perfect, reconstruct.ancestral(perfect, chain(250, steps)), 8, 0)
    np.testing.assert_allclose(x_hat, 0.25, atol=1e-3)


def test_norm_guided_step_is_the_published_one(settings):
    """DiffusionAD with a toy predictor (tests/reference); its t counts from 0."""
    with np.load(Path(__file__).with_name("reference") / "diffusionad.npz") as data:
        x_0, small, big, expected = (
            torch.from_numpy(data[k]) for k in ("x0", "noise_small", "noise_big", "diffusionad_x0")
        )

    def toy(x, t):
        return 0.5 * torch.tanh(x) + 0.1 * np.cos((t - 1) / 100)

    found = reconstruct.norm_guided(x_0, toy, Schedule(), 201, 401, 1.0, (small, big))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_anoddpm_samples_with_the_noise_it_was_trained_with(settings, images, monkeypatch):
    denoiser = Denoiser.untrained(model_settings(settings, "simplex"), 0)
    drawn = []
    monkeypatch.setattr(
        Denoiser, "noise", property(lambda _: lambda shape, _g: drawn.append(shape) or torch.zeros(shape))
    )
    reconstruct.score(images[0], denoiser, settings, 0)
    assert len(drawn) == 1 + settings["reconstruction"]["reverse_steps"]


def test_reconstruction_score_is_otsus_share_of_the_residual(perfect, settings):
    image = np.full((16, 16), 0.25, np.float32)
    image[4:8, 4:8] = 0.9
    residual, features = reconstruct.score(image, perfect, settings, 0)
    assert residual.shape == image.shape
    assert features["pixels"] == pytest.approx(16 / 256)


@pytest.mark.parametrize("method", ["raw", "untrained"])
def test_a_set_is_scored_without_its_labels(mvtec, settings, tmp_path, method):
    data = read_mvtec(mvtec, "cloth", settings["data"], 8)
    table = score_set(data, method, settings, 0, None, tmp_path / "a")
    blind = ImageSet(data.images, data.index.assign(defect="good"), [None] * len(data.images))
    score_set(blind, method, settings, 0, None, tmp_path / "b")
    assert (tmp_path / "a/features.csv").read_bytes() == (tmp_path / "b/features.csv").read_bytes()
    assert list(table["image"]) == list(data.index["image"])
    assert [m.shape for m in load_maps(tmp_path / "a/maps.npz")] == [(24, 24)] * 8


def test_classifier_images_are_training_images_drawn_once(mvtec, settings):
    index = read_mvtec(mvtec, "cloth", settings["data"], 8).index
    chosen = classifier_images(index, 4, 0)
    assert len(set(chosen)) == 4 and set(index["split"][chosen]) == {"train"}
    np.testing.assert_array_equal(chosen, classifier_images(index, 4, 0))


def test_every_method_can_be_found_and_others_are_refused():
    assert all(callable(entry.load()) for entry in METHODS.values())
    with pytest.raises(UserError, match="unknown method 'radr'; there are: radar, radar-simplex"):
        method("radr")


def test_devices():
    assert resolve_device("cpu").type == "cpu"
    assert resolve_precision("bfloat16", torch.device("cpu")) is torch.bfloat16
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="device 'cuda' is not available here"):
            resolve_device("cuda")


def test_mixed_precision_stays_close_to_single(settings, images):
    maps = []
    for precision in ("float32", "bfloat16"):
        denoiser = Denoiser.untrained({**settings, "training": {**settings["training"], "precision": precision}}, 0)
        maps.append(radar.noise_map(images[0], denoiser, 1, 4, 0))
    assert np.abs(maps[0] - maps[1]).max() < 0.1 * maps[0].std() + 0.02


def test_unknown_command_line_method_gets_one_line(mvtec, tmp_path):
    from conftest import REPOSITORY

    done = run(
        "radarlib",
        "score",
        str(tmp_path / "no.npz"),
        "--method",
        "radar",
        "--settings",
        "{}",
        "--out",
        "x",
        cwd=REPOSITORY,
    )
    assert done.returncode == 2 and done.stderr.strip().endswith("missing; run the workflow's data rule first")
    assert "Traceback" not in done.stderr
