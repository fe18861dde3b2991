"""``nvdiffrec-tops completion``: a script that has a shell complete the commands and options.

It is written out of the command line's own parsers, and starts no program while somebody types.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

SHELLS = ("bash", "zsh", "fish", "powershell")
FAILED = 1
_FILES = ("FILE", "SCENE", "INPUT", "EXE", "PYTHON")
_FOLDERS = ("FOLDER", "DIR", "PREFIX", "RESULT")
_USE = """\
where the script goes:
  bash         into ~/.local/share/bash-completion/completions/nvdiffrec-tops
  zsh          into a folder of $fpath, as _nvdiffrec-tops
  fish         into ~/.config/fish/completions/nvdiffrec-tops.fish
  powershell   to the end of the file $PROFILE
for example:
  nvdiffrec-tops completion fish > ~/.config/fish/completions/nvdiffrec-tops.fish"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``completion``; ``whole`` is the parser that is written about."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _USE
    parser.add_argument("shell", choices=SHELLS, help="the shell")
    parser.set_defaults(whole=None)


def main(arguments: argparse.Namespace) -> int:
    """Print the script; returns the exit code."""
    try:
        import shtab
    except ModuleNotFoundError:
        print(
            f"error: the package shtab is missing\n  {sys.executable} -m pip install shtab",
            file=sys.stderr,
        )
        return FAILED
    whole: argparse.ArgumentParser = arguments.whole
    for action in _actions(whole):
        words = str(action.metavar or "")
        # The last word of a path that is to be typed; others have choices of their own.
        if any(word in words for word in _FILES):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif any(word in words for word in _FOLDERS):
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    print(shtab.complete(whole, shell=arguments.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _actions(inner)
        elif not isinstance(action, argparse._HelpAction):
            yield action
