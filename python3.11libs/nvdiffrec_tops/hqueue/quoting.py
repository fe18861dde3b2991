"""Command lines that a farm machine's shell takes apart into exactly the words that are meant.

HQueue hands a job's command to a shell: sh or bash, and on Windows cmd.exe, where variables are
written ``!NAME!`` (delayed expansion). Whether cmd.exe gets the command after ``/c`` or in a batch
file is not documented, nor is what stands around it. So what is written for it means the same in
all of these, with delayed expansion or without:

- Words of plain letters stand as they are, all others in quotation marks.
- What cmd.exe replaces between quotation marks too is refused: ``%``, ``!``, line ends, and the
  quotation mark, which would end the quotation. Arguments of a job process that hold them travel
  escaped (see ``job.commandline.escape``).
- After ``/c`` a first quotation mark may be taken away together with the last, so no line begins
  with one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from .problem import HQueueProblem

LONGEST_POSIX = 131_071
"""Bytes of one argument on Linux, which the whole line is for the shell (MAX_ARG_STRLEN)."""
LONGEST_WINDOWS = 8_000
"""Characters; cmd.exe takes 8191, its own name and the farm's additions among them."""

_PLAIN = re.compile(r"[A-Za-z0-9_+./\\:~-]+")
# Any other name without quotation marks may be a command of cmd.exe's own, as cd\x is.
_PLAIN_PROGRAM = re.compile(r"([A-Za-z]:\\|\\\\)[A-Za-z0-9_.\\-]+")
_CHANGED = re.compile(r'[%!"\x00-\x08\x0a-\x1f\x7f]')


class QuotingProblem(HQueueProblem):
    """A word that no quotation can carry through the shell."""


class FromRoot(str):
    """A path below ``$HQROOT``, the place of the farm's main shared folder on each machine.

    As a text it is as the platform's shell writes it; ``rest`` is what follows the variable and
    begins with ``/``. Only the variable expands, whatever ``rest`` holds.
    """

    rest: str

    def __new__(cls, rest: str, *, windows: bool = False) -> FromRoot:
        path = super().__new__(cls, ("!HQROOT!" if windows else "$HQROOT") + rest)
        path.rest = rest
        return path


def posix(words: Sequence[str]) -> str:
    """``words`` as a line for sh or bash. The first is the program.

    Raises:
        QuotingProblem: there is no program, a word holds a null character, or they are too long.
    """
    _need_program(words)
    parts = []
    for position, word in enumerate(words):
        if "\0" in word:
            raise _unquotable(word, "a null character")
        if isinstance(word, FromRoot):
            # A machine without the variable is to say so, and not to look at the root of its disk.
            parts.append('"${HQROOT:?}"' + shlex.quote(word.rest))
        elif position == 0:
            # Without quotes a shell may take it for a keyword or an assignment.
            parts.append("'" + word.replace("'", "'\"'\"'") + "'")
        else:
            parts.append(shlex.quote(word))
    return _bounded(" ".join(parts), LONGEST_POSIX)


def windows_cmd(words: Sequence[str]) -> str:
    """``words`` as a line for cmd.exe, for programs that split by the rules of Microsoft's runtime.

    The first is the program; its ``/`` become backslashes, which cmd.exe needs there.

    Raises:
        QuotingProblem: there is no program; a word holds ``%``, ``!``, a quotation mark, a line
            end or another control character (tabs are allowed), or ``^`` beside a
            :class:`FromRoot`; they are too long.
    """
    _need_program(words)
    expands = any(isinstance(one, FromRoot) for one in words)
    parts = []
    for position, word in enumerate(words):
        root, rest = ("!HQROOT!", word.rest) if isinstance(word, FromRoot) else ("", str(word))
        # Where a variable expands, cmd.exe takes ^ away even between quotation marks.
        if _CHANGED.search(rest) or (expands and "^" in rest):
            raise _unquotable(
                word, 'a character that no quotation protects on Windows (% ! ^ " or a line end)'
            )
        if position == 0:
            rest = rest.replace("/", "\\")
        plain = _PLAIN if position else _PLAIN_PROGRAM
        if not root and plain.fullmatch(rest):
            parts.append(rest)
            continue
        # Backslashes before the closing mark would escape it, but not in the program's name.
        slashes = "\\" * (len(rest) - len(rest.rstrip("\\")) if position else 0)
        parts.append(f'{"" if position else "@"}"{root}{rest}{slashes}"')
    return _bounded(" ".join(parts), LONGEST_WINDOWS)


def _need_program(words: Sequence[str]) -> None:
    if not words or not words[0]:
        raise QuotingProblem("a job's command names no program", "name the interpreter")


def _bounded(line: str, limit: int) -> str:
    if len(line.encode("utf-8", "surrogatepass")) > limit:
        raise QuotingProblem(
            f"the command {line[:60]!r}... is longer than the {limit} characters that the shell of "
            "the farm's machines takes",
            "put the toolkit and the shared folder below shorter paths",
        )
    return line


def _unquotable(word: str, what: str) -> QuotingProblem:
    return QuotingProblem(
        f"{word!r} holds {what}", "rename it: letters, digits, spaces and - _ . are safe"
    )
