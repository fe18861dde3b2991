"""Conda environments and venvs: found, described, activated and created.

What is described is read from files; no process is started for it.
"""

from __future__ import annotations

from nvdiffrec_tops.environment.activation import Change
from nvdiffrec_tops.environment.description import (
    Environment,
    EnvironmentProblem,
    describe,
    exports,
)
from nvdiffrec_tops.environment.discovery import active, find, known
from nvdiffrec_tops.environment.isolation import isolated, policy

__all__ = [
    "Change",
    "Environment",
    "EnvironmentProblem",
    "active",
    "describe",
    "exports",
    "find",
    "isolated",
    "known",
    "policy",
]
