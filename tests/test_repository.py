"""The files around the code stay in step with it."""

import json
import re
import runpy
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY

from radarlib import __version__, cli


def names(requirements) -> dict[str, str]:
    """{normalised name: the rest} of requirement lines."""
    found = {}
    for line in requirements:
        line = line.split("#")[0].strip()
        if line and not line.startswith("-"):
            name, rest = re.match(r"([A-Za-z0-9._-]+)(.*)", line).groups()
            found[re.sub(r"[-_.]+", "-", name).lower()] = rest.strip()
    return found


PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


CONSTRAINTS = names((REPOSITORY / "constraints.txt").read_text().splitlines())


def test_constraints_pin_everything_that_the_project_asks_for():
    wanted = names(
        [*PROJECT["dependencies"], *(r for extra in PROJECT["optional-dependencies"].values() for r in extra)]
    )
    assert set(wanted) <= set(CONSTRAINTS)
    assert all(rest.startswith("==") for rest in CONSTRAINTS.values())


def test_constraints_leave_the_gpu_to_the_user():
    assert not [name for name in CONSTRAINTS if name.startswith(("nvidia", "cuda", "triton", "torchvision"))]
    assert "+" not in CONSTRAINTS["torch"]


def test_environment_yml_installs_the_same():
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
    conda = [d for d in environment["dependencies"] if isinstance(d, str)]
    pip = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    assert f"python {PROJECT['requires-python'].replace('>=', '>=')}".replace(" ", "") == next(
        d for d in conda if d.startswith("python")
    ).replace(" ", "")
    assert "-c constraints.txt" in pip and "-e .[study,export,test]" in pip


def page(name: str) -> str:
    return (REPOSITORY / name).read_text()


def words(name: str) -> str:
    """A page without its blocks of commands."""
    return re.sub(r"^```.*?^```", "", page(name), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """Of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads}


def broken_links(name: str) -> list[str]:
    """Relative links to a file that is not there, or to a heading that its page does not have."""
    found, here = [], REPOSITORY / name
    for link in re.findall(r"\]\(([^)\s]+)\)", words(name)):
        file, _, anchor = link.partition("#")
        target = here.parent / file if file else here
        if "://" not in link and not (target.exists() and (not anchor or anchor in anchors(target))):
            found.append(link)
    return found


PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "config/README.md",
    "data/README.md",
    "figures/README.md",
    "notebooks/README.md",
    "tests/reference/README.md",
)
WINGS = {
    "radarlib": REPOSITORY / "radarlib",
    "inspection": REPOSITORY / "radarlib/inspection",
    "methods": REPOSITORY / "radarlib/methods",
    "study": REPOSITORY / "notebooks/study",
    "rules": REPOSITORY / "workflow/rules",
}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    assert broken_links(name) == []


def test_a_broken_link_is_seen(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "REPOSITORY", tmp_path)
    (tmp_path / "a.md").write_text("# What, now? (x)\n[a](b.md) [b](#what-now-x) [c](#else) [d](https://x.y)\n")
    assert broken_links("a.md") == ["b.md", "#else"]


def missing_paths(name: str) -> list[str]:
    """Paths in backticks that are neither in the repository's folder, nor beside the page, nor in the study's."""
    made = ("SET/", "results/", "figures/real", "found/", "model/", "export/", "maps/", "overlays/")  # by others
    spans = re.findall(r"`([^`\n]+)`", words(name))
    paths = [word for span in spans for word in span.split() if re.fullmatch(r"(?:[\w.]+/)+[\w.]*", word)]
    places = (REPOSITORY, (REPOSITORY / name).parent, WINGS["study"])
    return [path for path in paths if not path.startswith(made) and not any((at / path).exists() for at in places)]


@pytest.mark.parametrize("name", PAGES)
def test_paths_in_backticks_exist(name):
    assert missing_paths(name) == []


def test_a_missing_path_is_seen(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "REPOSITORY", tmp_path)
    (tmp_path / "a.md").write_text("`python x/y.py`, `gone/`, `a.md`, `results/x.csv`, `plan.py` and `radar/plan.py`\n")
    assert missing_paths("a.md") == ["x/y.py", "gone/"]


def test_the_map_names_every_room_and_no_other():
    text = page("README.md").split("## A map of the house")[1].split("\n## ")[0]
    rooms = {path.name for wing in WINGS.values() for path in wing.iterdir() if path.suffix in (".py", ".smk")}
    rooms |= {path.name for path in WINGS["study"].glob("*/*.py")}
    chapters = {f"{path.parent.name}/" for path in WINGS["study"].glob("*/plan.py")}
    named = set(re.findall(r"`([\w]+\.(?:py|smk))`", text))
    for wing in WINGS.values():
        known = {path.name for path in wing.iterdir() if path.suffix in (".py", ".smk")}
        assert known - named <= {"__init__.py", "__main__.py"}, wing
    assert named <= rooms
    assert all(f"`{chapter}`" in text for chapter in chapters)


def test_the_pages_are_short():
    assert len((REPOSITORY / "README.md").read_bytes()) <= 15_000
    assert len((REPOSITORY / "CONTRIBUTING.md").read_bytes()) <= 8_000


def test_every_equation_leads_to_code():
    """Each name of the table "From equation to code" is defined in the file beside it."""
    table = page("README.md").split("## From equation to code")[1].split("\n## ")[0]
    found = re.findall(r"((?:`[\w.]+`(?:, )?)+) in `([\w/]+\.py)`", table)
    assert len(found) >= 12
    for names_of, file in found:
        defined = set(re.findall(r"^\s*(?:def|class) (\w+)", page(file), re.MULTILINE))
        asked = {part for name in re.findall(r"`([\w.]+)`", names_of) for part in name.split(".")}
        assert asked <= defined, file


@pytest.mark.parametrize("name", PAGES)
def test_commands_in_the_pages_are_understood(name):
    """`radarlib …` by its own parser, `make …` by the Makefile's targets."""
    lines = [line for block in re.findall(r"^```\n(.*?)^```", page(name), re.M | re.S) for line in block.splitlines()]
    targets = set(re.findall(r"^([\w-]+):", page("Makefile"), re.MULTILINE))
    for line in lines:
        given = shlex.split(line, comments=True)
        if given[:1] == ["radarlib"]:
            assert cli.parser().parse_args(given[1:]).command == given[1]
        elif given[:1] == ["make"]:
            assert given[1] in targets


@pytest.fixture(scope="module")
def script() -> dict:
    return runpy.run_path(str(REPOSITORY / "workflow/readme_tables.py"))


def test_pages_show_the_numbers_of_the_reference_run(script):
    """Their tables are those that `python workflow/readme_tables.py` makes of the committed exhibits."""
    for name in script["PAGES"]:
        assert script["filled"](page(name)) == page(name), name
    shown = {name: re.findall(r"<!-- (\w+) of figures/default/(\S+?)[: ]", page(name)) for name in script["PAGES"]}
    assert shown["README.md"] == [("verdicts", "claims.csv"), ("table", "radar_table2_detection.csv")]
    assert len(shown["figures/README.md"]) >= 6 and shown["figures/README.md"][0] == ("table", "claims.md")
    assert all(page(name).count("<!--") == len(script["MARK"].findall(page(name))) for name in script["PAGES"])
    text = page("README.md")
    for row in ("| RADAR | **0.", "| RADAR, closed form | 0."):
        assert script["filled"](text.replace(row, row.replace("0.", "9."))) == text != text.replace(row, "")


def test_the_ledger_stands_in_full(script):
    rows = page("figures/default/claims.md").splitlines()[4:]
    assert len(rows) > 20
    assert "".join(map(script["unpadded"], rows)) in page("figures/README.md")


def test_verdicts_are_counted(script):
    """Experiments by paper, questions of ours and papers against themselves, with those that rest on measured times: as
    many as the ledger has rows; after a semicolon those on real sets.
    """
    rows = [re.split(r" *\| *", row.strip("| ")) for row in page("figures/default/claims.md").splitlines()[2:]]
    columns, cells = rows[0], rows[2:]
    kind, verdict = columns.index("kind"), columns.index("verdict")
    table = script["verdicts"](REPOSITORY / "figures/default/claims.csv")
    head, _, *lines = [line.strip("| ").split(" | ") for line in table.splitlines()]
    *papers, every, own, themselves, untested = lines
    assert int(own[-1]) == sum(c[kind] == "a question of ours" for c in cells) > 0
    for paper, *counts in papers:
        both = [c[verdict].split("; real: ") for c in cells if c[kind].startswith("exp") and c[1].startswith(paper)]
        mine, real = ([found[k].split(" (")[0] for found in both if len(found) > k] for k in (0, 1))
        beside = [f"; {real.count(name)}" if real else "" for name in head[1:-1]]
        told = [f"{mine.count(name)}{rest}" for name, rest in zip(head[1:-1], beside, strict=True)]
        assert counts == [*told, f"{len(mine)}"]
    for column in range(1, len(head)):
        for part in (0, 1):
            found = [cell.split("; ") for cell in (line[column] for line in (every, *papers))]
            first, *others = (int(cell[part]) if len(cell) > part else 0 for cell in found)
            assert first == sum(others)
    assert int(every[-1]) + int(own[-1]) + int(themselves[-1]) + int(untested[-1]) == len(cells)


def test_a_verdict_that_is_none_is_refused(script, tmp_path):
    for suffix in ("csv", "measured.json"):
        text = page(f"figures/default/claims.{suffix}").replace("fails", "perhaps")
        (tmp_path / f"claims.{suffix}").write_text(text)
    with pytest.raises(ValueError, match="perhaps: a verdict that is none of holds, partly"):
        script["verdicts"](tmp_path / "claims.csv")


def test_licence_and_citation():
    assert "MIT License" in (REPOSITORY / "LICENSE").read_text()
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert citation["version"] == __version__ and citation["license"] == "MIT"
    meta = json.loads((REPOSITORY / "codemeta.json").read_text())
    assert meta["version"] == __version__ and meta["license"].endswith("/MIT")
    newest = re.search(r"^## (\S+)$", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None and newest[1] == __version__
