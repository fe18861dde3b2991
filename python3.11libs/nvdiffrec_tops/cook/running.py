"""Running a cook, and saying what came of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TextIO

from topcook.cook import Cook, CookResult, Watcher
from topcook.network.opening import Network
from topcook.schedulers.base import Scheduler

from . import options
from .console import report, summary
from .stopsignals import StopSignals
from .view import View


def cook_and_tell(
    network: Network,
    scheduler: Scheduler,
    view: View,
    arguments: argparse.Namespace,
    stdout: TextIO,
    words: TextIO,
) -> int:
    """Cook with a scheduler, then say what came of it. Returns the exit code."""
    watcher = Watcher(
        started=view.started,
        ended=view.ended,
        generated=view.generated,
        warning=network.surroundings.warn,
    )
    cook = Cook(network.context, scheduler, watcher, force=arguments.force)
    with StopSignals(cook.request_stop), view:
        result = cook.run()
    return tell(result, arguments, stdout, words)


def tell(result: CookResult, arguments: argparse.Namespace, stdout: TextIO, words: TextIO) -> int:
    """The end of a cook: a summary, the reports that were asked for, the exit code."""
    for line in summary(result):
        words.write(line + "\n")
    options.give_report(arguments, report(result), stdout)
    if result.stopped:
        return options.INTERRUPTED
    return 0 if result.successful else 1


def once(view: View) -> Callable[[str], None]:
    """Show each warning once, however many items it concerns."""
    shown: set[str] = set()

    def warn(message: str) -> None:
        if message not in shown:
            shown.add(message)
            view.say(f"warning: {message}")

    return warn
