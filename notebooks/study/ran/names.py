"""The chapter on RAN: how its tables and figures name things."""

from __future__ import annotations

LABELS = {"pixel": "pixels", "feature": "features", "both": "both"}
