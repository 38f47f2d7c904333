"""The chapter on noise distributions: how its tables and figures name things."""

from __future__ import annotations

LABELS = {
    "gaussian": "Gaussian", "simplex": "simplex", "mixture": "Gaussian mixture",
    "raw": "control: image's mean", "untrained": "control: untrained",
}  # fmt: skip

TEXTURES = ["carpet", "grid", "leather", "tile", "wood"]

AVERAGES = ["average of textures", "average"]

METRICS = ("pixel_auroc", "pixel_ap")  # of Table 2

RADARS = {"radar": "Gaussian", "radar-simplex": "simplex", "radar-mixture": "Gaussian mixture"}
