"""What the data are: Table I, and whether a surface is periodic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from radarlib.datasets import GOOD, ImageSet
from radarlib.patches import PatchSampler
from study.session import Session

PERIODIC = 0.5
"""Autocorrelation above which a surface counts as periodic; simulated tracks reach 0.8, grain less than 0.1."""


def surface_kind(data: ImageSet) -> tuple[str, float]:
    """("periodic" or "stochastic", the autocorrelation's second peak), from training images alone."""
    value = periodicity(data.train_images[:20])
    return ("periodic" if value > PERIODIC else "stochastic"), value


def dataset_table(session: Session) -> pd.DataFrame:
    """`radar_table1_datasets`: one row per set and kind of image, with the paper's count."""
    printed = session.paper_values("radar_table1").set_index(["set", "part", "class"])["count"]
    patch, rows = session.settings["training"]["patch"], []
    for name in session.sets:
        data = session.data(name)
        kind, value = surface_kind(data)
        counts = data.index.groupby(["split", "defect"], sort=False).size()
        sizes = sorted({image.shape for image in data.images})
        size = (
            "×".join(map(str, sizes[0][::-1]))
            if len(sizes) == 1
            else f"{len(sizes)} sizes, {min(sizes)[1]}–{max(s[1] for s in sizes)} wide"
        )
        common = {"set": name, "surface": kind, "autocorrelation": value, "image": size}
        for (split, defect), n in counts.items():
            rows.append({**common, "part": split, "class": defect, "count": n})
        total = int((data.index["split"] == "test").sum())
        defective = total - int(counts["test", GOOD])
        rows.append({**common, "part": "test", "class": "defective", "count": defective})
        rows.append({**common, "part": "patches", "class": GOOD, "count": len(PatchSampler(data.train_images, patch))})
    table = pd.DataFrame(rows)
    table["paper"] = [printed.get((r["set"], r["part"], r["class"]), np.nan) for r in rows]
    return table


def dataset_shown(table: pd.DataFrame) -> pd.DataFrame:
    """Table I as people read it: a row per set, the paper's counts in brackets."""
    rows = []
    for name, part in table.groupby("set", sort=False):
        row = {
            "set": name,
            "surface": f"{part['surface'].iloc[0]} ({part['autocorrelation'].iloc[0]:.2f})",
            "image": part["image"].iloc[0],
        }
        for title, split, kind in (
            ("training", "train", GOOD), ("training patches", "patches", GOOD), ("test, normal", "test", GOOD),
            ("test, defective", "test", "defective"),
        ):  # fmt: skip
            found = part[(part["part"] == split) & (part["class"] == kind)].iloc[0]
            row[title] = f"{found['count']:,}" + ("" if pd.isna(found["paper"]) else f" ({found['paper']:,.0f})")
        types = part[(part["part"] == "test") & ~part["class"].isin([GOOD, "defective"])]
        row["defects"] = ", ".join(f"{r['class']} {r['count']}" for _, r in types.iterrows()).replace("_", " ")
        rows.append(row)
    return pd.DataFrame(rows)


def periodicity(images: Sequence[np.ndarray]) -> float:
    """How periodic a surface is, from 0 to 1: the highest second peak of the mean autocorrelation.

    The central peak ends at the radius where the autocorrelation is first negative in some direction (at a quarter
    of the side at most); what is high beyond that repeats, or runs on along one direction as a track does.
    """
    side = min(min(image.shape) for image in images)
    total = np.zeros((side, side))
    for image in images:
        part = image[:side, :side] - image[:side, :side].mean()
        part = part - gaussian_filter(part, side / 8)
        power = np.abs(np.fft.fft2(part * np.outer(np.hanning(side), np.hanning(side)))) ** 2
        correlation = np.fft.fftshift(np.fft.ifft2(power).real)
        total += correlation / correlation.max() / len(images)
    y, x = np.indices(total.shape) - side // 2
    radius = np.hypot(y, x).round().astype(int)
    trough = next(r for r in range(1, side) if total[radius == r].min() < 0 or r == side // 4)
    return float(total[(radius > trough) & (radius < side // 3)].max())
