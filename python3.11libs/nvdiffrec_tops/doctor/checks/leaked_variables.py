"""Variables of Houdini, or of another environment, that would break the environment's Python."""

from __future__ import annotations

import os
import subprocess

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.environment import isolated

BREAKING = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONPLATLIBDIR")


def run(context: Context) -> list[Finding]:
    report = isolated(context.environ, context.place)[1]
    dropped = [name for name in BREAKING if name in report.removed]
    entries = [f"{name} has {entry}" for name, entry in report.removed_entries if name != "PATH"]
    if not dropped and not entries:
        return CHECK.ok("no variable of Houdini or of another environment stands in the way")
    evidence = "; ".join([f"{name} is {context.environ[name]}" for name in dropped] + entries)
    unset = " ".join(dict.fromkeys([*dropped, *(name for name, _ in report.removed_entries)]))
    cure = "the toolkit's jobs take them out; for a training by hand: " + (
        f"set {unset}=" if os.name == "nt" else f"unset {unset}"
    )
    if _starts(context):
        return [CHECK.note(evidence, cure)]
    return [CHECK.warning(f"{evidence}: the environment's Python does not start with them", cure)]


def _starts(context: Context) -> bool:
    try:
        ended = subprocess.run(
            [context.place.python, "-c", "import json, ssl"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=context.environ,
            timeout=10,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0


CHECK = Check(
    "leaked_variables",
    "Variables from outside",
    "environment",
    run,
    needs=("interpreter_starts",),
)
