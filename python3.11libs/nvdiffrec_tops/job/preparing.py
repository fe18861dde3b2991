"""One preparation as a work item's job: photographs in, a data set out.

``--prepare [--env NAME=VALUE]... OPTION... INPUT`` starts ``diffrec.prepare`` in the environment
whose Python runs this, in a process group of its own, and tells PDG how far it is, what it made,
or why it failed. ``prepared.json`` in the data set says the same to the next cook.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, Optional

from nvdiffrec_contract import failurefile, jsonfiles, preparation
from nvdiffrec_contract.failure import EXIT_ENVIRONMENT, EXIT_USAGE, Failure
from nvdiffrec_contract.preparation import Preparation
from nvdiffrec_tops.job import flags, probe
from nvdiffrec_tops.job.environment import EnvironmentPolicy, clean_environment
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.holding import holding
from nvdiffrec_tops.job.outputs import prepared
from nvdiffrec_tops.job.outputs.result import write_json
from nvdiffrec_tops.job.process import lock
from nvdiffrec_tops.job.process.child import Child, Stopped
from nvdiffrec_tops.job.process.lock import OutputLock
from nvdiffrec_tops.job.process.signals import StopFlag
from nvdiffrec_tops.job.report import pdgreport
from nvdiffrec_tops.job.report.joblog import Report, output_error, tell_cook, tell_failure
from nvdiffrec_tops.job.report.pdgreport import WorkItem

LOG = "prepare.log"
TOOLKIT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(TOOLKIT, "diffrec", "prepare", "__main__.py")

_OWN = (lock.NAME, LOG, prepared.NAME, "photographs", "masks", "images", "report", "work")
_STEPS = {
    "frames": 5,
    "features": 20,
    "matches": 25,
    "cameras": 10,
    "masks": 30,
    "placement": 2,
    "undistortion": 6,
    "report": 2,
}
"""The steps with their share of the time, in percent."""
_LINE = re.compile(r"(\w+): (?:(up to date|done in )|(\d+) of (\d+)\b)")
_BELIEVED = re.compile(r"cameras: (\d+) of (\d+) believed\b")
_LAST = 40


def argv(python: str, asked: Preparation) -> list[str]:
    """The argument list that prepares a data set under ``python``."""
    # That of the environment, where no toolkit lies beside this package.
    what = [SCRIPT] if os.path.isfile(SCRIPT) else ["-m", "diffrec.prepare"]
    return [python, "-I", "-X", "utf8", "-u", *what, *preparation.words(asked)]


def parse(arguments: Sequence[str]) -> tuple[Preparation, dict[str, str]]:
    """The preparation that stands behind :data:`flags.PREPARE`, and variables for its process.

    Raises:
        JobError: a variable is none.
        SystemExit: the command line is not usable (argparse has said why).
    """
    parser = argparse.ArgumentParser(prog=f"job {flags.PREPARE}", allow_abbrev=False)
    preparation.add_arguments(parser)
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    given = parser.parse_args(list(arguments))
    variables = {}
    for text in given.env:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise JobError("usage", f"--env {text!r} is not NAME=VALUE", "cook again", EXIT_USAGE)
        variables[name] = value
    return preparation.given(given), variables


def main(arguments: Sequence[str], report: Report) -> int:
    """Run one preparation; the exit code is 0, or one of those in ``nvdiffrec_contract.failure``.

    Raises:
        JobError: it cannot be begun.
    """
    asked, variables = parse(arguments)
    out = os.fspath(asked.out)
    item = WorkItem(report, os.environ)
    try:
        if not asked.source.exists():
            raise JobError(
                "photographs",
                f"{asked.source} does not exist",
                "name a folder of photographs, a film, or a project of another program",
                EXIT_USAGE,
            )
        with holding(out, _OWN, report) as (held, stop):
            report.open_log(os.path.join(out, LOG))
            _Preparing(asked, variables, report, item, held, stop).run()
        item.close(pdgreport.FINAL_SECONDS)
        report.say(f"Job: done, the data set is in {out}")
        return 0
    except JobError as error:
        item.close(pdgreport.FAILED_SECONDS)
        tell_failure(report, error.failure)
        return error.failure.exit_code
    except Stopped as stopped:
        return 128 + stopped.number
    finally:
        item.abandon()
        report.close()


class _Preparing:
    """State of one preparation while it runs, with the lock of its folder held."""

    def __init__(
        self,
        asked: Preparation,
        variables: dict[str, str],
        report: Report,
        item: WorkItem,
        held: OutputLock,
        stop: StopFlag,
    ) -> None:
        self.asked, self.variables = asked, variables
        self.report, self.item, self.lock, self.stop = report, item, held, stop
        self.out = os.fspath(asked.out)
        self.before: Optional[str] = None  # noqa: UP045 - Python 3.9
        self.percent = Percent()
        self.last: list[str] = []

    def run(self) -> None:
        """Prepare.

        Raises:
            JobError: it has failed; ``prepared.json`` says so too.
            Stopped: it was ended by a signal.
        """
        # Before: what changes meanwhile is prepared by the next cook.
        self.before = prepared.asked_digest(self.asked)
        try:
            self._child()
            figures = {"cameras": _cameras(self.out)}
            self._write("done", figures, None)
        except JobError as error:
            self._write("failed", {}, error.failure)
            raise
        except Stopped:
            failure = Failure("stopped", "the preparation was ended", "cook again: it goes on")
            self._write("failed", {}, failure)
            tell_cook(self.report, failure)
            self.report.complain("Job: failed: ended by a signal")
            self.report.complain("Cure: cook again, and the preparation goes on")
            raise
        files = [(one.path, one.tag) for one in prepared.OUTPUTS]
        self.item.carries(self.out, figures, [*files, (prepared.NAME, "file/json")])
        self.item.percent(100)

    def _child(self) -> None:
        python = sys.executable
        policy = probe.with_prefix(EnvironmentPolicy(set=self.variables), python)
        environment, changes = clean_environment(os.environ, policy)
        command = argv(python, self.asked)
        self.report.log(f"Job: {' '.join(command)}")
        for line in changes.lines():
            self.report.log(f"Job: {line}")
        with tempfile.TemporaryDirectory(prefix="nvdiffrec-prepare-") as folder:
            told = os.path.join(folder, "failure.json")
            environment[failurefile.PLACE] = told
            with Child(command, environment, folder) as child:
                self.stop.child = child
                try:
                    self.stop.check()
                    for line in child.lines(tick=self._tick):
                        self._line(line)
                    code = child.wait()
                finally:
                    self.stop.child = None
            if code:
                raise JobError.of(failurefile.read(told) or self._ended(code))

    def _tick(self) -> None:
        self.stop.check()
        self.lock.touch()

    def _line(self, line: str) -> None:
        self.report.write(line)
        self.last = [*self.last[1 - _LAST :], line.rstrip("\r\n")]
        believed = _BELIEVED.match(line)
        if believed is not None and int(believed[1]) < int(believed[2]):
            left = int(believed[2]) - int(believed[1])
            self.item.warning(
                f"{left} of {believed[2]} photographs have no camera that can be believed and are "
                f"not used; {os.path.join(self.out, 'report', 'report.txt')} names them"
            )
        step, percent = self.percent.of(line)
        if step:
            self.item.state(step)
            self.item.percent(min(percent, 99))

    def _ended(self, code: int) -> Failure:
        """The failure of a process that did not tell of it itself."""
        last = tuple(self.last)
        if code in (-9, 137):
            return Failure(
                "killed",
                "the preparation was killed, most likely because the machine's memory was full",
                "solve from smaller photographs (Solve From), use fewer of them (Most "
                "Photographs), or run fewer jobs at a time",
                lines=last,
            )
        if code == EXIT_ENVIRONMENT or any("No module named" in line for line in last):
            said = next((line for line in reversed(last) if line.strip()), "")
            return Failure(
                "photographs-extra-missing",
                said.removeprefix("Error: ") or "a package is missing in the environment",
                f'install it: {sys.executable} -m pip install "tops-nvdiffrec[photographs]"',
                EXIT_ENVIRONMENT,
                lines=last,
            )
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        said = next((line.strip() for line in reversed(last) if line.strip()), "")
        cause = f"the preparation ended with {how}" + (f"; its last line: {said}" if said else "")
        return Failure(
            "unknown", cause, f"read the end of the log: {os.path.join(self.out, LOG)}", lines=last
        )

    def _write(self, status: str, figures: dict[str, int], failure: Optional[Failure]) -> None:  # noqa: UP045
        found = prepared.document(
            status,
            self.before,
            prepared.masks_digest(self.out),
            figures,
            None if failure is None else failure.document(),
        )
        try:
            write_json(os.path.join(self.out, prepared.NAME), found)
        except OSError as error:
            if failure is None:
                raise output_error(self.out, error) from None


class Percent:
    """How far a preparation is, read from its lines."""

    def __init__(self) -> None:
        self._done = 0.0
        self._ended: set[str] = set()

    def of(self, line: str) -> tuple[str, int]:
        """The step that a line tells of, '' for none, and how far all steps are together."""
        match = _LINE.match(line)
        if match is None:
            return "", int(self._done)
        step, ended, count, total = match.groups()
        share = _STEPS.get(step, 0)
        if ended and step not in self._ended:
            self._ended.add(step)
            self._done += share
        part = 0.0 if ended or step in self._ended else share * int(count) / max(int(total), 1)
        return step, int(self._done + part)


def _cameras(out: str) -> int:
    """How many photographs have a camera in a data set."""
    names = set()
    for file in (prepared.TRAINING, prepared.TEST):
        with contextlib.suppress(jsonfiles.JsonError):
            document: Any = jsonfiles.read_object(os.path.join(out, file), max_bytes=64 << 20)
            frames = document.get("frames")
            for frame in frames if isinstance(frames, list) else ():
                if isinstance(frame, dict):
                    names.add(str(frame.get("file_path")))
    return len(names)
