"""What is counted of cost, and what is varied in the ablation."""

import numpy as np
import pytest
import torch

from radarlib.ablation import ablate, variants
from radarlib.cost import activations, flops, memory_by_side, patch_claims, tiled
from radarlib.datasets import read_mvtec
from radarlib.denoiser import Denoiser
from radarlib.methods import model_settings
from radarlib.sensitivity import fit_times
from radarlib.textures import artificial_defect
from radarlib.unet import UNet


def test_activations_are_the_outputs_of_all_layers():
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3, padding=1), torch.nn.SiLU()).to("meta")
    net.forward = lambda x, t, f=net.forward: f(x)
    assert activations(net, 10) == 4 * 2 * 3 * 100
    assert flops(net, 10) == 2 * 9 * 3 * 100


def test_without_attention_cost_is_proportional_to_the_area():
    with torch.device("meta"):
        net = UNet(8, (1, 2), ())
    net.mid_attention = torch.nn.Identity()
    assert flops(net, 160) / flops(net, 16) == pytest.approx(100, rel=0.01)


def test_patch_claims_and_memory(settings):
    claims = patch_claims(settings)
    assert claims["ours"].iloc[0] == pytest.approx(400, rel=0.05)
    memory = memory_by_side(settings)
    assert memory["one batch of patches"].nunique() == 1 and memory["whole image"].is_monotonic_increasing


@pytest.mark.parametrize("side", [30, 64])
def test_tiled_images_have_the_side_asked_for(images, side):
    assert tiled(images, side).shape == (side, side)


def test_fit_times_have_a_slope_per_classifier():
    table = fit_times(np.random.default_rng(0).lognormal(size=(20, 2)), [20, 40, 80], repeats=1)
    assert len(table) == 9 and table.groupby("classifier")["exponent"].nunique().eq(1).all()


def test_one_factor_is_varied_at_a_time(settings):
    plan = variants(settings, {"gaussian": 8, "patch_small": 4})
    base = settings["radar"]
    for variant in plan:
        changed = {k for k, v in variant.options(settings).items() if v != base[k]}
        assert changed <= ({"stride"} if variant.factor == "patch" else {variant.factor})
    assert {v.factor for v in plan} == {"t", "stride", "sigma", "blur", "window", "patch"}
    for factor in ("t", "stride", "sigma", "blur", "window"):
        assert f"{base[factor]}" in [v.value for v in plan if v.factor == factor]


def test_ablation_has_every_image_under_every_variant(mvtec, settings, tmp_path):
    data = read_mvtec(mvtec, "cloth", settings["data"], 8)
    denoisers = {"gaussian": Denoiser.untrained(settings, 0)}
    denoisers["patch_small"] = Denoiser.untrained(model_settings(settings, "patch_small"), 0)
    table = ablate(data.blind(), denoisers, settings, 0, tmp_path / "ablation.csv")
    counts = table.groupby(["factor", "value"]).size()
    assert counts.nunique() == 1 and set(table["kind"]) == {"train", "artificial", "test"}
    again = ablate(data.blind(), denoisers, settings, 0, tmp_path / "again.csv")
    assert again.equals(table)


@pytest.mark.parametrize("shape", [(40, 40), (28, 60)])
def test_artificial_defects_change_the_image_inside_their_mask_alone(shape):
    image = np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype(np.float32)
    for seed in range(12):
        changed, mask = artificial_defect(image, np.random.default_rng(seed))
        assert changed.dtype == np.float32 and 4 <= mask.sum() < 0.5 * mask.size
        assert (changed == image)[~mask].all() and (changed != image)[mask].any()
        assert np.abs(changed).max() <= 1


def test_unclean_training_images_are_as_many_as_asked_for(mvtec, settings):
    data = read_mvtec(mvtec, "cloth", settings["data"], 8)
    dirty = data.contaminated(0.3, seed=0)
    changed = [i for i, (a, b) in enumerate(zip(data.images, dirty.images, strict=True)) if not np.array_equal(a, b)]
    assert len(changed) == round(0.3 * len(data.where("train"))) and set(changed) <= set(data.where("train"))
    assert dirty.contaminated(0, seed=0).images[0] is dirty.images[0]
