"""The command line of a cook, the same with Houdini (``scripts/batch_cook.py``) and without."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from nvdiffrec_contract.configuration import NAMES, hint
from nvdiffrec_contract.files import replace_file
from nvdiffrec_tops.monitor import report as monitor_report
from nvdiffrec_tops.monitor.watching import Results
from topcook.network.overrides import Entry, Override, OverrideError

from .summary import problems_of_report, rows_of_report, write_summary

INTERRUPTED = 130
"""Exit code of a cook that was stopped: the shell's own for Ctrl-C."""


class CookCommandError(ValueError):
    """An option that cannot be used; names it and says how to write it."""


def overrides(arguments: argparse.Namespace) -> list[Override | Entry]:
    """The parameters to set before work items are generated.

    Raises:
        CookCommandError: one is not written as NODE.PARM=VALUE, or names no field.
    """
    try:
        found: list[Override | Entry] = [Override.parse(text) for text in arguments.overrides]
    except OverrideError as error:
        raise CookCommandError(str(error)) from None
    return found + [_field_override(text) for text in arguments.field_overrides]


def _field_override(text: str) -> Entry:
    """``--override FIELD=VALUE`` as an entry in the Overrides of the nodes that have them."""
    field, equals, value = text.partition("=")
    field = field.strip()
    if not equals or not field or not value.strip():
        raise CookCommandError(
            f"--override {text}: write it as FIELD=VALUE, for example --override iter=500"
        )
    if field.partition(".")[0] not in NAMES:
        meant = hint(field) or "docs/fields.md lists the fields"
        raise CookCommandError(
            f"--override {text}: no configuration has a field '{field}'; {meant}"
        )
    return Entry(
        f"--override {text}",
        "overrides",
        "overridename#",
        {"overrideenable#": "1", "overridename#": field, "overridevalue#": value},
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The scene and the options of both cooks."""
    add_scene_arguments(parser)
    parser.add_argument(
        "--jobs", type=_positive, metavar="N", help="slots, in place of the scheduler's"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="generate the work items, show them and what would be refused; run nothing",
    )
    parser.add_argument(
        "--grace",
        type=_seconds,
        metavar="SECONDS",
        help="time that a stopped job gets to save its work (default 10; Houdini gives none)",
    )


def add_scene_arguments(parser: argparse.ArgumentParser) -> None:
    """The scene, what of it is cooked, and the report."""
    parser.add_argument("scene", metavar="SCENE.hip", help="the Houdini scene")
    parser.add_argument("--top", metavar="PATH", help="the TOP network, e.g. /tasks/topnet1")
    parser.add_argument(
        "--node",
        metavar="NAME",
        action="append",
        default=[],
        help="cook this node and everything upstream of it; may be repeated "
        "(default: the display node)",
    )
    parser.add_argument(
        "--all-ends", action="store_true", help="cook every end of the network, not one node"
    )
    parser.add_argument(
        "--set",
        metavar="NODE.PARM=VALUE",
        action="append",
        default=[],
        dest="overrides",
        help="set a parameter before work items are generated; may be repeated",
    )
    parser.add_argument(
        "--override",
        metavar="FIELD=VALUE",
        action="append",
        default=[],
        dest="field_overrides",
        help="train with another value of a field of the configuration, such as iter=500; several "
        "values make a work item each; may be repeated",
    )
    add_report_arguments(parser)
    parser.add_argument(
        "--force", action="store_true", help="run items although their outputs exist"
    )
    parser.add_argument(
        "--allow-unknown-parms",
        action="store_true",
        help="pass over parameters of other Houdini versions without a word, also changed ones "
        "(Houdini itself always does)",
    )


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """How the end of a cook is told."""
    parser.add_argument("--json", action="store_true", help="print JSON on standard output")
    parser.add_argument(
        "--report", metavar="FILE", type=Path, help="write the JSON report to this file as well"
    )
    parser.add_argument(
        "--summary",
        metavar="FOLDER",
        type=Path,
        help="write a page with a table of the scenes and their contact sheets into this folder, "
        "and report.html, which shows their meshes, pictures and curves too",
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError("a number of seconds, 0 or more")
    return number


def check(arguments: argparse.Namespace) -> None:
    """Refuse at once what would only fail after the cook.

    Raises:
        CookCommandError: the report can have no place where it is wanted.
    """
    path: Path | None = arguments.report
    if path is None:
        return
    folder = path.parent
    if not folder.is_dir():
        raise CookCommandError(f"--report {path}: there is no folder {folder}; make it first")
    if path.is_dir():
        raise CookCommandError(f"--report {path}: this is a folder; name a file in it")


def give_report(
    arguments: argparse.Namespace, report: Any, stdout: TextIO, *, shown: Any = None
) -> None:
    """Print and write a report where that was asked for; ``shown`` is printed in its place.

    Raises:
        CookCommandError: it cannot be written.
    """
    if arguments.json:
        json.dump(report if shown is None else shown, stdout, indent=1)
        stdout.write("\n")
    if arguments.summary is not None and "items" in report:
        write_page(arguments.summary, report)
    if arguments.report is not None:
        write_report(arguments.report, report)


def write_page(folder: Path, report: Mapping[str, Any]) -> None:
    """Write the pages about a cook's scenes. Raises CookCommandError."""
    rows = rows_of_report(report)
    try:
        write_summary(
            folder,
            rows,
            seconds=report["seconds"],
            problems=problems_of_report(report),
        )
        named = [(row.name, str(row.result_folder)) for row in rows if row.result_folder]
        if named:
            monitor_report.write(Results("Scenes", named), folder / monitor_report.NAME)
    except FileExistsError as error:
        raise CookCommandError(f"--summary {folder}: {error}") from None
    except OSError as error:
        raise CookCommandError(
            f"--summary {folder}: it cannot be written ({error.strerror or error})"
        ) from None


def write_report(path: Path, report: Any) -> None:
    """Write a report under a temporary name, then rename it into place.

    Raises:
        CookCommandError: it cannot be written.
    """
    try:
        replace_file(path, f"{json.dumps(report, indent=1)}\n".encode())
    except OSError as error:
        raise CookCommandError(
            f"--report {path}: it cannot be written ({error.strerror or error})"
        ) from None
