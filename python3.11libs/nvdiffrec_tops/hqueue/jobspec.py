"""What HQueue is told of a job: its specification, by the documented keys (HQueue API, Jobs)."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..job.commandline import ESCAPED, escape
from ..job.farm import FLAG, PLATFORMS
from . import quoting
from .paths import SharedFolders

_LONGEST = 200


@dataclass(frozen=True)
class FarmOptions:
    """How jobs are to run.

    ``groups`` and ``clients``: names, any of which will do; ``tags``: HQueue's, ``single`` takes a
    whole client; ``tries``: how often the farm starts a job, machines that are lost included;
    ``jobs_per_client`` is counted by the jobs themselves; ``platforms``: of the clients that may
    run them, by HQueue's names; ``interpreters``: the Python on platforms other than this one.
    """

    priority: int = 5
    groups: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    jobs_per_client: int | None = None
    gpu_resource: str = ""
    tags: tuple[str, ...] = ("single",)
    cpus: int | None = None
    tries: int = 3
    description: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    platforms: tuple[str, ...] = ("linux",)
    interpreters: Mapping[str, str] = field(default_factory=dict)


def job_spec(
    name: str,
    python: str,
    job_script: str,
    farm_file: str,
    *,
    options: FarmOptions,
    folders: SharedFolders,
    token: str,
) -> dict[str, Any]:
    """The specification of a job that runs a farm file.

    ``python``, ``job_script``, ``farm_file``: absolute paths on this machine.

    Raises:
        HQueueProblem: a path lies outside the shared folders, or no quotation carries it.
    """
    commands: dict[str, str] = {}
    carried: dict[str, str] = {}
    for system in options.platforms:
        interpreter = options.interpreters.get(system) or folders.to_farm(python, system)
        words = [
            interpreter,
            *("-I", "-X", "utf8"),
            folders.to_farm(job_script, system),
            # Escaped: letters that no shell of any platform changes.
            ESCAPED,
            FLAG,
            escape(folders.to_farm(farm_file, system)),
        ]
        windows = system == "windows"
        commands[system] = quoting.windows_cmd(words, carried) if windows else quoting.posix(words)
    spec: dict[str, Any] = {
        "name": plain(name),
        "command": commands,
        "priority": options.priority,
        "triesLeft": options.tries,
        "tags": [plain(tag) for tag in options.tags],
        "submittedBy": _user(),
        "description": _described(options.description, token),
        "environment": {**options.environment, **carried},
        "conditions": _conditions(options),
    }
    if set(commands) <= {"linux", "macosx"}:
        # Where a job may go to Windows too, each client takes its own system's shell.
        spec["shell"] = "sh"
    if options.cpus is not None:
        spec["cpus"] = options.cpus
    if options.gpu_resource:
        spec.update(resources({plain(options.gpu_resource): 1}))
    return spec


def container_spec(title: str, token: str, options: FarmOptions) -> dict[str, Any]:
    """The job without a command that holds the others."""
    return {
        "name": plain(title),
        "priority": options.priority,
        "submittedBy": _user(),
        "description": _described(options.description, token),
    }


def resources(wanted: Mapping[str, int]) -> dict[str, Any]:
    """The keys that ask for counted resources.

    HQueue's documentation does not show their form in a specification; this is the plain one.
    """
    return {"resources": dict(wanted)}


def plain(text: str) -> str:
    """Text that is shown, never run: one line of at most 200 letters without control characters."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return shown[:_LONGEST] or "unnamed"


def _described(text: str, token: str) -> str:
    return f"{plain(text)} ({token})" if text.strip() else f"nvdiffrec ({token})"


def _user() -> str:
    try:
        return plain(getpass.getuser())
    except (OSError, KeyError, ImportError):
        return "unknown"


def _conditions(options: FarmOptions) -> list[dict[str, str]]:
    """Which clients may run a job: HQueue's client conditions."""
    found = []
    if set(options.platforms) < set(PLATFORMS):
        found.append(_condition("os", options.platforms))
    if options.groups:
        found.append(_condition("group", [plain(one) for one in options.groups]))
    if options.clients:
        found.append(_condition("hostname", [plain(one) for one in options.clients]))
    return found


def _condition(name: str, values: Sequence[str]) -> dict[str, str]:
    several = len(values) > 1
    return {
        "type": "client",
        "name": name,
        "op": "any" if several else "==",
        "value": ",".join(values),
    }
