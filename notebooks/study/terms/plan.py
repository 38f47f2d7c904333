"""The plan of the chapter on equal terms: what its job reads and leaves."""

from __future__ import annotations

from study.plan import NETWORK, Job

CHAINS = {"ddpm": "gaussian", "anoddpm": "simplex"}
"""Methods that reconstruct by a chain of reverse steps, and their networks."""

JOB = Job(
    name="terms",
    about="whole reverse chains",
    module="study.terms.job",
    folder="terms",
    leaves=("chain.csv",),
    reads=(*NETWORK, "radar.stride", "reconstruction"),
    section="terms",
    models=("gaussian", "simplex"),
    first=1,
    further=1,
)

PAIRS = {
    "radar": "radar-whole", "ddpm": "ddpm-whole", "anoddpm": "anoddpm-whole", "diffusionad": "diffusionad-whole",
}  # fmt: skip
"""Methods on patches, and the same on whole images."""
