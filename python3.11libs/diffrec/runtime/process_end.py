"""The end of the process, without the second that Python takes to take its libraries apart."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import NoReturn


def end_process(code: int) -> NoReturn:
    """End this process with an exit code: what is to happen at exit happens, what was printed is
    written, and the rest is left to the system, which frees memory and GPU at once.

    Where someone still works or watches (a thread, a debugger, a profiler) Python ends as always.
    """
    if _others_at_work() or _watched():
        sys.exit(code)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):  # nobody reads any more
            code = code or 1
    os._exit(code)


def _others_at_work() -> bool:
    own = threading.current_thread()
    return any(thread is not own and not thread.daemon for thread in threading.enumerate())


def _watched() -> bool:
    if sys.gettrace() is not None or sys.getprofile() is not None or sys.flags.inspect:
        return True
    monitoring = getattr(sys, "monitoring", None)  # Python 3.12
    return monitoring is not None and any(monitoring.get_tool(number) for number in range(6))
