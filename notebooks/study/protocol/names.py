"""The chapter on protocols: how its table and figure name things."""

from __future__ import annotations

LABELS = {
    "threshold": "threshold of best F1 on the test set",
    "left_out": "two defects of each type left out",
    "normalised": "maps normalised by the test set, cut at 0.5",
    "checkpoint": "best checkpoint by test AUROC",
    "settings": "settings chosen on the test set",
    "together": "threshold and two left out",
}
