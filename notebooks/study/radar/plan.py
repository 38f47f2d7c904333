"""The plan of the chapter on RADAR: the job of its ablation, what it reads and leaves."""

from __future__ import annotations

from study.plan import Job

JOB = Job(
    name="ablation",
    about="RADAR with other choices",
    module="study.radar.ablation",
    folder="",
    leaves=("ablation.csv",),
    reads=("radar", "closed_form", "diffusion", "training.patch", "evidence.ablation_images"),
    models=("gaussian", "patch_small", "patch_medium"),
    first=1,
    further=1,
)
