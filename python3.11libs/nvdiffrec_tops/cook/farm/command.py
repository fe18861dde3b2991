"""``nvdiffrec-tops submit`` and ``follow``: the headless cook's work items on an HQueue farm."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from typing import Any, TextIO

from nvdiffrec_contract.wording import counted
from nvdiffrec_tops.cook import options
from nvdiffrec_tops.cook.options import CookCommandError
from nvdiffrec_tops.cook.running import cook_and_tell, once, tell
from nvdiffrec_tops.cook.stopsignals import StopSignals
from nvdiffrec_tops.cook.view import View, open_view
from nvdiffrec_tops.hqueue import record
from nvdiffrec_tops.hqueue.jobspec import FarmOptions
from nvdiffrec_tops.hqueue.paths import SharedFolders
from nvdiffrec_tops.hqueue.problem import HQueueProblem
from nvdiffrec_tops.hqueue.server import Server
from topcook.cook import CookResult, Watcher
from topcook.network.opening import open_network

from . import flags
from .detached import DetachedCook, DetachedScheduler
from .following import FollowCook, FollowScheduler
from .scheduler import FarmSetup, HQueueScheduler

SEND_SECONDS = 600.0
"""How long a submission that nobody follows tries to reach the server."""


def add_submit_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``submit``."""
    options.add_scene_arguments(parser)
    parser.add_argument(
        "--server",
        metavar="URL",
        default="",
        help="the HQueue server, http://HOST:5000 (default: the one that the scene names)",
    )
    flags.add_arguments(parser)
    parser.add_argument(
        "--follow", action="store_true", help="wait for the jobs and show how far they are"
    )


def add_follow_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``follow``."""
    parser.add_argument(
        "job", metavar="JOB", help="the number of the submission's job, or the submission's folder"
    )
    parser.add_argument(
        "--server", metavar="URL", default="", help="where several servers know that number"
    )
    options.add_report_arguments(parser)


def submit(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    """Hand a scene's work items to a farm. Returns the exit code.

    Raises CookError, HouFileError, HQueueProblem, CookCommandError.
    """
    options.check(arguments)
    network = open_network(
        arguments.scene,
        top=arguments.top,
        ends=arguments.node,
        all_ends=arguments.all_ends,
        overrides=options.overrides(arguments),
        allow_unknown=arguments.allow_unknown_parms,
    )
    words = stderr if arguments.json else stdout
    graph = network.context.graph
    view = open_view(graph, words) if arguments.follow else View(graph, words)
    network.surroundings.warn = once(view)
    for note in network.notes:
        view.say(note)
    setup = flags.setup(network, arguments, view.say, arguments.server)
    if arguments.follow:
        with HQueueScheduler(network.scheduler, setup, on_line=view.line) as scheduler:
            return cook_and_tell(network, scheduler, view, arguments, stdout, words)
    with DetachedScheduler(network.scheduler, setup) as detached:
        watcher = Watcher(generated=view.generated, warning=network.surroundings.warn)
        cook = DetachedCook(network.context, detached, watcher, force=arguments.force)
        with StopSignals(cook.request_stop):
            result = cook.run()
        sent = detached.farm.sent(SEND_SECONDS)
    return _told_sent(result, len(detached.tasks), sent, setup, detached, arguments, stdout, words)


def _told_sent(
    result: CookResult,
    count: int,
    sent: bool,
    setup: FarmSetup,
    scheduler: DetachedScheduler,
    arguments: argparse.Namespace,
    stdout: TextIO,
    words: TextIO,
) -> int:
    job = scheduler.submission.container
    jobs = counted(count, "job")
    if not result.successful:
        code = tell(result, arguments, stdout, words)
        if count:
            words.write(
                f"What is called done above is sent, {jobs}. To watch: nvdiffrec-tops follow "
                f"{job}; to end: nvdiffrec-tops cancel {job}\n"
            )
        return code
    if not sent:
        raise HQueueProblem(
            f"{setup.server.address} did not take all jobs", "submit again when it answers"
        )
    if not count:
        words.write("nothing to send: every work item is up to date\n")
    else:
        words.write(
            f"{jobs} sent. To watch: nvdiffrec-tops follow {job}, "
            f"or in a browser: nvdiffrec-tops monitor {job}\n"
        )
    document = {"job": job, "jobs": scheduler.submission.jobs, "server": setup.server.address}
    document["folder"] = str(scheduler.submission.folder)
    options.give_report(arguments, document, stdout)
    return 0


def follow(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    """Follow a submission to its end. Returns the exit code of the cook that it is.

    Raises HQueueProblem, CookCommandError.
    """
    options.check(arguments)
    submission = record.find(arguments.job, arguments.server)
    words = stderr if arguments.json else stdout
    if not submission.items:
        raise HQueueProblem(f"the submission {submission.path} has no jobs", "submit the scene")

    view: View | None = None

    def say(text: str) -> None:
        if view is not None:
            view.say(text)

    setup = FarmSetup(
        server=Server(submission.server, patience=0.0, on_trouble=say),
        shared=SharedFolders.of([]),
        options=FarmOptions(),
        given=frozenset(),
        token=submission.token,
        scene=submission.scene,
        say=say,
    )
    scheduler = FollowScheduler(
        submission, setup, on_line=lambda item, line: view.line(item, line) if view else None
    )
    try:
        cook = FollowCook(submission, scheduler, Watcher())
    except (KeyError, TypeError, ValueError) as error:
        raise HQueueProblem(f"the submission {submission.path} is damaged: {error}") from None
    view = open_view(cook.graph, words)
    cook.watcher = Watcher(started=view.started, ended=view.ended)
    with scheduler, StopSignals(cook.leave), view:
        result = cook.run()
    if result.stopped:
        words.write(
            f"not followed any more; the jobs go on. To end them: nvdiffrec-tops cancel "
            f"{submission.container}\n"
        )
        return options.INTERRUPTED
    return tell(result, arguments, stdout, words)


def submit_scene(scene: str | os.PathLike[str], *options: str) -> dict[str, Any]:
    """``submit`` for a program: its options as on the command line, its report as plain data.

    ``submit_scene("shot.hip", "--server", "http://farm:5000", "--share", "/mnt/jobs")`` gives the
    job's number (``job``), those below it (``jobs``) and the submission's ``folder``; with
    ``--follow`` the report of the cook. Progress goes to standard error.

    Raises:
        CookError: the scene, or a job of it, cannot be used; also when nothing was submitted.
        HouFileError, HQueueProblem, CookCommandError: as their sentences say.
    """
    parser = argparse.ArgumentParser(prog="submit_scene", exit_on_error=False)
    add_submit_arguments(parser)
    try:
        arguments = parser.parse_args([os.fspath(scene), *options, "--json"])
    except argparse.ArgumentError as error:
        raise CookCommandError(str(error)) from None
    told = io.StringIO()
    submit(arguments, told, sys.stderr)
    document: dict[str, Any] = json.loads(told.getvalue())
    return document


def submit_main(arguments: argparse.Namespace) -> int:
    return submit(arguments, sys.stdout, sys.stderr)


def follow_main(arguments: argparse.Namespace) -> int:
    return follow(arguments, sys.stdout, sys.stderr)
