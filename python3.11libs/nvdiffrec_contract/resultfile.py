"""The fields of the result file ``result.json``: what a job made, from what, or why not.

The job process writes it into the output folder, see ``layout.RESULT``.
"""

from __future__ import annotations

from dataclasses import dataclass

from nvdiffrec_contract.checks import Schema

FORMAT = "tops-nvdiffrec-result"
VERSION = 1


@dataclass(frozen=True)
class Field:
    """One field.

    Attributes:
        name: as it stands in the file.
        help: one line on what it says.
        schema: what may stand there, as JSON Schema.
        required: whether every file has it; older versions of this toolkit left some out.
    """

    name: str
    help: str
    schema: Schema
    required: bool = True


def _or_null(kind: str) -> Schema:
    return {"type": [kind, "null"]}


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required}


_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_NUMBER: Schema = {"type": "number"}
_OUTPUT = _object(
    {
        "path": {**_TEXT, "description": "below the output folder, with / between its parts"},
        "tag": {**_TEXT, "description": "the PDG tag"},
        "size": {"type": "integer", "minimum": 0, "description": "bytes"},
        "sha256": {**_TEXT, "pattern": "^[0-9a-f]{64}$"},
        "stamp": {
            "type": "array",
            "items": {"type": "integer"},
            "description": "time in nanoseconds, size and number on the disk, as the job left it",
        },
    },
    ["path", "tag", "sha256"],
)
_INPUT = _object({"field": _TEXT, "path": _TEXT, "sha256": _TEXT}, ["field", "path", "sha256"])
_FAILURE = {
    **_object(
        {
            "id": _TEXT,
            "cause": _TEXT,
            "cure": _TEXT,
            "exit_code": {"type": "integer"},
            "lines": {**_TEXTS, "description": "lines of the log"},
        },
        ["id", "cause", "cure"],
    ),
    "type": ["object", "null"],
}

FIELDS = (
    Field("status", "whether the training has ended well", {"enum": ["done", "failed"]}),
    Field("engine", "the trainer", _TEXT),
    Field("job", "the whole job file", {"type": "object"}),
    Field("digest", "of everything that decides the results", _or_null("string")),
    Field(
        "settings", "digest of what is known without reading the data", _or_null("string"), False
    ),
    Field("config_sha256", "digest of the configuration with its overrides", _or_null("string")),
    Field(
        "inputs", "data files and folders with their digests", {"type": "array", "items": _INPUT}
    ),
    Field("started", "UTC", _TEXT),
    Field("ended", "UTC", _or_null("string")),
    Field(
        "seconds", "what the training took, earlier jobs' part of it included", _or_null("number")
    ),
    Field(
        "metrics",
        "psnr and psnr_pass1 in dB, faces and others, as far as the log tells them",
        {"type": "object", "additionalProperties": _NUMBER},
    ),
    Field("versions", "of the toolkit, Python and libraries", {"type": "object"}),
    Field("host", "name of the machine", _TEXT),
    Field("environment", "interpreter, and changes to the variables", {"type": "object"}),
    Field("notes", "what an artist should know", _TEXTS),
    Field("log", "name of the log in the output folder", _TEXT),
    Field("outputs", "the files that were made", {"type": "array", "items": _OUTPUT}),
    Field("failure", "why it failed", _FAILURE),
    Field(
        "previous",
        "after a failure, the result of the run whose files are still in place",
        _or_null("object"),
    ),
)
