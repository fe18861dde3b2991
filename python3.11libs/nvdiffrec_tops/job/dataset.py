"""Asks the trainer's data formats what a data set holds, in a process of its own.

Nothing of diffrec is imported here; the formats run under any Python from 3.9, without PyTorch.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from nvdiffrec_contract import dataset
from nvdiffrec_contract.dataset import Description

QUICK = 15.0
SLOW = 60.0
"""Seconds for each Python that is asked: pictures on a network disk take their time."""
MAX_BYTES = 64 << 20

_TOOLKIT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_SCRIPT = os.path.join(_TOOLKIT, "diffrec", "data", "__main__.py")
_PYTHONS = ("python", "hython", "pypy")


class NotDescribedError(Exception):
    """No Python could be asked; the message says what the last one answered instead."""


def describe(
    path: str,
    pythons: Sequence[str],
    variables: Mapping[str, str],
    *,
    quick: bool,
    light: str | None = None,
) -> Description:
    """What lies at ``path``, by the first of the interpreters that can read all of it.

    ``light``: the panorama that is to light it, to be looked at as well. The interpreter that runs
    this is asked last.

    Raises:
        NotDescribedError: none of them answers.
    """
    # One word: a name may begin with a dash.
    words = [*(["--quick"] if quick else []), *([f"--light={light}"] if light else []), "--", path]
    partly: Description | None = None
    said = "there is no Python to ask"
    for python in _asked(pythons):
        try:
            found = dataset.of(_answer(python, words, variables, QUICK if quick else SLOW))
            if found is None:
                raise NotDescribedError("its answer is no description of data")
        except (NotDescribedError, OSError, ValueError) as error:
            said = f"{python}: {error}"
            continue
        if found.complete:
            return found
        partly = partly or found
    if partly is None:
        raise NotDescribedError(said)
    return partly


def inside(
    folder: str, pythons: Sequence[str], variables: Mapping[str, str]
) -> list[tuple[str, str]]:
    """The data in a folder, each with the name of its format ('' for a mesh that is not read) and
    its path, as the first interpreter that answers finds them; see ``diffrec.data.inside``.

    Raises:
        NotDescribedError: none of them answers.
    """
    said = "there is no Python to ask"
    for python in _asked(pythons):
        try:
            found = _answer(python, ["--inside", "--", folder], variables, SLOW)
            return [(str(name), str(path)) for name, path in found]
        except (NotDescribedError, OSError, ValueError, TypeError) as error:
            said = f"{python}: {error}"
    raise NotDescribedError(said)


def _asked(pythons: Sequence[str]) -> list[str]:
    own = os.path.basename(sys.executable or "").lower().startswith(_PYTHONS)
    return list(dict.fromkeys([*pythons, *([sys.executable] if own else [])]))


def _answer(python: str, words: list[str], variables: Mapping[str, str], limit: float) -> Any:
    """What the trainer's data formats answer, as JSON says it."""
    # The trainer's own, where no toolkit lies beside this package.
    what = [_SCRIPT] if os.path.isfile(_SCRIPT) else ["-m", "diffrec.data"]
    command = [python, "-I", "-X", "utf8", *what, *words]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=dict(variables),
                timeout=limit,
            )
        except subprocess.TimeoutExpired:
            raise NotDescribedError(f"no answer within {limit:.0f} s") from None
        out.seek(0)
        err.seek(0)
        answered = out.read(MAX_BYTES + 1)
        said = err.read(1 << 16).decode("utf-8", "replace").strip().splitlines()
    if done.returncode != 0 or len(answered) > MAX_BYTES:
        raise NotDescribedError(said[-1][:300] if said else f"exit code {done.returncode}")
    try:
        # Not the contract's reader: names of files may hold what UTF-8 does not know.
        return json.loads(answered)
    except (ValueError, RecursionError):
        raise NotDescribedError("its answer is no description of data") from None
