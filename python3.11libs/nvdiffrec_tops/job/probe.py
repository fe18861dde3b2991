"""Finds the training environment's interpreter and asks it what is installed there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from nvdiffrec_contract.failure import EXIT_ENVIRONMENT
from nvdiffrec_tops.job.environment import EnvironmentPolicy
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.jobfile import expand

TIMEOUT = 60.0

_PACKAGES = (
    "torch",
    "numpy",
    "warp-lang",
    "numba",
    "xatlas",
    "opencv-python-headless",
    "opencv-python",
    "nvdiffrast",
    "tinycudann",
    "imageio",
    "tops-nvdiffrec",
)

# Imports none of the packages: their metadata is read, which takes milliseconds.
_QUESTION = """
import importlib.metadata, importlib.util, json, sys
found = {"python": sys.version.split()[0]}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except Exception:
        pass
def there(name):
    try:
        return importlib.util.find_spec(name) is not None
    except Exception:
        return False
modules = ["diffrec", "torch", "numpy", "nvdiffrast", "tinycudann", "xatlas", "imageio"]
print("\\n" + json.dumps({"versions": found, **{name: there(name) for name in modules}}))
"""


def interpreter(python: str | None) -> str:
    """The interpreter that ``python`` names: itself, or that of an environment's folder.

    Raises:
        JobError: there is none.
    """
    if python is None:
        return sys.executable
    python = expand(python)
    if os.path.isdir(python):
        inside = ("python.exe", "Scripts/python.exe", "bin/python3", "bin/python")
        for name in inside if os.name == "nt" else inside[2:]:
            path = os.path.join(python, *name.split("/"))
            if os.path.isfile(path):
                return os.path.abspath(path)
        raise JobError(
            "environment-missing",
            f"there is no Python in the environment {python}",
            "correct MINICONDA_ENV (python): the folder that holds "
            + ("python.exe" if os.name == "nt" else "bin/python3"),
            EXIT_ENVIRONMENT,
        )
    found = shutil.which(python)
    if found is None:
        raise JobError(
            "environment-missing",
            f"the training environment's Python does not exist or cannot be run: {python}",
            "correct MINICONDA_ENV (python): an environment's folder, or its interpreter",
            EXIT_ENVIRONMENT,
        )
    return os.path.abspath(found)


def with_prefix(policy: EnvironmentPolicy, python: str) -> EnvironmentPolicy:
    """``policy`` with the environment that ``python`` lies in, unless it names one."""
    folder = os.path.dirname(python)
    beside = os.path.basename(folder).lower() in ("bin", "scripts")
    prefix = policy.prefix or (os.path.dirname(folder) if beside else folder)
    kind = policy.kind
    if kind is None:
        if os.path.isdir(os.path.join(prefix, "conda-meta")):
            kind = "conda"
        elif os.path.isfile(os.path.join(prefix, "pyvenv.cfg")):
            kind = "venv"
    if kind is None and policy.prefix is None:
        return policy  # a system's Python: nothing to activate
    return EnvironmentPolicy(prefix, kind, dict(policy.set), policy.unset, policy.keep)


def ask(python: str, environment: Mapping[str, str], folder: str) -> dict[str, Any]:
    """Versions in the training environment, and whether torch and diffrec can be imported there.

    Raises:
        JobError: the interpreter does not run.
    """
    try:
        answer = subprocess.run(
            [python, "-c", _QUESTION, *_PACKAGES],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=dict(environment),
            cwd=folder,
            timeout=TIMEOUT,
            check=False,
        )
        reason = answer.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        lines = answer.stdout.decode("utf-8", "replace").splitlines()
        document = json.loads(lines[-1]) if answer.returncode == 0 and lines else None
    except subprocess.TimeoutExpired:
        document, reason = None, [f"no answer within {TIMEOUT:.0f} s"]
    except (OSError, ValueError) as error:
        document, reason = None, [str(error)]
    if not isinstance(document, dict):
        raise JobError(
            "environment-broken",
            f"the Python {python} does not run: {' '.join(reason) or 'no answer'}",
            "repair or re-create the training environment",
            EXIT_ENVIRONMENT,
        )
    return document
