"""``nvdiffrec-tops env``: create, list, show and remove environments."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from nvdiffrec_contract.terminal import plain, raw
from nvdiffrec_tops.environment import create as creation
from nvdiffrec_tops.environment import travel
from nvdiffrec_tops.environment.description import (
    Environment,
    EnvironmentProblem,
    exports,
    is_environment,
)
from nvdiffrec_tops.environment.discovery import active, find, known
from nvdiffrec_tops.environment.isolation import isolated
from nvdiffrec_tops.environment.marker import NAME, read_marker, remove_environment
from nvdiffrec_tops.environment.registry import register, unregister
from nvdiffrec_tops.environment.setup import progress
from nvdiffrec_tops.environment.setup.build import build
from nvdiffrec_tops.environment.setup.packages import SHIPPED
from nvdiffrec_tops.environment.setup.readiness import Plan
from nvdiffrec_tops.environment.specification import read_specification, shipped
from nvdiffrec_tops.job import engines

FAILED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``env``."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser(
        "create",
        help="make an environment for training (no conda needed)",
        description="Make an environment for training. For diffrec a venv, which needs a Python "
        "3.11 or newer and nothing else; for nvdiffrec, an environment file (--from) or with "
        "--conda a conda environment, which needs the package py-rattler, not conda. A run that "
        "was stopped is completed by the next one.",
    )
    create.add_argument(
        "--engine",
        choices=engines.names(),
        default=engines.DEFAULT,
        help="for which trainer (%(default)s)",
    )
    create.add_argument(
        "--path",
        "--prefix",
        dest="prefix",
        metavar="FOLDER",
        help="its folder (~/.venvs/diffrec; of a conda environment ~/.conda/envs/NAME)",
    )
    create.add_argument(
        "--from", dest="source", metavar="FILE.yml", help="another conda environment file"
    )
    create.add_argument(
        "--conda",
        action="store_true",
        help="a conda environment for diffrec too: it carries its Python along, to other machines",
    )
    create.add_argument("--lock", metavar="FILE", help="another list of packages with hashes")
    create.add_argument("--update", action="store_true", help="look for newer packages")
    create.add_argument("--cache", metavar="DIR", help="where downloaded packages are kept")
    create.set_defaults(carry_out=_create)
    listing = actions.add_parser("list", help="the environments of this machine")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.set_defaults(carry_out=_list)
    show = actions.add_parser("show", help="what an environment is, and what training in it sees")
    show.add_argument(
        "environment", nargs="?", help="its name or folder (the active one when left out)"
    )
    show.add_argument("--json", action="store_true", help="as JSON")
    show.add_argument(
        "--variables",
        action="store_true",
        help="tell for every variable whether the trainer gets it, and why",
    )
    show.set_defaults(carry_out=_show)
    remove = actions.add_parser("remove", help="remove an environment made by env create")
    remove.add_argument("environment", help="its name or folder")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    remove.set_defaults(carry_out=_remove)


def main(arguments: argparse.Namespace) -> int:
    """Carry the action out; returns the exit code."""
    for stream in (raw(sys.stdout), raw(sys.stderr)):
        # A folder's name may hold bytes that are no text.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code: int = arguments.carry_out(arguments)
        return code
    except EnvironmentProblem as problem:
        print(f"error: {problem}", file=sys.stderr)
        print(f"  {problem.cure}", file=sys.stderr)
        return FAILED


class _Shown(progress.Progress):
    """Progress on a terminal; plain lines elsewhere."""

    def __init__(self, bars: Bars, console: Console) -> None:
        self._bars = bars
        self._console = console
        self._task = bars.add_task("preparing", total=None)

    def step(self, title: str, total: int | None = None) -> None:
        self._bars.reset(self._task, description=title, total=total)
        if not self._console.is_terminal:
            count = f" {total} packages" if total else ""
            self._console.print(plain(f"{title}{count}"), markup=False)

    def advance(self) -> None:
        self._bars.advance(self._task)

    def line(self, text: str) -> None:
        if self._console.is_terminal:
            self._bars.update(self._task, description=escape(text[:60]))
        else:
            self._console.print(plain(f"  {text}"), markup=False, soft_wrap=True)


def _create(arguments: argparse.Namespace) -> int:
    if arguments.engine == engines.DEFAULT and not arguments.source and not arguments.conda:
        return _create_venv(arguments)
    specification = read_specification(arguments.source or shipped(arguments.engine))
    for warning in specification.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    prefix = arguments.prefix or creation.default_prefix(specification.name)
    console = Console(file=raw(sys.stderr))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(*columns, TimeElapsedColumn(), console=console, transient=True) as bars:
        made = creation.create(
            specification,
            prefix,
            progress=_Shown(bars, console),
            cache=os.path.abspath(arguments.cache) if arguments.cache else None,
            update=arguments.update,
        )
    print(f"The environment is complete: {made.prefix}")
    _tell_use(made.prefix)
    return 0


def _create_venv(arguments: argparse.Namespace) -> int:
    """The environment of the embedded trainer, by the standard library and pip."""
    plan = Plan(arguments.engine, os.path.abspath(arguments.lock or SHIPPED))
    folder = arguments.prefix or os.path.join("~", ".venvs", arguments.engine)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(*columns, TimeElapsedColumn(), console=console, transient=True) as bars:
        examine = getattr(arguments, "examine", None)
        made = build(folder, plan, shown=_Shown(bars, console), examine=examine)
    register(made.prefix, os.environ)
    report = progress.read(made.prefix)
    print(report.message if report else f"The environment is complete: {made.prefix}")
    if report and report.details:
        print(report.details)
    _tell_use(made.prefix)
    return 0


def _tell_use(prefix: str) -> None:
    print(f"In Houdini: MINICONDA_ENV = {os.path.join(prefix, '')}")
    found = travel.needs(prefix, travel.inside(prefix))
    if found.elsewhere or found.system:
        reason = found.reason or f"its Python is the system's, in {found.base}"
        print(f"On a farm: only on machines that have the same outside this folder; {reason}")
    else:
        print("On a farm: on every machine of this system that sees the folder under this path")


def _list(arguments: argparse.Namespace) -> int:
    environments = known()
    current = active()
    if arguments.json:
        print(json.dumps([_document(item) for item in environments], indent=2))
        return 0
    if not environments:
        print("No environment was found. Make one with: nvdiffrec-tops env create")
        return 0
    table = Table("", "Name", "Kind", "Python", "CUDA", "Folder", box=None, pad_edge=False)
    for item in environments:
        table.add_row(
            "*" if current and current.prefix == item.prefix else "",
            escape(plain(item.name)),
            item.kind,
            _dotted(item.version),
            item.cuda_version or "",
            escape(plain(item.prefix)),
        )
    console = Console(file=raw(sys.stdout))
    # In a pipe nothing is cut off.
    console.width = console.width if console.is_terminal else 100_000
    table.columns[-1].overflow = "fold"
    console.print(table, soft_wrap=not console.is_terminal)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    environment = _chosen(arguments.environment)
    _, report = isolated(os.environ, environment)
    if arguments.json:
        document = {**_document(environment), "exports": exports(environment)}
        if arguments.variables:
            document["variables"] = [asdict(item) for item in report.decisions]
        print(json.dumps(document, indent=2))
        return 0
    print(f"{environment.name} ({environment.kind})")
    print(f"  folder         {environment.prefix}")
    print(f"  Python         {_dotted(environment.version) or 'unknown'}  {environment.python}")
    print(f"  site-packages  {environment.site_packages or 'none'}")
    cuda = f"{environment.cuda_version or ''}  {environment.cuda_home or 'none'}".strip()
    print(f"  CUDA           {cuda}")
    marker = read_marker(environment.prefix)
    if marker:
        print(f"  made here      {marker.get('state')}, from {marker.get('source')}")
    print("variables of the original workflow")
    for name, value in exports(environment).items():
        print(f"  {name}={value}")
    if arguments.variables:
        print("what the trainer gets of this environment's variables")
        for line in report.explained():
            print(f"  {line}")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    prefix = os.path.abspath(os.path.expanduser(arguments.environment))
    # What was stopped half way has perhaps no Python yet: it cannot be described, nor found.
    if not os.path.isfile(os.path.join(prefix, NAME)) and not is_environment(prefix):
        prefix = creation.default_prefix(os.path.basename(arguments.environment))
        if read_marker(prefix) is None:
            prefix = find(arguments.environment).prefix
    if read_marker(prefix) is not None and not arguments.yes:
        if not sys.stdin.isatty():
            raise EnvironmentProblem(f"nothing was removed of {prefix}", "confirm with --yes")
        if input(f"Remove the folder {prefix} and all in it? [y/N] ").strip().lower() != "y":
            print("Nothing was removed.")
            return 0
    remove_environment(prefix)
    unregister(prefix, os.environ)
    print(f"Removed: {prefix}")
    return 0


def _chosen(name: str | None) -> Environment:
    if name is not None:
        return find(name)
    current = active()
    if current is None:
        raise EnvironmentProblem(
            "no environment is active, and none is named", "see: nvdiffrec-tops env list"
        )
    return current


def _document(environment: Environment) -> dict[str, object]:
    return {**asdict(environment), "version": _dotted(environment.version) or None}


def _dotted(version: tuple[int, ...] | None) -> str:
    return ".".join(map(str, version or ()))
