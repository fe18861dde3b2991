"""``nvdiffrec-tops``, also ``python -m nvdiffrec_tops``: one subcommand per task."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from nvdiffrec_contract.terminal import guarded

FAILED = 1
INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="nvdiffrec-tops",
        description="Houdini TOP networks and training, from the command line",
    )
    top.add_argument(
        "--debug", action="store_true", help="show a traceback when the program itself fails"
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (place, short, text) in _COMMANDS.items():
        command = commands.add_parser(name, help=short, description=text)
        module, _colon, stem = place.partition(":")
        implementation = importlib.import_module(f"nvdiffrec_tops.{module}")
        prefix = stem and f"{stem}_"
        getattr(implementation, f"add_{prefix}arguments")(command)
        command.set_defaults(run=getattr(implementation, f"{prefix}main"))
    # The doctor stands above environments, which therefore cannot ask it themselves.
    commands.choices["env"].set_defaults(examine=_examine)
    commands.choices["completion"].set_defaults(whole=top)
    return top


def _examine(folder: str) -> tuple[str, str]:
    from nvdiffrec_tops.create_environment import examined

    return examined(folder)


_COMMANDS = {
    "reconstruct": (
        "photographs:reconstruct",
        "from photographs or a film to a trained mesh",
        "Find the cameras and masks of photographs or a film, and train a mesh from them. The same "
        "command goes on where it was ended.",
    ),
    "prepare": (
        "photographs:prepare",
        "from photographs or a film to a data set, without training",
        "Find the cameras and masks of photographs or a film, and write a data set with its "
        "configuration. The same command goes on where it was ended.",
    ),
    "new": (
        "newconfiguration.command",
        "write a configuration for what lies in a folder",
        "Look at what lies in a folder and write a training configuration there, with a comment "
        "beside each field. Nothing is ever written over.",
    ),
    "cook": (
        "cook.command",
        "cook a TOP network of a scene without Houdini",
        "Cook a TOP network of a .hip scene on this machine, without Houdini.",
    ),
    "doctor": (
        "doctor.command",
        "examine an environment, a checkout, a configuration and its data",
        "Examine what a training needs, say what is wrong, and how to mend it.",
    ),
    "submit": (
        "cook.farm.command:submit",
        "hand the work items of a scene to an HQueue farm",
        "Hand the work items of a .hip scene to an HQueue farm, without Houdini.",
    ),
    "follow": (
        "cook.farm.command:follow",
        "show how far a submission is, until it has ended",
        "Follow a submission, from this process or an earlier one, until all its jobs have ended.",
    ),
    "cancel": (
        "hqueue.command:cancel",
        "end the jobs of a submission",
        "End the jobs of a submission. What they have finished stays.",
    ),
    "monitor": (
        "monitor.command:monitor",
        "show trainings in a browser: mesh, pictures, curves, warnings",
        "Serve a page about trainings that run or have ended: the mesh with its material under its "
        "light, pictures, curves, warnings. It only reads.",
    ),
    "report": (
        "monitor.command:report",
        "write what the monitor shows into one HTML file",
        "Write a page about trainings into one file that needs neither a server nor a network.",
    ),
    "status": (
        "hqueue.command:status",
        "list your submissions and what has become of them",
        "List the submissions of this user on this machine, and what has become of them.",
    ),
    "farm": (
        "hqueue.demo.command",
        "run a small farm on this computer, to try the way to a farm",
        "Run a small farm on this computer, to try the way to a farm.",
    ),
    "export": (
        "export",
        "write a result as USD, glTF, MaterialX and OBJ for other programs",
        "Write a finished result as an asset that opens right in other programs.",
    ),
    "version": (
        "bugreport.version",
        "print the versions that a bug report needs",
        "Print the versions of all that takes part in a training. Nothing private is among them.",
    ),
    "bundle": (
        "bugreport.bundle",
        "pack what a result says of a fault, without anything private",
        "Pack a training's log, configuration, result, versions, the doctor's findings and small "
        "pictures into one file. Folders, names and secrets become placeholders; nothing is sent.",
    ),
    "completion": (
        "completion",
        "print a script that completes commands in a shell",
        "Print a script with which a shell completes the commands and options of this program.",
    ),
    "env": (
        "environment.command",
        "make, list, show and remove Python environments",
        "Make, list, show and remove the Python environments that trainings run in.",
    ),
}
"""Each subcommand: the module with ``add_arguments`` and ``main``, and its help.

``module:name`` means ``add_name_arguments`` and ``name_main`` of a module that has several.
"""


def _mistakes() -> tuple[type[Exception], ...]:
    """Errors that tell an artist what to mend; they are shown without a traceback."""
    from houfiles import HouFileError
    from topcook.parameters.functions import ExpressionError
    from topcook.pdg import CookError

    from .cook.options import CookCommandError
    from .environment import EnvironmentProblem
    from .hqueue.problem import HQueueProblem

    return (
        CookCommandError,
        CookError,
        EnvironmentProblem,
        ExpressionError,
        HouFileError,
        HQueueProblem,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit code. Only argparse's SystemExit leaves."""
    with (
        contextlib.redirect_stdout(guarded(sys.stdout)),
        contextlib.redirect_stderr(guarded(sys.stderr)),
    ):
        return _main(argv)


def _main(argv: Sequence[str] | None) -> int:
    arguments = parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except _mistakes() as error:
        if arguments.debug:
            traceback.print_exc()
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (``| head``): nothing left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if arguments.debug:
            traceback.print_exc()
        else:
            log = _write_traceback()
            print(
                f"error: the program failed ({type(error).__name__}: {error}); this is its own "
                f"fault. The details are in {log}; --debug shows them here",
                file=sys.stderr,
            )
        return FAILED


def _write_traceback() -> Path:
    handle, name = tempfile.mkstemp(prefix="nvdiffrec-tops-", suffix=".log")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        traceback.print_exc(file=file)
    return Path(name)
