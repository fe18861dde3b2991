"""``nvdiffrec-tops``, also ``python -m nvdiffrec_tops``: one subcommand per task."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

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
    cook = commands.add_parser(
        "cook",
        help="cook a TOP network of a scene without Houdini",
        description="Cook a TOP network of a .hip scene on this machine, without Houdini.",
    )
    cook.set_defaults(run=_cook)
    _cook_arguments(cook)
    return top


def _cook_arguments(cook: argparse.ArgumentParser) -> None:
    from .headless.command import add_arguments

    add_arguments(cook)


def _cook(arguments: argparse.Namespace) -> int:
    from .headless.command import main as cook

    return cook(arguments)


def _mistakes() -> tuple[type[Exception], ...]:
    """Errors that tell an artist what to mend; they are shown without a traceback."""
    from .cookcommand import CookCommandError
    from .expressions import ExpressionError
    from .headless.pdg import CookError
    from .houfiles import HouFileError

    return CookCommandError, CookError, ExpressionError, HouFileError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit code. Only argparse's SystemExit leaves."""
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
