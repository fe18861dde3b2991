"""The command of a work item: one line that a scheduler can take apart again.

A scheduler replaces ``__PDG_...__`` tokens in the line, expands ``$NAME`` in it, splits it by its
platform's rules and starts the first word without a shell. No quotation protects a ``$`` from the
second step, so arguments that hold such characters travel escaped (see ``job.commandline``).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nvdiffrec_contract.options import OPTIONS, Option
from nvdiffrec_tops.job.commandline import ESCAPED, escape
from nvdiffrec_tops.job.environment import EnvironmentPolicy
from nvdiffrec_tops.job.jobfile import JobFile

JOB_SCRIPT = Path(__file__).resolve().parent / "job" / "__main__.py"

# What a scheduler, cmd.exe or a shell might change even between quotes, line ends included.
_TOUCHED = re.compile(r"[$`%!^\x00-\x1f\x7f]|__[A-Z]|[\ud800-\udfff]")


class CommandError(Exception):
    """A command that no quotation can carry; the message names the part and the cure."""


@dataclass(frozen=True)
class TrainingCommand:
    """One work item's training, as the job process's command line takes it.

    Paths are as the machine that runs the job sees them. ``python`` is the interpreter that runs
    the job process, ``environment`` the training environment (its folder or its interpreter;
    None: the same). ``overrides`` are configuration fields, ``variables`` go into the trainer's
    environment. ``on_failure``: ``fail``, or ``warn`` to go on with a warning;
    ``on_out_of_memory``: ``fail`` or ``halve_batch``. ``claim_card``: wait for a free
    graphics card.
    """

    python: str
    engine: str
    config: str
    output: str
    environment: str | None = None
    working_dir: str | None = None
    script: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    device: str = OPTIONS["device"].default
    seed: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    retries: int | None = None
    timeout: float | None = None
    inputs: tuple[str, ...] = ()
    on_failure: str = OPTIONS["on_failure"].default
    on_out_of_memory: str = OPTIONS["on_out_of_memory"].default
    claim_card: bool = OPTIONS["claim_card"].default
    force: bool = False
    job_script: str = str(JOB_SCRIPT)

    def arguments(self) -> list[str]:
        """The job process's arguments, each option one word with its value.

        One word, because a value that begins with ``-`` would be taken for an option.
        """
        words = []
        for option in sorted(OPTIONS.values(), key=lambda one: one.several):
            for value in self._values(option):
                words.append(option.flag if value is True else f"{option.flag}={value}")
        words += [f"--unset-env={name}" for name in self.unset]
        return words + (["--force"] if self.force else [])

    def _values(self, option: Option) -> Iterable[object]:
        """What stands behind an option's flag, each time that it is given."""
        if option.name == "overrides":
            return [f"{name}={_json(value)}" for name, value in self.overrides.items()]
        if option.name == "environment":
            return [f"{name}={value}" for name, value in self.variables.items()]
        name = "environment" if option.name == "python" else option.name
        value: Any = getattr(self, name)
        if option.several:
            return tuple(value)
        return () if value is None or value == option.default else (value,)

    def job(self) -> JobFile:
        """The job that the job process makes of these arguments, seen from this machine.

        Raises:
            JobFileError: a field is wrong.
        """
        given = {
            name: getattr(self, name) for name in OPTIONS if name not in ("python", "environment")
        }
        if self.retries is None:
            del given["retries"]
        job = JobFile(
            **{**given, "overrides": dict(self.overrides)},
            python=self.environment,
            environment=EnvironmentPolicy(set=dict(self.variables), unset=self.unset),
        )
        return job.based_on(os.getcwd())

    def argv(self) -> list[str]:
        """The whole argument list.

        The interpreter is told to ignore Python variables (``-I``): those of Houdini's process
        would keep another Python from starting.
        """
        return job_argv(self.python, self.arguments(), self.job_script)

    def line(self, *, windows: bool = os.name == "nt") -> str:
        """The command as one line for a scheduler on that platform.

        Raises:
            CommandError: the interpreter's or the toolkit's own path cannot be carried.
        """
        return command_line(self.argv(), windows=windows)


def job_argv(python: str, arguments: Sequence[str], job_script: str = str(JOB_SCRIPT)) -> list[str]:
    """Argument list that starts the job process under ``python``; escaped where needed."""
    arguments = list(arguments)
    if any(_TOUCHED.search(argument) for argument in arguments):
        arguments = [ESCAPED, *(escape(argument) for argument in arguments)]
    return [python, "-I", "-X", "utf8", job_script, *arguments]


def command_line(argv: Sequence[str], *, windows: bool = os.name == "nt") -> str:
    """``argv`` as one line: quoted for POSIX (``shlex``) or by the rules of Windows' C runtime.

    ``__PDG_PYTHON__`` and ``__PDG_HYTHON__`` may be the first word.

    Raises:
        CommandError: a word would be changed on its way (the toolkit's or interpreter's path holds
            ``$``, a line end, or on Windows ``%``).
    """
    for position, word in enumerate(argv):
        token = position == 0 and word in ("__PDG_PYTHON__", "__PDG_HYTHON__")
        if not token and _TOUCHED.search(word):
            raise CommandError(
                f"the path {word!r} holds characters that a scheduler would replace; "
                "move the toolkit or the environment to a folder with a plain name"
            )
        if windows and '"' in word and position == 0:
            raise CommandError(f"the program's path {word!r} holds a quotation mark")
    return subprocess.list2cmdline(argv) if windows else shlex.join(argv)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))
