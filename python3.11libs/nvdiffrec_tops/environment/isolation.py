"""The environment of a process in a training environment: pure, each change is reported."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from nvdiffrec_tops.environment.activation import Change
from nvdiffrec_tops.environment.description import Environment
from nvdiffrec_tops.job.environment import EnvironmentPolicy, EnvironmentReport, clean_environment


def policy(
    environment: Environment,
    *,
    change: Change | None = None,
    set: Mapping[str, str] | None = None,
    unset: Iterable[str] = (),
    keep: Iterable[str] = (),
) -> EnvironmentPolicy:
    """What a job file says of ``environment``: see :func:`isolated` for the parameters."""
    kind = None
    if environment.kind != "system":
        kind = "conda" if environment.conda else "venv"
    unwanted = tuple(unset)
    variables: dict[str, str] = {}
    if environment.cuda_home:
        variables["CUDA_HOME"] = environment.cuda_home
    if change is not None:
        variables.update(change.set)
    kept = tuple(keep)
    for name in (*unwanted, *kept):
        variables.pop(name, None)
    variables.update(set or {})
    return EnvironmentPolicy(environment.prefix if kind else None, kind, variables, unwanted, kept)


def isolated(
    inherited: Mapping[str, str],
    environment: Environment,
    *,
    change: Change | None = None,
    set: Mapping[str, str] | None = None,
    unset: Iterable[str] = (),
    keep: Iterable[str] = (),
    windows: bool = os.name == "nt",
) -> tuple[dict[str, str], EnvironmentReport]:
    """The child's environment out of the inherited one, and what became of every variable.

    Houdini's and other environments' variables go, those of ``environment`` come. ``change`` is an
    activation to take in, found on top of an environment that was isolated without one. ``keep``
    saves variables from the rules; ``set`` and ``unset`` are the artist's and have the last word.
    """
    wanted = policy(environment, change=change, set=set, unset=unset, keep=keep)
    result, report = clean_environment(inherited, wanted, windows=windows)
    if change is not None and "PATH" not in wanted.set:
        name = next((key for key in result if (key.upper() if windows else key) == "PATH"), "PATH")
        separator = ";" if windows else ":"
        present = result.get(name, "").split(separator) if result.get(name) else []
        more = [folder for folder in change.prepend_path if folder not in present]
        if more:
            result[name] = separator.join([*more, *present])
    return result, report
