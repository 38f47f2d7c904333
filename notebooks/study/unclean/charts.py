"""Drawing the chapter on unclean training data.

Each function takes tables or images and returns a matplotlib figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.drawing import STYLES, WIDTH, Example, examples_figure, legend_above, message, words
from study.metrics import TITLES

NOTHING = "no set of this profile has the images, or the masks, that this takes"


def _line(ax: Axes, part: pd.DataFrame, x: str, k: int, label: str, dodge: float) -> None:
    """Means over seeds in the k-th style.

    Where there are several seeds a band spans them; where there is one, bars show the bootstrap interval, moved aside
    by `dodge` so that those of many methods can be told apart.
    """
    marker, dashes = STYLES[k % len(STYLES)]
    style: dict[str, Any] = {
        "color": "0.5" if label.startswith("control") else f"C{k % 7}",
        "marker": marker,
        "ls": dashes,
        "ms": 3,
    }
    if "seed_low" in part and part["seeds"].iloc[0] > 1:
        ax.plot(part[x], part["ours"], label=label, **style)
        ax.fill_between(part[x], part["seed_low"], part["seed_high"], color=style["color"], alpha=0.15, lw=0)
    else:
        around = [part["ours"] - part["low"], part["high"] - part["ours"]]
        ax.errorbar(part[x] + dodge, part["ours"], around, label=label, elinewidth=0.5, **style)


def shares_figure(table: pd.DataFrame, metrics: Sequence[str], xlabel: str, width: float = WIDTH) -> Figure:
    """Metrics against a share of dirt, by method: a row per set and a column per metric (RDDPM Fig. 5)."""
    if table.empty:
        return message(NOTHING)
    sets = list(dict.fromkeys(table["set"]))
    cell = width / len(metrics)
    size = (width, min(0.8 * cell, 2.0) * len(sets) + 0.7)
    fig, axes = plt.subplots(len(sets), len(metrics), figsize=size, squeeze=False, sharex=True)
    for row, name in zip(axes, sets, strict=True):
        for ax, metric in zip(row, metrics, strict=True):
            part = table[(table["set"] == name) & (table["metric"] == metric)]
            lines = list(part.groupby("method", sort=False))
            for k, (label, line) in enumerate(lines):
                _line(ax, line, "share", k, str(label), 0.004 * (k - len(lines) / 2))
            ax.set(title=TITLES[metric], xticks=sorted(table["share"].unique()))
            if metric == "f1":
                ax.set_ylim(-0.03, 1.03)
            if metric == "auroc":
                ax.axhline(0.5, color="0.8", lw=0.6, zorder=0)
        row[0].set_ylabel(words(name))
    fig.supxlabel(xlabel, fontsize=plt.rcParams["axes.labelsize"])
    legend_above(fig, 5, *axes[0, 0].get_legend_handles_labels())
    return fig


def delta_figure(table: pd.DataFrame, width: float = WIDTH) -> Figure:
    """Metrics against Huber's δ, a line per set, DDPM (δ = ∞) and the pseudo-Huber loss at the right (RDDPM Fig. 4)."""
    if table.empty:
        return message(NOTHING)
    metrics, sets = list(dict.fromkeys(table["metric"])), list(dict.fromkeys(table["set"]))
    deltas = list(dict.fromkeys(table["delta"]))
    rows = 1 if width == WIDTH else len(metrics)
    fig, axes = plt.subplots(rows, len(metrics) // rows, figsize=(width, 1.9 * rows + 0.4), squeeze=False, sharex=True)
    for ax, metric in zip(axes.flat, metrics, strict=True):
        for k, name in enumerate(sets):
            part = table[(table["set"] == name) & (table["metric"] == metric)].set_index("delta").reindex(deltas)
            x = np.arange(len(deltas))
            numeric = np.array([d.replace(".", "").isdigit() for d in deltas])
            ax.errorbar(
                x + 0.08 * k,
                part["ours"],
                [part["ours"] - part["low"], part["high"] - part["ours"]],
                fmt=STYLES[k % 6][0],
                color=f"C{k % 7}",
                ms=4,
                lw=0.8,
                label=words(name),
            )
            ax.plot(x[numeric] + 0.08 * k, part["ours"][numeric], color=f"C{k % 7}", ls=STYLES[k % 6][1])
        ax.set(title=TITLES[metric])
        ax.set_xticks(range(len(deltas)), [SHORT.get(d, d) for d in deltas])
    for ax in axes[-1]:
        ax.set_xlabel("δ of the Huber loss")
    legend_above(fig, 4, *axes[0, 0].get_legend_handles_labels())
    return fig


SHORT = {"∞ (DDPM)": "∞", "0.2, pseudo-Huber": "pseudo\n0.2"}


def reconstructions_figure(examples: Sequence[Example]) -> Figure:
    """RDDPM Fig. 1: defective images with the outline of the defect, over what each network makes of them."""
    return examples_figure(examples, maps=False) if examples else message(NOTHING)
