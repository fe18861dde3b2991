"""Whether large files are there themselves, not Git LFS pointers to them."""

from __future__ import annotations

import os

from nvdiffrec_contract.configuration import PATHS
from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.job.engines.nvdiffrec.checkout import is_pointer
from nvdiffrec_tops.job.failures import quoted

SAMPLE = 8
"""Photographs, and masks, that are looked at."""


def run(context: Context) -> list[Finding]:
    found = [path for path in _files(context) if is_pointer(path)]
    wanted = _grid(context)
    findings = []
    for path in found:
        folder = quoted(os.path.dirname(path))
        cure = f"git -C {folder} lfs install && git -C {folder} lfs pull"
        evidence = f"{path} is a Git LFS pointer, not the file itself"
        other = os.path.basename(os.path.dirname(path)) == "tets" and path != wanted
        findings.append(CHECK.note(evidence, cure) if other else CHECK.error(evidence, cure))
    return findings or CHECK.ok("no file is a Git LFS pointer")


def _grid(context: Context) -> str | None:
    if context.working_dir is None:
        return None
    grid = int(context.number("dmtet_grid", 64))
    return os.path.join(context.working_dir, "data", "tets", f"{grid}_tets.npz")


def _files(context: Context) -> list[str]:
    """What a training reads, as far as it can be named."""
    found = [path for name in PATHS if (path := context.resolved(name))]
    files = [path for path in found if os.path.isfile(path)]
    if context.dataset is not None:
        for pictures in (context.dataset.pictures, context.dataset.masks):
            files += pictures[:: max(1, len(pictures) // SAMPLE)]
    return files + (context.trainer.data_files(context.working_dir) if context.working_dir else [])


CHECK = Check("git_lfs", "Git LFS files", "checkout", run)
