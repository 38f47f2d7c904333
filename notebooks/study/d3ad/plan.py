"""The plan of the chapter on D3AD: variants, names, printed tables."""

from __future__ import annotations

from dataclasses import dataclass

from study.plan import NETWORK, Job

JOB = Job(
    name="d3ad",
    about="D3AD and methods on features",
    module="study.d3ad.job",
    folder="d3ad",
    leaves=("scores.csv", "maps.npz", "pictures.npz", "bins.csv", "thresholds.csv", "timing.json", "networks.csv"),
    reads=(*NETWORK, "features", "feature_step"),
    section="d3ad",
    first=2,
    further=2,
)

DIC, STATIC = "dic", (0.25, 0.5, 0.75, 1.0)  # dynamic, or shares of T_max (Table 5)
PERMUTED = "permuted"  # the dynamic steps, dealt out among the images at random: a control
OMEGAS = tuple(round(0.1 * k, 1) for k in range(11))  # Fig. 13
GUIDED = 8.0  # η of the guided variant, within the paper's 7 to 10


@dataclass(frozen=True)
class Variant:
    """One way to reconstruct and to compare. steps : DIC, PERMUTED, or a share of T_max. omega : of the noise (Eq.
    12).
    """

    steps: str | float = DIC
    omega: float = 0.0
    adapted: bool = True
    guidance: float = 0.0
    trained: bool = True

    @property
    def name(self) -> str:
        steps = self.steps if isinstance(self.steps, str) else f"static{round(100 * self.steps)}"
        guided = f"-eta{self.guidance}" if self.guidance else ""
        marks = f"{'' if self.adapted else '-plain'}{'' if self.trained else '-untrained'}"
        return f"{steps}-omega{self.omega}{guided}{marks}"


D3AD, NOISED = Variant(), Variant(omega=1.0)
SHUFFLED, FIXED = Variant(PERMUTED), Variant(0.5)
SCALED = f"{FIXED.name}-distance"
"""The map of FIXED times the image's distance to normal images: what the dynamic steps do to a map, without them."""
ONE_GRID = "-one-grid"  # D3AD and the methods on features where all have the same grid
SHOWN = (D3AD, *(Variant(share) for share in STATIC), NOISED)
"""Variants whose reconstructions and thresholds are kept, for the figures."""


def variants() -> list[Variant]:
    """Every variant that an exhibit shows."""
    return [
        *SHOWN,
        SHUFFLED,
        *(Variant(omega=omega) for omega in OMEGAS[1:-1]),
        Variant(adapted=False),
        Variant(omega=1.0, adapted=False),
        Variant(trained=False),
        Variant(guidance=GUIDED),
    ]
