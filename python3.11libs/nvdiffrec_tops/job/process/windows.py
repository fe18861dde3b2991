"""Windows only: a Job Object, so that the trainer's processes end with the job process."""

from __future__ import annotations

import ctypes
import subprocess
from typing import Any

_KILL_ON_JOB_CLOSE = 0x2000
_EXTENDED_LIMIT_INFORMATION = 9


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", ctypes.c_uint32),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", ctypes.c_uint32),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", ctypes.c_uint32),
        ("SchedulingClass", ctypes.c_uint32),
    )


class _ExtendedLimits(ctypes.Structure):
    _fields_ = (
        ("BasicLimitInformation", _BasicLimits),
        ("IoInfo", ctypes.c_uint64 * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


class JobObject:
    """Handle of a Job Object; the system closes it, and ends its members, when we end."""

    def __init__(self, kernel: Any, handle: Any) -> None:
        self._kernel = kernel
        self._handle = handle

    def terminate(self) -> None:
        """End every member process."""
        self._kernel.TerminateJobObject(self._handle, 1)


def kill_with_this_process(process: subprocess.Popen[bytes]) -> JobObject | None:
    """Put ``process`` and what it starts into a Job Object; None where the system refuses."""
    kernel: Any = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    kernel.CreateJobObjectW.restype = ctypes.c_void_p
    handle = kernel.CreateJobObjectW(None, None)
    if not handle:
        return None
    handle = ctypes.c_void_p(handle)
    limits = _ExtendedLimits()
    limits.BasicLimitInformation.LimitFlags = _KILL_ON_JOB_CLOSE
    member = ctypes.c_void_p(int(process._handle))  # type: ignore[attr-defined,unused-ignore]
    done = kernel.SetInformationJobObject(
        handle, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
    ) and kernel.AssignProcessToJobObject(handle, member)
    return JobObject(kernel, handle) if done else None
