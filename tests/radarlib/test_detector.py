"""A user's own images: fit, detect, their files and their complaints."""

import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
import tifffile
from conftest import REPOSITORY, run, write_png

from radarlib import cli
from radarlib.cli import main
from radarlib.config import merge, resolve
from radarlib.denoiser import Denoiser
from radarlib.errors import UserError
from radarlib.files import read_json, write_json
from radarlib.images import read_image
from radarlib.inspection import judge as own
from radarlib.inspection.detector import Detector
from radarlib.inspection.judge import detect, fit, overlay

TINY = {
    "unet": {"width": 4, "multipliers": [1, 2], "attention_levels": []},
    "training": {"patch": 28, "steps": 4, "batch": 2, "precision": "float32"},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Good images of mixed kinds and sizes, a config, and a model fitted by the command line."""
    root, rng = tmp_path_factory.mktemp("own"), np.random.default_rng(0)
    for k in range(5):
        write_png(root / "good" / f"gray{k}.png", rng.integers(0, 256, (30 + k, 40)).astype(np.uint8))
        write_png(root / "good" / "sub" / f"colour{k}.png", rng.integers(0, 65536, (40, 33, 3)).astype(np.uint16))
    (root / "tiny.yaml").write_text(json.dumps(TINY))
    assert main(["fit", str(root / "good"), "--out", str(root / "model"), "--config", str(root / "tiny.yaml")]) == 0
    for name in ("a.png", "b.png", "nested/a.png"):
        write_png(root / "test" / name, rng.integers(0, 256, (40, 50)).astype(np.uint8))
    return root


def found(folders, out, *targets):
    code = main(["detect", str(folders / "model"), *(str(folders / t) for t in targets), "--out", str(out)])
    return code, pd.read_csv(out / "scores.csv") if (out / "scores.csv").exists() else None


def test_model_directory_holds_nothing_that_executes(folders):
    names = sorted(p.name for p in (folders / "model").iterdir())
    assert names == ["detector.json", "loss.csv", "model.json", "model.safetensors", "timing.json"]
    assert len(read_json(folders / "model/detector.json")["features"]) == 10


def test_a_fit_killed_after_training_does_not_train_again(tmp_path, monkeypatch):
    from radarlib.train import Trainer

    good, _ = own.example_folders(tmp_path, n=8)
    settings = resolve(TINY)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("radarlib.radar.score", killed)
        fit(good, tmp_path / "m", settings)
    monkeypatch.setattr(Trainer, "train_step", killed)
    assert len(fit(good, tmp_path / "m", settings).features_) == 8


def test_detect_leaves_scores_maps_and_overlays(folders, tmp_path):
    code, scores = found(folders, tmp_path, "test")
    assert code == 0
    assert list(scores.columns) == ["image", "score", "threshold", "anomalous", "p_value", "regions"]
    assert scores["image"].tolist() == ["a.png", "b.png", "nested/a.png"]
    assert (scores["anomalous"] == (scores["score"] > scores["threshold"])).all()
    for name in scores["image"]:
        assert tifffile.imread(tmp_path / "maps" / f"{name}.tiff").shape == (40, 50)
        assert tifffile.imread(tmp_path / "maps" / f"{name}.tiff").dtype == np.float32
        assert cv2.imread(str(tmp_path / "overlays" / f"{name}.png")).shape == (40, 50, 3)


def test_score_does_not_depend_on_company(folders, tmp_path):
    _, together = found(folders, tmp_path / "x", "test")
    _, alone = found(folders, tmp_path / "y", "test/b.png")
    assert alone["score"].item() == together["score"][1]


def test_equal_names_in_two_folders_stay_apart(folders, tmp_path):
    _, scores = found(folders, tmp_path, "test/a.png", "test/nested/a.png")
    assert len(scores) == 2 and scores["image"].is_unique
    assert len(list((tmp_path / "maps").rglob("*.tiff"))) == 2


def test_a_killed_detection_goes_on(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(own, "FLUSH_SECONDS", -1)
    monkeypatch.setattr(own, "FLUSH_SHARE", 0)
    model, seen = Detector.load(folders / "model"), []
    original = Detector.detect

    def dies(self, *arguments):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(1)
        return original(self, *arguments)

    monkeypatch.setattr(Detector, "detect", dies)
    with pytest.raises(KeyboardInterrupt):
        detect(model, [folders / "test"], tmp_path, folders / "model")
    assert len(pd.read_csv(tmp_path / "scores.csv")) == 2, "what was finished is lost"
    seen.clear()
    table, _ = detect(model, [folders / "test"], tmp_path, folders / "model")
    assert len(seen) == 1 and len(table) == 3


def test_bad_images_are_named_and_the_others_judged(folders, tmp_path, capsys):
    for name, content in (("text.png", b"no image"), ("empty.jpg", b"")):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    write_png(tmp_path / "in/small.png", np.zeros((20, 20), np.uint8))
    write_png(tmp_path / "in/fine.png", np.zeros((30, 30), np.uint8))
    with pytest.raises(UserError, match=r"small\.png: 20×20 px is smaller than the 28-px patch"):
        read_image(tmp_path / "in/small.png", size=64, least=28)  # as it is, not as it is made
    code = main(["detect", str(folders / "model"), str(tmp_path / "in"), "--out", str(tmp_path / "out")])
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("radarlib:")]
    assert code == 1 and len(lines) == 3
    assert pd.read_csv(tmp_path / "out/scores.csv")["image"].tolist() == ["fine.png"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--loss", "huber", "--delta", "0.1"], {"kind": "huber", "delta": 0.1, "keep": 0.8}),
        (["--loss", "lts", "--keep", "0.6"], {"kind": "lts", "delta": 0.2, "keep": 0.6}),
    ],
)
def test_a_robust_loss_is_used_and_recorded(folders, tmp_path, options, expected):
    command = ["fit", str(folders / "good"), "--out", str(tmp_path / "m"), "--config", str(folders / "tiny.yaml")]
    assert main([*command, *options]) == 0
    assert read_json(tmp_path / "m/model.json")["settings"]["loss"] == expected
    plain, robust = (pd.read_csv(folder / "loss.csv")["loss"] for folder in (folders / "model", tmp_path / "m"))
    assert (plain > robust).all()  # the same batches, with less weight on large errors


def test_fast_is_a_smaller_network_and_nothing_else():
    command = ["fit", "good", "--out", "m"]
    usual, fast = (cli._settings(cli.parser().parse_args([*command, *more])) for more in ([], ["--fast"]))
    assert fast == merge(usual, {"unet": {"width": 8}}) != usual


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "missing", "--out", "m"], "missing: no such folder"),
        (
            ["fit", ".", "--out", "m", "--loss", "lts", "--keep", "0"],
            "loss.keep: 0.0 is less than or equal to the minimum of 0",
        ),
        (["fit", ".", "--out", "../m"], "no image in this folder"),
        (["fit", ".", "--out", "m"], "m: lies in ., among the images"),
        (
            ["fit", ".", "--out", "m", "--contamination", "0.7"],
            "decision.contamination: 0.7 is greater than the maximum of 0.5",
        ),
        (
            ["fit", ".", "--out", "m", "--contamination", "0.1"],
            "--contamination changes nothing with --decision distance",
        ),
        (["fit", ".", "--out", "m", "--config", "no.yaml"], "no.yaml: no such profile"),
        (
            ["fit", ".", "--out", "m", "--loss", "lts", "--delta", "0.1"],
            "--delta changes nothing with --loss lts; leave out one of the two",
        ),
        (
            ["fit", ".", "--out", "m", "--space", "features", "--steps", "9"],
            "--steps changes nothing with --space features",
        ),
        (
            ["fit", ".", "--out", "m", "--space", "features", "--fast"],
            "--fast changes nothing with --space features",
        ),
        (["detect", "missing", "x.png", "--out", "o"], "missing: no such model directory; make it with: radarlib fit"),
    ],
)
def test_mistakes_get_one_line_and_no_traceback(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said and len(said.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_message_has_a_line_to_itself(tmp_path):
    for k in range(9):
        write_png(tmp_path / f"good/{k}.png", np.full((30, 30), k, np.uint8))
    (tmp_path / "good/5.png").write_bytes(b"no image")
    done = run("radarlib", "fit", "good", "--out", "m", cwd=tmp_path, PYTHONPATH=str(REPOSITORY))
    assert done.stderr.splitlines()[-1].startswith("radarlib: good/5.png: not a readable image (of no known kind)")


def test_the_root_of_a_data_set_is_not_taken_for_normal_images(mvtec, tmp_path):
    with pytest.raises(
        UserError, match=r"cloth: a data set with its test images; give the normal ones alone: .*train/good"
    ):
        fit(mvtec / "cloth", tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_seed_that_is_none_is_refused_at_once(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["fit", str(tmp_path), "--out", str(tmp_path / "m"), "--seed", "-1"])
    assert "argument --seed: a whole number from 0 to 4294967295 is expected" in capsys.readouterr().err


def test_images_of_twelve_bits_and_a_model_that_is_replaced_get_a_note(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for k in range(8):
        write_png(tmp_path / f"good/{k}.png", rng.integers(0, 4096, (30, 30)).astype(np.uint16))
    fit(tmp_path / "good", tmp_path / "m", resolve(TINY))
    first = capsys.readouterr().err
    assert "12 bits saved in 16?" in first and "replace" not in first
    fit(tmp_path / "good", tmp_path / "m", resolve(TINY))
    assert "m: holds a fitted model, which this one will replace" in capsys.readouterr().err


def test_too_few_images_and_missing_targets(folders, tmp_path):
    for name in "abcdefghi":  # copies of one image
        write_png(tmp_path / f"few/{name}.png", np.zeros((30, 30), np.uint8))
    with pytest.raises(UserError, match="1 different images are too few"):
        fit(tmp_path / "few", tmp_path / "m")
    with pytest.raises(UserError, match=r"nothing.png: no such file"):
        detect(Detector.load(folders / "model"), [tmp_path / "nothing.png"], tmp_path, folders / "model")


def test_damaged_detector_files_are_named(folders, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(folders / "model", model)
    whole = read_json(model / "detector.json")
    write_json(model / "detector.json", {k: v for k, v in whole.items() if k != "features"})
    with pytest.raises(UserError, match="detector.json: damaged"):
        Detector.load(model)
    write_json(model / "detector.json", {**whole, "format": 1})
    with pytest.raises(
        UserError, match="detector.json: format 1, this radarlib reads format 2 to 4; fit the model again"
    ):
        Detector.load(model)
    (model / "detector.json").write_text("{")
    with pytest.raises(UserError, match="detector.json: damaged"):
        Detector.load(model)
    (model / "detector.json").unlink()
    with pytest.raises(UserError, match="detector.json: missing, the fit has not ended; the same radarlib fit goes on"):
        Detector.load(model)


def test_a_model_of_another_fit_is_refused(folders, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(folders / "model", model)
    Denoiser.untrained(resolve(TINY), 1).save(model)
    with pytest.raises(UserError, match=r"model\.safetensors: damaged, or of another fit"):
        Detector.load(model)


def test_overlay_is_calm_where_the_map_is():
    image = np.zeros((10, 10), np.float32)
    s = np.zeros((10, 10), np.float32)
    s[0, 0], s[5, 5] = 0.99, 3
    painted = overlay(image, s, 1.0)
    assert (painted[0, 0] == painted[0, 0][0]).all() and not (painted[5, 5] == painted[5, 5][0]).all()


def test_example_folders_can_be_fitted(tmp_path):
    good, test = own.example_folders(tmp_path, n=8)
    assert len(list(good.glob("*.png"))) == 8 and len(list(test.glob("*.png"))) == 8


def test_a_promised_false_alarm_rate_holds_out_images_and_adds_p_values(folders, tmp_path, capsys):
    (tmp_path / "tiny.yaml").write_text(json.dumps(TINY))
    good, test = own.example_folders(tmp_path, n=18)
    options = ["--config", str(tmp_path / "tiny.yaml"), "--false-alarm-rate", "0.1", "--decision", "forest"]
    assert main(["fit", str(good), "--out", str(tmp_path / "model"), *options]) == 0
    assert "calibrated on 9 held-out images: on average at most 10% of new normal ones" in capsys.readouterr().out
    model = Detector.load(tmp_path / "model")
    assert len(model.features_) == len(model.calibration_) == len(model.peaks_) == 9
    assert not {tuple(row) for row in model.features_} & {tuple(row) for row in model.calibration_}
    table, _ = detect(model, [test], tmp_path / "out", tmp_path / "model")
    assert list(table.columns) == ["image", "score", "threshold", "anomalous", "p_value", "regions"]
    assert ((table["p_value"] <= 0.1) == table["anomalous"]).all() and table["p_value"].between(0.1, 1).all()


def test_a_promise_that_a_forest_cannot_keep_is_refused(folders, tmp_path, capsys):
    command = ["fit", str(folders / "good"), "--out", str(tmp_path / "m"), "--decision", "forest"]
    code = main([*command, "--false-alarm-rate", "0.05"])
    assert code == 2 and "needs 19 calibration images beside 8 for training; 10 were given" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("options", "promise", "said"),
    [
        ([], 1 / 11, "about 1 in 11 is: 5% cannot be promised with 10 images, give 19"),
        (["--false-alarm-rate", "0.2"], 2 / 11, "about 18% are, the highest share up to 20% that 10 images can tell"),
    ],
)
def test_what_so_few_images_can_promise_is_said(folders, tmp_path, capsys, options, promise, said):
    command = ["fit", str(folders / "good"), "--out", str(tmp_path / "m"), "--config", str(folders / "tiny.yaml")]
    assert main([*command, *options]) == 0
    assert said in capsys.readouterr().out
    detector = Detector.load(tmp_path / "m")
    assert detector.promise == pytest.approx(promise)
    assert (detector.calibration_scores_ > detector.threshold_).sum() <= promise * 11


@pytest.mark.parametrize(("space", "columns"), [("features", 2), ("both", 4)])
def test_the_single_step_on_features_is_fitted_saved_and_loaded(folders, tmp_path, space, columns):
    config = {**TINY, "features": {"side": 32}, "feature_step": {"width": 8, "steps": 3}}
    (tmp_path / "tiny.yaml").write_text(json.dumps(config))
    model, out = tmp_path / "model", tmp_path / "out"
    assert (
        main(
            [
                "fit",
                str(folders / "good"),
                "--out",
                str(model),
                "--config",
                str(tmp_path / "tiny.yaml"),
                "--space",
                space,
            ]
        )
        == 0
    )
    files = {path.suffix for path in model.iterdir()}
    assert files <= {".json", ".csv", ".safetensors"} and (model / "model.safetensors").exists() == (space == "both")
    assert main(["detect", str(model), str(folders / "test"), "--out", str(out)]) == 0
    scores, detector = pd.read_csv(out / "scores.csv"), Detector.load(model)
    assert detector.features_.shape == (10, columns) and len(scores) == 3
    found = detector.detect(np.zeros((31, 44), np.float32))
    assert found.anomaly_map.shape == (31, 44) and np.isfinite(found.score)
    assert tifffile.imread(out / "maps/a.png.tiff").dtype == np.float32
    data = (model / "features.safetensors").read_bytes()
    (model / "features.safetensors").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(UserError, match=r"features\.safetensors: damaged, or of another fit"):
        Detector.load(model)
    (model / "features.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match=r"features\.safetensors: damaged"):
        Detector.load(model)
    (model / "features.safetensors").unlink()
    with pytest.raises(UserError, match=r"features\.safetensors: missing"):
        Detector.load(model)


def test_a_model_fitted_by_an_earlier_radarlib_goes_on_loading(tmp_path):
    """`tests/reference/fitted_0.1.0` and its score are of the last commit before the code had its present places."""
    directory = REPOSITORY / "tests/reference/fitted_0.1.0"
    rng = np.random.default_rng(0)
    image = 0.5 * np.sin(np.arange(40) / 3)[:, None] + 0.2 * rng.normal(size=(40, 48))
    detector = Detector.load(directory, "cpu")
    found = detector.detect(image.clip(-1, 1).astype(np.float32))
    assert found.score == pytest.approx(0.735364, abs=0.02) and found.threshold == pytest.approx(0.578129, abs=0.02)
    assert found.anomaly_map.mean() == pytest.approx(2.522564, rel=0.02) and found.anomalous
    write_png(tmp_path / "new/a.png", np.full((40, 40), 90, np.uint8))
    table, failures = detect(detector, [tmp_path / "new"], tmp_path / "out", directory)
    assert len(table) == 1 and not failures
