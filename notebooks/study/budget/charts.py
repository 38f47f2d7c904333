"""Drawing the chapter on training. Each function takes tables and returns a matplotlib figure."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.drawing import STYLES, WIDTH, legend_above, words
from study.methods import label_of

TITLES = {"auroc": "AUROC", "f1": "F1", "error_normal": "error, normal patches", "error_defect": "error, defects"}


def _line(ax: Axes, part: pd.DataFrame, key: str, k: int, label: str) -> None:
    part = part.sort_values("steps")
    marker, dashes = STYLES[k % len(STYLES)]
    ax.plot(part["steps"], part[key], color=f"C{k % 7}", marker=marker, ls=dashes, ms=3, lw=1, label=label)
    if f"{key}_low" in part:
        ax.fill_between(part["steps"], part[f"{key}_low"], part[f"{key}_high"], color=f"C{k % 7}", alpha=0.1, lw=0)


def _steps(ax: Axes, table: pd.DataFrame) -> None:
    ax.set_xscale("log")
    ticks = sorted(set(table["steps"]))
    ax.set_xticks(ticks, [f"{v:g}" for v in ticks], fontsize=6, rotation=45)
    ax.minorticks_off()


def budget_figure(table: pd.DataFrame, width: float = WIDTH) -> Figure:
    """F1, AUROC and the error's excess over the closed form's against optimiser steps, by method: a row per set."""
    sets, methods = (list(dict.fromkeys(table[key])) for key in ("set", "method"))
    rows = len(sets) if width == WIDTH else 3 * len(sets)
    fig, axes = plt.subplots(rows, 3 * len(sets) // rows, figsize=(width, 1.6 * rows + 0.6), squeeze=False)
    for line, name in zip(axes.reshape(len(sets), 3), sets, strict=True):
        for ax, key in zip(line, ("auroc", "f1", "excess"), strict=True):
            for k, method in enumerate(methods):
                _line(ax, table[(table["set"] == name) & (table["method"] == method)], key, k, label_of(method))
            _steps(ax, table)
            ax.set_title(TITLES.get(key, "error over the closed form's"), fontsize=7)
            if key == "excess":
                ax.axhline(0, color="0.7", lw=0.6, zorder=0)
            else:
                ax.set_ylim(0, 1.03)
        line[0].set_ylabel(words(name))
    for ax in axes[-1]:
        ax.set_xlabel("optimiser steps")
    legend_above(fig, 4, *axes[0, 0].get_legend_handles_labels())
    return fig


def paradox_figure(table: pd.DataFrame, width: float = WIDTH) -> Figure:
    """RADAR along the training, by network: errors on normal patches and on defects, AUROC and F1. A row per set.

    Dotted: the closed form's error.
    """
    sets, networks = (list(dict.fromkeys(table[key])) for key in ("set", "network"))
    rows = len(sets) if width == WIDTH else 2 * len(sets)
    fig, axes = plt.subplots(rows, 4 * len(sets) // rows, figsize=(width, 1.6 * rows + 0.7), squeeze=False)
    for line, name in zip(axes.reshape(len(sets), 4), sets, strict=True):
        for ax, key in zip(line, ("error_normal", "error_defect", "auroc", "f1"), strict=True):
            part = table[table["set"] == name]
            for k, network in enumerate(networks):
                _line(ax, part[part["network"] == network], key, k, network.replace("≤", r"$\leq$"))
            if key.startswith("error"):
                ax.axhline(part[key.replace("error", "closed")].mean(), color="k", lw=0.9, ls=":", label="closed form")
            else:
                ax.set_ylim(0, 1.03)
            _steps(ax, table)
            ax.set_title(TITLES[key], fontsize=7)
        line[0].set_ylabel(words(name))
    for ax in axes[-1]:
        ax.set_xlabel("optimiser steps")
    legend_above(fig, 4, *axes[0, 0].get_legend_handles_labels())
    return fig


def explained_figure(table: pd.DataFrame, width: float = WIDTH) -> Figure:
    """AUROC of every network at every milestone against its error on normal patches, and against the error on defects
    over it: a row per set.
    """
    sets, networks = (list(dict.fromkeys(table[key])) for key in ("set", "network"))
    fig, axes = plt.subplots(len(sets), 2, figsize=(width, 1.7 * len(sets) + 0.7), squeeze=False)
    axis = {
        "error_normal": "error on held-out\nnormal patches",
        "contrast": "error on defects over\nerror on normal patches",
    }
    for k, (line, name) in enumerate(zip(axes, sets, strict=True)):
        for ax, (key, title) in zip(line, axis.items(), strict=True):
            for n, network in enumerate(networks):
                part = table[(table["set"] == name) & (table["network"] == network)]
                ax.plot(part[key], part["auroc"], STYLES[n % 6][0], color=f"C{n % 7}", ms=4,
                        label=network.replace("≤", r"$\leq$"))  # fmt: skip
            ax.set(xlabel=title if k == len(sets) - 1 else "")
        line[0].set_ylabel(f"{words(name)}\nAUROC")
    legend_above(fig, 4, *axes[0, 0].get_legend_handles_labels())
    return fig
