# The study's table of contents: data → trained denoisers → maps, features and chapters' jobs → notebooks → exhibits.
#
#   snakemake --cores 4                                            the `default` profile
#   snakemake --cores 2 smoke | real | paper | long | long-real    another profile (config/<profile>.yaml)
#   snakemake --cores 2 half | twice | fourfold                    another length of the training, for the ledger
#   snakemake --cores 2 figures/default/radar_table2_detection.csv one exhibit
#   snakemake --cores 2 real --config 'seeds=[0]'                  a parameter changed
#
# One environment serves the whole study (make study, or environment.yml), so the rules name none of their own: the
# one thing that `snakemake --lint` asks for. On a machine with a GPU, `--resources gpu=1` runs one job at a time on it.
import sys
from pathlib import Path

ROOT = Path(workflow.basedir)
PACKAGES = {"radarlib": ROOT, "study": ROOT / "notebooks"}  # and where they lie: the second beside the notebooks
sys.path[:0] = map(str, PACKAGES.values())

from study.methods import METHODS
from study.plan import Notebook, each
from study.budget import plan as budget
from study.d3ad import plan as d3ad
from study.limit import plan as limit
from study.noise import plan as noise
from study.protocol import plan as protocol
from study.radar import plan as radar
from study.ran import plan as ran
from study.systems import plan as systems
from study.terms import plan as terms
from study.unclean import plan as unclean

TABLE, FIGURE = ("csv", "md", "tex"), ("pdf", "png", "csv")
CHART = (*FIGURE, "column.pdf")  # at the width of one column of a page as well
TIMED, DRAWS = "measured.json", "draws.npz"  # what differs from run to run; resamples, by which the ledger compares
JUDGED, CURVE = (*TABLE, DRAWS), (*CHART, DRAWS)

NOTEBOOKS = {
    "01_data": Notebook(leaves={"radar_table1_datasets": TABLE}, printed=["radar_table1"]),
    "02_diffusion": Notebook(
        models=["gaussian"], leaves=each(FIGURE, "radar_fig2_chain", "radar_fig3_noise_prediction", "radar_fig5_unet")
    ),
    "03_radar": Notebook(
        models=["gaussian"], methods=["radar", "radar-closed", "noiseless", "raw", "untrained"],
        leaves=each(
            FIGURE, "radar_fig1_overview", "radar_fig4_noise_distribution",
            "radar_fig6_periodic_maps", "radar_fig7_stochastic_maps",
        ),
    ),
    "04_detection": Notebook(
        methods=METHODS,
        leaves={**each(JUDGED, "radar_table2_detection", "radar_pixel_level"), "radar_by_grade": CHART},
        printed=["radar_table2"],
    ),
    "06_decision": Notebook(
        methods=["radar", "radar-closed", "ddpm", "anoddpm", "diffusionad"],
        dirty="radar",  # and with each share of defective training images that the profile names
        leaves={"radar_fig8_contamination": CURVE, "radar_classifiers": (*CURVE, TIMED)},
    ),
    "19_promise": Notebook(methods=["radar"], leaves=each(CHART, "radar_conformal", "radar_promise")),
    "07_ablation": Notebook(jobs=[radar.JOB], leaves={"radar_ablation": CHART}),
    "08_cost": Notebook(cost=True, leaves={"radar_cost": (*CHART, TIMED)}),
    "09_noise": Notebook(
        jobs=[noise.JOB], methods=["radar", "radar-simplex", "radar-mixture"],
        leaves={
            "noise_fig1_chains": FIGURE,
            **each(JUDGED, "noise_table1_image_auroc", "noise_table2_pixel", "noise_table3_steps", "noise_table4_filter"),
            **each(FIGURE, "noise_fig2_samples", "noise_radar_maps"),
            **each(TABLE, "noise_skipping", "noise_choice"),
            "noise_surfaces": CHART,
        },
        printed=["noise_table1", "noise_table2", "noise_table3", "noise_table4"],
    ),
    "10_unclean_data": Notebook(
        jobs=[unclean.JOB],
        leaves={
            **each(JUDGED, "rddpm_table1_domain", "rddpm_table2_contaminated", "rddpm_table3_delta"),
            "rddpm_fig1_reconstructions": FIGURE, "rddpm_fig5_contamination": CURVE,
            "unclean_trimmed": TABLE, **each(CHART, "rddpm_fig4_delta", "unclean_radar", "unclean_practice"),
        },
        printed=["rddpm_table1", "rddpm_table2", "rddpm_table3"],
    ),
    "11_d3ad": Notebook(
        jobs=[d3ad.JOB], methods=["radar", "radar-features"],
        leaves={
            **each(JUDGED, "d3ad_table1_image_pro", "d3ad_table5_dynamic", "d3ad_table6_ablation"),
            "d3ad_table9_speed": (*TABLE, TIMED), "d3ad_fig13_omega": CURVE,
            **each(FIGURE, "d3ad_fig5_bins", "d3ad_fig6_masks", "d3ad_fig7_scales", "d3ad_fig10_noising_scaling"),
            **each(FIGURE, "d3ad_fig14_reconstructions", "d3ad_feature_maps"),
        },
        printed=["d3ad_table1", "d3ad_table2", "d3ad_table5", "d3ad_table6", "d3ad_table7", "d3ad_table9"],
    ),
    "12_ran": Notebook(
        jobs=[ran.JOB],
        leaves={"ran_table_steps_spaces": JUDGED, **each(FIGURE, "ran_fig_reconstructions", "ran_fig_gradient")},
    ),
    "13_limit": Notebook(
        jobs=[limit.JOB], methods=["radar", "radar-closed", "noiseless"],
        leaves={**each(CHART, "limit_errors", "limit_power", "limit_gain"), "limit_maps": FIGURE},
    ),
    "14_training": Notebook(
        jobs=[budget.JOB],
        leaves={
            **each(CHART, "budget", "denoising_paradox", "paradox_explained"),
            **each(TABLE, "budget_stability", "paradox_rules"), "budget_few": JUDGED,
        },
    ),
    "15_protocol": Notebook(jobs=[budget.JOB, radar.JOB], methods=protocol.RANKED, leaves={"protocol_gain": CHART}),
    "16_terms": Notebook(
        jobs=[terms.JOB, noise.JOB, unclean.JOB, d3ad.JOB],
        methods=[name for pair in terms.PAIRS.items() for name in pair],
        leaves={**each(TABLE, "terms_chain", "terms_networks"), **each(JUDGED, "terms_whole", "terms_patterns")},
    ),
    "17_systems": Notebook(
        jobs=[systems.JOB],
        leaves={
            "systems": (*JUDGED, TIMED), **each(TABLE, "systems_rim", "systems_printed"), "systems_ranks": CHART,
            **each(FIGURE, "systems_training", "systems_maps", "systems_reconstructions"),
            **each(FIGURE, *(f"system_{key}" for key in systems.SYSTEMS)),
        },
        printed=["d3ad_table1", "d3ad_table2", "d3ad_table7", "noise_table1"],
    ),
    # The ledger reads the exhibits of all the others.
    "00_claims": Notebook(ledger=True, leaves={"claims": (*TABLE, TIMED)}),
}
FOLLOWED = ["13_limit", "14_training"]  # what longer training changes
HALVED = ["03_radar", "04_detection", "09_noise", "10_unclean_data", "11_d3ad", "12_ran", "16_terms", "17_systems"]  # by `half`
LENGTHENED = ["04_detection", "09_noise", "10_unclean_data", "11_d3ad"]  # by `twice` and `fourfold`: what moves most


include: "workflow/rules/common.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/scores.smk"
include: "workflow/rules/jobs.smk"
include: "workflow/rules/notebooks.smk"
include: "workflow/rules/detect.smk"


rule study:
    default_target: True
    input:
        exhibits(PROFILE),


targets = {name: (name, NOTEBOOKS) for name in ("smoke", "real", "paper")} | {n: (n, FOLLOWED) for n in (LONG, LONG_REAL)}
targets |= {end[1:]: (PROFILE + end, HALVED if times < 1 else LENGTHENED) for end, times in LENGTHS.items()}
for target, chosen in targets.items():

    rule:
        name: target
        input:
            lambda _, chosen=chosen: exhibits(*chosen),
