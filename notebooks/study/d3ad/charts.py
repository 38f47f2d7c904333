"""Drawing the chapter on D3AD. Each function takes tables or images and returns a matplotlib figure."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from study.d3ad.pictures import Led, Masked
from study.drawing import ANOMALOUS, MAP, NORMAL, TRAIN, WIDTH, Picture, curve, legend_above, picture_grid, words
from study.metrics import LEVELS

TRUE, PREDICTED = ({"cmap": ListedColormap(["0.92", colour]), "vmin": 0, "vmax": 1} for colour in ("k", NORMAL))
"""Styles of masks."""
X_HAT = r"$\hat{x}_0$"
COLOURS = {"training": TRAIN, "test, normal": NORMAL, "test, defective": ANOMALOUS}


def bins_figure(table: pd.DataFrame, bins: int) -> Figure:
    """Fig. 5: how far training and test images lie from their neighbours, a panel per set; dashed: the first and last
    edge of the bins.
    """
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
        sns.histplot(
            part,
            x="distance",
            hue="images",
            hue_order=list(COLOURS),
            palette=COLOURS,
            bins=grid,
            stat="density",
            common_norm=False,
            element="step",
            alpha=0.25,
            ax=ax,
            legend=False,
        )
        for edge in (edges[0], edges[-1]):
            ax.axvline(edge, color="k", ls="--", lw=0.6)
        ax.set(title=words(name), xlabel="mean L1 distance to neighbours", ylabel="density")
    handles = [plt.Rectangle((0, 0), 1, 1, fc=colour, alpha=0.5) for colour in COLOURS.values()]
    legend_above(fig, 3, handles, list(COLOURS))
    return fig


def masks_figure(shown: Sequence[Masked]) -> Figure:
    """Fig. 6: images, their masks, and predicted ones by policy with the outline of the defect."""
    columns = [
        [
            Picture(image, words(title)),
            Picture(mask, style=TRUE),
            *(Picture(m, mask=mask, style=PREDICTED) for m in found.values()),
        ]
        for title, image, mask, found in shown
    ]
    return picture_grid(list(zip(*columns, strict=True)), ["image", "mask", *shown[0][3]])


def disturbed_figure(shown: dict[str, dict[str, list[tuple[int, np.ndarray]]]]) -> Figure:
    """Figs. 10 to 12: images forward in time, with noise and only scaled; each row has its own times."""
    lines = {f"{words(name)}\n{way}": states for name, ways in shown.items() for way, states in ways.items()}
    rows = [[Picture(x, f"$t = {t}$") for t, x in states] for states in lines.values()]
    return picture_grid(rows, list(lines))


def reconstructions_figure(shown: dict[str, list[Led]]) -> Figure:
    """Fig. 14: images, and by way their reconstruction and the map of differences, on one scale for both ways."""
    images = next(iter(shown.values()))
    rows, labels = [[Picture(led.image, words(led.title), led.mask) for led in images]], ["image"]
    tops = np.max([[led.map.max() for led in found] for found in shown.values()], 0)
    for way, found in shown.items():
        rows.append([Picture(led.x_hat) for led in found])
        rows.append(
            [Picture(led.map, "", led.mask, {**MAP, "vmax": top}) for led, top in zip(found, tops, strict=True)]
        )
        labels += [f"{way}\n{X_HAT}", f"{way}\nmap"]
    return picture_grid(rows, labels)


def scales_figure(shown: Sequence[Led]) -> Figure:
    """Figs. 7, 9: defects by their size, with mask, reconstruction, map and what is segmented."""
    rows = [
        [Picture(led.image, words(led.title)) for led in shown],
        [Picture(led.mask, style=TRUE) for led in shown if led.mask is not None],
        [Picture(led.x_hat) for led in shown],
        [Picture(led.map, "", led.mask, MAP) for led in shown],
        [Picture(led.found, mask=led.mask, style=PREDICTED) for led in shown],
    ]
    return picture_grid(rows, ["image", "mask", X_HAT, "map", "segmented"])


def omega_figure(table: pd.DataFrame, width: float = WIDTH) -> Figure:
    """Fig. 13: the metrics by the share of the noise, a panel per metric."""
    metrics = [m for m in LEVELS if m in set(table["metric"])]
    wide = width == WIDTH
    fig, axes = plt.subplots(
        *((1, len(metrics)) if wide else (len(metrics), 1)),
        figsize=(width, 2.4 if wide else 1.9 * len(metrics) + 0.4),
        squeeze=False,
        sharex=True,
    )
    for ax, metric in zip(axes.flat, metrics, strict=True):
        for k, (name, part) in enumerate(table[table["metric"] == metric].groupby("set", sort=False)):
            curve(ax, part, "omega", "ours", k, words(str(name)))
        ax.set(xlabel=r"share of the noise $\omega$", ylabel=LEVELS[metric])
    handles, labels = axes.flat[0].get_legend_handles_labels()
    legend_above(fig, 5, handles, labels)
    return fig
