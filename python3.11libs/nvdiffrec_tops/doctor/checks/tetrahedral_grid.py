"""Whether the checkout has the tetrahedral grid that the configuration asks for."""

from __future__ import annotations

import os

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.job.engines.nvdiffrec.checkout import is_pointer
from nvdiffrec_tops.job.failures import quoted

SUFFIX = "_tets.npz"


def run(context: Context) -> list[Finding]:
    if context.setting("isosurface", "dmtet") != "dmtet" or context.setting("base_mesh", None):
        return CHECK.skipped("this configuration needs no tetrahedral grid")
    grid = context.number("dmtet_grid", 64)
    folder = os.path.join(str(context.working_dir), "data", "tets")
    present = sorted(
        int(name[: -len(SUFFIX)])
        for name in os.listdir(folder)
        if name.endswith(SUFFIX) and name[: -len(SUFFIX)].isdecimal()
    )
    listed = ", ".join(map(str, present)) or "none"
    if grid not in present:
        return [
            CHECK.error(
                f"dmtet_grid is {grid:g}; {folder} has grids of {listed}",
                f'"dmtet_grid": {min(present, key=lambda one: abs(one - grid))}'
                if present
                else f"git -C {quoted(folder)} checkout -- .",
            )
        ]
    path = os.path.join(folder, f"{grid:g}{SUFFIX}")
    with open(path, "rb") as stream:
        whole = stream.read(2) == b"PK"  # an .npz is a ZIP archive
    if not whole and not is_pointer(path):
        return [
            CHECK.error(
                f"{path} is damaged",
                f"git -C {quoted(folder)} checkout -- {os.path.basename(path)}",
            )
        ]
    return CHECK.ok(f"a grid of {grid:g} is there")


CHECK = Check(
    "tetrahedral_grid",
    "Tetrahedral grid",
    "checkout",
    run,
    needs=("checkout",),
    by_engine=True,
)
