"""The checks: every module of ``doctor/checks`` that is there."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from nvdiffrec_tops.doctor import checks
from nvdiffrec_tops.doctor.check import STAGES, Check


@cache
def all_checks() -> tuple[Check, ...]:
    """All checks, those of the environment first."""
    found: list[Check] = []
    for module in pkgutil.iter_modules(checks.__path__):
        loaded = importlib.import_module(f"{checks.__name__}.{module.name}")
        found.append(loaded.CHECK)
    return tuple(sorted(found, key=lambda one: (STAGES.index(one.stage), one.id)))
