"""The chapter on unclean training data: rows and lines of its tables and figures."""

from __future__ import annotations

PIXEL = ("auroc", "auprc", "mse")  # metrics of the pixels of judged images

PAPER_RUNS: dict[str, tuple[str, str, str]] = {
    "RDDPM-Huber": ("ddpm", "huber0.2", "gaussian"),
    "RDDPM-LTS": ("ddpm", "lts", "gaussian"),
    "DDPM": ("ddpm", "l2", "gaussian"),
    "AnoDDPM": ("ddpm", "l2", "simplex"),
    "DiffusionAD": ("diffusionad", "l2", "gaussian"),
}
"""Rows of RDDPM's Table 2 and lines of its Fig. 5: method, loss and noise; LTS is defined there, and not shown."""

BY_LOSS = ("DDPM", "RDDPM-Huber", "RDDPM-LTS")  # the same but for their loss

RADAR_RUNS = {
    "RADAR": ("radar", "l2", "gaussian"),
    "RADAR, Huber": ("radar", "huber0.2", "gaussian"),
    "RADAR, LTS": ("radar", "lts", "gaussian"),
}

PAPER_CONTROLS = {"control: raw image": "raw", "control: untrained network": "ddpm-untrained"}

RADAR_CONTROLS = {"control: raw image": "raw", "control: untrained network": "untrained"}
"""What a map must beat, whatever the share: RADAR's Sobel map of the image itself, and the method with random
weights.
"""
