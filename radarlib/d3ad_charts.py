"""Drawing the chapters on D3AD and RAN. Each function takes tables or images and returns a matplotlib figure."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from radarlib.charts import STYLES
from radarlib.d3ad_exhibits import METRICS
from radarlib.d3ad_pictures import Masked
from radarlib.figures import ANOMALOUS, HEAT, NORMAL, TRAIN, WIDTH, show_image
from radarlib.ran_exhibits import Path, Row

COLOURS = {"training": TRAIN, "test, normal": NORMAL, "test, defective": ANOMALOUS}


def bins_figure(table: pd.DataFrame, bins: int) -> Figure:
    """Fig. 5: how far training and test images lie from their neighbours, a panel per set; dashed: the first and last edge of the bins."""
    names = list(dict.fromkeys(table["set"]))
    columns = min(3, len(names))
    shape = (-(-len(names) // columns), columns)
    fig, axes = plt.subplots(*shape, figsize=(WIDTH, 2.1 * shape[0] + 0.3), squeeze=False)
    for ax in axes.flat[len(names) :]:
        ax.axis("off")
    for ax, name in zip(axes.flat, names, strict=False):
        part = table[table["set"] == name]
        own = part[part["images"] == "training"]["distance"]
        edges = np.linspace(own.min(), own.max(), bins + 1)
        width = edges[1] - edges[0]
        grid = np.arange(min(part["distance"].min(), edges[0]) - width, part["distance"].max() + width, width)
        sns.histplot(part, x="distance", hue="images", hue_order=list(COLOURS), palette=COLOURS, bins=grid, stat="density",
                     common_norm=False, element="step", alpha=0.25, ax=ax, legend=False)  # fmt: skip
        for edge in (edges[0], edges[-1]):
            ax.axvline(edge, color="k", ls="--", lw=0.6)
        ax.set(title=name.replace("_", " "), xlabel="mean L1 distance to neighbours", ylabel="density")
    handles = [plt.Rectangle((0, 0), 1, 1, fc=colour, alpha=0.5) for colour in COLOURS.values()]
    fig.legend(handles, list(COLOURS), loc="outside upper center", ncols=3)
    return fig


def _outlined(ax: plt.Axes, mask: np.ndarray | None, colour: str = ANOMALOUS) -> None:
    if mask is not None and mask.any():
        ax.contour(mask, levels=[0.5], colors=colour, linewidths=0.6)


def masks_figure(shown: Sequence[Masked]) -> Figure:
    """Fig. 6: images, their masks, and predicted ones by policy."""
    labels = list(shown[0][3])
    cell = WIDTH / max(len(shown), 6)
    size = (cell * len(shown) + 0.35, 1.06 * cell * (2 + len(labels)) + 0.3)
    fig, axes = plt.subplots(2 + len(labels), len(shown), figsize=size, squeeze=False)
    binary = ListedColormap(["0.92", NORMAL])
    for column, (title, image, mask, found) in zip(axes.T, shown, strict=True):
        show_image(column[0], image, title.replace("_", " "))
        show_image(column[1], mask, cmap=ListedColormap(["0.92", "k"]), vmin=0, vmax=1)
        for ax, m in zip(column[2:], found.values(), strict=True):
            show_image(ax, m, cmap=binary, vmin=0, vmax=1)
            _outlined(ax, mask)
    for ax, label in zip(axes[:, 0], ("image", "mask", *labels), strict=True):
        ax.set_ylabel(label.replace("T_max", r"$T_{max}$"))
    return fig


def disturbed_figure(shown: dict[str, dict[str, list[tuple[int, np.ndarray]]]]) -> Figure:
    """Figs. 10, 11: images forward in time, with noise and only scaled."""
    lines = [(name, way, states) for name, ways in shown.items() for way, states in ways.items()]
    columns = len(lines[0][2])
    cell = WIDTH / (columns + 0.3)
    fig, axes = plt.subplots(len(lines), columns, figsize=(WIDTH, 1.06 * cell * len(lines) + 0.2), squeeze=False)
    for k, (row, (name, way, states)) in enumerate(zip(axes, lines, strict=True)):
        for ax, (t, x) in zip(row, states, strict=True):
            show_image(ax, x, "" if k else f"$t = {t}$")
        row[0].set_ylabel(f"{name.replace('_', ' ')}\n{way}")
    return fig


def reconstructions_figure(shown: Sequence[tuple[str, np.ndarray, dict[str, np.ndarray]]]) -> Figure:
    """Fig. 14: images and their reconstructions by policy, and with noise."""
    labels = list(shown[0][2])
    cell = WIDTH / max(len(shown), 6)
    size = (cell * len(shown) + 0.35, 1.06 * cell * (1 + len(labels)) + 0.3)
    fig, axes = plt.subplots(1 + len(labels), len(shown), figsize=size, squeeze=False)
    for column, (title, image, found) in zip(axes.T, shown, strict=True):
        show_image(column[0], image, title.replace("_", " "))
        for ax, x in zip(column[1:], found.values(), strict=True):
            show_image(ax, x)
    for ax, label in zip(axes[:, 0], ("image", *labels), strict=True):
        ax.set_ylabel(label.replace("T_max", r"$T_{max}$"))
    return fig


def omega_figure(table: pd.DataFrame, width: float = WIDTH) -> Figure:
    """Fig. 13: the metrics by the share of the noise, a panel per metric."""
    metrics = [m for m in METRICS if m in set(table["metric"])]
    wide = width == WIDTH
    fig, axes = plt.subplots(
        *((1, len(metrics)) if wide else (len(metrics), 1)),
        figsize=(width, 2.4 if wide else 1.9 * len(metrics) + 0.4),
        squeeze=False,
        sharex=True,
    )
    for ax, metric in zip(axes.flat, metrics, strict=True):
        for k, (name, part) in enumerate(table[table["metric"] == metric].groupby("set", sort=False)):
            marker, style = STYLES[k % 6]
            ax.plot(
                part["omega"],
                part["ours"],
                color=f"C{k % 7}",
                marker=marker,
                ls=style,
                ms=3,
                label=str(name).replace("_", " "),
            )
            ax.fill_between(part["omega"], part["low"], part["high"], color=f"C{k % 7}", alpha=0.12, lw=0)
        ax.set(xlabel=r"share of the noise $\omega$", ylabel=METRICS[metric])
    handles, labels = axes.flat[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=5 if wide else 2)
    return fig


def ran_figure(shown: Sequence[Row]) -> Figure:
    """Images, x̂_0 at each step, and the mean error maps in pixels and in features, a row per image."""
    columns = 1 + len(shown[0][3]) + len(shown[0][4])
    cell = WIDTH / (columns + 0.3)
    fig, axes = plt.subplots(len(shown), columns, figsize=(WIDTH, 1.08 * cell * len(shown) + 0.3), squeeze=False)
    for k, (row, (title, image, mask, states, errors)) in enumerate(zip(axes, shown, strict=True)):
        show_image(row[0], image, "" if k else "image")
        _outlined(row[0], mask)
        row[0].set_ylabel(title.replace("_", " "))
        for ax, (step, x) in zip(row[1:], states, strict=False):
            show_image(ax, x, "" if k else rf"$\hat x_0$, $t = {step}$")
        for ax, (label, m) in zip(row[1 + len(states) :], errors.items(), strict=True):
            show_image(ax, m, "" if k else f"error, {label}", cmap=HEAT, vmin=0, vmax=None)
            _outlined(ax, mask, "w")
    return fig


def gradient_figure(shown: Sequence[Path]) -> Figure:
    """Images on their way to normality, and what has changed in the end, a row per image."""
    columns = 2 + len(shown[0][3])
    cell = WIDTH / (columns + 0.3)
    fig, axes = plt.subplots(len(shown), columns, figsize=(WIDTH, 1.08 * cell * len(shown) + 0.3), squeeze=False)
    for k, (row, (title, image, mask, states)) in enumerate(zip(axes, shown, strict=True)):
        show_image(row[0], image, "" if k else "image")
        _outlined(row[0], mask)
        row[0].set_ylabel(title.replace("_", " "))
        for ax, (step, x) in zip(row[1:], states, strict=False):
            show_image(ax, x, "" if k else f"after {step} step{'s' if step > 1 else ''}")
        show_image(row[-1], np.abs(states[-1][1] - image), "" if k else "change", cmap=HEAT, vmin=0, vmax=None)
        _outlined(row[-1], mask, "w")
    return fig
