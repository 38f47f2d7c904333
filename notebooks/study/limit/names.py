"""The chapter on the exact limit: how its tables and figures name things."""

from __future__ import annotations

from study.limit.plan import CLOSED, GAUSSIAN, NETWORK, NOISELESS, OWN

LABELS = {NETWORK: "network", CLOSED: "closed form", NOISELESS: "no noise added"}
SURFACES = {OWN: "the surface itself", GAUSSIAN: "Gaussian field with its spectrum"}
