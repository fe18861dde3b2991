"""Where the job speaks: to people, into its log, and to the cook."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TextIO

from nvdiffrec_contract import failureline
from nvdiffrec_contract.failure import EXIT_OUTPUT, Failure
from nvdiffrec_contract.files import LinkError, inside, new_file
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.outputs.links import link_error


class Report:
    """Where the job speaks: the scheduler's log (standard output and error) and ``job.log``."""

    def __init__(self, out: TextIO, error: TextIO) -> None:
        self._out: TextIO | None = out
        self._error: TextIO | None = error
        self._log: TextIO | None = None
        self._line_open = False
        self._broken_log: OSError | None = None

    def open_log(self, path: str, anew: bool = True) -> None:
        """Begin the log file anew, or go on with it, unless it is open."""
        if self._log is not None:
            return
        try:
            descriptor = new_file(path) if anew else _end_of(path)
            self._log = os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", newline="")
        except OSError as error:
            raise output_error(os.path.dirname(path), error) from None

    def close(self) -> None:
        """Close the log file."""
        log, self._log = self._log, None
        if log is not None:
            with suppress(OSError):
                log.close()

    def say(self, text: str) -> None:
        """One line to standard output and the log."""
        self._to_out(text + "\n", begins_line=True)
        self._to_log(text + "\n")

    def log(self, text: str) -> None:
        """One line to the log alone."""
        self._to_log(text + "\n")

    def write(self, text: str) -> None:
        """``text`` as it is to standard output and the log."""
        self._to_out(text)
        self._to_log(text)

    def protocol(self, text: str) -> None:
        """One line to standard output alone, for the scheduler."""
        self._to_out(text + "\n", begins_line=True)

    def complain(self, text: str) -> None:
        """One line to standard error and the log."""
        self._error = _put(self._error, text + "\n")
        self._to_log(text + "\n")

    def _to_out(self, text: str, begins_line: bool = False) -> None:
        # The trainer may be in the middle of a line, a progress bar say.
        start = "\n" if begins_line and self._line_open else ""
        self._out = _put(self._out, start + text)
        self._line_open = not text.endswith("\n")

    def _to_log(self, text: str) -> None:
        if self._log is not None and self._broken_log is None:
            try:
                self._log.write(text)
                self._log.flush()
            except OSError as error:  # the disk is full: training may still end well elsewhere
                self._broken_log = error


def _end_of(path: str) -> int:
    """Open a log to go on with it."""
    folder, name = os.path.split(path)
    with inside(folder, name) as place:
        return place.end()


def _put(stream: TextIO | None, text: str) -> TextIO | None:
    """Write and flush; None in place of a stream that nobody reads any more."""
    if stream is None:
        return None
    try:
        stream.write(text)
        stream.flush()
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        return _put(stream, text.encode(encoding, "replace").decode(encoding))
    except (OSError, ValueError):
        # What is left in the buffer would make the interpreter complain at its end.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return None
    return stream


def tell_cook(report: Report, failure: Failure) -> None:
    """The line for the cook, where this is the job of a work item."""
    item = failureline.item_of(os.environ)
    if item:
        report.protocol(failureline.text(item, failure))


def tell_failure(report: Report, failure: Failure) -> None:
    """The lines that an artist reads first, and the one for the cook."""
    tell_cook(report, failure)
    report.complain(f"Job: failed: {failure.cause}")
    report.complain(f"Cure: {failure.cure}")


def tell_warning(report: Report, failure: Failure) -> None:
    """The lines for a failure that is to be no more than a warning."""
    report.complain(f"Job: warning: {failure.cause}")
    report.complain(f"Cure: {failure.cure}")
    report.say(f"Job: failed: {failure.cause}, going on as asked")


def output_error(path: str, error: OSError) -> JobError:
    """What to say of an output that cannot be written."""
    if isinstance(error, LinkError):
        return link_error(str(error.filename))
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
        cause, cure = f"the disk of {path} is full", "make room on it, or use another output folder"
    else:
        cause = f"{path} cannot be written: {error.strerror or error}"
        cure = "correct its permissions, or choose another output folder"
    return JobError("output-unwritable", cause, cure, EXIT_OUTPUT)
