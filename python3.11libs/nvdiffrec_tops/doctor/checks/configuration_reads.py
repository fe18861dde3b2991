"""Whether the configuration is there and is JSON."""

from __future__ import annotations

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context, is_file
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.job.failures import JobError


def run(context: Context) -> list[Finding]:
    if context.config is None:
        return CHECK.skipped("no configuration is named")
    if context.config_path is None:
        named = context.config
        if any(one in named for one in "*?") and not is_file(named):
            return CHECK.skipped(f"{named} is a pattern: each of its files is examined by itself")
        return [
            CHECK.error(
                "there is no configuration " + " or ".join(map(repr, context.config_candidates)),
                "correct CONFIG_NAME: a .json file, relative to WORKING_DIR or absolute",
            )
        ]
    if isinstance(context.configuration, JobError):
        failure = context.configuration.failure
        return [CHECK.error(failure.cause, f"correct the file: {context.config_path}")]
    return CHECK.ok(f"{context.config_path} has {len(context.configuration)} fields")


CHECK = Check("configuration_reads", "Configuration file", "configuration", run)
