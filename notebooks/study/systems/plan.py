"""The plan of the chapter on systems: what the papers' tables compare with, all on one backbone, one grid, one
smoothing and one label-free protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from study.plan import NETWORK, Job

FEATURES, ARTIFICIAL, RECONSTRUCTS, DIFFUSES = "on features", "artificial defects", "reconstructs", "diffuses"
METHODS = "radarlib.methods"


@dataclass(frozen=True)
class System:
    """A row of the table on systems.

    family : what it looks at, or learns from. function : "dotted.module:name" of `fit(given) → Fitted`. source : paper.
    """

    label: str
    family: str
    function: str
    source: str

    @property
    def module(self) -> str:
        return self.function.split(":")[0]

    def load(self) -> Callable:
        return getattr(import_module(self.module), self.function.split(":")[1])


def _own(name: str) -> str:
    return f"{METHODS}.{name}"


SYSTEMS = {
    "step": System("one step on features", FEATURES, "study.systems.known:step", "this study"),
    "closed": System("RADAR, closed form", DIFFUSES, "study.systems.known:closed", "this study"),
    "patchcore": System("PatchCore", FEATURES, "study.systems.known:nearest", "Roth et al. 2022"),
    "spade": System("SPADE", FEATURES, "study.systems.known:alike", "Cohen & Hoshen 2020"),
    "padim": System("PaDiM", FEATURES, "study.systems.known:gaussian", "Defard et al. 2021"),
    "step2": System("one step, Lite2", FEATURES, "study.systems.known:step_lite2", "this study"),
    "patchcore2": System("PatchCore, Lite2", FEATURES, "study.systems.known:nearest_lite2", "Roth et al. 2022"),
    "padim2": System("PaDiM, Lite2", FEATURES, "study.systems.known:gaussian_lite2", "Defard et al. 2021"),
    "cfa": System("CFA", FEATURES, _own("cfa:fit"), "Lee et al. 2022"),
    "simplenet": System("SimpleNet", FEATURES, _own("simplenet:fit"), "Liu et al. 2023"),
    "fastflow": System("FastFlow", FEATURES, _own("flows:fit_fast"), "Yu et al. 2021"),
    "cflow": System("CFLOW", FEATURES, _own("flows:fit_conditional"), "Gudovskiy et al. 2022"),
    "stfpm": System("STFPM", FEATURES, _own("student:fit"), "Wang et al. 2021"),
    "rd4ad": System("RD4AD", FEATURES, _own("reverse_distillation:fit"), "Deng & Li 2022"),
    "rdpp": System("RD++", FEATURES, _own("reverse_distillation:fit_plus"), "Tien et al. 2023"),
    "cutpaste": System("CutPaste", ARTIFICIAL, _own("representing:fit_cutpaste"), "Li et al. 2021"),
    "draem": System("DRAEM", ARTIFICIAL, _own("draem:fit"), "Zavrtanik et al. 2021"),
    "dsr": System("DSR's idea", ARTIFICIAL, _own("dsr:fit"), "Zavrtanik et al. 2022"),
    "diffusionad": System("DiffusionAD, whole", ARTIFICIAL, _own("draem:fit_diffusionad"), "Zhang et al. 2023"),
    "ae": System("autoencoder, L2", RECONSTRUCTS, _own("reconstructing:fit_l2"), "Bergmann et al. 2019"),
    "ae_ssim": System("autoencoder, SSIM", RECONSTRUCTS, _own("reconstructing:fit_ssim"), "Bergmann et al. 2019"),
    "riad": System("RIAD", RECONSTRUCTS, _own("reconstructing:fit_riad"), "Zavrtanik et al. 2021"),
    "ganomaly": System("GANomaly", RECONSTRUCTS, _own("ganomaly:fit"), "Akcay et al. 2018"),
    "skip": System("SkipGANomaly", RECONSTRUCTS, _own("ganomaly:fit_skip"), "Akcay et al. 2019"),
    "svdd": System("Deep SVDD", RECONSTRUCTS, _own("representing:fit_deep_svdd"), "Ruff et al. 2018"),
    "ddpm": System("DDPM, Gaussian noise", DIFFUSES, _own("diffusing:fit_ddpm"), "the noise study"),
    "ddad": System("DDAD", DIFFUSES, _own("diffusing:fit_ddad"), "Mousakhan et al. 2023"),
    "d3ad": System("D3AD", DIFFUSES, "study.systems.known:d3ad", "Tebbe & Tayyub 2024"),
    "d3ad_eighth": System("D3AD, an eighth", DIFFUSES, "study.systems.known:d3ad_eighth", "Tebbe & Tayyub 2024"),
    "d3ad_pixels": System("D3AD on pixels", DIFFUSES, _own("diffusing:fit_d3ad"), "Tebbe & Tayyub 2024"),
}
"""Every system by its name in the job's results."""

SHARED = "shared diffusion"
"""The network of whole images that systems share which diffuse pixels."""

SHARING = ("ddpm", "ddad", "d3ad_pixels", "diffusionad")
"""Those that share it: its training counts for each."""

RECONSTRUCTING = (
    "ae", "ae_ssim", "riad", "ganomaly", "skip", "draem", "dsr", "diffusionad", "ddpm", "ddad", "d3ad",
    "d3ad_eighth", "d3ad_pixels",
)  # fmt: skip
"""Those that give an image back."""

JOB = Job(
    name="systems",
    about="every system of the papers' tables",
    module="study.systems.job",
    folder="systems",
    leaves=("scores.csv", "maps.npz", "pictures.npz", "losses.csv", "timing.json"),
    reads=(*NETWORK, "whole", "features", "feature_step", "closed_form", "radar", "d3ad", "diffusionad"),
    section="systems",
    calls=tuple(dict.fromkeys(system.module for system in SYSTEMS.values())),
    first=3,
    further=2,
)
