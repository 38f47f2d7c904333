"""The chapter on equal terms: how its tables and figures name things."""

from __future__ import annotations

METRICS = ("auroc", "f1", "pro")
"""By which patches and whole images are compared."""
