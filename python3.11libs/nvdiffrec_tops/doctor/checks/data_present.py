"""Whether the data that ref_mesh names are there, and of a kind that can be trained from."""

from __future__ import annotations

from nvdiffrec_contract.configuration import PATHS
from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding


def run(context: Context) -> list[Finding]:
    if context.config is None:
        return CHECK.skipped("no configuration is named")
    if not context.setting("ref_mesh", ""):
        return [
            CHECK.error(
                'the configuration has no "ref_mesh": nothing says what to train from',
                '"ref_mesh": "FOLDER_OF_PHOTOGRAPHS", or an .obj file',
            )
        ]
    missing = [
        f'"{name}" names {context.setting(name, "")!r}, which does not exist'
        for name in PATHS
        if context.setting(name, "") and context.resolved(name) is None
    ]
    if missing:
        return [
            CHECK.error(
                one,
                "put it there or correct the path; relative ones are read from WORKING_DIR, then "
                "from the configuration's folder",
            )
            for one in missing
        ]
    dataset = context.dataset
    assert dataset is not None
    told = CHECK.told(dataset.told(context.engine, "data"))
    return told or CHECK.ok(f"{dataset.path}: {dataset.label}")


CHECK = Check("data_present", "Data", "data", run, needs=("configuration_values",))
