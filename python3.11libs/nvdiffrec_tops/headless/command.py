"""``nvdiffrec-tops cook``: the command line of the headless cook."""

from __future__ import annotations

import argparse
import json
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO

from .. import cookcommand
from ..cookcommand import Override
from . import pdg, serialise
from .cook import Cook, Watcher
from .generation import Generation
from .localscheduler import LocalScheduler
from .network import Network, open_network
from .report import report, summary
from .view import View, open_view

INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of every cook, and those of a cook without Houdini."""
    cookcommand.add_arguments(parser)
    parser.add_argument(
        "--grace",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="time that a stopped job gets to save its work (default 10)",
    )
    parser.add_argument(
        "--allow-unknown-parms",
        action="store_true",
        help="ignore parameters of other Houdini versions and parameters added by hand",
    )


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    """Cook, or show what would be cooked. Returns the exit code. Raises CookError, HouFileError."""
    network = open_network(
        arguments.scene,
        top=arguments.top,
        ends=arguments.node,
        all_ends=arguments.all_ends,
        overrides=[Override.parse(text) for text in arguments.overrides],
        allow_unknown=arguments.allow_unknown_parms,
    )
    words = stderr if arguments.json else stdout
    if arguments.dry_run:
        return _dry_run(network, arguments.json, stdout, stderr)
    view = open_view(network.context.graph, words)
    network.surroundings.warn = _once(view)
    for note in network.notes:
        view.say(note)
    scheduler = LocalScheduler(
        network.scheduler, jobs=arguments.jobs, grace=arguments.grace, on_line=view.line
    )
    watcher = Watcher(
        started=view.started,
        ended=view.ended,
        generated=view.generated,
        warning=network.surroundings.warn,
    )
    cook = Cook(network.context, scheduler, watcher, force=arguments.force)
    with _Signals(cook), view:
        result = cook.run()
    for line in summary(result):
        words.write(line + "\n")
    document = report(result)
    if arguments.json:
        json.dump(document, stdout, indent=1)
        stdout.write("\n")
    if arguments.report is not None:
        cookcommand.write_report(arguments.report, document)
    if result.stopped:
        return INTERRUPTED
    return 0 if result.successful else 1


def _once(view: View) -> Callable[[str], None]:
    """Show each warning once, however many items it concerns."""
    shown: set[str] = set()

    def warn(message: str) -> None:
        if message not in shown:
            shown.add(message)
            view.say(f"warning: {message}")

    return warn


class _Signals:
    """While a cook runs, SIGINT, SIGTERM and SIGHUP stop it; a second one stops it at once.

    A handler in Python is not enough: a signal that arrives just before the cooking thread blocks
    on its queue would only be handled when the queue moves. The wake-up socket is written to by
    the signal itself, and a thread of its own listens to it.
    """

    def __init__(self, cook: Cook) -> None:
        self._cook = cook
        self._before: dict[int, Any] = {}
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._thread = threading.Thread(target=self._listen, name="signals", daemon=True)
        self._wakeup_before = -1

    def __enter__(self) -> None:
        self._thread.start()
        self._wakeup_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None:
                self._before[number] = signal.signal(number, lambda _number, _frame: None)

    def _listen(self) -> None:
        while numbers := self._reader.recv(64):
            for number in numbers:
                if number in self._before:
                    self._cook.request_stop()

    def __exit__(self, *_error: object) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._writer.close()
        self._thread.join()
        self._reader.close()


def generate_all(network: Network, warn: Callable[[str], None]) -> list[pdg.WorkItem]:
    """Every work item of a network, without running any.

    Items that are generated during a cook are made as if everything upstream had succeeded.
    """
    network.surroundings.warn = warn
    LocalScheduler(network.scheduler)
    generation = Generation(network.context.graph, lambda _items: None)
    generation.static()
    generation.dynamic(assume_cooked=True)
    errors = [one for node in network.context.graph.nodes() for one in node.cookErrors]
    if errors:
        raise pdg.CookError("\n".join(errors))
    return network.context.graph.workItems()


def _dry_run(network: Network, as_json: bool, stdout: TextIO, stderr: TextIO) -> int:
    view = View(network.context.graph, stderr)
    for note in network.notes:
        view.say(note)
    items = generate_all(network, _once(view))
    if as_json:
        scheduler = network.scheduler.path.rsplit("/", 1)[-1]
        json.dump([serialise.full(item, scheduler) for item in items], stdout, indent=1)
        stdout.write("\n")
        return 0
    for item in items:
        when = "" if item.isStatic else ", generated during the cook"
        stdout.write(f"{item.name} (id {item.id}, index {item.index}{when})\n")
        for name in item.attribNames():
            attribute = item[name]
            exported = "$" if attribute.hasFlag(pdg.attribFlag.EnvExport) else "@"
            values = [attribute.asString(i) for i in range(attribute.size)]
            stdout.write(f"  {exported}{name} = {' '.join(values)}\n")
        if item.hasCommand:
            shell = " (in the system shell)" if item.shouldRunInShell else ""
            stdout.write(f"  command{shell}: {item.platformCommand(pdg.curPlatform())}\n")
        for file in item.expectedOutputFiles:
            stdout.write(f"  expects: {file.path} ({file.tag})\n")
    return 0


def main(arguments: argparse.Namespace) -> int:
    return run(arguments, sys.stdout, sys.stderr)
