"""Whether the data that ref_mesh names are there, and of a kind that can be trained from."""

from __future__ import annotations

from dataclasses import replace

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
    problems = dataset.told(context.engine, "data")
    configuration = context.configuration
    if not dataset.kind and isinstance(configuration, dict):
        more = context.trainer.reads_more(configuration, context.working_dir or "", dataset.path)
        if more:  # as the job does: a fork's own data are its own business
            problems = [
                replace(one, severity="warning", cure=f"{more}; does it read them, all is well")
                for one in problems
            ]
    told = CHECK.told(problems)
    return told or CHECK.ok(f"{dataset.path}: {dataset.label}")


CHECK = Check("data_present", "Data", "data", run, needs=("configuration_values",))
