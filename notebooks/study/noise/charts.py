"""Drawing the chapter on noise distributions. Each function takes tables or images and returns a matplotlib figure."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from study.drawing import STYLES, WIDTH, legend_above, show_image
from study.noise.names import LABELS

FLOOR = 1e-5  # of the power that is drawn: below lies what the window leaks


def spectrum_lines(ax: Axes, table: pd.DataFrame, key: str, **options: Any) -> None:
    """Power against wave number, a line per value of `key`."""
    for k, (name, part) in enumerate(table.groupby(key, sort=False)):
        label = LABELS.get(str(name), str(name).replace("_", " "))
        style: dict[str, Any] = {
            "color": f"C{k % 7}",
            "ls": STYLES[k % 6][1],
            "marker": STYLES[k % 6][0],
            "ms": 3,
            **options,
        }
        ax.plot(part["wave_number"], part["power"], label=label, **style)
    ax.set(
        xscale="log", yscale="log", xlabel="cycles across a patch", ylabel="power (white noise: 1)", ylim=(FLOOR, None)
    )
    ax.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    ax.xaxis.set_minor_formatter(NullFormatter())


def chains_figure(
    pictures: dict[str, list[tuple[str, np.ndarray]]], spectra: pd.DataFrame, fields: dict[str, np.ndarray]
) -> Figure:
    """Fig. 1: a row per noise with a patch on its way to noise and back; below, spectra and marginals of the noises."""
    columns = len(next(iter(pictures.values())))
    cell = WIDTH / columns
    fig = plt.figure(figsize=(WIDTH, 1.08 * cell * len(pictures) + 2.3))
    parts = fig.subfigures(2, 1, squeeze=False, height_ratios=(1.08 * cell * len(pictures), 2.3))
    top, bottom = parts[:, 0]
    axes = top.subplots(len(pictures), columns, squeeze=False)
    for k, (noise, shown) in enumerate(pictures.items()):
        row = axes[k]
        for ax, (title, x) in zip(row, shown, strict=True):
            limit = max(1.0, float(np.quantile(np.abs(x), 0.99)))
            show_image(ax, x, "" if k else title, vmin=-limit, vmax=limit)
        row[0].set_ylabel(LABELS[noise])
    left, right = bottom.subplots(1, 2)
    spectrum_lines(left, spectra, "noise")
    left.legend()
    for k, (noise, values) in enumerate(fields.items()):
        sns.kdeplot(x=values.ravel()[::20], ax=right, color=f"C{k}", ls=STYLES[k][1], label=LABELS[noise], clip=(-4, 6))
    right.set(xlabel="value of a pixel", ylabel="density", xlim=(-4, 6))
    return fig


def surfaces_figure(surfaces: pd.DataFrame, noises: pd.DataFrame, gains: pd.DataFrame, width: float = WIDTH) -> Figure:
    """Spectra of surfaces among those of the noises, and each structured noise's gain over Gaussian noise by the
    surface.
    """
    shape, size = ((1, 2), (width, 2.6)) if width == WIDTH else ((2, 1), (width, 4.8))
    fig, (left, right) = plt.subplots(*shape, figsize=size)
    spectrum_lines(left, noises, "noise", color="0.6", marker="")
    for line, (_, part) in zip(left.lines, noises.groupby("noise", sort=False), strict=True):
        place = part[part["power"] > FLOOR].iloc[-1]
        left.annotate(str(line.get_label()), (place["wave_number"], place["power"]), fontsize=5.5, color="0.4",
                      xytext=(2, 3), textcoords="offset points")  # fmt: skip
    spectrum_lines(left, surfaces, "set")
    names = list(dict.fromkeys(gains["set"]))
    aside = 0.012 * max(0.1, float(np.ptp(gains["low_share"])))
    for (noise, part), marker, fill in zip(gains.groupby("noise", sort=False), "oD", (True, False), strict=True):
        shift = aside if fill else -aside
        for row in part.itertuples():
            colour = f"C{names.index(row.set) % 7}"
            right.errorbar(
                row.low_share + shift,
                row.gain,
                [[row.gain - row.low], [row.high - row.gain]],
                fmt=marker,
                ms=5,
                lw=0.8,
                color=colour,
                mfc=colour if fill else "w",
            )
        right.plot([], [], marker, color="k", mfc="k" if fill else "w", ms=5, label=LABELS[str(noise)])
    right.axhline(0, color="0.7", lw=0.6, zorder=0)
    right.set(xlabel="share of the surface's power at 1 to 3 cycles", ylabel="AUROC above Gaussian noise's")
    right.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    handles, labels = left.get_legend_handles_labels()
    legend_above(fig, 5, handles[-len(names) :], labels[-len(names) :])
    return fig
