"""Whether the trainers know the configuration's fields."""

from __future__ import annotations

from nvdiffrec_contract.configuration import unknown as fields
from nvdiffrec_contract.wording import shown
from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding


def run(context: Context) -> list[Finding]:
    configuration = context.configuration
    assert isinstance(configuration, dict)
    unknown = [
        shown(name) + (f" ({meant})" if meant else "") for name, meant in fields(configuration)
    ]
    if not unknown:
        return CHECK.ok("every field is known")
    evidence = f"no trainer knows {', '.join(unknown)}"
    cure = f"correct or remove them: {context.config_path}"
    if context.trainer.refuses_unknown_fields:
        return [CHECK.error(evidence, cure)]
    return [CHECK.warning(f"{evidence}: they have no effect but in a fork that reads them", cure)]


CHECK = Check(
    "configuration_fields",
    "Fields of the configuration",
    "configuration",
    run,
    needs=("configuration_reads",),
)
