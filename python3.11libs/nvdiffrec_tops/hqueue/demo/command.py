"""``nvdiffrec-tops farm demo``: a farm in a box, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from nvdiffrec_tops.hqueue.problem import HQueueProblem
from nvdiffrec_tops.hqueue.rpc import PORT
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.farmfile import GRACE, platform
from nvdiffrec_tops.job.process.lock import OutputLock

from .jobs import Client
from .server import DemoServer
from .share import prepare

_GROUP = "gpu"
_MOST = 16
_FAREWELL = GRACE + 5.0
"""Seconds for the jobs to end: what a farm's job gives its command, and some for itself."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``farm``."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    demo = actions.add_parser(
        "demo",
        help="run a small farm on this computer, to try the way to a farm",
        description="Run a stand-in for an HQueue server and its machines on this computer, with a "
        "shared folder and a scene in it, until Ctrl-C. Only this computer can reach it.",
    )
    demo.add_argument(
        "--folder",
        metavar="DIR",
        default=os.path.join("~", "nvdiffrec-farm-demo"),
        help="where its shared folder and its machines' folders are (%(default)s)",
    )
    demo.add_argument(
        "--clients", type=int, choices=range(1, _MOST + 1), metavar="N", default=2,
        help="number of machines (%(default)s)",
    )  # fmt: skip
    demo.add_argument("--port", type=int, default=PORT, help="0 for any that is free (%(default)s)")
    demo.set_defaults(carry_out=_demo)


def main(arguments: argparse.Namespace) -> int:
    """Carry the action out; returns the exit code."""
    code: int = arguments.carry_out(arguments, sys.stdout)
    return code


def _demo(arguments: argparse.Namespace, stdout: TextIO) -> int:
    """Run the farm until it is interrupted. Raises HQueueProblem: it cannot begin."""
    if os.name != "posix":
        raise HQueueProblem(
            "the demo farm's machines run sh, which Windows has not",
            "run it on Linux or macOS, or in WSL; a real farm may have Windows machines",
        )
    if not 0 <= arguments.port < 1 << 16:
        raise HQueueProblem(f"{arguments.port} is no port", "choose one from 1024 to 65535, or 0")
    folder = Path(os.path.abspath(os.path.expanduser(arguments.folder)))
    stdout.write(f"Preparing {folder}\n")
    stdout.flush()
    scene = prepare(folder)
    try:
        with OutputLock(str(folder)), _interrupted() as ended:
            _run(arguments, folder, scene, ended, stdout)
    except JobError as busy:
        raise HQueueProblem(
            f"a demo farm runs already in {folder} ({busy.failure.cause})",
            "end that one, or choose another --folder",
        ) from None
    return 0


def _run(
    arguments: argparse.Namespace,
    folder: Path,
    scene: Path,
    ended: threading.Event,
    stdout: TextIO,
) -> None:
    names = [f"machine{number + 1}" for number in range(arguments.clients)]
    farm = DemoServer(
        folder,
        [Client(name, groups=(_GROUP,), os=platform()) for name in names],
        port=arguments.port,
        # The machines are this one: they see its whole disk, so that any environment does.
        folders=[{platform(): str(folder / "shared")}, {platform(): "/"}],
        environment={"HOME": os.path.expanduser("~"), "OMP_NUM_THREADS": _threads(len(names))},
    )
    try:
        farm.start()
    except OSError as error:
        farm.close()
        raise HQueueProblem(
            f"port {arguments.port} cannot be used: {error.strerror or error}",
            "choose another one with --port, or any that is free with --port 0",
        ) from None
    try:
        stdout.write(_welcome(farm, names, scene))
        stdout.flush()
        ended.wait()
        stdout.write(f"Ending the farm; its jobs have {_FAREWELL:.0f} seconds to save their work\n")
        stdout.flush()
    finally:
        farm.stop()
        count = farm.close(_FAREWELL)
    if count:
        stdout.write(
            f"{count} job{'s were' if count > 1 else ' was'} ended; submit the scene again to go "
            "on with what was saved\n"
        )
    stdout.write(f"What was made stays in {folder / 'shared'}; delete {folder} when done\n")


def _welcome(farm: DemoServer, names: list[str], scene: Path) -> str:
    own = ["nvdiffrec-tops"]
    if shutil.which(own[0]) is None:
        own = [sys.executable, "-m", "nvdiffrec_tops"]
    submit = [*own, "submit", str(scene), "--server", farm.address, "--follow"]
    submit += ["--set", f"attributes.miniconda_env={sys.prefix}"]
    return f"""
A farm with {len(names)} machine{"s" if len(names) > 1 else ""} runs at {farm.address} (this \
computer alone can reach it)
  shared folder   {scene.parents[1]}
  machines        {", ".join(names)} (all of them this computer), client group {_GROUP}

Send it two small trainings from a second terminal:

  {shlex.join(submit)}

Then try the same without --follow, and in place of submit: status, follow JOB, cancel JOB.
Ctrl-C here ends the farm and its jobs.
"""


def _threads(machines: int) -> str:
    """Each machine gets its part of this one."""
    return str(max((os.cpu_count() or 1) // machines, 1))


@contextmanager
def _interrupted() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set."""
    ended = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: ended.set()) for number in numbers]
    try:
        yield ended
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
