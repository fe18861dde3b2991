"""Asks the examined interpreter, in a process of its own, what is there and what works."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inspect_environment.py")
MARK = "@fact "
QUICK = 15.0
"""Seconds for sections that import nothing."""
SLOW = 60.0
"""The same where there is time: an environment on a network disk may take it."""
LONG = 300.0
"""Seconds for those that do; each has a limit of its own below that."""

Facts = dict[str, Any]


class InspectionError(Exception):
    """The interpreter gave no answer; the message is what it said instead."""


def inspect(
    python: str,
    sections: Sequence[str],
    environment: Mapping[str, str],
    *,
    options: Mapping[str, str] | None = None,
    timeout: float = QUICK,
) -> dict[str, Facts]:
    """Facts by section. A section without an answer has a ``problem`` in its place.

    Raises:
        InspectionError: the interpreter does not run at all.
    """
    more = [f"--{name}={value}" for name, value in (options or {}).items()]
    command = [python, "-I", SCRIPT, *sections, *more]
    with (
        tempfile.TemporaryDirectory(prefix="doctor-") as folder,
        open(os.path.join(folder, "out"), "w+b") as out,
        open(os.path.join(folder, "err"), "w+b") as err,
    ):
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise InspectionError(str(error)) from None
        late = False
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            _end(process)
        out.seek(0)
        err.seek(0)
        # A file, not a pipe: what was answered before a hang counts.
        answered = _answers(out.read(64 << 20).decode("utf-8", "replace"))
        said = err.read(1 << 20).decode("utf-8", "replace").strip().splitlines()
    if not answered:
        if late:
            raise InspectionError(f"no answer within {timeout:.0f} s")
        reason = said[-1] if said else f"it ended with exit code {process.returncode}"
        raise InspectionError(reason[:600])
    missing = {"problem": f"no answer within {timeout:.0f} s" if late else "no answer"}
    return {section: answered.get(section, missing) for section in sections}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and those that it started; one that ended well has waited for them."""
    if process.poll() != 0:
        with contextlib.suppress(OSError):
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
    process.wait()


def _answers(text: str) -> dict[str, Facts]:
    found: dict[str, Facts] = {}
    for line in text.splitlines():
        if not line.startswith(MARK):
            continue
        try:
            document = json.loads(line[len(MARK) :])
            section, facts = document["section"], document["facts"]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        if isinstance(section, str) and isinstance(facts, dict):
            found[section] = facts
    return found
