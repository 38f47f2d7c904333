"""The plan of the chapter on noise distributions: noises, filters, steps, names."""

from __future__ import annotations

from radarlib.config import merge
from study.plan import NETWORK, Job

JOB = Job(
    name="noise",
    about="three kinds of noise",
    module="study.noise.job",
    folder="noise_study",
    leaves=("scores.csv", "skipped.csv", "maps.npz", "chains.npz", "networks.csv"),
    reads=(*NETWORK, "reconstruction", "closed_form"),
    section="noise_study",
    first=2,
    further=2,
)

FILTER = {"gaussian": 11, "simplex": 11, "mixture": 5}
"""The noises, and the side in px of the mean filter over the map of each (§5.3; the paper chose it "empirically")."""

START = 200  # T_0: diffused for so many steps, and led back (§5.3)
STARTS = (10, 50, START, 500)  # Table 3
FILTERS = (1, 5, 11, 17)  # Table 4
CONTROLS = ("raw", "untrained")
BACK = (100, 0)  # of the chain that Fig. 1 shows


def network_settings(settings: dict, noise: str) -> dict:
    """The configuration that the network for a noise is trained with."""
    options = settings["noise_study"]
    return merge(settings, {
        "noise": {"kind": noise}, "diffusion": {"beta_end": options["beta_end"]}, "loss": {"kind": "l2"},
        "unet": {"width": options["width"]},
        "training": {**{key: options[key] for key in ("steps", "batch", "lr")}, "corruption": 0, "dirt": 0},
    })  # fmt: skip
