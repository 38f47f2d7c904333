"""D3AD's pieces against published figures and against their definitions."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import REPOSITORY

from radarlib import autoencoder
from radarlib.claims import ledger
from radarlib.config import merge
from radarlib.d3ad import adaptation_loss, condition, cosine_map, disturb, guided_ddim, latent_map
from radarlib.d3ad_study import D3AD, SHOWN, Variant, study_latents, variants
from radarlib.datasets import ImageSet, read_mvtec
from radarlib.diffusion import Schedule
from radarlib.evidence import FAILS, HOLDS, PARTLY

SCHEDULE = Schedule(1000, 0.0015, 0.0195)


@pytest.mark.parametrize("eta", [0, 4])
def test_guided_ddim_is_the_published_one(eta):
    """A toy predictor (tests/reference); its t counts from 0, ours from 1."""
    with np.load(Path(__file__).with_name("reference") / "d3ad.npz") as data:
        x_0, expected = (torch.from_numpy(data[k]) for k in ("x0", f"d3ad_x0_guidance{eta}"))

    def toy(x, t):
        return 0.5 * torch.tanh(x) + 0.1 * np.cos((t - 1) / 100)

    start = disturb(x_0, 81, 0.0, torch.zeros_like(x_0), SCHEDULE)
    found = guided_ddim(start, x_0, toy, SCHEDULE, [*range(81, 8, -8), 0], eta)
    torch.testing.assert_close(found[-1], expected, atol=1e-6, rtol=0)


def test_scaling_and_noising_are_the_two_ends_of_omega():
    x_0, noise = (torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    t = 80
    torch.testing.assert_close(
        disturb(x_0, t, 1.0, noise, SCHEDULE), SCHEDULE.forward(x_0, torch.tensor([t, t]), noise)
    )
    torch.testing.assert_close(disturb(x_0, t, 0.0, noise, SCHEDULE), SCHEDULE.alphas_cumprod[t].sqrt().item() * x_0)


def test_an_exact_noise_predictor_gives_the_image_back():
    x_0, noise = (torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    found = guided_ddim(disturb(x_0, 80, 1.0, noise, SCHEDULE), x_0, lambda x, t: noise, SCHEDULE, [80, 40, 0], 0)
    assert len(found) == 2
    torch.testing.assert_close(found[-1], x_0, atol=1e-5, rtol=0)


def test_the_conditioning_bins_distances_as_algorithm_2_says():
    features = [np.array([float(k), 0.0]) for k in range(11)]
    given, own = condition(features, k=2, bins=10, smallest=2)
    assert own[0] == pytest.approx(1.5) and own[5] == pytest.approx(1.0)  # an image is not its own neighbour
    assert given.edges[0] == own.min() and given.edges[-1] == own.max() and np.ptp(np.diff(given.edges)) < 1e-12
    assert given.distance(np.array([12.0, 0.0])) == pytest.approx(2.5)
    assert given.bin(0.0) == 2 and given.bin(own.max() - 1e-9) == 10 and given.bin(99.0) == 10
    assert given.steps(0.0, 80) == 16 and given.steps(99.0, 80) == 80  # ⌊b T_max / |B|⌋
    middle = (given.edges[4] + given.edges[5]) / 2
    assert given.bin(middle) == 5 and given.steps(middle, 85) == 42


def test_maps_are_zero_where_nothing_differs_and_large_where_something_does():
    generator = torch.Generator().manual_seed(0)
    a = [torch.randn(2, 4, 8, 8, generator=generator), torch.randn(2, 6, 4, 4, generator=generator)]
    b = [m.clone() for m in a]
    assert cosine_map(a, b, 16).abs().max() < 1e-6 and latent_map(a[0], b[0], 16).abs().max() == 0
    assert adaptation_loss(a, b).item() == pytest.approx(0, abs=1e-6)
    b[0][:, :, 6:, 6:] *= -1
    found = cosine_map(a, b, 16)
    assert found.shape == (2, 16, 16) and found[:, :8, :8].abs().max() < 1e-6 and found[0, 15, 15] == pytest.approx(2)
    assert adaptation_loss(a, b).item() == pytest.approx(2 * 4 / 64, abs=1e-5)  # GAP of a distance of 2 on 4 of 64
    assert latent_map(a[0], b[0], 8)[0, 7, 7] == pytest.approx(2 * a[0][0, :, 7, 7].abs().sum().item(), rel=1e-5)


OPTIONS = {"latents": 3, "width": 4, "steps": 60, "batch": 4, "lr": 0.01}


@pytest.fixture
def squares() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.kron(rng.uniform(-1, 1, (4, 4)), np.ones((4, 4))).astype(np.float32) for _ in range(8)]


def test_the_autoencoder_learns_standardises_and_is_not_trained_twice(squares, tmp_path):
    file = tmp_path / "autoencoder.safetensors"
    net = autoencoder.fit(squares, OPTIONS, 0, file, "cpu", "test")
    x = torch.from_numpy(np.stack(squares))[:, None]
    with torch.inference_mode():
        z = net.encode(x)
        error = ((net.decode(z) - x) ** 2).mean().item()
    assert z.shape == (8, 3, 4, 4) and error < 0.5 * x.var().item()
    np.testing.assert_allclose(z.mean((0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(z.std((0, 2, 3)), 1, atol=1e-3)
    stamp = file.stat().st_mtime_ns
    again = autoencoder.fit(squares, OPTIONS, 0, file, "cpu", "test")
    assert file.stat().st_mtime_ns == stamp
    torch.testing.assert_close(again.encode(x), net.encode(x))
    autoencoder.fit(squares[1:], OPTIONS, 0, file, "cpu", "test")
    assert file.stat().st_mtime_ns != stamp


def test_every_variant_has_a_name_of_its_own_and_the_study_holds_the_tables():
    plan = variants()
    names = [variant.name for variant in plan]
    assert len(set(names)) == len(names) and D3AD in plan and {v.omega for v in plan} == set(np.arange(11) / 10)
    assert {v.steps for v in SHOWN} == {"dic", 0.25, 0.5, 0.75, 1.0}  # Table 5
    assert {(v.omega, v.adapted) for v in plan} >= {(0, True), (0, False), (1, True), (1, False)}  # Table 6


def test_the_job_scores_every_test_image_and_sees_no_label(mvtec, settings, tmp_path):
    data = read_mvtec(mvtec, "cloth", settings["data"], 8)
    small = {"image_size": 32, "autoencoder_width": 4, "autoencoder_steps": 2, "width": 4, "steps": 2, "batch": 4, "neighbours": 2,
             "limit": 3, "memory": 4, "coreset": 20, "spade": 2}  # fmt: skip
    step = {"width": 8, "steps": 2}
    settings = merge(settings, {"d3ad": small, "features": {"side": 32}, "feature_step": step})
    study_latents(data, settings, 0, tmp_path / "a")
    table, test = pd.read_csv(tmp_path / "a/scores.csv"), set(data.where("test"))
    expected = {variant.name for variant in variants()} | {"raw", "step", "patchcore", "spade", "padim"}
    assert set(table["method"]) == expected and (table.groupby("method")["position"].agg(set) == test).all()
    with np.load(tmp_path / "a/maps.npz") as maps:
        assert set(maps) == expected and all(len(maps[name]) == len(test) for name in maps)
        highest = table[table["method"] == D3AD.name]["score"].to_numpy()
        np.testing.assert_allclose(maps[D3AD.name].max((1, 2)), highest, rtol=2e-3)
    bins = pd.read_csv(tmp_path / "a/bins.csv")
    assert (bins["split"] == "train").sum() == len(data.where("train")) and bins["bin"].between(2, 10).all()
    other = ImageSet(data.images, data.index.assign(defect="good"), [None] * len(data.images))
    study_latents(other, settings, 0, tmp_path / "b")
    for file in ("scores.csv", "bins.csv", "thresholds.csv", "maps.npz"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_static_variant_diffuses_all_images_alike():
    assert Variant(0.25).name != D3AD.name and Variant(guidance=8.0).name == "dic-omega0.0-eta8.0"


@pytest.fixture
def verdicts(smoke, tmp_path):
    """The ledger after a change of one of the smoke profile's exhibits: by the start of a claim its verdict."""
    folder = shutil.copytree(smoke / "figures/smoke", tmp_path / "figures")

    def ask(exhibit, change):
        table = pd.read_csv(folder / f"{exhibit}.csv")
        change(table)
        table.to_csv(folder / f"{exhibit}.csv", index=False)
        rows, _ = ledger(folder, REPOSITORY / "data/paper")
        return lambda start: next(row.verdict for row in rows.itertuples() if row.claim.startswith(start))

    return ask


@pytest.mark.parametrize(("value", "expected"), [(0.99, HOLDS), (0.01, FAILS)])
def test_dynamic_conditioning_follows_table_5(verdicts, value, expected):
    def change(table):
        table["ours"] = 0.5
        table.loc[table["policy"] == "dynamic", "ours"] = value

    verdict = verdicts("d3ad_table5_dynamic", change)
    assert verdict("Dynamic conditioning gives a higher I-AUROC") == expected
    assert verdict("Dynamic conditioning gives a higher P-AUROC") == expected
    assert verdict("PRO hardly depends") == FAILS


def test_scaling_and_adaptation_follow_table_6(verdicts):
    def change(table):
        table["ours"] = 0.5
        table.loc[table["variant"].str.startswith("scaling"), "ours"] = 0.8
        table.loc[(table["variant"] == "scaling, adapted features") & (table["set"] == "tiles"), "ours"] = 0.9

    verdict = verdicts("d3ad_table6_ablation", change)
    assert verdict("Scaling without noise improves") == HOLDS and verdict("Scaling is the more effective") == HOLDS
    assert verdict("Domain adaptation improves") == PARTLY  # on tiles alone


def test_the_decline_follows_fig_13(verdicts):
    def change(table):
        table["ours"] = 1 - 0.3 * table["omega"]

    assert verdicts("d3ad_fig13_omega", change)("Performance declines") == HOLDS

    def rise(table):
        table["ours"] = 0.5 + 0.3 * table["omega"]

    assert verdicts("d3ad_fig13_omega", rise)("Performance declines") == FAILS


def test_the_papers_own_numbers_are_recomputed(verdicts):
    verdict = verdicts("d3ad_table5_dynamic", lambda table: None)
    assert verdict("Highest PRO in 8 and highest I-AUROC in 3") in (HOLDS, PARTLY)
    assert verdict("PRO on VisA is 2.7 points above") == FAILS  # 94.1 against 91.2
    assert verdict("PRO on BTAD is 5.9 points above") == HOLDS
    assert verdict("On MVTec AD, 0.1 and 0.3 points above DRAEM") == HOLDS
