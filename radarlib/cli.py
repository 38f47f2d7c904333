"""The command line: `fit`, `detect`, `export` and `bench`."""

from __future__ import annotations

import argparse
import copy
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from radarlib import __version__
from radarlib.errors import UserError
from radarlib.inspection import ALL, MAPS

if TYPE_CHECKING:  # PyTorch takes seconds to import
    from radarlib.inspection.detector import Detector


FAST = {"unet": {"width": 8}}
"""What `fit --fast` sets, so that fitting and judging on pixels cost less: half of the channels."""


def _settings(args: argparse.Namespace) -> dict:
    """The configuration of a command: the --config file, then single options on top."""
    from radarlib.config import load_settings

    over: dict = copy.deepcopy(FAST) if getattr(args, "fast", None) else {}
    for option, (section, key) in {
        "steps": ("training", "steps"), "image_size": ("data", "image_size"),
        "colour": ("data", "colour"), "contamination": ("decision", "contamination"),
        "false_alarm_rate": ("decision", "false_alarm_rate"), "loss": ("loss", "kind"), "delta": ("loss", "delta"),
        "keep": ("loss", "keep"), "space": ("decision", "space"), "decision": ("decision", "rule"),
    }.items():  # fmt: skip
        if getattr(args, option, None) is not None:
            over.setdefault(section, {})[key] = getattr(args, option)
    return load_settings(args.config, over)


def _refuse_idle(args: argparse.Namespace, settings: dict) -> None:
    """Raise UserError for an option of `fit` that would change nothing, rather than let it pass for used."""
    kind, space, rule = settings["loss"]["kind"], settings["decision"]["space"], settings["decision"]["rule"]
    for option, used, where in (
        ("delta", kind in ("huber", "pseudo_huber"), f"--loss {kind}"),
        ("keep", kind == "lts", f"--loss {kind}"),
        ("steps", space != "features", f"--space {space}"),
        ("loss", space != "features", f"--space {space}"),
        ("fast", space != "features", f"--space {space}"),
        ("contamination", rule == "forest", "--decision distance"),
        ("contamination", not settings["decision"]["false_alarm_rate"], "--false-alarm-rate"),
    ):
        if getattr(args, option) is not None and not used:
            raise UserError(f"--{option} changes nothing with {where}; leave out one of the two")


def _fit(args: argparse.Namespace) -> int:
    from radarlib.inspection.judge import fit

    settings = _settings(args)
    _refuse_idle(args, settings)
    detector = fit(args.good, args.out, settings, args.seed, args.device or settings["compute"]["device"], args.roi)
    print(f"{args.out}: fitted; {_told(detector)}")
    return 0


def _told(detector: Detector) -> str:
    """What a fitted detector promises, in a sentence."""
    from radarlib import conformal

    options, n = detector.settings_["decision"], len(detector.features_)
    if options["rule"] == "distance":
        asked, kept = detector.asked, detector.promise
        flagged = int((detector.calibration_scores_ > detector.threshold_).sum())
        text = f"{flagged} of {n} normal images are flagged by a decision that was fitted without them; "
        text += f"of new normal ones about {f'1 in {n + 1} is' if kept > asked else f'{100 * kept:.2g}% are'}"
        if kept > asked:
            text += f": {100 * asked:g}% cannot be promised with {n} images, give {conformal.images_needed(asked)}"
        elif kept < 0.95 * asked:
            text += f", the highest share up to {100 * asked:g}% that {n} images can tell"
        if not detector.unseen_:
            text += "; perhaps more, for the network has learned from these images"
            text += f" (it leaves a third out of {detector.enough})"
        return text
    if len(detector.calibration_):
        return (
            f"calibrated on {len(detector.calibration_)} held-out images: on average at most"
            f" {100 * options['false_alarm_rate']:g}% of new normal ones are flagged"
        )
    flagged = int((detector.decision_.score(detector.features_) > detector.threshold_).sum())
    return f"{flagged} of {n} training images lie above the threshold {detector.threshold_:.4f}"


def _detect(args: argparse.Namespace) -> int:
    from radarlib.inspection.detector import Detector
    from radarlib.inspection.judge import detect, watch

    if args.watch and (len(args.images) > 1 or args.jobs != 1 or args.maps != ALL):
        raise UserError("--watch takes one folder, and neither --jobs nor --maps; leave out one of the two")
    detector = Detector.load(args.model, args.device)
    if args.watch:
        watch(detector, args.images[0], args.out, args.model)
        return 0
    table, failures = detect(detector, args.images, args.out, args.model, args.jobs, args.maps)
    if len(table):
        print(f"{args.out / 'scores.csv'}: {int(table['anomalous'].sum())} of {len(table)} images anomalous")
    for line in failures:
        print(f"radarlib: {line}", file=sys.stderr)
    return 1 if failures else 0


def _export(args: argparse.Namespace) -> int:
    from radarlib.inspection.detector import Detector
    from radarlib.inspection.export import export

    export(Detector.load(args.model, "cpu"), args.out, args.format, tuple(args.size[::-1]) if args.size else None)
    print(f"{args.out}: exported; try: python {args.out / 'run.py'} IMAGE")
    return 0


def _bench(args: argparse.Namespace) -> int:
    from radarlib.bench import bench

    print(bench(_settings(args), args.device).to_string(index=False))
    return 0


Command = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
"""Adds a command: its name, what runs it, and its help."""


def _seed(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError("a whole number from 0 to 4294967295 is expected")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("a whole number from 1 on is expected")
    return value


def _add_fit(command: Command) -> None:
    fit = command("fit", _fit, "Learn what is normal from a folder of good images.")
    fit.add_argument("good", type=Path, metavar="GOOD_DIR")
    fit.add_argument("--out", type=Path, required=True, metavar="MODEL_DIR")
    fit.add_argument(
        "--config", type=Path, help="a profile's YAML (default: the values of radarlib/config.schema.json)"
    )
    fit.add_argument(
        "--roi", type=Path, help="an image or polygons (labelme JSON): the part of the images that is looked at"
    )
    fit.add_argument(
        "--fast",
        action="store_const",
        const=True,
        help="on pixels a network of half the channels: faster, and it may find less",
    )
    fit.add_argument("--steps", type=int, help="optimiser steps on pixels (default 1600)")
    fit.add_argument(
        "--image-size", type=int, help="resize every image to this side in px (default: keep each one's size)"
    )
    fit.add_argument(
        "--colour",
        action="store_const",
        const=True,
        help="look at red, green and blue, where a defect may be as bright as what is around it (default: gray)",
    )
    fit.add_argument(
        "--contamination",
        type=float,
        help="with the forest: share of the good images that may be called anomalous, 0 … 0.5 (default 0.05)",
    )
    fit.add_argument(
        "--decision",
        choices=("distance", "forest"),
        help=(
            "how far features lie above those of normal images, or RADAR's Isolation Forest, which is blind to gross"
            " defects where images are few (default distance)"
        ),
    )
    fit.add_argument(
        "--false-alarm-rate",
        type=float,
        help=(
            "share of new normal images that may be flagged (default 0.05); with the forest a third of the good images,"
            " or as many as it takes, are held out for it (default: none, the contamination decides)"
        ),
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
        help=(
            "where the single step is done: pixels (RADAR), the features of a pretrained network, or both (default"
            " pixels)"
        ),
    )
    fit.add_argument("--seed", type=_seed, default=0, help="of all that is random (default 0)")
    fit.add_argument("--device", help="auto, cpu, cuda or mps (default: the configuration's, auto)")


def _add_others(command: Command) -> None:
    detect = command("detect", _detect, "Judge images with a fitted model: scores.csv, report.html, maps, overlays.")
    detect.add_argument("model", type=Path, metavar="MODEL_DIR")
    detect.add_argument(
        "images", type=Path, nargs="+", metavar="IMAGE_OR_DIR", help="or a .txt with the path of an image a line"
    )
    detect.add_argument("--out", type=Path, required=True, metavar="DIR")
    detect.add_argument(
        "--jobs", type=_count, default=1, help="processes, each with a thread (default 1 with all threads)"
    )
    detect.add_argument(
        "--maps", choices=MAPS, default=ALL, help="of which images to keep map and overlay (default all)"
    )
    detect.add_argument("--watch", action="store_true", help="judge the images of a folder as they arrive")
    detect.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")

    export = command("export", _export, "Write a model as a folder that runs without PyTorch, and faster on a CPU.")
    export.add_argument("model", type=Path, metavar="MODEL_DIR")
    export.add_argument("--out", type=Path, required=True, metavar="DIR")
    export.add_argument("--format", choices=("onnx", "openvino"), default="onnx", help="default onnx")
    export.add_argument(
        "--size",
        type=int,
        nargs=2,
        metavar=("WIDTH", "HEIGHT"),
        help="of the images, in px (default: that of the images that were learned from)",
    )

    bench = command("bench", _bench, "How much of the machine training and inference use, and what one step saves.")
    bench.add_argument(
        "--config", type=Path, help="a profile's YAML (default: the values of radarlib/config.schema.json)"
    )
    bench.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="radarlib", description="Single-step diffusion anomaly detection (RADAR).")
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        sub.add_argument("--threads", type=_count, help="threads to use (default: all)")
        return sub

    _add_fit(command)
    _add_others(command)
    return top


INTERRUPTED = {
    "fit": "interrupted; the same command goes on, a training on pixels from its last checkpoint",
    "detect": "interrupted; the same command goes on",
}


def answer(parser: argparse.ArgumentParser, argv: list[str] | None = None) -> int:
    """Run the command that was given, and return the exit status; what the user can put right is one line on stderr."""
    args = parser.parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name that this output cannot show ends nothing
        sys.stdout.reconfigure(errors="backslashreplace")
    from radarlib.runtime import use_threads

    try:
        use_threads(args.threads)
        return args.run(args)
    except UserError as error:
        code, message = 2, str(error)
    except PermissionError as error:  # of a list, a model or a folder that another user owns
        code, message = 2, f"{error.filename}: {(error.strerror or 'not permitted').lower()}; allow it, or copy it"
    except KeyboardInterrupt:
        code, message = 130, INTERRUPTED.get(args.command, "interrupted")
    # Not before the exception is gone, and with it what it stopped: a progress bar ends its line then.
    print(f"radarlib: {message}", file=sys.stderr)
    return code


def main(argv: list[str] | None = None) -> int:
    return answer(parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
