"""``nvdiffrec-tops monitor`` and ``report``: trainings in a browser."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from pathlib import Path

from nvdiffrec_tops.hqueue.problem import HQueueProblem

from . import report
from .server import LOOPBACK, Server
from .watching import NothingToShow, watched


def add_monitor_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``monitor``."""
    _add_what(parser)
    parser.add_argument(
        "--port", type=_port, default=0, metavar="N", help="where to listen (a free port)"
    )
    parser.add_argument(
        "--host",
        default=LOOPBACK,
        metavar="NAME",
        help="address to listen on; any but this machine's own loopback is open to others, who "
        "need the address with its token (127.0.0.1)",
    )
    parser.add_argument("--open", action="store_true", help="open the page in a browser")


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``report``."""
    _add_what(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"the report ({report.NAME} in the folder, or here for a farm job)",
    )


def _add_what(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        metavar="OUT_FOLDER | FARM_JOB",
        nargs="?",
        help="the output folder of a training, a folder above several, or the number or folder of "
        "a farm's job (out, or else this folder)",
    )


def _port(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() else -1
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: a number from 0 to 65535")
    return number


def monitor_main(arguments: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C; the exit code."""
    try:
        found = watched(arguments.what)
        server = Server(found, arguments.host, arguments.port)
    except (NothingToShow, HQueueProblem) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"error: cannot listen on {arguments.host}, port {arguments.port}: "
            f"{error.strerror or error}; name another with --port or --host",
            file=sys.stderr,
        )
        return 1
    with server:
        print(f"{found.title}: {server.address}\nCtrl-C ends it; the trainings go on", flush=True)
        if arguments.open:
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


def report_main(arguments: argparse.Namespace) -> int:
    """Write the report; the exit code."""
    try:
        found = watched(arguments.what)
        folder = getattr(found, "folder", Path())
        path = report.write(found, arguments.out or folder / report.NAME)
    except (NothingToShow, HQueueProblem, report.NothingToReport, FileExistsError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"error: the report cannot be written: {error.strerror or error}; name another file "
            "with --out",
            file=sys.stderr,
        )
        return 1
    print(path)
    return 0
