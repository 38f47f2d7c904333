"""The plan of the chapter on the exact limit of the single step: what its job reads and leaves."""

from __future__ import annotations

from study.plan import Job

JOB = Job(
    name="limit",
    about="RADAR's exact limit",
    module="study.limit.job",
    folder="limit",
    leaves=("errors.csv", "maps.csv", "graded.csv", "predicted.csv", "departure.csv"),
    reads=("radar", "closed_form", "diffusion", "training.patch"),
    section="limit",
    models=("gaussian",),
    further=1,
)

NETWORK, CLOSED, NOISELESS = "network", "closed", "noiseless"
OWN, GAUSSIAN = "own", "gaussian"
"""Surfaces with graded defects: the set's own, and Gaussian fields with its power spectrum."""
