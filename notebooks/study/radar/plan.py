"""The plan of the chapter on RADAR: the job of its ablation, and names that its job, tables and claims share."""

from __future__ import annotations

from study.plan import Job

JOB = Job(
    name="ablation",
    about="RADAR with other choices",
    module="study.radar.ablation",
    folder="",
    leaves=("ablation.csv",),
    reads=("radar", "evidence.ablation_images"),
    models=("gaussian", "patch_small", "patch_medium"),
    first=1,
)

MEMORY = "memory: a whole image over a patch, activations"
TRAINING = "training time: 100 × 100 overlapping patches over the whole image"
"""Quantities of `radar_cost` that the paper's claims are held against."""
