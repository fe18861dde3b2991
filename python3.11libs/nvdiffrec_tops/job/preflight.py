"""The doctor's quick checks before a training, in a process of their own.

They never keep a training from starting: what they find stands in the log and the result file, and
explains a failure that is not known otherwise.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from nvdiffrec_contract.failure import Failure

PYTHON = (3, 11)
SECONDS = 60.0
_SCRIPT = os.path.join(os.path.dirname(os.path.dirname(__file__)), "doctor", "preflight.py")


def findings(settings: Mapping[str, Any], environment: Mapping[str, str]) -> list[dict[str, str]]:
    """The doctor's errors and warnings about ``settings`` (see ``doctor.examine``).

    Nothing where the doctor cannot run: it wants Python 3.11 and the toolkit beside the job.
    """
    if sys.version_info[:2] < PYTHON or not os.path.isfile(_SCRIPT):
        return []
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-X", "utf8", _SCRIPT],
            input=json.dumps(dict(settings)),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=SECONDS,
            check=True,
            env=dict(environment),
        )
        answer = json.loads(done.stdout)
        found = [{key: str(value) for key, value in one.items()} for one in answer]
        return [one for one in found if one["severity"] in ("error", "warning")]
    except (OSError, subprocess.SubprocessError, ValueError, TypeError, AttributeError, KeyError):
        return []


def sentence(finding: Mapping[str, str]) -> str:
    """A finding as one line of the log."""
    cure = f" ({finding['cure']})" if finding.get("cure") else ""
    return f"doctor: {finding['title']}: {finding['evidence']}{cure}"


def lacking(packages: str, commands: str) -> dict[str, str]:
    """All missing packages as one finding, so that they are not told one after the other."""
    return {
        "check": PACKAGES,
        "severity": "error",
        "title": "Packages",
        "evidence": f"not installed in the training environment: {packages}",
        "cure": commands,
    }


PACKAGES = "packages"
# What an artist is told of a failure that a check of this name had foreseen, by the failure's id.
FORESEEN = {
    PACKAGES: ("torch-missing", "nvdiffrast-missing", "tinycudann-missing", "module-missing"),
    "memory_needed": ("out-of-gpu-memory", "gpu-illegal-access", "gpu-launch", "killed", "crashed"),
    "texture_size": ("texture-size",),
    "photographs": ("mixed-alpha", "photographs-without-alpha", "nerf-name-ending"),
    "photograph_sizes": ("picture-sizes", "out-of-gpu-memory", "gpu-illegal-access", "gpu-launch"),
    "masks_filled": ("empty-mesh", "pictures-and-cameras"),
    "object_in_grid": ("empty-mesh",),
    "build_tools": ("extension-build", "compiler-missing", "cuda-home"),
    "compilers_match": ("extension-build",),
    "disk_space": ("disk-full",),
    "plain_path": ("text-encoding", "path-with-spaces", "extension-build"),
}


def explained(failure: Failure, found: Sequence[Mapping[str, str]]) -> Failure:
    """A failure with what the doctor had found before the training, where that explains it.

    One that is known is explained by what foresaw that kind; one that is not by the first error,
    else by warnings that foresee a kind of failure.
    """
    if failure.id == "unknown":
        wrong = [one for one in found if one["severity"] == "error"][:1]
        wrong = wrong or [one for one in found if one.get("check") in FORESEEN][:2]
    else:
        wrong = [one for one in found if failure.id in FORESEEN.get(one.get("check", ""), ())][:1]
    if not wrong:
        return failure
    told = "; ".join(sentence(one).replace("doctor: ", "", 1) for one in wrong)
    return dataclasses.replace(
        failure, cure=f"{failure.cure}. Before the training the doctor found: {told}"
    )
