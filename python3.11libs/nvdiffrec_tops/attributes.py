"""What Attribute Create does in the original workflow: the attributes of each scene to be trained.

One set of settings gives one work item for each configuration and each combination of override
values. The attribute names are the original workflow's, so that stock nodes can read them.
"""

from __future__ import annotations

import glob
import hashlib
import itertools
import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nvdiffrec_contract.preparation import CONFIGURATION
from nvdiffrec_tops import presets
from nvdiffrec_tops.job import engines
from nvdiffrec_tops.presets import PresetError

ENGINE: Final = "ENGINE"
ENVIRONMENT: Final = "MINICONDA_ENV"
WORKING_DIR: Final = "WORKING_DIR"
SCRIPT: Final = "SCRIPT_NAME"
CONFIG: Final = "CONFIG_NAME"
OUTPUT: Final = "OUTPUT_DIR"
OVERRIDES: Final = "OVERRIDES"
VARIABLES: Final = "TRAINING_VARIABLES"
CAPTURE: Final = "CAPTURE_DIR"
"""The data set that a capture upstream makes; its configuration may come into being with it."""

LAYOUTS: Final = ("auto", "always", "never")
_MAX_ITEMS = 100_000
_FIELD = re.compile(r"[A-Za-z_]\w{0,63}(\.[A-Za-z_]\w{0,63})?")
_PATTERN = re.compile(r"[*?\[]")
_OPEN, _CLOSE = "[{", "]}"


class AttributesError(ValueError):
    """Settings that describe no training; names the parameter and what to do."""


@dataclass(frozen=True)
class SceneSettings:
    """The settings of an *nvdiffrec Attributes* node, evaluated.

    ``config_name`` is relative to ``working_dir``, or a pattern. ``overrides`` are pairs of a
    configuration field and a text that lists values (see :func:`listed_values`). ``layout``: a
    folder per item below ``output_dir`` when there are several (``auto``), ``always``, ``never``.
    """

    engine: str
    miniconda_env: str
    working_dir: str
    config_name: str
    output_dir: str
    script_name: str = "train.py"
    layout: str = "auto"
    preset: str = ""
    overrides: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class SceneAttributes:
    """One work item: its label and its string attributes."""

    label: str
    values: Mapping[str, str]


def scenes(settings: SceneSettings) -> list[SceneAttributes]:
    """The work items that the settings describe, configurations first, in a stable order.

    Raises:
        AttributesError: a setting is missing or wrong, or nothing matches the pattern.
    """
    _check(settings)
    try:
        fixed = dict(presets.load(settings.preset).overrides) if settings.preset else {}
    except PresetError as error:
        raise AttributesError(f"Preset: {error}") from None
    wedge = _wedge(settings.overrides)
    configs = configurations(settings.working_dir, settings.config_name)
    count = math.prod(len(values) for values in wedge.values())
    if len(configs) * count > _MAX_ITEMS:
        raise AttributesError(
            f"Overrides: {len(configs)} configurations and {count} combinations of values make "
            f"more than {_MAX_ITEMS} work items; list fewer values"
        )
    combinations = list(itertools.product(*wedge.values()))
    varied = [name for name, values in wedge.items() if len(values) > 1]
    stems = _stems(configs)
    several = len(configs) * count > 1
    below = settings.layout == "always" or (settings.layout == "auto" and several)
    made = []
    for config, stem in zip(configs, stems, strict=True):
        for combination in combinations:
            own = dict(zip(wedge, combination, strict=True))
            words = [stem, *(f"{name}={_short(own[name])}" for name in varied)]
            output = settings.output_dir
            if below:
                output = f"{output.rstrip('/')}/{_folder(words)}"
            values = {
                ENVIRONMENT: _with_slash(settings.miniconda_env),
                WORKING_DIR: _with_slash(settings.working_dir),
                SCRIPT: settings.script_name,
                CONFIG: config,
                ENGINE: settings.engine,
                OUTPUT: output,
            }
            if overrides := {**fixed, **own}:
                values[OVERRIDES] = json.dumps(overrides, ensure_ascii=True)
            made.append(SceneAttributes(" ".join(words), values))
    return made


def _check(settings: SceneSettings) -> None:
    try:
        engine = engines.engine(settings.engine)
    except engines.EngineError as error:
        raise AttributesError(f"Engine: {error}") from None
    needed = {
        "Environment": settings.miniconda_env,
        "Working Folder": settings.working_dir,
        "Configuration": settings.config_name,
        "Output Folder": settings.output_dir,
    }
    if engine.needs_checkout:
        needed["Training Script"] = settings.script_name
    for label, value in needed.items():
        if not value.strip():
            raise AttributesError(f"{label} is empty; it must say {_WANTED[label]}")
        if "\0" in value or "\n" in value:
            raise AttributesError(f"{label} holds a line end; it must say {_WANTED[label]}")
    if settings.layout not in LAYOUTS:
        raise AttributesError(f"Folders: there is no layout '{settings.layout}'")


_WANTED = {
    "Environment": "the folder of a conda environment or a venv",
    "Working Folder": "the folder that the configuration's paths start from; for nvdiffrec, the "
    "checkout",
    "Configuration": "a JSON configuration below the working folder, or a pattern such as "
    "configs/*.json",
    "Output Folder": "where the results are put",
    "Training Script": "the script in the checkout, train.py",
}


def is_promised(item: Mapping[str, str]) -> bool:
    """Whether the configuration of an item comes into being in the cook: a capture upstream makes
    it, with the data set that it lies in."""
    capture = item.get(CAPTURE, "")
    if not capture:
        return False
    made = os.path.join(capture, CONFIGURATION)
    named = os.path.join(item.get(WORKING_DIR, ""), item.get(CONFIG, ""))
    return os.path.normpath(made) == os.path.normpath(named)


def configurations(working_dir: str, config_name: str) -> list[str]:
    """The configurations that a name or pattern means, relative to the folder where it is.

    A pattern (``*``, ``?``, ``[abc]``, ``**`` for folders) is looked up on this machine. A plain
    name is taken as it is: the machine that trains reads it.

    Raises:
        AttributesError: a pattern matches nothing.
    """
    literal = os.path.join(working_dir, config_name)
    if not _PATTERN.search(config_name) or os.path.isfile(literal):
        return [config_name]
    base = os.path.expanduser(working_dir)
    found = [
        one.replace(os.sep, "/")
        for one in glob.iglob(config_name, root_dir=base, recursive=True)
        if os.path.isfile(os.path.join(base, one))
    ]
    if not found:
        raise AttributesError(
            f"Configuration: nothing in {working_dir} matches '{config_name}'; correct the pattern "
            "or the working folder"
        )
    return sorted(set(found))


def listed_values(text: str) -> list[Any]:
    """The values that an override's text lists: separated by ``;``, each JSON or a bare word.

    ``500; 1000`` are two numbers, ``[256, 256]; [512, 512]`` two lists, ``white`` a text. A ``;``
    inside quotes or brackets separates nothing.

    Raises:
        AttributesError: the text, or one of the values, is empty.
    """
    parts, depth, quoted, skip, start = [], 0, False, False, 0
    for position, character in enumerate(text):
        if skip:
            skip = False
        elif quoted:
            skip, quoted = character == "\\", character != '"'
        elif character == '"':
            quoted = True
        elif character in _OPEN:
            depth += 1
        elif character in _CLOSE:
            depth = max(depth - 1, 0)
        elif character == ";" and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    values = [one.strip() for one in parts]
    if len(values) > 1 and not values[-1]:
        values.pop()
    if not all(values):
        raise AttributesError("a value is missing; write for example 500, or 500; 1000 for two")
    return [_value(one) for one in values]


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refused)
    except json.JSONDecodeError:
        return text
    except RecursionError:
        raise AttributesError("a value is nested too deeply") from None


def _refused(name: str) -> Any:
    raise AttributesError(f"{name} is not a number that a configuration can hold")


def _wedge(overrides: Iterable[tuple[str, str]]) -> dict[str, list[Any]]:
    wedge: dict[str, list[Any]] = {}
    for name, text in overrides:
        name = name.strip()
        if not _FIELD.fullmatch(name):
            raise AttributesError(
                f"Overrides: '{name}' cannot be a configuration field; write for example iter, "
                "train_res or diffrec.seed"
            )
        if name in wedge:
            raise AttributesError(
                f"Overrides: the field {name} is given twice; list its values "
                "in one entry, separated by ;"
            )
        try:
            values = listed_values(text)
        except AttributesError as error:
            raise AttributesError(f"Overrides, field {name}: {error}") from None
        unique = {json.dumps(one, sort_keys=True): one for one in values}
        wedge[name] = list(unique.values())
    return wedge


def _stems(configs: Sequence[str]) -> list[str]:
    """A short name of each configuration; the whole path where file names are not distinct."""
    stems = [_stem(one) for one in configs]
    if len(set(stems)) == len(stems):
        return stems
    return [os.path.splitext(one)[0].strip("/").replace("/", "_") for one in configs]


def _stem(config: str) -> str:
    """The name of a configuration's file; that of its folder for one of a prepared data set."""
    folder, name = os.path.split(config)
    if name == CONFIGURATION and os.path.basename(folder):
        return os.path.basename(folder)
    return os.path.splitext(name)[0] or config


_NUMBERS = re.compile(r"[-+.\deE]+(?:x[-+.\deE]+)*")


def _short(value: Any) -> str:
    """A value in few letters, no two values in the same ones: 512x512, 0.01, white."""
    if isinstance(value, list) and value and all(type(one) in (int, float) for one in value):
        return "x".join(json.dumps(one) for one in value) if len(value) > 1 else json.dumps(value)
    if isinstance(value, str) and not _NUMBERS.fullmatch(value):
        try:
            return value if _value(value) == value else json.dumps(value)
        except AttributesError:
            return json.dumps(value)
    return json.dumps(value)


def _folder(words: Sequence[str]) -> str:
    """One folder name out of the words; a digest tells apart what plain letters cannot."""
    text = "_".join(words)
    plain = re.sub(r"[^A-Za-z0-9._=+-]", "-", text).strip(".")
    if plain == text and len(plain) <= 120:
        return plain
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain[:110]}-{digest}"


def _with_slash(folder: str) -> str:
    """The original workflow's commands append file names to the folder without a slash."""
    return folder if folder.endswith(("/", "\\")) else folder + "/"
