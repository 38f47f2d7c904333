"""What the noises and the surfaces are made of: spectra and marginals (noise study, Fig. 1), and whether they tell
which noise suits.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr

from radarlib.noise import make_noise
from radarlib.patches import PatchSampler
from study.metrics import interval
from study.noise.names import LABELS
from study.noise.plan import FILTER
from study.noise.tables import CHAPTER, detected
from study.session import Session

FIELDS = 2000  # patches or fields that a spectrum is the mean of
ENOUGH = 5  # sets from which on a relation between them is asked for


def fields(session: Session, noise: str, n: int = FIELDS) -> np.ndarray:
    """n fields of the size of a patch, (n, S, S) float32."""
    side = session.settings["training"]["patch"]
    draw = make_noise({**session.settings["noise"], "kind": noise})
    return draw((n, 1, side, side), torch.Generator().manual_seed(0))[:, 0].numpy()


def surface(session: Session, name: str, n: int = FIELDS) -> np.ndarray:
    """n patches of normal training images, (n, S, S) float32."""
    sampler = PatchSampler(CHAPTER.images(session, name).train_images, session.settings["training"]["patch"])
    return sampler.sample(n, torch.Generator().manual_seed(0))[:, 0].numpy()


def spectra(named: Iterable[tuple[str, np.ndarray]], key: str) -> pd.DataFrame:
    """Power by wave number of fields by name: columns `key`, wave_number, power."""
    parts = [
        pd.DataFrame({key: name, "wave_number": range(1, len(power)), "power": power[1:]})
        for name, power in ((name, power_spectrum(values)) for name, values in named)
    ]
    return pd.concat(parts, ignore_index=True)


def marginals(named: dict[str, np.ndarray]) -> pd.DataFrame:
    """Of each noise: quantiles of a pixel, its standard deviation within a patch, that of the patches' means, and the
    share of the power within a patch at wave numbers from 1 to 3.
    """
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


def surfaces(session: Session) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How coarse each surface is, and what each structured noise gains over Gaussian noise on it.

    Returns the surfaces' spectra, scaled to the power of white noise of unit variance, and a row per set and noise: the
    share of the surface's power at wave numbers from 1 to 3, and the `gain` in image-level AUROC with its paired
    interval.
    """
    spectrum, rows = [], []
    level = session.settings["evidence"]["level"]
    for name in CHAPTER.sets(session):
        patches = surface(session, name)
        patches = patches / patches.std(axis=(1, 2)).mean()
        spectrum.append((name, patches))
        share = low_share(power_spectrum(patches), patches.shape[-1])
        found = {noise: detected(session, name, noise) for noise in FILTER}
        for noise in ("simplex", "mixture"):
            low, high = interval(found[noise][1] - found["gaussian"][1], level)
            gain = found[noise][0]["ours"] - found["gaussian"][0]["ours"]
            rows.append({"set": name, "noise": noise, "low_share": share, "gain": gain, "low": low, "high": high})
    return spectra(spectrum, "set"), pd.DataFrame(rows)


def relation(gains: pd.DataFrame) -> list[str]:
    """One computed line per structured noise: whether its gain goes with how coarse the surface is."""
    lines, n = [], gains["set"].nunique()
    for noise, part in gains.groupby("noise", sort=False):
        text = (
            f"{LABELS[str(noise)]} noise: {int((part['low'] > 0).sum())} of {n} sets gain for sure,"
            f" {int((part['high'] < 0).sum())} lose"
        )
        if n < ENOUGH:
            lines.append(f"{text}; {n} sets are too few for a relation with the surface's spectrum")
        else:
            found = spearmanr(part["low_share"], part["gain"])
            lines.append(
                f"{text}; Spearman's correlation with the surface's coarseness {found.statistic:.2f} (p ="
                f" {found.pvalue:.2f})"
            )
    return lines


def wave_numbers(side: int) -> np.ndarray:
    """The whole number of cycles across a field, by frequency of its Fourier transform: (side, side) int."""
    k = np.fft.fftfreq(side, 1 / side)
    return np.hypot(k[:, None], k).round().astype(int)


def power_spectrum(fields: np.ndarray) -> np.ndarray:
    """Power by whole wave number, averaged over fields and directions.

    fields : (n, S, S). Returns (S // 2 + 1,) float64: entry k belongs to k cycles across a field; white noise of unit
        variance has 1 throughout. Fields are centred and windowed (Hann), so that borders that do not meet add no power
        of their own.
    """
    side = fields.shape[-1]
    window = np.hanning(side + 2)[1:-1]
    window = window[:, None] * window
    centred = fields - fields.mean(axis=(1, 2), keepdims=True)
    power = (np.abs(np.fft.fft2(centred * window)) ** 2).mean(0) / (window**2).sum()
    radius = wave_numbers(side)
    return np.array([power[radius == r].mean() for r in range(side // 2 + 1)])


def low_share(power: np.ndarray, side: int, most: int = 3) -> float:
    """The share of a field's power that lies at wave numbers from 1 to `most`, of all but 0.

    power : of `power_spectrum`.
    """
    modes = np.bincount(wave_numbers(side).ravel())[: len(power)]
    parts = power * modes
    return float(parts[1 : most + 1].sum() / parts[1:].sum())
