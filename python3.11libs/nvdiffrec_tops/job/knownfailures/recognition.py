"""Finds what a log failed of. The last error decides; warnings and what was survived do not."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache

from nvdiffrec_contract.failure import Failure
from nvdiffrec_tops.job.knownfailures.entry import KnownFailure
from nvdiffrec_tops.job.knownfailures.logtext import Kind, Line, is_raised, read
from nvdiffrec_tops.job.patterns import Pattern

LAST_LINES = 20
NEAR = 30
"""Lines above a message that belong to its traceback."""

# Exceptions that only pass on that another process or an inner step failed.
_PASSED_ON = Pattern(
    r"ProcessRaisedException|ProcessExitedException|ChildFailedError|CalledProcessError|"
    r"SystemExit|BrokenPipeError|EOFError|ConnectionResetError|Fatal Python error: Aborted|"
    r"DataLoader worker \(pid|-- Process \d|terminate called|"
    r"Caught \w{1,60} in (?:DataLoader|pin memory|replica)"
)
_FATAL = Pattern(
    r"^(?:Fatal Python error|Windows fatal exception|Segmentation fault|Error: )|"
    r"^\s{0,20}\w{1,40}: error: "
)
_SURVIVED = Pattern(r"\biter\s{0,3}=\s{0,10}\d{1,12},")
_CHAINED = (
    "The above exception was the direct cause of the following exception",
    "During handling of the above exception, another exception occurred",
)
_WINDOWS = Pattern(
    r"\b[A-Za-z]:\\|DLL load failed|\[WinError \d|\.pyd\b|\bcl\.exe\b|\bfatal error (?:C|LNK)\d{4}|"
    r"Microsoft Visual|'where', 'cl'"
)
# What pip calls a module's package, where it is another name.
PACKAGES = {
    "cv2": "opencv-python-headless", "PIL": "pillow", "skimage": "scikit-image", "yaml": "pyyaml",
    "sklearn": "scikit-learn", "OpenGL": "PyOpenGL", "attr": "attrs", "warp": "warp-lang",
    "dateutil": "python-dateutil", "google": "protobuf", "mpl_toolkits": "matplotlib",
}  # fmt: skip


def recognise(
    lines: Sequence[str],
    table: Sequence[KnownFailure],
    *,
    python: str = "python",
    windows: bool | None = None,
    ended_by_signal: bool = False,
) -> Failure | None:
    """The failure that the last error of a log tells of; None where it is not known.

    Args:
        lines: the log's end, the oldest line first.
        table: what to look for; where one line shows several, the first of them counts.
        python: the training environment's interpreter, for cures.
        windows: the system that the cure is for; None: what the log shows, else this one.
        ended_by_signal: the program had no last word, so that errors before an iteration that
            came after them were survived.
    """
    log = read(lines)
    found = _Search(log, table, ended_by_signal).found()
    if found is None:
        return None
    entry, values = found
    if windows is None:
        windows = os.name == "nt" or any(_WINDOWS.search(one.text) for one in log)
    values = {"python": python, **values}
    if "module" in values:
        root = values["module"].partition(".")[0]
        values["package"] = PACKAGES.get(root, root)
    cause = _tidied(entry.cause.format_map(values))
    if values.get("detail"):
        cause += f": {values['detail']}"
    cure = (windows and entry.windows) or entry.cure
    return Failure(
        entry.id,
        cause,
        cure.format_map(values),
        entry.exit_code,
        entry.retry,
        tuple(lines[-LAST_LINES:]),
    )


_Found = tuple[KnownFailure, dict[str, str]]


class _Search:
    """The way back from a log's end to what tells of the failure."""

    def __init__(
        self, log: Sequence[Line], table: Sequence[KnownFailure], ended_by_signal: bool
    ) -> None:
        self._log = log
        self._table = table
        self._ended_by_signal = ended_by_signal

    def found(self) -> _Found | None:
        general: _Found | None = None
        index = len(self._log) - 1
        while index >= 0:
            line = self._log[index]
            if line.kind is Kind.MESSAGE:
                if _SURVIVED.search(line.text):
                    if general is not None or self._ended_by_signal:
                        break
                elif line.text.strip():
                    found = self._known(index, general is not None)
                    if found is not None and not found[0].general:
                        return found
                    general = general or found
                    if found is None and general is None and self._unknown(line.text):
                        above = self._chained(index)
                        if above is None:
                            return None
                        index = above
                        continue
            index -= 1
        if general is None:
            return None
        return self._warned(max(index, 0)) or self._detailed(general, max(index, 0))

    def _known(self, index: int, explains: bool, warning: bool = False) -> _Found | None:
        """The first entry that the line shows. ``explains``: it is to explain a general one."""
        first = self._log[index].text
        texts: dict[int, str] = {}
        for entry in self._table:
            if entry.warning is not warning or (explains and (entry.alone or entry.general)):
                continue
            text = texts.get(entry.lines)
            if text is None:
                below = self._log[index + 1 : index + entry.lines]
                text = texts[entry.lines] = "\n".join([first, *(one.text[:300] for one in below)])
            match = _compiled(entry.pattern).search(text)
            if match is None or match.start() > len(first):
                continue
            values = {key: value or "" for key, value in match.groupdict().items()}
            if entry.near:
                near = self._near(entry.near, index, entry.pattern)
                if near is None:
                    continue
                values = {**near, **values}
            return entry, values
        return None

    def _near(self, pattern: str, index: int, own: str) -> dict[str, str] | None:
        """What stands near a line; not what is nearer to another error of the same pattern."""
        compiled, last = _compiled(pattern), self._log[index].text
        for line in reversed(self._log[max(index - NEAR, 0) : index + 1]):
            match = compiled.search(line.text)
            if match:
                return {key: value or "" for key, value in match.groupdict().items()}
            if line.text != last and _compiled(own).search(line.text):
                return None
        return None

    def _unknown(self, text: str) -> bool:
        """Whether a line is an error of which nothing is known."""
        if _PASSED_ON.search(text):
            return False
        return is_raised(text) or _FATAL.search(text) is not None

    def _chained(self, index: int) -> int | None:
        """Where the error stands that the one at ``index`` was raised for."""
        for above in range(index - 1, -1, -1):
            line = self._log[above]
            if line.kind is Kind.MESSAGE and line.text.strip().startswith(_CHAINED):
                return above - 1
            if line.kind is Kind.MESSAGE and is_raised(line.text):
                return None
        return None

    def _warned(self, begin: int) -> _Found | None:
        for index in range(len(self._log) - 1, begin - 1, -1):
            if self._log[index].kind is Kind.WARNING:
                found = self._known(index, explains=False, warning=True)
                if found is not None:
                    return found
        return None

    def _detailed(self, general: _Found, begin: int) -> _Found:
        entry, values = general
        if entry.detail:
            pattern = _compiled(entry.detail)
            for line in self._log[begin:]:
                match = pattern.search(line.text) if line.kind is Kind.MESSAGE else None
                if match:
                    said = match.group().strip()[:200]
                    return entry, {**values, "detail": said}
        return general


def _tidied(cause: str) -> str:
    """A sentence without the places of groups that were not in the log."""
    cause = re.sub(r" \(\s*(?:to|is missing)?\s*\)", "", cause)
    cause = re.sub(r"(?<=\S) {2,}(?=\S)", " ", cause)
    return re.sub(r" (?=[,;:])", "", cause).rstrip(" :")


@lru_cache(maxsize=1000)
def _compiled(pattern: str) -> re.Pattern[str]:
    """``^`` and ``$`` are those of a line: what is searched may hold the lines below too."""
    return re.compile(pattern, re.MULTILINE)
