"""The plan of the chapter on unclean training data: which denoisers are trained, and which methods are given them."""

from __future__ import annotations

from dataclasses import dataclass

from radarlib.config import merge
from study.plan import NETWORK, Job


def _facts(settings: dict, seed: int) -> dict:
    return {
        "only_curves": seed != settings["seeds"][0],  # what further seeds are for
        "leave_out": settings["robust"]["sets"] == "all",  # sets that do not suit the chapter, where nobody named them
    }


JOB = Job(
    name="unclean",
    about="unclean training data",
    module="study.unclean.job",
    folder="robust",
    leaves=("features.csv", "maps.npz", "roles.csv", "trimmed.csv", "networks.csv"),
    reads=(
        *NETWORK,
        "radar",
        "reconstruction",
        "diffusionad",
        "closed_form",
        "bui_apley",
        "caltanissetta",
        "lowrank",
        "features",
    ),
    section="robust",
    calls=("radarlib.methods.bui_apley", "radarlib.methods.caltanissetta", "radarlib.methods.lowrank"),
    first=3,
    further=2,
    facts=_facts,
)

SHARES = (0.0, 0.1, 0.2, 0.3)  # of dirt (RDDPM §4.1, Fig. 5)
MAIN = 0.2  # the share of Tables 1, 2 and 3
DELTAS = (0.0, 0.1, 0.2, 0.3, 0.4)  # RDDPM Table 3
NEIGHBOURS = "neighbours"


@dataclass(frozen=True)
class Training:
    """One denoiser: its loss (a name of LOSSES), its noise, and the dirt that it sees."""

    loss: str = "l2"
    noise: str = "gaussian"
    dirt: str = "artefacts"
    share: float = 0.0

    @property
    def name(self) -> str:
        """Of its directory, and of its part of the results: clean data are the same whatever the dirt would be."""
        dirt = f"{self.dirt}{round(100 * self.share)}" if self.share else "clean"
        return "-".join([self.noise, self.loss, dirt])

    def settings(self, settings: dict) -> dict:
        """The configuration that it is trained with."""
        options = settings["robust"]
        corruption = self.share if self.dirt == "artefacts" else 0.0
        return merge(
            settings,
            {
                "loss": LOSSES[self.loss],
                "noise": {"kind": self.noise},
                "unet": {"width": options["width"]},
                "training": {
                    **{key: options[key] for key in ("steps", "batch", "lr")},
                    "corruption": corruption,
                    "dirt": 0,
                },
            },
        )


LOSSES: dict[str, dict] = {
    "l2": {"kind": "l2"},
    **{f"huber{delta}": {"kind": "huber", "delta": delta} for delta in DELTAS},
    "pseudo_huber0.2": {"kind": "pseudo_huber", "delta": 0.2},
    "lts": {"kind": "lts"},  # λ is the configuration's
}

ROBUST = ("huber0.2", "lts")  # beside "l2"


@dataclass(frozen=True)
class Run:
    """A method and the denoiser that it is given."""

    method: str
    training: Training

    @property
    def name(self) -> str:
        """Of its maps."""
        return f"{self.method}-{self.training.name}"

    @property
    def pixels(self) -> bool:
        """Whether the pixels of its maps are judged: for the dirt of the paper's curves, and for its Table 1."""
        return self.training.dirt == "artefacts" or self.method == "ddpm"

    @property
    def features(self) -> bool:
        """Whether whole images are judged by its features: RADAR's, for the dirt that practice brings."""
        return self.method == "radar" and (self.training.dirt == "defects" or not self.training.share)


def curves() -> list[Run]:
    """Runs against the share of artefacts, repeated with every seed; those of one training stand together."""
    plan = []
    for share in SHARES:
        for loss in ("l2", *ROBUST):
            training = Training(loss, share=share)
            plan += [Run(method, training) for method in ("ddpm", "radar")]
            if loss == "l2":
                plan.append(Run("diffusionad", training))
        plan.append(Run("ddpm", Training(noise="simplex", share=share)))
    return plan


def runs() -> list[Run]:
    """Every run of the chapter, in the same order."""
    plan = curves()
    plan += [Run("ddpm", Training(loss, share=MAIN)) for loss in LOSSES if loss not in ("l2", *ROBUST)]
    for share in SHARES[1:]:
        for loss in ("l2", *ROBUST):
            training = Training(loss, dirt="defects", share=share)
            plan += [Run(method, training) for method in (("ddpm", "radar") if share == MAIN else ("radar",))]
    return plan
