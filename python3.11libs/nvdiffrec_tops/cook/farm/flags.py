"""Options of the command line that say how jobs go to a farm."""

from __future__ import annotations

import argparse
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nvdiffrec_tops.cook.options import CookCommandError
from nvdiffrec_tops.hqueue.jobspec import FarmOptions
from nvdiffrec_tops.hqueue.paths import SharedFolders
from nvdiffrec_tops.hqueue.problem import HQueueProblem
from nvdiffrec_tops.hqueue.server import Server
from nvdiffrec_tops.job.farmfile import PLATFORMS, platform
from topcook.network.opening import Network

from .scheduler import FarmSetup

SHARES = "TOPS_NVDIFFREC_SHARES"
"""Shared folders as --share names them, one per line; used where --share is not given."""


def add_share(parser: argparse.ArgumentParser) -> None:
    """``--share``, which every command that submits takes."""
    parser.add_argument(
        "--share",
        metavar="FOLDER",
        action="append",
        default=[],
        help="a folder that the farm shares: its path, the same everywhere, or its path on each "
        "system, as linux=/mnt/jobs,windows=J:/,macosx=/Volumes/jobs; may be repeated "
        f"(default: ${SHARES}, else the network folders that the server names)",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How jobs are to run; what is not given stands in the scene."""
    add_share(parser)
    parser.add_argument(
        "--jobs-per-client",
        type=_number(1, 64),
        metavar="N",
        help="jobs that a machine runs at once, each on a graphics card of its own (default: one)",
    )
    parser.add_argument(
        "--group", action="append", metavar="NAME", help="a client group; may be repeated"
    )
    parser.add_argument(
        "--client", action="append", metavar="NAME", help="a client; may be repeated"
    )
    parser.add_argument(
        "--priority", type=_number(0, 10), metavar="P", help="0 to 10, 10 first (default 5)"
    )
    parser.add_argument(
        "--gpu-resource", metavar="NAME", help="a resource of the farm that each job takes one of"
    )
    parser.add_argument("--cpus", type=_number(1, 1024), metavar="N", help="processors of a job")
    parser.add_argument(
        "--tries",
        type=_number(1, 20),
        metavar="N",
        help="how often the farm starts a job whose machine was lost (default 3)",
    )
    parser.add_argument("--description", metavar="TEXT", help="shown in the farm's web pages")
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable for the jobs; may be repeated",
    )
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="SYSTEM=PATH",
        help="the training environment's Python on another system of the farm, as "
        "windows=J:/envs/diffrec/python.exe; without it jobs go to machines of this one's system",
    )


def _number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"a whole number from {low} to {high}")
        return number

    return parse


def options(arguments: argparse.Namespace) -> tuple[FarmOptions, frozenset[str]]:
    """What the command line asks of all jobs, and which of it was given.

    Raises:
        CookCommandError: an option is not usable.
    """
    found: dict[str, Any] = {}

    def take(name: str, value: Any) -> None:
        if value is not None:
            found[name] = value

    per_client = getattr(arguments, "jobs_per_client", None)
    take("jobs_per_client", per_client)
    if per_client is not None:
        # HQueue counts no jobs per client: one is its tag, more are counted by the jobs.
        found["tags"] = ("single",) if per_client == 1 else ()
    for name, option in (("groups", "group"), ("clients", "client")):
        given = getattr(arguments, option, None)
        take(name, tuple(given) if given else None)
    for name in ("priority", "gpu_resource", "cpus", "tries", "description"):
        take(name, getattr(arguments, name, None))
    variables = dict(_pair("--env", text) for text in getattr(arguments, "env", ()))
    if variables:
        found["environment"] = variables
    pythons = dict(_pair("--python", text) for text in getattr(arguments, "python", ()))
    for name in pythons:
        if name not in PLATFORMS:
            raise CookCommandError(
                f"--python {name}=...: a system is one of {', '.join(PLATFORMS)}"
            )
    defaults = {"tries": 3, "platforms": (platform(), *(n for n in pythons if n != platform()))}
    if pythons:
        defaults["interpreters"] = pythons
    return FarmOptions(**{**defaults, **found}), frozenset(found)


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or "\0" in text:
        raise CookCommandError(f"{option} {text}: write it as NAME=VALUE")
    return name, value


def shared_folders(
    given: Sequence[str], server: Server, scheduler: Sequence[str] = ()
) -> SharedFolders:
    """The farm's shared folders: those named, else the scene's, else those the server knows.

    Raises:
        CookCommandError: an option is not usable.
        HQueueProblem: nobody names any.
    """
    texts = list(given) or [
        line for line in os.environ.get(SHARES, "").splitlines() if line.strip()
    ]
    texts = texts or list(scheduler)
    if texts:
        return SharedFolders.of([_share(text) for text in texts])
    folders = server.network_folders()
    if not folders:
        raise HQueueProblem(
            f"{server.address} names no shared folders", "name the farm's with --share FOLDER"
        )
    return SharedFolders.of(folders)


def _share(text: str) -> dict[str, str]:
    parts = text.split(",")
    if not any(part.partition("=")[0] in PLATFORMS and "=" in part for part in parts):
        return {platform(): text} if text else {}
    found: dict[str, str] = {}
    for part in parts:
        name, equals, path = part.partition("=")
        if name not in PLATFORMS or not equals or not path:
            raise CookCommandError(
                f"--share {text}: write a path, or {','.join(f'{one}=PATH' for one in PLATFORMS)}"
            )
        found[name] = path
    return found


def setup(
    network: Network,
    arguments: argparse.Namespace,
    say: Callable[[str], None],
    address: str = "",
) -> FarmSetup:
    """Everything that a cook on a farm needs; the server has answered.

    Raises:
        HQueueProblem: the server cannot be reached, or no shared folder is known.
        CookCommandError: an option is not usable.
    """
    parameters = network.scheduler
    if not address:
        address = parameters.string("address") if parameters.has("address") else ""
    if not address:
        raise CookCommandError("no farm is named; add --server http://HOST:5000")
    server = Server(address, patience=0.0, on_trouble=say)
    server.ping()
    roots: list[str] = []
    if parameters.has("uselocalsharedroot") and parameters.toggle("uselocalsharedroot"):
        names = {"linux": "linux", "windows": "win", "macosx": "macosx"}
        places = {
            system: parameters.string(f"localsharedroot_{short}") for system, short in names.items()
        }
        roots = [",".join(f"{system}={path}" for system, path in places.items() if path)]
    chosen, given = options(arguments)
    return FarmSetup(
        server=server,
        shared=shared_folders(arguments.share, server, [root for root in roots if root]),
        options=chosen,
        given=given,
        token=secrets.token_hex(4),
        scene=str(Path(arguments.scene).absolute()),
        say=say,
        announce=lambda job, folder: say(
            f"submitted as job {job}: {server.address}/jobs/view/{job} (its state is in {folder})"
        ),
        machine=lambda item, machine, attempt: say(
            f"{item.name}: on {machine}" + (f", attempt {attempt}" if attempt > 1 else "")
        ),
    )
