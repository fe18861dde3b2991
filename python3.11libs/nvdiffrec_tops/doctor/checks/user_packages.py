"""Packages of the user's own folder that stand before the environment's."""

from __future__ import annotations

import os

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding


def run(context: Context) -> list[Finding]:
    folder = context.facts("python").get("user_site") or ""
    if not folder:
        return CHECK.ok("the environment's own packages are used")
    packages = context.facts("packages")
    strangers = sorted(
        name
        for name, found in packages.get("distributions", {}).items()
        if os.path.normpath(found.get("folder", "")) == os.path.normpath(folder)
    )
    if not strangers:
        return CHECK.ok(f"none of the packages that matter lies in {folder}")
    return [
        CHECK.warning(
            f"{', '.join(strangers)} would be taken from {folder}, not from the environment",
            "keep them out: add the variable PYTHONNOUSERSITE with the value 1 to the environment "
            f"node, or {context.pip('uninstall', *strangers)}",
        )
    ]


CHECK = Check(
    "user_packages",
    "Packages of the user's folder",
    "environment",
    run,
    needs=("interpreter_starts",),
)
