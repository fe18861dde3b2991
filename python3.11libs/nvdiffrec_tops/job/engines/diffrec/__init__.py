"""The embedded trainer: ``python -m diffrec``, on a CPU or with CUDA."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any

from nvdiffrec_contract import failurefile, layout, memory
from nvdiffrec_contract.configuration import EXTENSIONS, FIELDS, SECTION, from_mapping
from nvdiffrec_contract.errors import ConfigError
from nvdiffrec_contract.failure import EXIT_ENVIRONMENT
from nvdiffrec_contract.layout import Output
from nvdiffrec_contract.wording import shown
from nvdiffrec_tops.job.engines.diffrec.failures import FAILURES
from nvdiffrec_tops.job.engines.engine import TEMPLATES, Engine
from nvdiffrec_tops.job.environment import EnvironmentPolicy
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.jobfile import JobFile, JobFileError
from nvdiffrec_tops.job.trainer import Training

_LIBRARIES = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 4))


class Diffrec(Engine):
    """The trainer of this toolkit."""

    name = "diffrec"
    label = "diffrec (built in)"
    licence = "Apache-2.0: free for commercial use"
    devices = ("auto", "cpu", "cuda")
    python = (3, 11)
    seeded = True
    writes_table = True
    checkpoint = layout.CHECKPOINT
    failures = FAILURES
    refuses_unknown_fields = True
    reads_section = True
    imports = ("torch", "numpy", "warp", "numba", "xatlas", "cv2", "diffrec")
    checks = ("diffrec_trainer", "working_folder")
    environment_file = os.path.join(TEMPLATES, "env-diffrec.yml")

    def outputs(self, config: Mapping[str, Any]) -> tuple[Output, ...]:
        sheet = Output(layout.CONTACT_SHEET, layout.tag(layout.CONTACT_SHEET))
        meshes = layout.meshes(config)
        others = super().outputs(config)[len(meshes) :]
        return (*meshes, sheet, *others)

    def settle(self, job: JobFile, config: dict[str, Any]) -> list[str]:
        section = config.get(SECTION)
        if section is not None and not isinstance(section, dict):
            raise JobFileError(
                f'"{SECTION}" in the configuration must be an object, not {shown(section)}'
            )
        return []

    def check(self, job: JobFile, config: dict[str, Any], folder: str) -> list[str]:
        """Refuse at once what the trainer would refuse when it has started."""
        known = {name: value for name, value in config.items() if name != "config"}
        try:
            from_mapping(known, "the configuration")
        except ConfigError as error:
            raise JobError(error.id, error.cause, error.cure, error.exit_code) from None
        # The trainer writes into a folder of the run's: the asset is named after the job's own.
        name = os.path.basename(os.path.normpath(job.output))
        section = config.get(SECTION) or {}
        config[SECTION] = {"asset_name": name or None, **section}
        return super().check(job, config, folder)

    def command(self, job: JobFile, training: Training, python: str, config: str) -> list[str]:
        arguments = [python, "-u", "-m", "diffrec", "--config", config]
        if job.device != "auto":
            arguments += ["--device", job.device]
        if job.seed is not None:
            arguments += ["--seed", str(job.seed)]
        return arguments

    def check_environment(self, python: str, answer: Mapping[str, Any]) -> None:
        if not answer["torch"]:
            raise JobError(
                "torch-missing",
                f"PyTorch is not installed in the training environment of {python}",
                f"install it there: {python} -m pip install torch numpy warp-lang numba xatlas "
                "opencv-python-headless",
                EXIT_ENVIRONMENT,
            )
        version = str(answer["versions"]["python"])
        if tuple(int(part) for part in version.split(".")[:2]) < self.python:
            needed = ".".join(map(str, self.python))
            raise JobError(
                "python-too-old",
                f"diffrec needs Python {needed} or newer; {python} is {version}",
                "create the training environment with Python 3.11",
                EXIT_ENVIRONMENT,
            )

    def policy(self, policy: EnvironmentPolicy, answer: Mapping[str, Any]) -> EnvironmentPolicy:
        """The trainer of this toolkit's own folder is importable where none is installed."""
        if answer["diffrec"]:
            return policy
        if not os.path.isdir(os.path.join(_LIBRARIES, "diffrec")):
            raise JobError(
                "diffrec-missing",
                "the diffrec trainer is neither installed in the training environment nor beside "
                f"the toolkit in {_LIBRARIES}",
                "install the toolkit whole",
                EXIT_ENVIRONMENT,
            )
        given = policy.set.get("PYTHONPATH")
        value = _LIBRARIES + (os.pathsep + given if given else "")
        return dataclasses.replace(policy, set={**policy.set, "PYTHONPATH": value})

    def variables(self, folder: str) -> dict[str, str]:
        # Until the results are in place the checkpoint is all that is left if we are killed.
        return {layout.KEEP_CHECKPOINT: "1", failurefile.PLACE: self.failure_file(folder)}

    def failure_file(self, folder: str) -> str:
        return os.path.join(folder, layout.FAILURE)

    def memory(
        self,
        config: Mapping[str, Any],
        number: Callable[[str, float], float],
        size: tuple[int, int],
        batch: int,
    ) -> float:
        nested = config.get(SECTION)
        section = nested if isinstance(nested, dict) else {}
        own = {name: value for name, value in section.items() if name in EXTENSIONS}
        known = {
            name: value for name, value in config.items() if name in FIELDS and name != "config"
        }
        given = from_mapping({**known, SECTION: own, "batch": batch}, "the configuration")
        return memory.likely(memory.parts(given, size=size))


ENGINE = Diffrec()
