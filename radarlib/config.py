"""Parameters: one JSON schema holds every key with its default and meaning; a profile's YAML names what differs."""

from __future__ import annotations

import copy
import difflib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from radarlib.errors import UserError

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError


SCHEMA = json.loads(Path(__file__).with_name("config.schema.json").read_text())
ENDLESS = ("loss.delta", "training.clip")  # numbers that may be infinite: no error is robust, no gradient is clipped


def _with_defaults(schema: dict, value: Any) -> Any:
    """Fill in missing keys from the schema, recursively. Values of a wrong type are left to the validator; a whole
    number that is written as 12.0, which it takes for an integer, becomes one.
    """
    if isinstance(value, float) and value.is_integer() and "integer" in schema.get("type", ()):
        return int(value)
    if isinstance(value, list):
        return [_with_defaults(schema.get("items", {}), part) for part in value]
    if not isinstance(value, dict):
        return value
    for key, part in schema.get("properties", {}).items():
        if key not in value and "default" in part:
            value[key] = copy.deepcopy(part["default"])
        if key in value:
            value[key] = _with_defaults(part, value[key])
    return value


def merge(base: dict, over: dict) -> dict:
    """`over` on top of `base`; sections are merged, all other values replaced."""
    merged = dict(base)
    for key, value in over.items():
        merged[key] = (
            merge(merged[key], value) if isinstance(value, dict) and isinstance(merged.get(key), dict) else value
        )
    return merged


def _explain(error: ValidationError, source: str) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = next(str(key) for key in error.instance if key not in known)
        close = difflib.get_close_matches(unknown, known, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
        return f"{source}: unknown key {'.'.join(filter(None, [where, unknown]))!r}; {hint}"
    hint = ""
    if error.validator == "type" and isinstance(error.instance, str):
        try:
            hint = f"; in YAML a number in scientific notation needs a point: write {float(error.instance):.1e}"
        except ValueError:
            hint = f"; see {where} in radarlib/config.schema.json"
    return f"{source}: {where}: {error.message}{hint}"


def typed(value: Any) -> Any:
    """The values of `snakemake --config key={…}`, which leaves numbers inside a mapping or a list as text."""
    if isinstance(value, dict):
        return {key: typed(part) for key, part in value.items()}
    if isinstance(value, list):
        return [typed(part) for part in value]
    return yaml.safe_load(value) if isinstance(value, str) else value


def resolve(values: dict, source: str = "settings") -> dict:
    """Check settings against the schema and fill in its defaults.

    Raises UserError, one line, for an unknown key, a wrong type, or a value out of range.
    """
    from jsonschema import Draft202012Validator, exceptions  # two seconds to import, which most jobs can do without

    settings = _with_defaults(SCHEMA, copy.deepcopy(values))
    error = exceptions.best_match(Draft202012Validator(SCHEMA).iter_errors(settings))
    if error is not None:
        raise UserError(_explain(error, source))
    for key, value in _numbers(settings):
        if math.isnan(value) or (math.isinf(value) and key not in ENDLESS):
            raise UserError(f"{source}: {key}: no number ({value})")
    patch, halvings = settings["training"]["patch"], len(settings["unet"]["multipliers"]) - 1
    if patch % 2**halvings:
        raise UserError(
            f"{source}: training.patch: {patch} cannot be halved {halvings} times; use a multiple of {2**halvings}"
        )
    if settings["radar"]["stride"] is None:
        settings["radar"]["stride"] = 3 * patch // 4
    for section in ("radar", "reconstruction"):
        if settings[section]["stride"] > patch:
            raise UserError(
                f"{source}: {section}.stride: {settings[section]['stride']} leaves gaps between {patch}-px patches"
            )
    steps, start = settings["diffusion"]["steps"], settings["reconstruction"]["t_start"]
    for key, value, top in (
        ("radar.t", settings["radar"]["t"], steps),
        ("training.t_max", settings["training"]["t_max"] or 1, steps),
        ("reconstruction.t_start", start, steps),
        ("diffusionad.t_small", settings["diffusionad"]["t_small"], steps),
        ("diffusionad.t_big", settings["diffusionad"]["t_big"], steps),
        ("reconstruction.reverse_steps", settings["reconstruction"]["reverse_steps"], start),
        ("ran.steps", settings["ran"]["steps"], start),
        ("d3ad.t_max", settings["d3ad"]["t_max"], steps),
        ("limit.times", max(settings["limit"]["times"]), steps),
        ("budget.times", max(settings["budget"]["times"]), steps),
        ("budget.t_max", max(settings["budget"]["t_max"], default=1), steps),
    ):
        if value > top:
            raise UserError(f"{source}: {key}: {value} is more than the {top} steps that there are")
    milestones, end = settings["budget"]["steps"], settings["training"]["steps"]
    if milestones is None:
        milestones = settings["budget"]["steps"] = [max(1, end // part) for part in (4, 2, 1) if part <= end]
    if milestones != sorted(milestones) or milestones[-1] != end:
        raise UserError(f"{source}: budget.steps: {milestones} must ascend and end with training.steps, {end}")
    delta, pseudo = settings["loss"]["delta"], settings["loss"]["kind"] == "pseudo_huber"
    if pseudo and not 0 < delta < math.inf:
        raise UserError(f"{source}: loss.delta: {delta} makes no loss; use a positive number for the pseudo-Huber loss")
    for section in ("data", "robust", "noise_study"):
        side = settings[section]["image_size"]
        if side is not None and side < patch:
            raise UserError(f"{source}: {section}.image_size: {side} is smaller than the {patch}-px patch")
    d3ad = settings["d3ad"]
    if d3ad["smallest_bin"] > d3ad["bins"] or d3ad["smallest_bin"] * d3ad["t_max"] < d3ad["bins"]:
        raise UserError(
            f"{source}: d3ad.smallest_bin: {d3ad['smallest_bin']} of {d3ad['bins']} bins gives no step of"
            f" d3ad.t_max {d3ad['t_max']}"
        )
    return settings


def _numbers(value: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """All floats in settings, each with the keys that lead to it."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _numbers(part, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for part in value:
            yield from _numbers(part, key)
    elif isinstance(value, float):
        yield key, value


def load_settings(path: Path | None = None, overrides: dict | None = None) -> dict:
    """Settings from a YAML or JSON file (None: the schema's defaults) with `overrides` on top, checked and complete.

    Raises UserError, one line, for a missing or damaged file and for whatever `resolve` refuses.
    """
    values: Any = {}
    if path is not None:
        try:
            read = json.loads if Path(path).suffix == ".json" else yaml.safe_load
            values = read(Path(path).read_text())
            values = {} if values is None else values  # an empty YAML file
        except FileNotFoundError:
            known = ", ".join(sorted(p.stem for p in Path(path).parent.glob("*.yaml")))
            raise UserError(f"{path}: no such profile; there are: {known}") from None
        except (yaml.YAMLError, ValueError, OSError, RecursionError) as error:  # a ValueError by JSON and UTF-8
            raise UserError(f"{path}: not a readable YAML or JSON file ({' '.join(str(error).split())})") from None
        if not isinstance(values, dict):
            raise UserError(f"{path}: a mapping of keys to values was expected")
    source = str(path or "settings")
    if overrides:
        resolve(values, source)  # so that a mistake is said to be where it stands
        source = f"what overrides {source}"
    return resolve(merge(values, overrides or {}), source)
