"""Whether the configuration's values can be used."""

from __future__ import annotations

from nvdiffrec_contract.configuration import faults
from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding


def run(context: Context) -> list[Finding]:
    configuration = context.configuration
    assert isinstance(configuration, dict)
    found = faults(configuration)
    cure = f"correct the file: {context.config_path}"
    return [CHECK.error(str(one), cure) for one in found] or CHECK.ok("every value can be used")


CHECK = Check(
    "configuration_values",
    "Values of the configuration",
    "configuration",
    run,
    needs=("configuration_reads",),
)
