"""What the cook without Houdini has to know of the toolkit: its assets, and its jobs' files."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

from nvdiffrec_contract.configuration import EXTENSIONS, FIELDS, SECTION
from nvdiffrec_tops.assets.shipped import ASSETS
from nvdiffrec_tops.environment.layout import INTERPRETER
from nvdiffrec_tops.job.farmfile import GRACE
from nvdiffrec_tops.job.outputs import committed, result
from nvdiffrec_tops.job.process import guard
from topcook.host import Guard, Host, register

ROOT = Path(__file__).resolve().parents[3]
"""The package's folder: ``$TOPS_NVDIFFREC``."""


def _end_with_this_process(process: subprocess.Popen[bytes]) -> Any:
    from nvdiffrec_tops.job.process.windows import kill_with_this_process

    return kill_with_this_process(process)


def _missing_program(name: str) -> str:
    found = INTERPRETER.fullmatch(name)
    return "make an environment with nvdiffrec-tops env create" if found else ""


def _missing_parameter(node: str, name: str, value: str) -> str:
    field = name if name in FIELDS else f"{SECTION}.{name}" if name in EXTENSIONS else None
    if field is None:
        return ""
    return (
        f"; '{field}' is a field of the configuration, which an override changes: "
        f"--override {shlex.quote(f'{field}={value}')}, or as parameters "
        f"--set {node}.overrides=1 --set {node}.overridename1={field} "
        f"--set {shlex.quote(f'{node}.overridevalue1={value}')}"
    )


def register_toolkit() -> None:
    """Tell the cook of this process what the toolkit brings along."""
    register(
        Host(
            libraries={one.type: ROOT / "otls" / one.library for one in ASSETS.values()},
            variables={"TOPS_NVDIFFREC": str(ROOT)},
            keeper=committed,
            # A failed training says why in its result file, which also lists what is in place.
            result_names=frozenset({result.NAME}),
            guard=Guard(guard.__file__, GRACE, guard.GRACE_VARIABLE, _end_with_this_process),
            missing_program=_missing_program,
            missing_parameter=_missing_parameter,
        )
    )
