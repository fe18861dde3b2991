"""A log as lines of text, each with what it is: a message, a warning, part of a traceback.

What terminals and launchers add (colours, carriage returns, the number of a process, a time) is
taken off, so that a pattern sees what the program itself wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from nvdiffrec_tops.job.patterns import Pattern

MAX_SEARCHED = 4000
"""Characters at the start of a line in which a failure is looked for."""


class Kind(Enum):
    """What a line of a log is."""

    MESSAGE = "message"
    WARNING = "warning"
    FRAME = "frame"  # of a traceback: the place, or the source there
    IGNORED = "ignored"  # an error that Python says to have ignored
    OURS = "ours"  # what the launcher says


@dataclass(frozen=True)
class Line:
    """One line without what was added to it."""

    text: str
    kind: Kind


_ESCAPES = Pattern(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,300}(?:\x07|\x1b\\)?|\x1b[@-_]|"
    r"[\x00-\x08\x0b-\x1f]"
)
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_ADDED = tuple(
    Pattern(one)
    for one in (
        r"\s{0,40}[│┃┆|❱](?=[ ]|$)[ ]?",  # a box
        r"\[(?:[a-zA-Z_]+[ -]?)?\d{1,5}(?:,\d{1,5})?\](?:<\w+>)?:[ ]?",  # [rank0]:  [1,0]<stderr>:
        r"<\w*std(?:out|err)\w*>:?[ ]?",
        r"(?:[Rr]ank|[Ww]orker|[Pp]rocess|[Tt]ask|[Nn]ode)[ -]?\d{1,5}[:>|][ ]?",
        r"\d{1,4}:[ ](?=[A-Z\[ ])",  # srun --label
        r"\((?:[\w.]{1,40}[ ])?(?:pid|ip)=[\w.]{1,40}(?:,[ ]ip=[\w.]{1,40})?\)[ ]",
        rf"\[?\d{{4}}[-/]\d\d[-/]\d\d[T ]{_CLOCK}(?:Z|[+-]\d\d:?\d\d)?\]?[ ]?(?:[-|:][ ])?",
        rf"\[?{_CLOCK}\]?:?[ ](?:[-|][ ])?",
        rf"[A-Z][a-z]{{2}}[ ]{{1,2}}\d{{1,2}}[ ]{_CLOCK}[ ][\w.-]{{1,60}}[ ][\w./-]{{1,60}}"
        r"(?:\[\d{1,8}\])?:[ ]",  # syslog
        rf"[EF]\d{{4}}[ ]{_CLOCK}[ ]{{1,5}}\d{{1,9}}[ ][\w./]{{1,80}}:\d{{1,6}}\][ ]",  # glog
        r"\[?(?:ERROR|CRITICAL|FATAL|INFO|DEBUG|STDERR|stderr|stdout)\]?[ ]?[:|-][ ]"
        r"(?:[a-z_.]{1,60}[ ]?[:|-][ ](?=[A-Z\[]))?",
        r"\[(?:ERROR|CRITICAL|FATAL|INFO|DEBUG|STDERR|stderr|stdout)\][ ]",
        r"(?:ERROR|CRITICAL|FATAL)[ ]{1,5}(?=[A-Z\[])",
    )
)  # fmt: skip
_WARNING = Pattern(
    r"(?:^|[\s:\](])\w{0,60}Warning\b\s{0,3}:|(?:^|[\s:\[|>])WARN(?:ING)?\b|"
    r"^\s{0,20}\[W\b|^W\d{4} \d\d:|(?:^|[\s:])[Ww]arning\s{0,3}(?::|#\d|[A-Z]{1,4}\d{2,5}\b)|"
    r"^\s{0,20}!!+\s{0,3}WARNING"
)
_WARNED_FROM = Pattern(r"\.pyw?:\d{1,7}: \w{0,60}Warning\b")
_SOURCE_OF_WARNING = Pattern(r"^\s{0,20}(?:warnings?\.warn|log(?:ger|ging)?\.warn)\w{0,8}\(")
_FRAME = Pattern(r'^\s{0,40}File "[^"]{0,1000}", line \d{1,9}, in ')
_CARETS = Pattern(r"^\s{1,300}[~^]{1,300}\s{0,5}$")
_IGNORED = Pattern(r"^Exception ignored in|^Error in (?:atexit|sys\.)|^Exception ignored on")
_TRACEBACK = Pattern(r"^Traceback \(most recent call (?:last|first)\)")
_RAISED = Pattern(
    r"^\s{0,20}(?:[A-Za-z_][\w.]{0,200})?(?:Error|Exception|ExceptionGroup|Interrupt|Exit|Failure|"
    r"Expired|StopIteration|Warning)\b(?:\s{0,3}:|\s{0,3}$)"
)


def read(lines: Sequence[str]) -> list[Line]:
    """The lines of a log, the oldest first; a progress bar's line may become several."""
    found: list[Line] = []
    ignoring = 0
    for raw in lines:
        for part in raw.rstrip("\r\n").split("\r"):
            if not part and "\r" in raw:
                continue
            text = _plain(part[:MAX_SEARCHED])
            kind = _kind(text, found[-1] if found else None)
            if _IGNORED.search(text):
                ignoring = 60
            if ignoring and kind is not Kind.OURS:
                ignoring -= 1
                if kind is Kind.MESSAGE and _RAISED.search(text) and not _IGNORED.search(text):
                    ignoring = 0
                kind = Kind.IGNORED
            found.append(Line(text, kind))
    return found


def is_raised(text: str) -> bool:
    """Whether a line is the end of a traceback: an exception's name and message."""
    return bool(_RAISED.search(text)) and not text.startswith("Exception ignored")


def _plain(text: str) -> str:
    """A line without escapes and without what launchers put in front."""
    if "\x1b" in text or not text.isprintable():
        text = _ESCAPES.compiled.sub("", text)
    for _ in range(5):
        for added in _ADDED:
            match = added.match(text)
            if match and match.end():
                text = text[match.end() :]
                break
        else:
            break
    return text


def _kind(text: str, before: Line | None) -> Kind:
    if text.startswith("Shim "):
        return Kind.OURS
    if _FRAME.search(text):
        return Kind.FRAME
    if before is not None and before.kind is Kind.FRAME:
        follows_place = _FRAME.search(before.text) is not None
        if text[:1].isspace() and (follows_place or _CARETS.search(text)):
            return Kind.FRAME
    if _TRACEBACK.search(text):
        return Kind.FRAME
    if _SOURCE_OF_WARNING.search(text) or _WARNING.search(text):
        return Kind.WARNING
    indented = text[:1].isspace()
    if before is not None and indented and _WARNED_FROM.search(before.text):
        return Kind.WARNING
    return Kind.MESSAGE
