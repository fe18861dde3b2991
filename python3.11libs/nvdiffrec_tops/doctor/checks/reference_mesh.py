"""Whether the reference mesh is one, with its material."""

from __future__ import annotations

import os

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding


def run(context: Context) -> list[Finding]:
    dataset = context.dataset
    told = [] if dataset is None else CHECK.told(dataset.told(context.engine, "mesh"))
    if told:
        return told
    if dataset is None or not dataset.light:
        return CHECK.skipped("the data are no mesh")
    mesh = dataset.mesh
    if mesh is None:
        return CHECK.skipped(f"{dataset.path} is large: a full examination reads it")
    override = context.resolved("mtl_override")
    told = [] if override else CHECK.told(dataset.told(context.engine, "material"))
    findings = list(told)
    missing = [path for path in mesh.libraries if not os.path.isfile(path)]
    if missing and not told and not override:
        findings.append(
            CHECK.warning(
                f"{dataset.path} names the material file {missing[0]}, which does not exist",
                'put it there, or set "mtl_override" to another',
            )
        )
    if not mesh.texcoords:
        findings.append(
            CHECK.warning(
                f"{dataset.path} has no texture coordinates, so it cannot be textured",
                "unwrap it in Houdini: UV Unwrap, then a File node that writes .obj",
            )
        )
    return findings or CHECK.ok(f"{mesh.faces} faces, {mesh.vertices} vertices")


CHECK = Check("reference_mesh", "Reference mesh", "data", run, needs=("data_present",))
