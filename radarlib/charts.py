"""Drawing numbers. Each function takes an exhibit's table and returns a matplotlib figure; nothing is computed or saved.

Lines differ in marker and dashes as well as in colour, so that they can be told apart in gray.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from radarlib.conformal import RULES
from radarlib.figures import WIDTH
from radarlib.methods import METHODS
from radarlib.methods import method as find_method
from radarlib.oneclass import CLASSIFIERS

STYLES = [("o", "-"), ("s", "--"), ("^", "-."), ("D", ":"), ("v", "-"), ("P", "--")]
TITLES = {"accuracy": "accuracy", "precision": "precision", "recall": "recall", "f1": "F1", "auroc": "AUROC"}


def _curve(ax: Axes, part: pd.DataFrame, x: str, y: str, k: int, label: str, band: bool = True) -> None:
    """One line with its interval, in the k-th style."""
    marker, dashes = STYLES[k % len(STYLES)]
    ax.plot(part[x], part[y], color=f"C{k % 7}", marker=marker, ls=dashes, ms=3, label=label)
    if band:
        ax.fill_between(part[x], part["low"], part["high"], color=f"C{k % 7}", alpha=0.12, lw=0)


def detection_figure(table: pd.DataFrame) -> Figure:
    """Table II at a glance: F1 and AUROC with intervals, a panel per metric, the paper's value as a star."""
    names = list(dict.fromkeys(table["set"]))
    labels = {name: METHODS[name].label for name in dict.fromkeys(table["method"])}
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 0.34 * len(names) * len(labels) + 0.8), sharey=True)
    for ax, metric in zip(axes, ("f1", "auroc"), strict=True):
        part = table[table["metric"] == metric]
        for i, name in enumerate(names):
            for j, (method, label) in enumerate(labels.items()):
                row = part[(part["set"] == name) & (part["method"] == method)]
                if row.empty:
                    continue
                row, y = row.iloc[0], i * (len(labels) + 0.8) + j
                colour = f"C{j}"
                ax.plot([row["low"], row["high"]], [y, y], color=colour, lw=1.5)
                ax.plot(row["ours"], y, "os^Dv<>pPX*"[j % 11], color=colour, ms=4, label=label if i == 0 else None)
                if not np.isnan(row["paper"]):
                    ax.plot(row["paper"], y, "*", color="k", ms=6, mew=0, label="paper" if i == 0 and j == 0 else None)
        ax.set(xlim=(-0.02, 1.02), xlabel={"f1": "F1", "auroc": "AUROC"}[metric])
        ax.axvline(0.5, color="0.8", lw=0.6, zorder=0)
    axes[0].set(yticks=[i * (len(labels) + 0.8) + (len(labels) - 1) / 2 for i in range(len(names))], yticklabels=names)
    axes[0].invert_yaxis()
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=5)
    return fig


def contamination_figure(table: pd.DataFrame, metrics: tuple[str, ...]) -> Figure:
    """RADAR Fig. 8, a row per set: each metric against the contamination that the forest is told, by method; and RADAR
    against the share of defective images in the training data."""
    sets = list(dict.fromkeys(table["set"]))
    fig, axes = plt.subplots(
        len(sets), len(metrics), figsize=(WIDTH, 1.55 * len(sets) + 0.55), squeeze=False, sharey="row", sharex="col"
    )
    for row, name in zip(axes, sets, strict=True):
        row[0].set_ylabel(name.replace("_", " "))
        for ax, metric in zip(row, metrics, strict=True):
            part = table[(table["set"] == name) & (table["metric"] == metric)]
            told = part[part["curve"] == "told to the classifier"]
            for k, (key, line) in enumerate(told.groupby("method", sort=False)):
                _curve(ax, line, "contamination", "ours", k, find_method(str(key)).label)
            dirt = part[part["curve"] != "told to the classifier"]
            _curve(ax, dirt, "contamination", "ours", 4, "RADAR, share of defective training images")
            ax.set(ylim=(0, 1.03))
    for ax, metric in zip(axes[0], metrics, strict=True):
        ax.set_title(TITLES[metric])
    for ax in axes[-1]:
        ax.set_xlabel("contamination")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=5)
    return fig


def classifiers_figure(table: pd.DataFrame, times: pd.DataFrame) -> Figure:
    """RADAR's features judged by three classifiers, and how the time of a fit grows with the number of images."""
    sets = list(dict.fromkeys(table["set"]))
    fig, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 0.5 * len(sets) + 1.9), width_ratios=(1.15, 1))
    for k, (kind, label) in enumerate(CLASSIFIERS.items()):
        for metric, filled in (("f1", True), ("auroc", False)):
            part = table[(table["classifier"] == kind) & (table["metric"] == metric)]
            y = np.array([sets.index(name) for name in part["set"]]) + 0.24 * (k - 1) + (0.08 if filled else -0.08)
            left.hlines(y, part["low"], part["high"], color=f"C{k}", lw=1)
            left.plot(
                part["ours"], y, STYLES[k][0], color=f"C{k}", mfc=f"C{k}" if filled else "w", ms=4,
                label=f"{label}, {TITLES[metric]}",
            )  # fmt: skip
        line = times[times["classifier"] == kind]
        right.plot(
            line["n"], line["seconds"], color=f"C{k}", marker=STYLES[k][0], ls=STYLES[k][1], ms=3,
            label=f"{label}: $n^{{{line['exponent'].iloc[0]:.1f}}}$",
        )  # fmt: skip
    left.set(yticks=range(len(sets)), yticklabels=[s.replace("_", " ") for s in sets], xlim=(-0.02, 1.02))
    left.set(xlabel="F1 (filled), AUROC (open)", ylim=(len(sets) - 0.45, -0.55))
    fig.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    right.set(xscale="log", yscale="log", xlabel="training images $n$", ylabel="seconds to fit")
    right.legend(title="slope at the largest sizes", title_fontsize=7)
    return fig


def conformal_figure(table: pd.DataFrame) -> Figure:
    """False alarms on new normal images against the rate that was asked for, and the defects found, a column per set."""
    sets = list(dict.fromkeys(table["set"]))
    fig, axes = plt.subplots(
        2, len(sets), figsize=(min(WIDTH, 2.6 * len(sets) + 0.8), 3.6), squeeze=False, sharex=True, sharey="row"
    )
    for column, name in zip(axes.T, sets, strict=True):
        for k, (rule, label) in enumerate(RULES.items()):
            part = table[(table["set"] == name) & (table["rule"] == rule)]
            _curve(column[0], part, "promised", "false_alarms", k, label)
            _curve(column[1], part, "promised", "recall", k, label, band=False)
        column[0].axline((0, 0), slope=1, color="k", lw=0.7, ls=":")
        column[0].set_title(name.replace("_", " "))
        column[1].set(xlabel="rate asked for", ylim=(0, 1.03))
    axes[0, 0].set(ylabel="false alarms that came", ylim=(0, None), xlim=(0, None))
    axes[1, 0].set_ylabel("defects found")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return fig


def ablation_figure(table: pd.DataFrame) -> Figure:
    """One panel per set and factor: AUROC and F1 on the test set; a ring marks the choice of normal images alone."""
    sets, factors = list(dict.fromkeys(table["set"])), list(dict.fromkeys(table["factor"]))
    counts = [max(len(part) for _, part in table[table["factor"] == f].groupby("set")) for f in factors]
    fig, axes = plt.subplots(
        len(sets), len(factors), figsize=(WIDTH, 1.45 * len(sets) + 0.9), squeeze=False, sharey="row",
        width_ratios=[n + 0.8 for n in counts],
    )  # fmt: skip
    for row, name in zip(axes, sets, strict=True):
        for ax, factor in zip(row, factors, strict=True):
            part = table[(table["set"] == name) & (table["factor"] == factor)].reset_index(drop=True)
            for k, metric in enumerate(("auroc", "f1")):
                ax.vlines(part.index + 0.12 * k, part[f"{metric}_low"], part[f"{metric}_high"], color=f"C{k}", lw=0.8)
                ax.plot(part.index + 0.12 * k, part[metric], STYLES[k][0], color=f"C{k}", ms=3, label=TITLES[metric])
            best = part[part["chosen_by_normal_images"]]
            ax.plot(best.index, best["auroc"], "o", ms=8, mfc="none", mec="k", mew=0.7, label="chosen by normal images")
            labels = [SHORT.get(value, value) for value in part["value"]]
            ax.set_xticks(part.index, labels, rotation=90, fontsize=5.5)
            ax.set(xlim=(-0.6, len(part) - 0.3), ylim=(0, 1.04))
        row[0].set_ylabel(name.replace("_", " "))
    for ax, factor in zip(axes[0], factors, strict=True):
        ax.set_title({"t": "$t$", "sigma": "blur σ", "blur": "blur"}.get(factor, factor), fontsize=7)
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return fig


SHORT = {"Isolation Forest": "forest", "Local Outlier Factor": "LOF", "one-class SVM": "SVM"}


def cost_figure(methods: pd.DataFrame, sides: pd.DataFrame, memory: pd.DataFrame, images: pd.DataFrame) -> Figure:
    """Seconds per image by method; against the image's side; memory in patches and whole; against the number of images."""
    fig, ((bars, growth), (bytes_, many)) = plt.subplots(2, 2, figsize=(WIDTH, 4.9))
    ordered = methods.sort_values("seconds_per_image", ascending=False)
    bars.barh([METHODS[m].label for m in ordered["method"]], ordered["seconds_per_image"], color="C0", height=0.7)
    bars.set(xscale="log", xlabel="seconds per image")
    for k, (name, part) in enumerate(sides.groupby("method", sort=False)):
        growth.plot(
            part["side"], part["seconds"], color=f"C{k % 7}", marker=STYLES[k % 6][0], ls=STYLES[k % 6][1], ms=3,
            label=METHODS[str(name)].label,
        )  # fmt: skip
    growth.set(xscale="log", yscale="log", xlabel="side of the image in px", ylabel="seconds per image")
    growth.set_xticks(sides["side"].unique(), sides["side"].unique())
    growth.minorticks_off()
    growth.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    for k, column in enumerate(("whole image", "one batch of patches")):
        bytes_.plot(
            memory["side"],
            memory[column] / 2**20,
            color=f"C{k}",
            marker=STYLES[k][0],
            ls=STYLES[k][1],
            ms=3,
            label=column,
        )
    bytes_.set(xscale="log", yscale="log", xlabel="side of the image in px", ylabel="activations in MiB")
    bytes_.set_xticks(memory["side"], memory["side"])
    bytes_.minorticks_off()
    bytes_.legend()
    lines = [
        ("features", name, METHODS[str(name)].label + ": $n$ times one image")
        for name in dict.fromkeys(images["method"])
    ]
    for k, (column, name, label) in enumerate([*lines, ("forest", images["method"].iloc[0], "Isolation Forest: fit")]):
        part = images[images["method"] == name]
        many.plot(part["n"], part[column], color=f"C{k}", marker=STYLES[k][0], ls=STYLES[k][1], ms=3, label=label)
    many.set(xscale="log", yscale="log", xlabel="training images", ylabel="seconds before the first decision")
    many.legend()
    return fig
