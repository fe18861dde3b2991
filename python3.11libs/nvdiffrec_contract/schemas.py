"""JSON Schemas of the project's documents, and the references of a configuration's fields and of a
training's options.

    python -m nvdiffrec_contract.schemas FOLDER

writes ``FOLDER/schemas/*.schema.json``, ``fields.md`` and ``options.md``; the repository's are in
``docs``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nvdiffrec_contract import configuration, failurefile, options, resultfile
from nvdiffrec_contract.configuration import EXTENSIONS, FIELDS, Row, effects
from nvdiffrec_contract.files import replace_file
from nvdiffrec_contract.jsonfiles import text_of
from nvdiffrec_contract.options import OPTIONS

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def _property(row: Row) -> dict[str, Any]:
    found = {"description": row.help, **row.check.schema}
    if row.default is not None:
        found["default"] = json.loads(json.dumps(row.default))
    return found


def _object(title: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "$schema": _DIALECT,
        "title": title,
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
    }


def of_configuration() -> dict[str, Any]:
    """The schema of a training configuration."""
    own = {name: _property(row) for name, row in EXTENSIONS.items()}
    properties = {name: _property(row) for name, row in FIELDS.items() if name != "config"}
    section = _object("Fields of the diffrec trainer alone", own)
    del section["$schema"]
    properties[configuration.SECTION] = section
    whole = _object("A training configuration", properties)
    comments = {f"^{configuration.COMMENT}": {"description": "a comment, passed over"}}
    whole["patternProperties"] = section["patternProperties"] = comments
    return whole


def of_failure() -> dict[str, Any]:
    """The schema of ``failure.json``."""
    text = {"type": "string"}
    found = _object(
        "Why a training failed",
        {
            "format": {"const": failurefile.FORMAT},
            "version": {"const": failurefile.VERSION},
            "id": {**text, "description": "the kind of failure"},
            "cause": {**text, "description": "what is wrong"},
            "cure": {**text, "description": "the next thing to do"},
            "exit_code": {"type": "integer"},
            "retry": {"type": "boolean", "description": "whether another start can help"},
            "lines": {"type": "array", "items": text, "description": "lines of the log"},
            "field": {**text, "description": "the configuration's field concerned"},
            "file": {**text, "description": "the file or folder concerned"},
        },
    )
    found["required"] = ["format", "version", "id", "cause", "cure"]
    return found


def of_job() -> dict[str, Any]:
    """The schema of a job file."""
    properties: dict[str, Any] = {
        "format": {"const": options.FORMAT},
        "version": {"const": options.VERSION},
    }
    for option in OPTIONS.values():
        properties[option.name] = {"description": option.help, **option.check.schema}
        if option.default is not None:
            properties[option.name]["default"] = json.loads(json.dumps(option.default))
    found = _object("One training", properties)
    needed = [option.name for option in OPTIONS.values() if option.required]
    found["required"] = ["format", "version", *needed]
    return found


def of_result() -> dict[str, Any]:
    """The schema of ``result.json``."""
    properties: dict[str, Any] = {
        "format": {"const": resultfile.FORMAT},
        "version": {"const": resultfile.VERSION},
    }
    for field in resultfile.FIELDS:
        properties[field.name] = {"description": field.help, **field.schema}
    found = _object("What a training made, or why not", properties)
    needed = [field.name for field in resultfile.FIELDS if field.required]
    found["required"] = ["format", "version", *needed]
    return found


SCHEMAS = {
    "configuration": of_configuration,
    "failure": of_failure,
    "job": of_job,
    "result": of_result,
}
"""Maker of each schema, by the name of its file."""


def fields_page() -> str:
    """``docs/fields.md``: every field of a configuration with default, allowed values, effect."""
    rows = {name: row for name, row in FIELDS.items() if name != "config"}
    rows.update(EXTENSIONS)
    grouped = {name for texts in effects.GROUPS.values() for name in texts}
    rest = {name: "" for name in rows if name not in grouped}
    groups = {**effects.GROUPS, **({effects.LAST: rest} if rest else {})}
    lines = [
        "# Fields of a training configuration",
        "",
        "Written by `python -m nvdiffrec_contract.schemas docs` from the table in",
        "`nvdiffrec_contract/configuration`: its fields and, in `effects.py`, what they do.",
        "A field that a file does not name has its default. Fields of the engine diffrec alone",
        'stand inside the object `"diffrec": {...}`; nvdiffrec is never shown them. A name that',
        "begins with `_` is a comment. `nvdiffrec-tops new FOLDER` writes a file to begin with.",
        "",
        *(f"- [{title}](#{_anchor(title)})" for title in groups),
    ]
    for title, texts in groups.items():
        lines += ["", f"## {title}"]
        for name, text in texts.items():
            lines += _entry(rows[name], text)
    return "\n".join(lines) + "\n"


def _anchor(title: str) -> str:
    kept = "".join(one for one in title.lower() if one.isalnum() or one in " -")
    return kept.replace(" ", "-")


def _entry(row: Row, text: str) -> list[str]:
    own = row.name in EXTENSIONS
    engines = f'diffrec, inside `"{configuration.SECTION}"`' if own else "both engines"
    if row.name in _NVDIFFREC_ALONE:
        engines = "nvdiffrec"
    facts = [f"default `{json.dumps(row.default)}`", f"allowed: {row.check.allowed}", engines]
    if row.flags:
        facts.append(f"flag `{row.flags[-1]}`")
    help = row.help[:1].upper() + row.help[1:]
    lines = ["", f"### {row.name}", "", f"{help}. {text}".rstrip(), "", " · ".join(facts)]
    picture = effects.PICTURES.get(row.name)
    if picture is not None:
        lines += ["", f"![{picture.caption}]({picture.path})"]
    return lines


_NVDIFFREC_ALONE = ("display_interval",)
"""nvdiffrec's fields that have no effect on diffrec."""


def options_page() -> str:
    """``docs/options.md``: every option of a training."""
    lines = [
        "# Options of a training",
        "",
        "Written by `python -m nvdiffrec_contract.schemas docs` from the table in",
        "`nvdiffrec_contract/options.py`. A job file has them as fields, the job process as flags.",
        "",
        "| field | flag | default | allowed | effect |",
        "|---|---|---|---|---|",
    ]
    for option in OPTIONS.values():
        flag = f"{option.flag} {option.metavar or '|'.join(option.choices)}".strip()
        default = "needed" if option.required else f"`{json.dumps(option.default)}`"
        more = "; may be repeated" if option.several else ""
        cells = f"`{option.name}`", f"`{flag}`", default, option.check.allowed, option.help + more
        lines.append(_row(*cells))
    return "\n".join(lines) + "\n"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def documents() -> dict[str, str]:
    """Path below ``docs`` to text, of everything that is written from the contract."""
    found = {f"schemas/{name}.schema.json": text_of(make()) for name, make in SCHEMAS.items()}
    found |= {"fields.md": fields_page(), "options.md": options_page()}
    return found


def main(folder: Path) -> None:
    """Write the documents below ``folder``."""
    for name, text in documents().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode("utf-8"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
