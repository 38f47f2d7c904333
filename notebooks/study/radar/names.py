"""The chapter on RADAR: names that a job, its table and a claim share."""

from __future__ import annotations

MEMORY = "memory: a whole image over a patch, activations"
ATTENTION = "memory: a whole image over a patch, activations and matrices of attention"

TRAINING = "training time: 100 × 100 overlapping patches over the whole image"
OWN_PATCHES = "the same for the paper's own data: 73 × 73 patches of a 100 × 100 image"
"""Quantities of `radar_cost` that the paper's claims are held against."""
