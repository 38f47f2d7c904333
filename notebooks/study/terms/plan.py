"""The plan of the chapter on equal terms: what its job reads and leaves."""

from __future__ import annotations

from study.plan import NETWORK, Job

CHAINS = {"ddpm": "gaussian", "anoddpm": "simplex"}
"""Methods that reconstruct by a chain of reverse steps, and their networks."""

JOB = Job(
    name="terms",
    about="whole reverse chains, and networks of one pattern",
    module="study.terms.job",
    folder="terms",
    leaves=("chain.csv", "patterns.csv", "networks.csv"),
    reads=(*NETWORK, "radar", "reconstruction", "diffusionad.t_small", "closed_form"),
    section="terms",
    models=("gaussian", "simplex", "mixture", "whole", "whole_simplex"),
    first=1,
    further=1,
)

ASKED = ("radar", "ddpm")
"""Methods that are asked whether a second pattern of the surface matters."""
ONE, BOTH = "one", "both"
"""Networks by the patterns that they were trained on."""
PAIRS = {
    "radar": "radar-whole", "ddpm": "ddpm-whole", "anoddpm": "anoddpm-whole", "diffusionad": "diffusionad-whole",
}  # fmt: skip
"""Methods on patches, and the same on whole images."""
