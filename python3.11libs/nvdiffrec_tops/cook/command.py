"""``nvdiffrec-tops cook``: the command line of the headless cook."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TextIO

from topcook import pdg
from topcook.jobs import serialise
from topcook.network.opening import Network, open_network
from topcook.planning import generate_all
from topcook.schedulers.local import LocalScheduler

from . import options, reporting
from .console import NOTHING, reported
from .farm import flags
from .farm.scheduler import HQueueScheduler
from .refusals import promised, refusal
from .reporting import Ending
from .running import cook_and_tell, once
from .view import View, open_view

GRACE_SECONDS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of a cook without Houdini."""
    options.add_arguments(parser)
    parser.add_argument(
        "--local",
        action="store_true",
        help="cook on this machine although the scene's scheduler is a farm's",
    )
    parser.add_argument(
        "--allow-scene-python",
        action="store_true",
        help="run the code of the scene's Python Script nodes, in processes of their own and with "
        "your rights; read it first. Without this option a scene that has such a node is refused",
    )
    flags.add_share(parser)


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    """Cook, or show what would be cooked. Returns the exit code. Raises CookError, HouFileError."""
    options.check(arguments)
    network = open_network(
        arguments.scene,
        top=arguments.top,
        ends=arguments.node,
        all_ends=arguments.all_ends,
        overrides=options.overrides(arguments),
        allow_unknown=arguments.allow_unknown_parms,
        local=arguments.local,
        scene_python=arguments.allow_scene_python,
    )
    words = stderr if arguments.json else stdout
    if arguments.dry_run:
        return _dry_run(network, arguments, stdout, stderr)
    view = open_view(network.context.graph, words)
    network.surroundings.warn = once(view)
    for note in network.notes:
        view.say(note)
    if network.scheduler_type == "hqueuescheduler":
        setup = flags.setup(network, arguments, view.say)
        with HQueueScheduler(network.scheduler, setup, on_line=view.line) as farm:
            return cook_and_tell(network, farm, view, arguments, stdout, words)
    scheduler = LocalScheduler(
        network.scheduler,
        jobs=arguments.jobs,
        grace=GRACE_SECONDS if arguments.grace is None else arguments.grace,
        on_line=view.line,
    )
    return cook_and_tell(network, scheduler, view, arguments, stdout, words)


def _dry_run(
    network: Network, arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO
) -> int:
    view = View(network.context.graph, stderr)
    for note in network.notes:
        view.say(note)
    items = generate_all(network, once(view))
    if not items:
        view.say(NOTHING)
    if arguments.report is not None:
        ending = Ending(successful=True, stopped=False, seconds=0.0)
        document = reporting.report(reported(network.context.graph), ending)
        options.write_report(arguments.report, document)
    here = network.scheduler_type != "hqueuescheduler"
    commands = {
        item: item.platformCommand(pdg.curPlatform()) if item.hasCommand else "" for item in items
    }
    refused = {
        item: refusal(command, here=here, promised=promised(item))
        for item, command in commands.items()
    }
    if arguments.json:
        scheduler = network.scheduler.path.rsplit("/", 1)[-1]
        json.dump([serialise.full(item, scheduler) for item in items], stdout, indent=1)
        stdout.write("\n")
    else:
        for item, command in commands.items():
            for line in reporting.planned(item, command):
                stdout.write(line + "\n")
    stdout.flush()
    for item, why in refused.items():
        if why is not None:
            view.say(f"error: the cook would refuse {item.name}: {why}")
    # A list for a program is whole, whatever stands in it.
    return 1 if any(refused.values()) and not arguments.json else 0


def main(arguments: argparse.Namespace) -> int:
    return run(arguments, sys.stdout, sys.stderr)
