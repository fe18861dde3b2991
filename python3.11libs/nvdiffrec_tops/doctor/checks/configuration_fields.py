"""Whether the trainers know the configuration's fields."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.job.jobfile import nearest, shown
from nvdiffrec_tops.job.trainer import CONFIG_FIELDS

# Fields of the object "diffrec"; a test holds them to the trainer's own.
EXTENSIONS = (
    "seed", "device", "light_res", "holdout", "photo_res", "validation_views",
    "hashgrid_size_log2", "start", "final_rate", "dssim", "light_tv", "texture_tv",
    "coarse_to_fine", "uv_method", "uv_timeout", "checkpoint_interval", "checkpoint_seconds",
    "guard", "raster_backend", "field_backend",
)  # fmt: skip


def run(context: Context) -> list[Finding]:
    configuration = context.configuration
    assert isinstance(configuration, dict)
    unknown = []
    for name in configuration:
        if name in EXTENSIONS:
            unknown.append(f'{shown(name)} (it belongs inside the object "diffrec")')
        elif name not in CONFIG_FIELDS:
            unknown.append(shown(name) + nearest(name, CONFIG_FIELDS))
    nested = configuration.get("diffrec")
    if isinstance(nested, dict):
        unknown += [
            shown(f"diffrec.{name}") + nearest(name, EXTENSIONS)
            for name in nested
            if name not in EXTENSIONS
        ]
    if not unknown:
        return CHECK.ok("every field is known")
    evidence = f"no trainer knows {', '.join(unknown)}"
    cure = f"correct or remove them: {context.config_path}"
    if context.engine == "diffrec":
        return [CHECK.error(evidence, cure)]
    return [CHECK.warning(f"{evidence}: they have no effect", cure)]


CHECK = Check(
    "configuration_fields",
    "Fields of the configuration",
    "configuration",
    run,
    needs=("configuration_reads",),
)
