"""The names of the trainers, and what is known of one that is not driven: nvdiffrecmc."""

from __future__ import annotations

DIFFREC = "diffrec"
NVDIFFREC = "nvdiffrec"
NAMES = (DIFFREC, NVDIFFREC)
"""The default first."""

_COUNTERPARTS = {"envlight": "envmap", "learn_lighting": "learn_light", "probe_res": ""}
"""Its own names for what has another name here; '' where there is no field for it."""

_OF_NVDIFFRECMC = frozenset(
    {
        "n_samples", "decorrelated", "transparency", "shadow_scale", "no_perturbed_nrm",
        "random_lgt", "clip_max_norm", "optix_path", "sdf_regularizer_end", "bsdf_type",
    }
)  # fmt: skip
_FAMILIES = ("lambda_", "denoiser")


def of_nvdiffrecmc(name: str) -> str:
    """What a field of nvdiffrecmc is here, to end a sentence; '' where it is none of its fields."""
    other = _COUNTERPARTS.get(name)
    if other:
        return f'a field of nvdiffrecmc: it is "{other}" here'
    if other is None and name not in _OF_NVDIFFRECMC and not name.startswith(_FAMILIES):
        return ""
    return "a field of nvdiffrecmc, without a counterpart here: take it out"
