"""The plan of the chapter on RAN: spaces and names."""

from __future__ import annotations

from study.plan import Job

JOB = Job(
    name="ran",
    about="errors at intermediate steps",
    module="study.ran.job",
    folder="ran",
    leaves=("scores.csv", "maps.npz", "estimates.npz", "gradient.npz"),
    reads=("reconstruction", "features"),
    section="ran",
    models=("gaussian",),
)

SPACES = ("pixel", "feature", "both")
ALL = "all"  # the mean over the steps
