"""The command line of the job process."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Optional, TextIO

from nvdiffrec_contract.options import OPTIONS
from nvdiffrec_contract.terminal import guarded
from nvdiffrec_tops.job import engines, flags, jobfile
from nvdiffrec_tops.job.environment import EnvironmentPolicy
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.jobfile import JobFile, JobFileError
from nvdiffrec_tops.job.report.joblog import Report, tell_failure
from nvdiffrec_tops.job.run import run

if TYPE_CHECKING:
    from nvdiffrec_contract.preparation import Preparation

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
    report = Report(_shown_on(sys.stdout), _shown_on(sys.stderr))
    try:
        if arguments[:1] == [ESCAPED]:
            arguments = [unescape(argument) for argument in arguments[1:]]
        if arguments[:1] == [flags.FARM]:
            from nvdiffrec_tops.job import farm

            return farm.main(arguments[1:])
        if arguments[:1] == [flags.PREPARE]:
            from nvdiffrec_tops.job import preparing

            return preparing.main(arguments[1:], report)
        job, force = parse(arguments)
    except JobError as error:
        tell_failure(report, error.failure)
        return error.failure.exit_code
    return run(job, force, report)


def _shown_on(stream: TextIO) -> TextIO:
    """A terminal gets no character that steers it, a progress bar's aside; a scheduler all."""
    return guarded(stream, keep="\r") if stream is not None and stream.isatty() else stream


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
            OPTIONS[name].flag if name in OPTIONS else f"--{name.replace('_', '-')}"
            for name, value in vars(given).items()
            if name not in ("jobfile", "force") and value != parser.get_default(name)
        ]
        if others:
            raise JobFileError(
                f"{', '.join(others)} cannot stand beside a job file",
                "write it into the job file, or compose the whole job with flags",
            )
        return jobfile.load(given.jobfile), given.force
    for name, option in OPTIONS.items():
        if option.required and getattr(given, name) is None:
            raise JobFileError(
                f"{option.flag} is missing",
                "give a job file, or --engine, --config and --output; see --help",
            )
    fields = {name: getattr(given, name) for name in OPTIONS}
    fields["overrides"] = dict(_override(text) for text in given.overrides)
    fields["inputs"] = tuple(given.inputs)
    variables = dict(_variable(text) for text in given.environment)
    fields["environment"] = EnvironmentPolicy(set=variables, unset=tuple(given.unset_env))
    job = JobFile(**fields)
    return job.based_on(os.getcwd()), given.force


def preparation_of(argv: Sequence[str]) -> Optional[Preparation]:  # noqa: UP045 - Python 3.9
    """The preparation that a command line means; None where it means something else.

    Raises:
        JobError: it is not usable.
        SystemExit: the command line is not (argparse has said why).
    """
    arguments = list(argv)
    if arguments[:1] == [ESCAPED]:
        arguments = [unescape(argument) for argument in arguments[1:]]
    if arguments[:1] != [flags.PREPARE]:
        return None
    from nvdiffrec_tops.job import preparing

    return preparing.parse(arguments[1:])[0]


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
    for option in OPTIONS.values():
        choices = engines.names() if option.name == "engine" else option.choices
        rest: dict[str, Any] = {"dest": option.name, "help": option.help}
        if option.default is False:
            rest["action"] = "store_true"
        elif option.several:
            rest.update(action="append", default=[], metavar=option.metavar)
        elif choices:
            rest.update(choices=choices, default=option.default)
        else:
            rest.update(type=option.kind, default=option.default, metavar=option.metavar)
        parser.add_argument(option.flag, **rest)
        if option.name == "environment":
            parser.add_argument("--unset-env", action="append", default=[], metavar="NAME")
    parser.add_argument("--force", action="store_true", help="train even when up to date")
    return parser
