"""``nvdiffrec-tops prepare`` and ``reconstruct``: from photographs to a data set, and to a mesh.

Both run in the training environment: the one that is named, the active one, or that of this Python.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from nvdiffrec_contract import preparation
from nvdiffrec_contract.options import DEVICES
from nvdiffrec_tops import environment as environments
from nvdiffrec_tops.command import TrainingCommand
from nvdiffrec_tops.environment import Environment
from nvdiffrec_tops.job import engines, preparing

RESULT = "result"
"""The folder of a reconstruction's results, in that of its data set."""


def add_prepare_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``prepare``."""
    preparation.add_arguments(parser)
    parser.add_argument(
        "--env", metavar="PREFIX", help="training environment's folder or Python (the active one)"
    )


def add_reconstruct_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``reconstruct``."""
    add_prepare_arguments(parser)
    parser.add_argument(
        "--device", choices=DEVICES, default=DEVICES[0], help="to train on (%(default)s)"
    )


def prepare_main(arguments: argparse.Namespace) -> int:
    """Prepare a data set; returns the exit code of the process that does."""
    place = _place(arguments.env)
    return _run(preparing.argv(place.python, preparation.given(arguments)), place)


def reconstruct_main(arguments: argparse.Namespace) -> int:
    """Prepare a data set, then train from it; returns the exit code."""
    place = _place(arguments.env)
    asked = preparation.given(arguments)
    code = _run(preparing.argv(place.python, asked), place)
    if code:
        return code
    training = TrainingCommand(
        python=place.python,
        engine=engines.DEFAULT,
        config=str(asked.out / preparation.CONFIGURATION),
        output=str(asked.out / RESULT),
        environment=place.python,
        device=arguments.device,
    )
    code = _run(training.argv(), None)
    if not code:
        print(f"the mesh: {asked.out / RESULT / 'mesh' / 'mesh.obj'}")
    return code


def _place(named: str | None) -> Environment:
    """The environment to run in.

    Raises:
        EnvironmentProblem: there is none that can be used.
    """
    if named is not None:
        return environments.find(named)
    return environments.active() or environments.describe(sys.executable)


def _run(argv: Sequence[str], place: Environment | None) -> int:
    """Run a command in an environment to its end; Ctrl-C is the command's own."""
    variables: Mapping[str, str] = os.environ
    if place is not None:
        variables, _report = environments.isolated(os.environ, place)
    with subprocess.Popen(list(argv), stdin=subprocess.DEVNULL, env=dict(variables)) as process:
        while True:
            with contextlib.suppress(KeyboardInterrupt):
                return process.wait()
