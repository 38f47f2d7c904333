"""Drawing numbers. Each function takes an exhibit's table and returns a matplotlib figure; nothing is computed or
saved.

Lines differ in marker and dashes as well as in colour, so that they can be told apart in gray.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from radarlib.oneclass import CLASSIFIERS
from study.drawing import STYLES, WIDTH, curve, legend_above, message, words
from study.methods import METHODS, label_of, table_rows
from study.methods import method as find_method
from study.metrics import TITLES
from study.radar.decision import DECISIONS, PLACES, RULES


def detection_figure(table: pd.DataFrame) -> Figure:
    """Table II at a glance: F1 and AUROC with intervals, a row of panels per set, the paper's value as a star."""
    sets = list(dict.fromkeys(table["set"]))
    methods = list(dict.fromkeys(table["method"]))
    entries = table_rows(methods)
    size = (WIDTH, 0.155 * len(methods) * len(sets) + 0.35 * len(sets) + 0.3)
    fig, axes = plt.subplots(len(sets), 2, figsize=size, squeeze=False, sharex=True, sharey=True)
    for row, name in zip(axes, sets, strict=True):
        for ax, metric in zip(row, ("f1", "auroc"), strict=True):
            part = table[(table["set"] == name) & (table["metric"] == metric)].set_index("method").reindex(methods)
            y = np.arange(len(methods))
            colours = ["C1" if m == "radar" else "0.55" if entries[m].control else "C0" for m in methods]
            ax.hlines(y, part["low"], part["high"], color=colours, lw=1.5)
            ax.scatter(part["ours"], y, c=colours, s=14, zorder=3)
            ax.plot(part["paper"], y, "*", color="k", ms=6, mew=0)
            ax.axvline(0.5, color="0.8", lw=0.6, zorder=0)
            ax.set_title(f"{name.replace('_', ' ')}: {TITLES[metric]}")
        row[0].set(yticks=y, yticklabels=[label_of(m) for m in methods], xlim=(-0.02, 1.02))
    axes[0, 0].invert_yaxis()
    return fig


def grade_figure(table: pd.DataFrame, width: float = WIDTH) -> Figure:
    """AUROC of graded defects, a panel per set and grade, in one column of a page one below the other, and a row per
    method; the fainter or smaller the defect, the lighter the mark.
    """
    if table.empty:
        return message("no set in this profile has graded defects")
    panels = [(*keys, part) for keys, part in table.groupby(["set", "grade"], sort=False)]
    methods = list(dict.fromkeys(table["method"]))
    shape = (1, len(panels)) if width == WIDTH else (len(panels), 1)
    size = (width, (0.16 * len(methods) + 0.75) * shape[0] + 0.3)
    fig, axes = plt.subplots(*shape, figsize=size, squeeze=False, sharex=True, sharey=True)
    y = np.arange(len(methods))
    for ax, (name, grade, part) in zip(axes.flat, panels, strict=True):
        values = sorted(set(part["value"]), reverse=True)
        for k, value in enumerate(values):
            own = part[part["value"] == value].set_index("method").reindex(methods)
            place, shade = y + 0.22 * (k - (len(values) - 1) / 2), 1 - 0.6 * k / max(1, len(values) - 1)
            ax.hlines(place, own["low"], own["high"], color="C0", alpha=shade, lw=0.9)
            ax.plot(own["ours"], place, STYLES[k % len(STYLES)][0], color="C0", alpha=shade, ms=3.5, mew=0,
                    label=f"{value:g} ({own['images'].iloc[0]:.0f} images)")  # fmt: skip
        ax.axvline(0.5, color="0.8", lw=0.6, zorder=0)
        ax.set_xlim(0.02, 1.02)
        title = f"{words(name)}, by the defects' {grade}"
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(values), title=title, columnspacing=1)
    for ax in axes[-1]:
        ax.set_xlabel("AUROC against all normal images")
    for ax in axes[:, 0]:
        ax.set(yticks=y, yticklabels=[label_of(m) for m in methods])
    axes[0, 0].invert_yaxis()
    return fig


def contamination_figure(table: pd.DataFrame, metrics: tuple[str, ...], width: float = WIDTH) -> Figure:
    """RADAR Fig. 8: each metric against the contamination that the forest is told, by method; and RADAR against the
    share of defective images in the training data. A row per set, in one column of a page two.
    """
    sets = list(dict.fromkeys(table["set"]))
    rows = len(sets) * (1 if width == WIDTH else 2)
    fig, axes = plt.subplots(
        rows, len(sets) * len(metrics) // rows, figsize=(width, 1.55 * rows + 0.55), squeeze=False,
        sharey=True, sharex=True,
    )  # fmt: skip
    for row, name in zip(axes.reshape(len(sets), len(metrics)), sets, strict=True):
        for ax, metric in zip(row, metrics, strict=True):
            part = table[(table["set"] == name) & (table["metric"] == metric)]
            told = part[part["curve"] == "told to the classifier"]
            for k, (key, line) in enumerate(told.groupby("method", sort=False)):
                curve(ax, line, "contamination", "ours", k, find_method(str(key)).label)
            dirt = part[part["curve"] != "told to the classifier"]
            curve(
                ax, dirt, "contamination", "ours", told["method"].nunique(), "RADAR, share of defective training images"
            )
            ax.set(ylim=(0, 1.03), title=TITLES[metric] if width == WIDTH else f"{name}: {TITLES[metric]}")
        if width == WIDTH:
            row[0].set_ylabel(name.replace("_", " "))
    for ax in axes[-1]:
        ax.set_xlabel("contamination")
    legend_above(fig, 5, *axes[0, 0].get_legend_handles_labels())
    return fig


def classifiers_figure(table: pd.DataFrame, times: pd.DataFrame, width: float = WIDTH) -> Figure:
    """RADAR's features judged by three classifiers, and how the time of a fit grows with the number of images."""
    sets = list(dict.fromkeys(table["set"]))
    height = 0.5 * len(sets) + 2.4
    fig, (left, right) = (
        plt.subplots(1, 2, figsize=(width, height), width_ratios=(1.15, 1))
        if width == WIDTH
        else plt.subplots(2, 1, figsize=(width, 2 * height))
    )
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
    legend_above(fig, 3, *left.get_legend_handles_labels())
    right.set(xscale="log", yscale="log", xlabel="training images $n$", ylabel="seconds to fit")
    right.legend(title="slope at the largest sizes", title_fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1))
    return fig


def conformal_figure(table: pd.DataFrame, width: float = WIDTH) -> Figure:
    """False alarms on new normal images against the rate that was asked for, and the defects found: a column per set,
    in one column of a page a row.
    """
    sets = list(dict.fromkeys(table["set"]))
    if width == WIDTH:
        size = (min(WIDTH, 2.6 * len(sets) + 0.8), 3.6)
        fig, axes = plt.subplots(2, len(sets), figsize=size, squeeze=False, sharex=True, sharey="row")
        pairs = axes.T
    else:
        fig, axes = plt.subplots(len(sets), 2, figsize=(width, 1.6 * len(sets) + 0.8), squeeze=False, sharex=True)
        pairs = axes
    for (alarms, found), name in zip(pairs, sets, strict=True):
        for k, (rule, label) in enumerate(RULES.items()):
            part = table[(table["set"] == name) & (table["rule"] == rule)]
            curve(alarms, part, "promised", "false_alarms", k, label)
            curve(found, part, "promised", "recall", k, label, band=False)
        alarms.axline((0, 0), slope=1, color="k", lw=0.7, ls=":")
        alarms.set(title=name.replace("_", " "), ylim=(0, None), xlim=(0, None))
        found.set_ylim(0, 1.03)
    for alarms, found in pairs if width != WIDTH else pairs[:1]:
        alarms.set_ylabel("false alarms that came")
        found.set_ylabel("defects found")
    for ax in axes[-1]:
        ax.set_xlabel("rate asked for")
    legend_above(fig, 2, *axes[0, 0].get_legend_handles_labels())
    return fig


TICKS = (8, 20, 50, 200)  # numbers of good images, on a scale of logarithms


def promise_figure(table: pd.DataFrame, width: float = WIDTH) -> Figure:
    """False alarms on new good images, and gross defects missed, against the number of good images: a column per set,
    in one column of a page a row.
    """
    sets = list(dict.fromkeys(table["set"]))
    across = width == WIDTH
    shape = (2, len(sets)) if across else (len(sets), 2)
    size = (min(WIDTH, 2.6 * len(sets) + 0.8), 3.8) if across else (width, 1.6 * len(sets) + 1)
    fig, axes = plt.subplots(*shape, figsize=size, squeeze=False, sharex=True, sharey="row" if across else "col")
    pairs = axes.T if across else axes
    for (alarms, gross), name in zip(pairs, sets, strict=True):
        part = table[table["set"] == name]
        for k, (rule, label) in enumerate(DECISIONS.items()):
            rows = part[part["decision"] == rule]
            for j, (place, where) in enumerate(PLACES.items()):
                curve(alarms, rows[rows["place"] == place], "n", "false_alarms", 2 * k + j, f"{label}: {where}")
            few = rows.drop_duplicates("n")
            few = few.assign(share=few["missed"] / few["fits"])
            curve(gross, few, "n", "share", 2 * k, label, band=False)
        least = part.drop_duplicates("n")
        alarms.plot(least["n"], least["promised"], color="k", lw=0.7, ls=":", label="promised by the distance")
        alarms.set(title=name.replace("_", " "), ylim=(0, None), xscale="log")
        gross.set(ylim=(-0.03, 1.03), xlim=(7, 1.15 * table["n"].max()))
        ticks = [n for n in TICKS if n <= table["n"].max()]
        for ax in (alarms, gross):
            ax.set_xticks(ticks, [f"{n}" for n in ticks])
            ax.minorticks_off()
    for alarms, gross in pairs[:1] if across else pairs:
        alarms.set_ylabel("false alarms that came")
        gross.set_ylabel("gross defects missed")
    for ax in axes[-1]:
        ax.set_xlabel("good images")
    legend_above(fig, 2, *axes[0, 0].get_legend_handles_labels())
    return fig


def ablation_figure(table: pd.DataFrame, width: float = WIDTH) -> Figure:
    """One panel per set and factor: AUROC and F1 on the test set; a ring marks the choice of normal images alone."""
    sets, factors = list(dict.fromkeys(table["set"])), list(dict.fromkeys(table["factor"]))
    counts = np.array([max(len(part) for _, part in table[table["factor"] == f].groupby("set")) for f in factors])
    rows = 1 if width == WIDTH else 2  # of panels for each set
    columns = -(-len(factors) // rows)
    ratios = np.resize(counts, (rows, columns)).max(0) + 0.8
    fig, axes = plt.subplots(
        rows * len(sets), columns, figsize=(width, 1.45 * rows * len(sets) + 0.9), squeeze=False, sharey=True,
        width_ratios=ratios,
    )  # fmt: skip
    for line, name in zip(axes.reshape(len(sets), rows * columns), sets, strict=True):
        for ax, factor in zip(line, factors, strict=False):
            part = table[(table["set"] == name) & (table["factor"] == factor)].reset_index(drop=True)
            for k, metric in enumerate(("auroc", "f1")):
                ax.vlines(part.index + 0.12 * k, part[f"{metric}_low"], part[f"{metric}_high"], color=f"C{k}", lw=0.8)
                ax.plot(part.index + 0.12 * k, part[metric], STYLES[k][0], color=f"C{k}", ms=3, label=TITLES[metric])
            best = part[part["chosen_by_normal_images"]]
            ring = {"ms": 8, "mfc": "none", "mec": "k", "mew": 0.7, "clip_on": False}
            ax.plot(best.index, best["auroc"], "o", label="chosen by normal images", **ring)
            labels = [SHORT.get(value, value) for value in part["value"]]
            ax.set_xticks(part.index, labels, rotation=90, fontsize=5.5)
            ax.set(xlim=(-0.6, len(part) - 0.3), ylim=(0, 1.04))
            if rows > 1 or name == sets[0]:
                ax.set_title(
                    {"t": "$t$", "t, closed form": "$t$, closed form", "sigma": "blur σ"}.get(factor, factor),
                    fontsize=7,
                )
        for ax in line[len(factors) :]:
            ax.set_axis_off()
        for ax in line[::columns]:
            ax.set_ylabel(name.replace("_", " "))
    legend_above(fig, 3, *axes[0, 0].get_legend_handles_labels())
    return fig


SHORT = {"Isolation Forest": "forest", "Local Outlier Factor": "LOF", "one-class SVM": "SVM"}


def cost_figure(
    methods: pd.DataFrame, sides: pd.DataFrame, memory: pd.DataFrame, images: pd.DataFrame, width: float = WIDTH
) -> Figure:
    """Seconds per image by method; against the image's side; memory in patches and whole; against the number of
    images.
    """
    rows, height = (2, 5.8) if width == WIDTH else (4, 10.0)
    tall = 0.12 * len(methods) + 1  # a line of text for each bar
    ratios = (tall, *[max(1.0, (height - tall) / (rows - 1))] * (rows - 1))
    fig, axes = plt.subplots(rows, 4 // rows, figsize=(width, height), height_ratios=ratios)
    bars, growth, bytes_, many = axes.flat
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
    growth.legend(**(dict(loc="center left", bbox_to_anchor=(1, 0.5)) if width == WIDTH else {}))
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
