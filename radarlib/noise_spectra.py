"""What the noises and the surfaces are made of: spectra and marginals (noise study, Fig. 1), and whether they tell which noise suits."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr

from radarlib.metrics import interval
from radarlib.noise import low_share, make_noise, power_spectrum
from radarlib.noise_exhibits import LABELS, detected, images, sets
from radarlib.noise_study import FILTER
from radarlib.patches import PatchSampler
from radarlib.study import Study

FIELDS = 2000  # patches or fields that a spectrum is the mean of
ENOUGH = 5  # sets from which on a relation between them is asked for


def fields(study: Study, noise: str, n: int = FIELDS) -> np.ndarray:
    """n fields of the size of a patch, (n, S, S) float32."""
    side = study.settings["training"]["patch"]
    draw = make_noise({**study.settings["noise"], "kind": noise})
    return draw((n, 1, side, side), torch.Generator().manual_seed(0))[:, 0].numpy()


def surface(study: Study, name: str, n: int = FIELDS) -> np.ndarray:
    """n patches of normal training images, (n, S, S) float32."""
    sampler = PatchSampler(images(study, name).train_images, study.settings["training"]["patch"])
    return sampler.sample(n, torch.Generator().manual_seed(0))[:, 0].numpy()


def spectra(named: Iterable[tuple[str, np.ndarray]], key: str) -> pd.DataFrame:
    """Power by wave number of fields by name: columns `key`, wave_number, power."""
    parts = [
        pd.DataFrame({key: name, "wave_number": range(1, len(power)), "power": power[1:]})
        for name, power in ((name, power_spectrum(values)) for name, values in named)
    ]
    return pd.concat(parts, ignore_index=True)


def marginals(named: dict[str, np.ndarray]) -> pd.DataFrame:
    """Of each noise: quantiles of a pixel, its standard deviation within a patch, that of the patches' means, and the share of
    the power within a patch at wave numbers from 1 to 3."""
    levels = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
    rows = []
    for noise, values in named.items():
        quantiles = {
            f"quantile {level}": value for level, value in zip(levels, np.quantile(values, levels), strict=True)
        }
        rows.append({
            "noise": noise, **quantiles, "sd within a patch": values.std(axis=(1, 2)).mean(),
            "sd of a patch's mean": values.mean(axis=(1, 2)).std(),
            "power at 1 to 3 cycles": low_share(power_spectrum(values), values.shape[-1]),
        })  # fmt: skip
    return pd.DataFrame(rows)


def surfaces(study: Study) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How coarse each surface is, and what each structured noise gains over Gaussian noise on it.

    Returns the surfaces' spectra, scaled to the power of white noise of unit variance, and a row per set and noise: the share of
    the surface's power at wave numbers from 1 to 3, and the `gain` in image-level AUROC with its paired interval.
    """
    spectrum, rows = [], []
    level = study.settings["evidence"]["level"]
    for name in sets(study):
        patches = surface(study, name)
        patches = patches / patches.std(axis=(1, 2)).mean()
        spectrum.append((name, patches))
        share = low_share(power_spectrum(patches), patches.shape[-1])
        found = {noise: detected(study, name, noise) for noise in FILTER}
        for noise in ("simplex", "mixture"):
            low, high = interval(found[noise][1] - found["gaussian"][1], level)
            gain = found[noise][0]["ours"] - found["gaussian"][0]["ours"]
            rows.append({"set": name, "noise": noise, "low_share": share, "gain": gain, "low": low, "high": high})
    return spectra(spectrum, "set"), pd.DataFrame(rows)


def relation(gains: pd.DataFrame) -> list[str]:
    """One computed line per structured noise: whether its gain goes with how coarse the surface is."""
    lines, n = [], gains["set"].nunique()
    for noise, part in gains.groupby("noise", sort=False):
        text = f"{LABELS[str(noise)]} noise: {int((part['low'] > 0).sum())} of {n} sets gain for sure, {int((part['high'] < 0).sum())} lose"
        if n < ENOUGH:
            lines.append(f"{text}; {n} sets are too few for a relation with the surface's spectrum")
        else:
            found = spearmanr(part["low_share"], part["gain"])
            lines.append(
                f"{text}; Spearman's correlation with the surface's coarseness {found.statistic:.2f} (p = {found.pvalue:.2f})"
            )
    return lines
