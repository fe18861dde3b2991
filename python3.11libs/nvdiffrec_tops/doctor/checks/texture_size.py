"""Whether the textures' edges are powers of two, as mip maps want them."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding


def run(context: Context) -> list[Finding]:
    height, width = context.size("texture_res", (1024, 1024))
    if all(one & (one - 1) == 0 for one in (height, width)):
        return CHECK.ok(f"textures of {width} x {height}")
    near = [1 << max(one - 1, 1).bit_length() for one in (height, width)]
    evidence = f"textures of {width} x {height} cannot be halved down to one pixel"
    cure = f'"texture_res": [{near[0]}, {near[1]}]'
    if context.trainer.needs_powers_of_two:
        return [CHECK.warning(evidence, cure)]
    return [CHECK.note(f"{evidence}; games and renderers may resample them", cure)]


CHECK = Check(
    "texture_size", "Size of textures", "configuration", run, needs=("configuration_values",)
)
