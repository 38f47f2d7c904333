"""The command line. `fit`, `detect`, `bench` are for people; `prepare`, `train`, `score` are the workflow's steps."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from radarlib import __version__
from radarlib.errors import UserError


def _settings(args: argparse.Namespace) -> dict:
    """The configuration of a command: the --config file, then single options on top."""
    from radarlib.config import load_settings

    over: dict = {}
    for option, (section, key) in {
        "steps": ("training", "steps"), "image_size": ("data", "image_size"), "contamination": ("decision", "contamination"),
        "false_alarm_rate": ("decision", "false_alarm_rate"), "loss": ("loss", "kind"), "delta": ("loss", "delta"),
        "keep": ("loss", "keep"), "space": ("decision", "space"),
    }.items():  # fmt: skip
        if getattr(args, option, None) is not None:
            over.setdefault(section, {})[key] = getattr(args, option)
    return load_settings(args.config, over)


def _refuse_idle(args: argparse.Namespace, settings: dict) -> None:
    """Raise UserError for an option of `fit` that would change nothing, rather than let it pass for used."""
    kind, space = settings["loss"]["kind"], settings["decision"]["space"]
    for option, used, where in (
        ("delta", kind in ("huber", "pseudo_huber"), f"--loss {kind}"),
        ("keep", kind == "lts", f"--loss {kind}"),
        ("steps", space != "features", f"--space {space}"),
        ("loss", space != "features", f"--space {space}"),
        ("contamination", not settings["decision"]["false_alarm_rate"], "--false-alarm-rate"),
    ):
        if getattr(args, option) is not None and not used:
            raise UserError(f"--{option} changes nothing with {where}; leave out one of the two")


def _fit(args: argparse.Namespace) -> int:
    from radarlib.detector import fit

    settings = _settings(args)
    _refuse_idle(args, settings)
    detector = fit(args.good, args.out, settings, args.seed, args.device or settings["compute"]["device"])
    flagged, n = int(detector.decision.predict(detector.features).sum()), len(detector.features)
    print(
        f"{args.out}: fitted; {flagged} of {n} training images lie above the threshold {detector.decision.threshold:.4f}"
    )
    if rate := settings["decision"]["false_alarm_rate"]:
        print(
            f"calibrated on {len(detector.calibration)} held-out images: on average at most {rate:.0%} of new normal ones are flagged"
        )
    return 0


def _detect(args: argparse.Namespace) -> int:
    from radarlib.detector import Detector, detect

    detector = Detector.load(args.model, args.device)
    table, failures = detect(detector, args.images, args.out, args.model)
    if len(table):
        print(f"{args.out / 'scores.csv'}: {int(table['anomalous'].sum())} of {len(table)} images anomalous")
    for line in failures:
        print(f"radarlib: {line}", file=sys.stderr)
    return 1 if failures else 0


def _bench(args: argparse.Namespace) -> int:
    from radarlib.bench import bench

    print(bench(_settings(args), args.device).to_string(index=False))
    return 0


def _prepare(args: argparse.Namespace) -> int:
    from radarlib.datasets import prepare

    prepare(args.name, args.settings, args.root, args.out)
    return 0


def _train(args: argparse.Namespace) -> int:
    from radarlib.datasets import ImageSet
    from radarlib.train import train

    settings = args.settings
    data = ImageSet.load(args.data).blind().contaminated(settings["training"]["dirt"], args.seed)
    train(
        data.train_images,
        settings,
        args.seed,
        args.out,
        settings["compute"]["device"],
        args.label,
    )
    return 0


def _score(args: argparse.Namespace) -> int:
    from radarlib.datasets import ImageSet
    from radarlib.score import score_set

    data = ImageSet.load(args.data).blind()
    if "training" in args.settings:  # a method without a network sees clean data
        data = data.contaminated(args.settings["training"]["dirt"], args.seed)
    score_set(data, args.method, args.settings, args.seed, args.model, args.out, args.label)
    return 0


def _denoisers(args: argparse.Namespace) -> dict:
    from radarlib.denoiser import Denoiser

    return {directory.name: Denoiser.load(directory, args.settings["compute"]["device"]) for directory in args.model}


def _ablate(args: argparse.Namespace) -> int:
    from radarlib.ablation import ablate
    from radarlib.datasets import ImageSet

    ablate(ImageSet.load(args.data).blind(), _denoisers(args), args.settings, args.seed, args.out, args.label)
    return 0


def _robust(args: argparse.Namespace) -> int:
    from radarlib.datasets import ImageSet
    from radarlib.robust import leave_out, study_dirt
    from radarlib.roles import UnsuitedError

    try:
        study_dirt(ImageSet.load(args.data), args.settings, args.seed, args.out, args.label, args.only_curves)
    except UnsuitedError as error:
        if not args.leave_out:
            raise
        leave_out(f"{args.label}: {error}", args.out)
    return 0


def _noise_study(args: argparse.Namespace) -> int:
    from radarlib.datasets import ImageSet
    from radarlib.noise_study import study_noise

    study_noise(ImageSet.load(args.data), args.settings, args.seed, args.out, args.label)
    return 0


def _d3ad(args: argparse.Namespace) -> int:
    from radarlib.d3ad_study import study_latents
    from radarlib.datasets import ImageSet

    study_latents(ImageSet.load(args.data), args.settings, args.seed, args.out, args.label)
    return 0


def _ran(args: argparse.Namespace) -> int:
    from radarlib.datasets import ImageSet
    from radarlib.denoiser import Denoiser
    from radarlib.ran_study import study_steps

    denoiser = Denoiser.load(args.model, args.settings["compute"]["device"])
    study_steps(ImageSet.load(args.data), denoiser, args.settings, args.seed, args.out, args.label)
    return 0


def _cost(args: argparse.Namespace) -> int:
    from radarlib.cost import measure
    from radarlib.datasets import ImageSet

    measure(ImageSet.load(args.data).blind(), _denoisers(args), args.settings, args.seed, args.out)
    return 0


def _notebook(args: argparse.Namespace) -> int:
    from radarlib.notebook import parse_parameters, run_notebook

    run_notebook(args.source, args.executed, args.html, parse_parameters(args.parameter), args.threads or 1)
    return 0


def _gallery(args: argparse.Namespace) -> int:
    from radarlib.gallery import gallery

    gallery(args.folder, args.exhibits, args.out)
    return 0


Command = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
"""Adds a command: its name, what runs it, and its help."""


def _for_people(command: Command) -> None:
    fit = command("fit", _fit, "Learn what is normal from a folder of good images.")
    fit.add_argument("good", type=Path, metavar="GOOD_DIR")
    fit.add_argument("--out", type=Path, required=True, metavar="MODEL_DIR")
    fit.add_argument("--config", type=Path, help="a profile's YAML (default: the real profile's values)")
    fit.add_argument("--steps", type=int, help="optimiser steps on pixels (default 1600)")
    fit.add_argument(
        "--image-size", type=int, help="resize every image to this side in px (default: keep each one's size)"
    )
    fit.add_argument(
        "--contamination",
        type=float,
        help="share of the good images that may be called anomalous, 0 … 0.5 (default 0.05)",
    )
    fit.add_argument(
        "--false-alarm-rate",
        type=float,
        help="promise that on average at most this share of new normal images is flagged; a third of the good images, or as many as"
        " it takes, are held out for it, and the contamination does not matter",
    )
    fit.add_argument(
        "--loss",
        choices=("l2", "huber", "pseudo_huber", "lts"),
        help="robust ones for unclean images, on pixels (default l2)",
    )
    fit.add_argument("--delta", type=float, help="of the Huber losses (default 0.2)")
    fit.add_argument("--keep", type=float, help="share of each batch that least trimmed squares keeps (default 0.8)")
    fit.add_argument(
        "--space",
        choices=("pixels", "features", "both"),
        help="where the single step is done: pixels (RADAR), the features of a pretrained network, or both (default pixels)",
    )
    fit.add_argument("--seed", type=int, default=0)
    fit.add_argument("--device", help="auto, cpu, cuda or mps (default: the configuration's, auto)")

    detect = command("detect", _detect, "Judge images with a fitted model: scores.csv, maps and overlays.")
    detect.add_argument("model", type=Path, metavar="MODEL_DIR")
    detect.add_argument("images", type=Path, nargs="+", metavar="IMAGE_OR_DIR")
    detect.add_argument("--out", type=Path, required=True, metavar="DIR")
    detect.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")

    bench = command("bench", _bench, "How much of the machine training and inference use, and what one step saves.")
    bench.add_argument("--config", type=Path, help="a profile's YAML (default: the real profile's values)")
    bench.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")


def _for_the_workflow(command: Command) -> None:
    for name, run, text in (
        ("prepare", _prepare, "Workflow step: read or simulate a data set."),
        ("train", _train, "Workflow step: train a denoiser on a prepared data set."),
        ("score", _score, "Workflow step: maps and features of a data set by one method."),
        ("ablate", _ablate, "Workflow step: RADAR's features under changed settings."),
        (
            "robust",
            _robust,
            "Workflow step: train on unclean data in every way of RDDPM, and see what becomes of each method.",
        ),
        ("noise_study", _noise_study, "Workflow step: reconstruct with three kinds of noise."),
        ("d3ad", _d3ad, "Workflow step: D3AD in every variant, and methods on features."),
        ("ran", _ran, "Workflow step: errors at intermediate steps, in pixels and in features."),
        ("cost", _cost, "Workflow step: time every method in one run."),
    ):
        step = command(name, run, text)
        step.add_argument(
            "--settings", type=json.loads, required=True, help="the sections that the step needs, resolved, as JSON"
        )
        step.add_argument("--out", type=Path, required=True)
        step.add_argument("--label", default=name, help="shown beside the progress bar")
        if name == "prepare":
            step.add_argument("name")
            step.add_argument(
                "--root", type=Path, default=Path("data"), help="folder of the data sets in MVTec AD layout"
            )
        else:
            step.add_argument("data", type=Path, help="prepared data set (.npz)")
            step.add_argument("--seed", type=int, default=0)
        if name in ("ablate", "cost"):
            step.add_argument("--model", type=Path, nargs="+", required=True, help="directories of trained models")
        if name == "ran":
            step.add_argument("--model", type=Path, required=True, help="directory of the trained model")
        if name == "robust":
            step.add_argument("--leave-out", action="store_true", help="pass over a set that does not suit the chapter")
            step.add_argument(
                "--only-curves", action="store_true", help="what further seeds are for: the paper's curves alone"
            )
        if name == "score":
            step.add_argument("--method", required=True)
            step.add_argument("--model", type=Path, help="directory of the trained model")

    notebook = command("notebook", _notebook, "Workflow step: run a notebook with checked parameters.")
    notebook.add_argument("source", type=Path)
    notebook.add_argument("executed", type=Path)
    notebook.add_argument("html", type=Path)
    notebook.add_argument("-p", dest="parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))

    page = command("gallery", _gallery, "Workflow step: one page with every exhibit.")
    page.add_argument("folder", type=Path)
    page.add_argument("exhibits", nargs="+")
    page.add_argument("--out", type=Path, required=True)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="radarlib", description="Single-step diffusion anomaly detection (RADAR).")
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        sub.add_argument("--threads", type=int, help="threads to use (default: all)")
        return sub

    _for_people(command)
    _for_the_workflow(command)
    return top


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    from radarlib.runtime import use_threads

    try:
        use_threads(args.threads)
        return args.run(args)
    except UserError as error:
        code, message = 2, str(error)
    except KeyboardInterrupt:
        code, message = 130, "interrupted; the same command goes on, a training on pixels from its last checkpoint"
    # Not before the exception is gone, and with it what it stopped: a progress bar ends its line then.
    print(f"radarlib: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
