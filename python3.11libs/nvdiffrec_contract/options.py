"""The options of one training: every field of a job file, with default, allowed values and flag.

From this table come the job's command line, the checks of a job file, its JSON Schema and the
defaults of a work item's command.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nvdiffrec_contract.checks import Check, Refused, Schema, optional

FORMAT = "tops-nvdiffrec-job"
VERSION = 1

DEVICES = ("auto", "cpu", "cuda")
ON_FAILURE = ("fail", "warn")
ON_OUT_OF_MEMORY = ("fail", "halve_batch")
MOST_RETRIES = 100


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: as job files write it.
        check: what it may be.
        help: one line on what it does.
        default: its value where nothing is said.
        required: whether something must be said.
        flag: of the command line; one that holds several values may be repeated.
        metavar: what stands behind the flag in its help; '' for a choice or a switch.
        choices: the only texts that it may be.
        several: whether it holds several values.
        kind: makes the value out of a word of the command line.
    """

    name: str
    check: Check
    help: str
    default: Any = None
    required: bool = False
    flag: str = ""
    metavar: str = ""
    choices: tuple[str, ...] = ()
    several: bool = False
    kind: Callable[[str], Any] = str


def _path(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise Refused(value, PATH.allowed)
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        raise Refused(value, "a text that can be a file name") from None
    return value


PATH = Check("a text that is not empty", {"type": "string", "minLength": 1}, _path)
_MAYBE_PATH = Check(PATH.allowed, optional(PATH).schema, optional(PATH))


def _choice(choices: tuple[str, ...]) -> Check:
    allowed = f"one of {', '.join(choices)}"

    def normalise(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise Refused(value, allowed)
        return value

    return Check(allowed, {"enum": list(choices)}, normalise)


def _config(value: Any) -> Any:
    if isinstance(value, dict):
        return value
    if not isinstance(value, str) or not value:
        raise Refused(value, "the path of a configuration, or an object")
    return _path(value)


def _object(allowed: str, schema: Schema) -> Check:
    def normalise(value: Any) -> Any:
        if not isinstance(value, dict):
            raise Refused(value, allowed)
        return value

    return Check(allowed, {"type": "object", **schema}, normalise)


def _whole(low: int, high: int, allowed: str) -> Check:
    def normalise(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise Refused(value, allowed)
        return value

    return Check(allowed, {"type": "integer", "minimum": low, "maximum": high}, normalise)


_SEED = _whole(0, 2**63 - 1, "a whole number from 0")


def _seconds(value: Any) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is not None and not (number and math.isfinite(value) and value > 0):
        raise Refused(value, "a number of seconds above 0, or null")
    return value


def _switch(value: Any) -> bool:
    if type(value) is not bool:
        raise Refused(value, "true or false")
    return value


def _paths(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise Refused(value, "a list of paths")
    return tuple(_path(one) for one in value)


_NAMES: Schema = {"type": "array", "items": {"type": "string", "minLength": 1}}
_POLICY: Schema = {
    "properties": {
        "prefix": _MAYBE_PATH.schema,
        "kind": {"enum": ["conda", "venv", None]},
        "set": {"type": "object", "additionalProperties": {"type": "string"}},
        "unset": _NAMES,
        "keep": _NAMES,
    },
    "additionalProperties": False,
}

_ROWS = (
    Option("engine", PATH, "the trainer", required=True, flag="--engine"),
    Option(
        "config",
        Check("the path of a configuration, or an object", {"type": ["string", "object"]}, _config),
        "training configuration (JSON)",
        required=True,
        flag="--config",
        metavar="FILE",
    ),
    Option("output", PATH, "folder for the results", required=True, flag="--output", metavar="DIR"),
    Option(
        "working_dir",
        _MAYBE_PATH,
        "nvdiffrec checkout, or base of relative paths",
        flag="--working-dir",
        metavar="DIR",
    ),
    Option("script", _MAYBE_PATH, "nvdiffrec's script (train.py)", flag="--script", metavar="FILE"),
    Option(
        "python",
        _MAYBE_PATH,
        "training environment: its folder or its interpreter",
        flag="--python",
        metavar="EXE",
    ),
    Option(
        "overrides",
        _object("an object of configuration fields", {}),
        "override a config field",
        default={},
        flag="--set",
        metavar="KEY=JSON",
        several=True,
    ),
    Option(
        "device",
        _choice(DEVICES),
        "where to compute",
        default="auto",
        flag="--device",
        choices=DEVICES,
    ),
    Option(
        "seed",
        Check(_SEED.allowed, optional(_SEED).schema, optional(_SEED)),
        "start of every random sequence",
        flag="--seed",
        metavar="N",
        kind=int,
    ),
    Option(
        "environment",
        _object("an object", _POLICY),
        "trainer's environment",
        default={},
        flag="--env",
        metavar="NAME=VALUE",
        several=True,
    ),
    Option(
        "retries",
        _whole(0, MOST_RETRIES, f"a whole number from 0 to {MOST_RETRIES}"),
        "further starts after a failure that starting again can mend",
        default=1,
        flag="--retries",
        metavar="N",
        kind=int,
    ),
    Option(
        "timeout",
        Check(
            "a number of seconds above 0, or null",
            {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}]},
            _seconds,
        ),
        "seconds after which the training is ended",
        flag="--timeout",
        metavar="SECONDS",
        kind=float,
    ),
    Option(
        "inputs",
        Check("a list of paths", {"type": "array", "items": PATH.schema}, _paths),
        "also train anew when changed",
        default=(),
        flag="--input",
        metavar="PATH",
        several=True,
    ),
    Option(
        "on_failure",
        _choice(ON_FAILURE),
        "what a failed training is: a failure of the job, or a warning (exit code 0)",
        default="fail",
        flag="--on-failure",
        choices=ON_FAILURE,
    ),
    Option(
        "on_out_of_memory",
        _choice(ON_OUT_OF_MEMORY),
        "what a full GPU memory is: a failure, or a reason to try with half the batch",
        default="fail",
        flag="--on-out-of-memory",
        choices=ON_OUT_OF_MEMORY,
    ),
    Option(
        "claim_card",
        Check("true or false", {"type": "boolean"}, _switch),
        "wait for a graphics card that no other job of this machine has claimed",
        default=False,
        flag="--claim-card",
    ),
)
OPTIONS = {row.name: row for row in _ROWS}
"""The options by name, in the order in which they are shown."""
