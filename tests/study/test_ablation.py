"""RADAR's free choices: what is varied."""

import pandas as pd

from radarlib.datasets import read_set
from radarlib.denoiser import Denoiser
from study.methods import model_settings
from study.radar.ablation import run, variants


def test_one_factor_is_varied_at_a_time(settings):
    plan = variants(settings, {"gaussian": 8, "patch_small": 4})
    base = settings["radar"]
    for variant in plan:
        changed = {k for k, v in variant.options(settings).items() if v != base[k]}
        assert changed <= ({"stride"} if variant.factor == "patch" else {variant.factor.removesuffix(", closed form")})
    assert {v.factor for v in plan} == {"t", "t, closed form", "stride", "sigma", "blur", "window", "patch"}
    for factor in ("t", "stride", "sigma", "blur", "window"):
        assert f"{base[factor]}" in [v.value for v in plan if v.factor == factor]


def test_ablation_has_every_image_under_every_variant(mvtec, settings, tmp_path):
    data = read_set(mvtec, "cloth", settings["data"], 8)
    denoisers = {"gaussian": Denoiser.untrained(settings, 0)}
    denoisers["patch_small"] = Denoiser.untrained(model_settings(settings, "patch_small"), 0)
    run(data, denoisers, settings, 0, tmp_path, "ablation")
    table = pd.read_csv(tmp_path / "ablation.csv")
    counts = table.groupby(["factor", "value"]).size()
    assert len(set(counts)) == 1 and set(table["kind"]) == {"train", "artificial", "test"}
    run(data, denoisers, settings, 0, tmp_path / "again", "ablation")
    assert (tmp_path / "again/ablation.csv").read_bytes() == (tmp_path / "ablation.csv").read_bytes()
