"""Starts a checkout's training script with what it needs to run with today's libraries.

``python launcher.py CHECKOUT/train.py --config FILE ...`` does what ``python CHECKOUT/train.py
--config FILE ...`` does, after installing the shims (see ``shims/``). No file of the checkout is
read but by Python itself, and none is changed. Run by the training environment's own Python, 3.9
or newer; standard library only. ``--list-shims`` in place of a script tells what there is.
"""

from __future__ import annotations

import builtins
import faulthandler
import os
import runpy
import sys
import traceback
from types import ModuleType, TracebackType
from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))
_LIBRARIES = os.path.abspath(os.path.join(_HERE, *[os.pardir] * 4))

EXIT_USAGE = 2


def main(argv: list[str]) -> int:
    """Run the script ``argv[0]`` with the arguments behind it; the exit code."""
    if not argv or argv[0] in ("-h", "--help"):
        print(f"usage: launcher.py --list-shims | SCRIPT [ARGUMENT ...]\n\n{__doc__}")
        return 0 if argv else EXIT_USAGE
    if sys.version_info < (3, 9):  # noqa: UP036 - an environment may be older than the toolkit
        print("Shim none: this Python is older than 3.9, so the script is started as it is")
        return _start(argv, None)
    # The toolkit is importable for the shims alone: nothing of it may shadow the script's modules.
    before = list(sys.path)
    sys.path.insert(0, _LIBRARIES)
    # What all engines share takes a while to import, and no shim needs it.
    empty = ModuleType("nvdiffrec_tops.job.engines")
    empty.__path__ = [os.path.dirname(_HERE)]
    found = sys.modules.setdefault(empty.__name__, empty)
    try:
        from nvdiffrec_tops.job.engines.nvdiffrec import shims
    finally:
        sys.path[:] = before
        if found is empty:
            del sys.modules[empty.__name__]
    if argv[0] == "--list-shims":
        print(shims.listing())
        return 0
    return _start(argv, shims)


def _start(argv: list[str], shims: Any) -> int:
    """Run the script with the shims installed, if there are any."""
    script = os.path.abspath(argv[0])
    if not os.path.isfile(script):
        print(f"Error: there is no training script {script}", file=sys.stderr)
        return EXIT_USAGE
    # As Python itself does for a script: its folder first, and no trace of ours. Where ours lies
    # behind a link, Python has followed it.
    own = os.path.realpath(_HERE)
    sys.path[:] = [os.path.dirname(script)] + [
        entry for entry in sys.path if not entry or os.path.realpath(entry) != own
    ]
    sys.argv[:] = [script, *argv[1:]]
    if shims is not None:
        try:
            shims.install(shims.Start(script, argv[1:]))
        except shims.Refused as reason:
            print(f"Error: {reason}", file=sys.stderr)
            return EXIT_USAGE
    faulthandler.enable()  # a crash in compiled code shows where it was called from
    try:
        # The main module has the module builtins there, others its dictionary.
        runpy.run_path(script, {"__builtins__": builtins}, run_name="__main__")
    except Exception as error:
        sys.stdout.flush()
        trace = _from_script(error.__traceback__, script)
        traceback.print_exception(type(error), error, trace)
        return 1
    return 0


def _from_script(trace: TracebackType | None, script: str) -> TracebackType | None:
    """The part of a traceback that begins in the script."""
    step = trace
    while step is not None:
        if step.tb_frame.f_code.co_filename == script:
            return step
        step = step.tb_next
    return trace


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
