import json

import pytest
from conftest import REPOSITORY

from radarlib.config import SCHEMA, load_settings, resolve, typed
from radarlib.errors import UserError

PROFILES = sorted(path.stem for path in (REPOSITORY / "config").glob("*.yaml"))


def test_the_profiles_are_there():
    assert PROFILES == ["default", "long", "long-real", "paper", "real", "smoke"]


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_are_valid_and_complete(profile):
    settings = load_settings(REPOSITORY / "config" / f"{profile}.yaml")
    assert set(settings) == set(SCHEMA["properties"])
    assert (settings["watermark"] is not None) == (profile == "smoke")


def test_every_key_has_a_meaning_and_a_default():
    for name, section in SCHEMA["properties"].items():
        for key, part in section.get("properties", {name: section}).items():
            assert part.get("description"), key
            assert "default" in part, key


def test_the_real_profile_is_the_defaults_with_the_studys_distance_between_patches():
    assert load_settings(REPOSITORY / "config/real.yaml") == resolve({"radar": {"stride": 14}})


def test_table_1_of_the_paper_is_the_default_profile():
    counts = load_settings(REPOSITORY / "config/default.yaml")["data"]["counts"]
    assert [(c["train"], c["test_good"], sum(c["test_defective"].values())) for c in counts.values()] == [
        (81, 40, 44),
        (230, 33, 74),
    ]


def test_patches_lie_three_quarters_of_one_apart_unless_told_otherwise():
    assert resolve({})["radar"]["stride"] == 21
    assert resolve({"training": {"patch": 16}, "reconstruction": {"stride": 16}})["radar"]["stride"] == 12
    assert resolve({"radar": {"stride": 14}})["radar"]["stride"] == 14


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"decision": {"contaminaton": 0.1}}, r"unknown key 'decision.contaminaton'; did you mean 'contamination'\?"),
        ({"contaminaton": 0.1}, "unknown key 'contaminaton'"),
        ({"training": {"lr": "1e-4"}}, r"training.lr: '1e-4' is not of type 'number'; .* write 1.0e-04"),
        ({"training": {"lr": "fast"}}, "training.lr: 'fast' is not of type 'number'; see training.lr"),
        ({"decision": {"contamination": 0.6}}, "decision.contamination: 0.6 is greater than the maximum of 0.5"),
        ({"decision": {"contamination": -0.1}}, "decision.contamination: -0.1 is less than the minimum of 0"),
        ({"decision": 3}, "decision: 3 is not of type 'object'"),
        ({"radar": {"blur": "median"}}, "radar.blur: 'median' is not one of"),
        ({"training": {"patch": 30}}, "training.patch: 30 cannot be halved 2 times; use a multiple of 4"),
        ({"radar": {"stride": 40}}, "radar.stride: 40 leaves gaps between 28-px patches"),
        ({"seeds": []}, "seeds: "),
        ({"budget": {"steps": [5, 2]}}, r"budget.steps: \[5, 2\] must ascend and end with training.steps, 1600"),
        (
            {"budget": {"steps": [800, 1500]}},
            r"budget.steps: \[800, 1500\] must ascend and end with training.steps, 1600",
        ),
        ({"training": {"t_max": 1001}}, "training.t_max: 1001 is more than the 1000 steps that there are"),
        ({"data": {"image_size": 20}}, "data.image_size: 20 is smaller than the 28-px patch"),
        ({"training": {"lr": float("nan")}}, r"training.lr: no number \(nan\)"),
        ({"robust": {"image_size": 16}}, "robust.image_size: 16 is smaller than the 28-px patch"),
        ({"noise_study": {"image_size": 16}}, "noise_study.image_size: 16 is smaller than the 28-px patch"),
        ({"noise": {"sigma": [2]}}, r"noise.sigma: \[2\] is too short"),
        ({"loss": {"kind": "pseudo_huber", "delta": 0}}, "loss.delta: 0 makes no loss; use a positive number"),
        ({"radar": {"sigma": float("inf")}}, r"radar.sigma: no number \(inf\)"),
        ({"loss": {"kind": "pseudo_huber", "delta": float("inf")}}, "loss.delta: inf makes no loss"),
        ({"loss": {"kind": "huber", "delta": float("nan")}}, r"loss.delta: no number \(nan\)"),
        ({"radar": {"t": 5000}}, "radar.t: 5000 is more than the 1000 steps"),
        ({"ran": {"steps": 300}}, "ran.steps: 300 is more than the 250 steps"),
        ({"d3ad": {"t_max": 1001}}, "d3ad.t_max: 1001 is more than the 1000 steps"),
        ({"d3ad": {"smallest_bin": 11}}, "d3ad.smallest_bin: 11 of 10 bins gives no step of d3ad.t_max 80"),
        ({"d3ad": {"t_max": 10, "bins": 30}}, "d3ad.smallest_bin: 2 of 30 bins gives no step of d3ad.t_max 10"),
        ({"reconstruction": {"reverse_steps": 300}}, "reconstruction.reverse_steps: 300 is more than the 250 steps"),
    ],
)
def test_mistakes_get_one_line_that_names_the_key(values, message):
    with pytest.raises(UserError, match=message) as caught:
        resolve(values, "my.yaml")
    assert str(caught.value).startswith("my.yaml: ") and "\n" not in str(caught.value)


def test_numbers_are_written_in_json_as_json_has_them(tmp_path):
    """Python writes 0.00001 as 1e-05, which is text in YAML."""
    (tmp_path / "own.json").write_text(json.dumps({"training": {"lr": 0.00001}}))
    assert load_settings(tmp_path / "own.json")["training"]["lr"] == 0.00001


def test_a_whole_number_with_a_point_is_a_whole_number():
    """As programs write it into JSON; JSON Schema takes it for an integer, Python's range does not."""
    found = resolve({"training": {"steps": 12.0, "t_max": 5.0}, "budget": {"steps": [6.0, 12.0]}})
    assert found["training"]["steps"] == 12 and isinstance(found["training"]["steps"], int)
    assert all(isinstance(n, int) for n in (found["training"]["t_max"], *found["budget"]["steps"]))
    with pytest.raises(UserError, match=r"training.steps: 12.5 is not of type 'integer'"):
        resolve({"training": {"steps": 12.5}})


def test_a_key_that_is_no_text_is_unknown():
    with pytest.raises(UserError, match="unknown key 'training.1'"):
        resolve({"training": {1: 2}})


@pytest.mark.parametrize(
    ("name", "text"), [("a.json", "[]"), ("a.json", "0"), ("a.yaml", "[]"), ("a.json", "[" * 10**5)]
)
def test_what_is_no_mapping_is_named(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=r"a.(json|yaml): (a mapping|not a readable)"):
        load_settings(tmp_path / name)


def test_files_that_are_no_profile_are_named(tmp_path):
    with pytest.raises(
        UserError, match=r"nothere.yaml: no such profile; there are: default, long, long-real, paper, real, smoke"
    ):
        load_settings(REPOSITORY / "config/nothere.yaml")
    (tmp_path / "broken.yaml").write_text("a: [1, 2")
    with pytest.raises(UserError, match="broken.yaml: not a readable YAML or JSON file"):
        load_settings(tmp_path / "broken.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\x89PNG\xff")
    for unreadable in ("binary.yaml", "."):
        with pytest.raises(UserError, match="not a readable YAML or JSON file"):
            load_settings(tmp_path / unreadable)
    (tmp_path / "list.yaml").write_text("[1, 2]")
    with pytest.raises(UserError, match="list.yaml: a mapping"):
        load_settings(tmp_path / "list.yaml")


def test_scientific_notation_without_a_point_is_explained(tmp_path):
    (tmp_path / "my.yaml").write_text("training:\n  lr: 1e-4\n")
    with pytest.raises(UserError, match="write 1.0e-04"):
        load_settings(tmp_path / "my.yaml")


def test_text_from_the_command_line_gets_its_type():
    given = {"decision": {"contamination": "0.1"}, "seeds": ["0", "1"], "training": {"lr": "1e-4"}, "watermark": "null"}
    assert typed(given) == {
        "decision": {"contamination": 0.1}, "seeds": [0, 1], "training": {"lr": "1e-4"}, "watermark": None,
    }  # fmt: skip


def test_overrides_are_merged_by_section():
    settings = load_settings(REPOSITORY / "config/smoke.yaml", {"training": {"steps": 5}})
    assert settings["training"]["steps"] == 5 and settings["training"]["patch"] == 16
