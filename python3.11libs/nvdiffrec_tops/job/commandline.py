"""The command line of the job process."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from nvdiffrec_tops.job import engines, farm, jobfile
from nvdiffrec_tops.job.environment import EnvironmentPolicy
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.jobfile import (
    DEVICES,
    ON_FAILURE,
    ON_OUT_OF_MEMORY,
    JobFile,
    JobFileError,
)
from nvdiffrec_tops.job.report.joblog import Report, tell_failure
from nvdiffrec_tops.job.run import run

# Schedulers expand variables and tokens in a command before they split it. An argument list that
# begins with this word has every character that they might touch written as ~ and two hexadecimal
# digits per byte of UTF-8.
ESCAPED = "--escaped"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one job; the exit code is 0, or one of those in ``failures``."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    arguments = list(sys.argv[1:] if argv is None else argv)
    report = Report(sys.stdout, sys.stderr)
    try:
        if arguments[:1] == [ESCAPED]:
            arguments = [unescape(argument) for argument in arguments[1:]]
        if arguments[:1] == [farm.FLAG]:
            return farm.main(arguments[1:])
        job, force = parse(arguments)
    except JobError as error:
        tell_failure(report, error.failure)
        return error.failure.exit_code
    return run(job, force, report)


def parse(argv: Sequence[str]) -> tuple[JobFile, bool]:
    """The job that a command line means, and whether it is forced.

    Raises:
        JobFileError: the job is not usable.
        SystemExit: the command line is not (argparse has said why).
    """
    arguments = list(argv)
    if arguments[:1] == [ESCAPED]:
        arguments = [unescape(argument) for argument in arguments[1:]]
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.jobfile is not None:
        others = [
            f"--{name.replace('_', '-')}"
            for name, value in vars(given).items()
            if name not in ("jobfile", "force") and value != parser.get_default(name)
        ]
        if others:
            raise JobFileError(
                f"{', '.join(others)} cannot stand beside a job file",
                "write it into the job file, or compose the whole job with flags",
            )
        return jobfile.load(given.jobfile), given.force
    for name in ("engine", "config", "output"):
        if getattr(given, name) is None:
            raise JobFileError(
                f"--{name} is missing",
                "give a job file, or --engine, --config and --output; see --help",
            )
    unset = tuple(given.unset_env)
    job = JobFile(
        engine=given.engine,
        output=given.output,
        config=given.config,
        python=given.python,
        working_dir=given.working_dir,
        script=given.script,
        overrides=dict(_override(text) for text in given.set),
        device=given.device,
        seed=given.seed,
        environment=EnvironmentPolicy(set=dict(_variable(x) for x in given.env), unset=unset),
        retries=given.retries,
        timeout=given.timeout,
        inputs=tuple(given.input),
        on_failure=given.on_failure,
        on_out_of_memory=given.on_out_of_memory,
        claim_card=given.claim_card,
    )
    return job.based_on(os.getcwd()), given.force


def escape(argument: str) -> str:
    """``argument`` in letters that no scheduler or shell expands; see :data:`ESCAPED`."""
    safe = "/.,:=@+-_ ()[]{}"
    parts = []
    for character in argument:
        if (character.isalnum() and character.isascii()) or character in safe:
            parts.append(character)
        else:
            parts.append(escape_all(character))
    # Two underscores open a token such as __PDG_DIR__.
    return "".join(parts).replace("__", escape_all("__"))


def escape_all(text: str) -> str:
    """``text`` with every character escaped."""
    return "".join(f"~{byte:02X}" for byte in os.fsencode(text))


def unescape(argument: str) -> str:
    """The inverse of :func:`escape`.

    Raises:
        JobFileError: a ``~`` is not followed by two hexadecimal digits.
    """
    first, *rest = argument.split("~")
    data = os.fsencode(first)
    for part in rest:
        try:
            data += bytes.fromhex(part[:2] if len(part) >= 2 else "damaged")
        except ValueError:
            raise JobFileError(
                f"the escaped argument {argument!r} is damaged", "cook the item again"
            ) from None
        data += os.fsencode(part[2:])
    return os.fsdecode(data)


def _override(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise JobFileError(
            f"--set {text!r} is not of the form KEY=VALUE",
            "for example: --set iter=500, or --set 'train_res=[512, 512]'",
        )
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value  # a bare word is a text: --set background=white
    except RecursionError:
        raise JobFileError(f"--set {name}: the value is nested too deeply") from None


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise JobFileError(f"--env {text!r} is not of the form NAME=VALUE")
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="job",
        description="Trains one scene and puts the results into a folder, whole or not at all.",
        allow_abbrev=False,
    )
    parser.add_argument("jobfile", nargs="?", metavar="JOBFILE.json", help="a job file")
    parser.add_argument("--engine", choices=engines.names())
    parser.add_argument("--config", metavar="FILE", help="training configuration (JSON)")
    parser.add_argument("--output", metavar="DIR", help="folder for the results")
    parser.add_argument(
        "--working-dir", metavar="DIR", help="nvdiffrec checkout, or base of relative paths"
    )
    parser.add_argument("--script", metavar="FILE", help="nvdiffrec's script (train.py)")
    parser.add_argument(
        "--python", metavar="EXE", help="training environment: its folder or its interpreter"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=JSON", help="override a config field"
    )
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--seed", type=int, metavar="N")
    parser.add_argument(
        "--env", action="append", default=[], metavar="NAME=VALUE", help="trainer's environment"
    )
    parser.add_argument("--unset-env", action="append", default=[], metavar="NAME")
    parser.add_argument("--retries", type=int, default=1, metavar="N")
    parser.add_argument("--timeout", type=float, metavar="SECONDS")
    parser.add_argument(
        "--input", action="append", default=[], metavar="PATH", help="also train anew when changed"
    )
    parser.add_argument(
        "--on-failure",
        choices=ON_FAILURE,
        default="fail",
        help="what a failed training is: a failure of the job, or a warning (exit code 0)",
    )
    parser.add_argument(
        "--on-out-of-memory",
        choices=ON_OUT_OF_MEMORY,
        default="fail",
        help="what a full GPU memory is: a failure, or a reason to try with half the batch",
    )
    parser.add_argument(
        "--claim-card",
        action="store_true",
        help="wait for a graphics card that no other job of this machine has claimed",
    )
    parser.add_argument("--force", action="store_true", help="train even when up to date")
    return parser
