"""``nvdiffrec-tops status`` and ``cancel``: what has become of submissions, and their end."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import suppress
from typing import Any, TextIO

from nvdiffrec_contract.failure import EXIT_STOPPED
from nvdiffrec_contract.wording import counted
from nvdiffrec_tops.job.farmstate import DONE, STARTED, exit_code

from . import record
from .jobspec import plain
from .problem import HQueueProblem
from .record import Submission
from .server import Server

_AT_ONCE = 500


def add_status_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``status``."""
    parser.add_argument(
        "job", metavar="JOB", nargs="?", help="one submission: its job's number, or its folder"
    )
    parser.add_argument("--server", metavar="URL", default="", help="submissions of this server")
    parser.add_argument("--json", action="store_true", help="print JSON on standard output")


def add_cancel_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``cancel``."""
    parser.add_argument(
        "job", metavar="JOB", help="the number of the submission's job, or the submission's folder"
    )
    parser.add_argument(
        "--server", metavar="URL", default="", help="where several servers know that number"
    )


def counts(submission: Submission) -> dict[str, int]:
    """Jobs by what their files say: done, failed, stopped by a cancel, running, waiting."""
    found = {"done": 0, "failed": 0, "stopped": 0, "running": 0, "waiting": 0}
    try:
        names = submission.state.names()
    except OSError:
        names = set()
    cancelled, killed = submission.state.cancelled, submission.abandoned
    for item in submission.items:
        name = item["name"]
        if name + DONE in names:
            code = exit_code(submission.state.read(name + DONE))
            stopped = cancelled and code == EXIT_STOPPED
            found["done" if code == 0 else "stopped" if stopped else "failed"] += 1
        elif name + STARTED in names and not killed:
            found["running"] += 1
        else:
            found["stopped" if cancelled else "waiting"] += 1
    return found


def _shown(found: dict[str, int]) -> str:
    return ", ".join(f"{number} {word}" for word, number in found.items() if number)


def status(arguments: argparse.Namespace, stdout: TextIO) -> int:
    """List submissions. Raises HQueueProblem when the one that is asked for is not known."""
    chosen = record.known()
    if arguments.job:
        chosen = [record.find(arguments.job, arguments.server)]
    elif arguments.server:
        chosen = [one for one in chosen if one.server == arguments.server]
    rows = [(one, counts(one)) for one in chosen]
    if arguments.json:
        json.dump([_document(one, found) for one, found in rows], stdout, indent=1)
        stdout.write("\n")
        return 0
    for one, found in rows:
        cancelled = ", cancelled" if one.state.cancelled else ""
        stdout.write(f"{one.container}  {plain(one.scene)}: {_shown(found)}{cancelled}\n")
        stdout.write(f"    {plain(one.server)}/jobs/view/{one.container}  {one.folder}\n")
    if not rows:
        stdout.write("no submission of this user is known on this machine\n")
    return 0


def _document(submission: Submission, found: dict[str, int]) -> dict[str, Any]:
    return {
        "job": submission.container,
        "server": submission.server,
        "scene": submission.scene,
        "folder": str(submission.folder),
        "cancelled": submission.state.cancelled,
        **found,
    }


def cancel(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    """End a submission's jobs. Raises HQueueProblem when it is not known."""
    submission = record.find(arguments.job, arguments.server)
    scene, found = plain(submission.scene), counts(submission)
    left = found["running"] + found["waiting"]
    if not left:
        stdout.write(
            f"nothing to cancel: job {submission.container} of {scene} has ended "
            f"({_shown(found) or 'it had no work items'})\n"
        )
        return 0
    told = False
    with suppress(OSError):
        submission.state.cancel()
        told = True
    server = Server(submission.server, patience=0.0)
    ids = [*submission.jobs, *([submission.container] if submission.container else [])]
    try:
        for begin in range(0, len(ids), _AT_ONCE):
            server.cancel(ids[begin : begin + _AT_ONCE])
    except HQueueProblem as problem:
        if not told:
            raise
        stderr.write(
            f"{problem}\nThe jobs that run have been told by a file and end; those that wait end "
            "when they begin\n"
        )
        return 1
    before = len(submission.items) - left
    ended = f"; {counted(before, 'job')} had ended before" if before else ""
    stdout.write(f"cancelled {counted(left, 'job')} of {scene}{ended}\n")
    return 0


def status_main(arguments: argparse.Namespace) -> int:
    return status(arguments, sys.stdout)


def cancel_main(arguments: argparse.Namespace) -> int:
    return cancel(arguments, sys.stdout, sys.stderr)
