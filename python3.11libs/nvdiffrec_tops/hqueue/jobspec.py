"""What HQueue is told of a job: its specification, by the documented keys (HQueue API, Jobs)."""

from __future__ import annotations

import getpass
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nvdiffrec_tops.job import flags
from nvdiffrec_tops.job.commandline import ESCAPED, escape
from nvdiffrec_tops.job.farmfile import PLATFORMS

from . import quoting
from .paths import SharedFolders
from .problem import HQueueProblem

_LONGEST = 200
_PRIORITIES = range(11)
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# XML has no way to write these, and a carriage return arrives as a line feed.
_NOT_IN_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class FarmOptions:
    """How jobs are to run.

    ``groups`` and ``clients``: names, any of which will do; where there are both, a client must be
    named and in a group. ``tags``: HQueue's, ``single`` takes a whole client; ``tries``: how often
    the farm starts a job, machines that are lost included; ``jobs_per_client`` is counted by the
    jobs themselves; ``gpu_resource``: a counted resource of the farm of which a job takes one.
    ``platforms``: of the clients that may run them, by HQueue's names; ``interpreters``: the
    Python by platform, as its machines see it. A platform other than this machine's gets jobs only
    when it has an interpreter.
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

    ``python``, ``job_script``, ``farm_file``: absolute paths on this machine. ``token``: 1 to 64
    letters, digits, ``_`` and ``-``; the description ends with it.

    Raises:
        HQueueProblem: a path lies outside the shared folders, or no quotation carries it; an
            option is not usable.
    """
    commands: dict[str, str] = {}
    for system in _usable(options, folders.here):
        words = [
            options.interpreters.get(system) or folders.to_farm(python, system),
            *("-I", "-X", "utf8"),
            folders.to_farm(job_script, system),
            # Escaped: letters that no shell of any platform changes.
            ESCAPED,
            flags.FARM,
            escape(folders.to_farm(farm_file, system)),
        ]
        line = quoting.windows_cmd(words) if system == "windows" else quoting.posix(words)
        commands[system] = _sendable("the command", line)
    spec: dict[str, Any] = {
        **_common(name, token, options),
        "command": commands,
        "triesLeft": _whole("tries", options.tries, 0),
        "tags": [_word("tag", tag) for tag in options.tags],
        "environment": _environment(options.environment),
        "conditions": _conditions(options, list(commands)),
    }
    if "windows" not in commands:
        # Where a job may go to Windows too, each client takes its own system's shell.
        spec["shell"] = "sh"
    if options.cpus is not None:
        spec["cpus"] = _whole("cpus", options.cpus, 1)
    if options.gpu_resource:
        spec.update(resources({_word("resource", options.gpu_resource): 1}))
    return spec


def container_spec(title: str, token: str, options: FarmOptions) -> dict[str, Any]:
    """The job without a command that holds the others. Raises HQueueProblem as ``job_spec``."""
    return _common(title, token, options)


def resources(wanted: Mapping[str, int]) -> dict[str, Any]:
    """The keys that ask for counted resources: ``{"resources": {name: quantity}}``.

    The form is that of an example in HQueue's documentation (Resources).
    """
    return {"resources": dict(wanted)}


def plain(text: str) -> str:
    r"""Text that is shown, never run: one line of at most 200 letters.

    Line ends and other letters that cannot be seen appear as their escapes (``\n``, ``\u202e``).
    """
    shown = "".join(
        c if c.isprintable() or unicodedata.category(c) == "Zs" else _escaped(c) for c in text
    ).strip()
    return (shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…") or "unnamed"


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def _common(name: str, token: str, options: FarmOptions) -> dict[str, Any]:
    """What every job has."""
    if not _TOKEN.fullmatch(token):
        raise HQueueProblem(f"the token {token!r} of a submission is not usable", "submit again")
    if options.priority not in _PRIORITIES:
        raise HQueueProblem(f"the priority {options.priority} of a job is not one of 0 to 10")
    text = plain(options.description) if options.description.strip() else "nvdiffrec"
    return {
        "name": plain(name),
        "priority": options.priority,
        "submittedBy": _user(),
        "description": f"{text} ({token})",
    }


def _user() -> str:
    try:
        return plain(getpass.getuser())
    except (OSError, KeyError, ImportError):
        return "unknown"


def _usable(options: FarmOptions, here: str) -> list[str]:
    """The platforms that jobs can run on."""
    for name in options.platforms:
        if name not in PLATFORMS:
            raise HQueueProblem(f"the platform '{name}' is none of {', '.join(PLATFORMS)}")
    found = [
        name
        for name in PLATFORMS
        if name in options.platforms and (name == here or options.interpreters.get(name))
    ]
    if not found:
        raise HQueueProblem(
            f"no Python is named for any of the farm's platforms ({', '.join(options.platforms)})",
            "add --python SYSTEM=PATH",
        )
    return found


def _conditions(options: FarmOptions, systems: Sequence[str]) -> list[dict[str, str]]:
    """Which clients may run a job: HQueue's client conditions, all of which must hold."""
    found = []
    if set(systems) < set(PLATFORMS):
        found.append(_condition("os", systems))
    if options.groups:
        found.append(_condition("group", [_word("group", one) for one in options.groups]))
    if options.clients:
        found.append(_condition("hostname", [_word("client", one) for one in options.clients]))
    return found


def _condition(name: str, values: Sequence[str]) -> dict[str, str]:
    several = len(values) > 1
    return {
        "type": "client",
        "name": name,
        "op": "any" if several else "==",
        "value": ",".join(values),
    }


def _word(what: str, name: str) -> str:
    """A name that HQueue compares: it is sent as it is, or not at all."""
    if not name.strip() or name != plain(name) or "," in name:
        raise HQueueProblem(
            f"the name {plain(name)!r} of a {what} is empty or too long, or holds a comma or "
            "invisible letters",
            "write it as the farm's web pages show it",
        )
    return name


def _whole(what: str, number: int, least: int) -> int:
    if number < least:
        raise HQueueProblem(f"'{what}' of a job is {number}, it must be at least {least}")
    # XML-RPC has no larger ones.
    return min(number, 2**31 - 1)


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name):
            raise HQueueProblem(
                f"{plain(name)!r} is no name of an environment variable",
                "use letters, digits and _ alone",
            )
        found[name] = _sendable(f"the environment variable {name}", value)
    return found


def _sendable(what: str, text: str) -> str:
    if wrong := _NOT_IN_XML.search(text):
        raise HQueueProblem(
            f"{what} holds {wrong[0]!r}, which cannot be sent to the farm's server", "leave it out"
        )
    return text
