"""The fields of nvdiffrecmc's configurations that nvdiffrec and diffrec do not have."""

from __future__ import annotations

COUNTERPARTS = {"envlight": "envmap", "learn_lighting": "learn_light", "probe_res": ""}
"""Its own names for what has another name here; '' where there is no field for it."""

_OWN = frozenset(
    {
        "n_samples", "decorrelated", "transparency", "shadow_scale", "no_perturbed_nrm",
        "random_lgt", "clip_max_norm", "optix_path", "sdf_regularizer_end", "bsdf_type",
    }
)  # fmt: skip
_FAMILIES = ("lambda_", "denoiser")


def meaning(name: str) -> str:
    """What a field of nvdiffrecmc is here, to end a sentence; '' where it is none of its fields."""
    other = COUNTERPARTS.get(name)
    if other:
        return f'a field of nvdiffrecmc: it is "{other}" here'
    if other is None and name not in _OWN and not name.startswith(_FAMILIES):
        return ""
    return "a field of nvdiffrecmc, without a counterpart here: take it out"
