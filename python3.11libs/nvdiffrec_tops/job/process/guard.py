"""Runs a command and ends it when its starter is gone: ``guard.py COMMAND...``, POSIX only.

A job may be ended with SIGKILL, which no handler sees. So it starts this small process between
itself and the trainer and holds the writing end of the pipe that is its standard input. However the
job ends, the system closes that pipe, and the guard then ends the whole process group, of which it
is the leader. Nothing is ever written to the pipe. A cook without Houdini starts its jobs in the
same way.

Unlike a parent-death signal this also reaches the command's own children (compilers, data loaders),
exists on every POSIX system, and does not depend on which thread started the process.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

GRACE_VARIABLE = "TOPS_NVDIFFREC_GRACE"
GRACE = float(os.environ.get(GRACE_VARIABLE, "10"))
"""Seconds between asking the group to end and killing it."""


def main(command: list[str]) -> int:
    """Run ``command``; its exit code, or -signal. Does not return when the job is gone first."""
    # A handler, not SIG_IGN: what is ignored would stay ignored in the trainer.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    environment = {key: v for key, v in os.environ.items() if key != GRACE_VARIABLE}
    try:
        # Not the module subprocess: loading it takes longer than all the rest of this process.
        started = os.posix_spawnp(
            command[0],
            command,
            environment,
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # Python ignores them
        )
    except OSError as error:
        print(f"Error: {command[0]} cannot be started: {error.strerror or error}", file=sys.stderr)
        return 127
    while (code := _exit_code(started)) is None:
        ready, _, _ = select.select([0, wake_read], [], [], 1.0)
        if wake_read in ready:
            os.read(wake_read, 4096)
        if 0 in ready and not os.read(0, 4096):
            _end_group(started)
    return code


def _exit_code(process: int) -> int | None:
    """What the process has ended with, or -signal; None while it runs."""
    ended, status = os.waitpid(process, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _end_group(started: int) -> None:
    os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and _exit_code(started) is None:
        time.sleep(0.05)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    if code < 0:  # end as the command did, so that the starter sees the signal
        number = -code
        if number in (signal.SIGKILL, signal.SIGSTOP):
            os.kill(os.getpid(), number)
        signal.signal(number, signal.SIG_DFL)
        try:
            import resource

            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        except (ImportError, OSError, ValueError):
            pass
        os.kill(os.getpid(), number)
    sys.exit(code)
