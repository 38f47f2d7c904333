"""The plan of the chapter on protocols: practices that look at the test set.

It has no job: it judges what others left.
"""

from __future__ import annotations

from study.methods import PAPER_METHODS

RANKED = (*PAPER_METHODS, "radar-closed", "radar-features")
"""Methods whose ranking is judged."""

PRACTICES = ("threshold", "left_out", "normalised", "checkpoint", "settings", "together")
"""Ways to judge that are found in released code of this field, and several at once."""
RESAMPLES = 400  # of the test images, in each of which a practice makes its choice anew
DROPPED = 2  # defective images of each type that are left out
HALF = 0.5  # of maps that are normalised by the test set's extremes, above which an image counts as anomalous
