"""The job file: everything that one training job needs, as JSON with a versioned schema.

    {"format": "tops-nvdiffrec-job", "version": 1, "engine": "diffrec",
     "config": "configs/bob.json", "output": "/show/bob/train"}

Relative paths in a job file are read from the job file's own folder; ``config`` and the paths in a
configuration also from ``working_dir``.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nvdiffrec_contract import jsonfiles
from nvdiffrec_contract.failure import EXIT_USAGE
from nvdiffrec_contract.jsonfiles import JsonError
from nvdiffrec_contract.wording import did_you_mean, shown
from nvdiffrec_tops.job import engines
from nvdiffrec_tops.job.environment import EnvironmentPolicy
from nvdiffrec_tops.job.failures import JobError

FORMAT = "tops-nvdiffrec-job"
VERSION = 1
DEVICES = ("auto", "cpu", "cuda")
ON_FAILURE = ("fail", "warn")
ON_OUT_OF_MEMORY = ("fail", "halve_batch")

_VARIABLE_FORBIDDEN = ("=", "\0")


class JobFileError(JobError):
    """A job file or command line that cannot be used; says which field and what would be right."""

    def __init__(self, message: str, cure: str = "correct the job file, then cook again") -> None:
        super().__init__("job-file", message, cure, EXIT_USAGE)


@dataclass(frozen=True)
class JobFile:
    """One training job.

    Attributes:
        engine: ``diffrec`` or ``nvdiffrec``.
        output: folder for the results.
        config: path of a training configuration, or the configuration itself.
        python: interpreter of the training environment, or the environment's folder; None is the
            interpreter that runs the job.
        working_dir: nvdiffrec's checkout, or the folder that relative paths are read from.
        script: nvdiffrec's training script; None is ``train.py``.
        overrides: configuration fields that replace those of ``config``; ``diffrec.seed`` names
            the field ``seed`` of the object ``diffrec``.
        device: auto, cpu or cuda.
        seed: start of the random sequences (diffrec only); None leaves the configuration's.
        environment: changes to the trainer's environment.
        retries: further attempts, made only after a failure that starting again can mend.
        timeout: seconds after which the training is ended; None never.
        inputs: further files or folders whose change makes the results out of date.
        on_failure: ``fail``, or ``warn``: a failed training is a warning, leaves earlier results
            as they are, and the job ends well.
        claim_card: wait for a graphics card that no other job of this machine has claimed, and
            train on it alone.
        on_out_of_memory: ``fail``, or ``halve_batch``: when the GPU's memory is full the training
            starts again with half the batch, down to one view.
    """

    engine: str
    output: str
    config: str | dict[str, Any]
    python: str | None = None
    working_dir: str | None = None
    script: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    device: str = "auto"
    seed: int | None = None
    environment: EnvironmentPolicy = field(default_factory=EnvironmentPolicy)
    retries: int = 1
    timeout: float | None = None
    inputs: tuple[str, ...] = ()
    on_failure: str = "fail"
    on_out_of_memory: str = "fail"
    claim_card: bool = False

    def __post_init__(self) -> None:
        _check(self)

    def document(self) -> dict[str, Any]:
        """The job as plain data for JSON, complete."""
        return {"format": FORMAT, "version": VERSION, **dataclasses.asdict(self)}

    def based_on(self, folder: str) -> JobFile:
        """The same job with its relative paths read from ``folder``, except those of ``config``,
        which is looked for in several places when the job runs."""

        def absolute(path: str | None) -> str | None:
            return None if path is None else os.path.abspath(os.path.join(folder, expand(path)))

        python = self.python
        if python is not None and (os.sep in python or "/" in python):
            python = absolute(python)
        config = self.config
        if isinstance(config, str):
            # The working directory first: CONFIG_NAME is meant to be read from there.
            for base in (absolute(self.working_dir), folder):
                path = os.path.join(base or folder, expand(config))
                if os.path.isfile(path):
                    config = os.path.abspath(path)
                    break
        return dataclasses.replace(
            self,
            output=str(absolute(self.output)),
            working_dir=absolute(self.working_dir),
            python=python,
            config=config,
            inputs=tuple(str(absolute(path)) for path in self.inputs),
        )


def expand(path: str) -> str:
    """``~`` replaced by the home folder; nothing else is interpreted."""
    return os.path.expanduser(path) if path.startswith("~") else path


def load(path: str) -> JobFile:
    """Read a job file.

    Raises:
        JobFileError: it cannot be read, is no JSON, or a field is unknown, missing or wrong.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(jsonfiles.MAX_BYTES + 1)
    except OSError as error:
        raise JobFileError(
            f"the job file {path} cannot be read: {error.strerror or error}",
            "check the path and its permissions",
        ) from None
    document = parse_json(data, f"the job file {path}")
    try:
        return from_document(document).based_on(os.path.dirname(os.path.abspath(path)))
    except JobFileError as error:
        raise JobFileError(f"the job file {path}: {error}") from None


def parse_json(data: bytes, what: str) -> Any:
    """JSON as UTF-8 without duplicate names, or a :class:`JobFileError` that names ``what``."""
    try:
        return jsonfiles.parse(data, what)
    except JsonError as error:
        raise JobFileError(str(error)) from None


def from_document(document: Any) -> JobFile:
    """A job out of parsed JSON; its paths stay as they are written.

    Raises:
        JobFileError: a field is unknown, missing or wrong.
    """
    if not isinstance(document, dict):
        raise JobFileError("a job file is one JSON object")
    fields = dict(document)
    kind = fields.pop("format", None)
    version = fields.pop("version", None)
    if kind != FORMAT:
        raise JobFileError(f'"format" must be "{FORMAT}", not {shown(kind)}')
    if type(version) is not int or version != VERSION:
        raise JobFileError(
            f'"version" is {shown(version)}; this toolkit reads version {VERSION}',
            "use the toolkit's version that wrote the job file, or write it again",
        )
    known = [item.name for item in dataclasses.fields(JobFile)]
    _refuse_unknown(fields, known, "")
    for name in ("engine", "output", "config"):
        if name not in fields:
            raise JobFileError(f'the field "{name}" is missing')
    policy = fields.get("environment", {})
    if not isinstance(policy, dict):
        raise JobFileError(f'"environment" must be an object, not {shown(policy)}')
    names = [item.name for item in dataclasses.fields(EnvironmentPolicy)]
    _refuse_unknown(policy, names, "environment.")
    given: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in policy.items()
    }
    fields["environment"] = EnvironmentPolicy(**given)
    if isinstance(fields.get("inputs"), list):
        fields["inputs"] = tuple(fields["inputs"])
    return JobFile(**fields)


def _refuse_unknown(fields: Mapping[str, Any], known: list[str], prefix: str) -> None:
    for name in fields:
        if name not in known:
            raise JobFileError(
                f"there is no field {shown(prefix + name)}{did_you_mean(name, known)}; "
                f"fields: {', '.join(known)}"
            )


def _check(job: JobFile) -> None:
    def wrong(name: str, value: Any, wanted: str) -> JobFileError:
        return JobFileError(f'"{name}" must be {wanted}, not {shown(value)}')

    def text(name: str, value: Any, optional: bool = False) -> None:
        if optional and value is None:
            return
        if not isinstance(value, str) or not value or "\0" in value:
            raise wrong(name, value, "a text that is not empty")
        try:
            os.fsencode(value)
        except UnicodeEncodeError:
            raise wrong(name, value, "a text that can be a file name") from None

    for name, value, choices in (
        ("engine", job.engine, engines.names()),
        ("device", job.device, DEVICES),
        ("on_failure", job.on_failure, ON_FAILURE),
        ("on_out_of_memory", job.on_out_of_memory, ON_OUT_OF_MEMORY),
    ):
        if not isinstance(value, str) or value not in choices:
            near = did_you_mean(value, choices) if isinstance(value, str) else ""
            raise JobFileError(
                f'"{name}" must be one of {", ".join(choices)}, not {shown(value)}{near}'
            )
    text("output", job.output)
    for name in ("python", "working_dir", "script"):
        text(name, getattr(job, name), optional=True)
    if not isinstance(job.config, dict):
        if not isinstance(job.config, str) or not job.config:
            raise wrong("config", job.config, "the path of a configuration, or an object")
        text("config", job.config)
    if not isinstance(job.overrides, dict):
        raise wrong("overrides", job.overrides, "an object of configuration fields")
    if job.seed is not None and (type(job.seed) is not int or not 0 <= job.seed < 2**63):
        raise wrong("seed", job.seed, "a whole number from 0")
    if type(job.retries) is not int or not 0 <= job.retries <= 100:
        raise wrong("retries", job.retries, "a whole number from 0 to 100")
    if job.timeout is not None and (
        isinstance(job.timeout, bool)
        or not isinstance(job.timeout, (int, float))
        or not math.isfinite(job.timeout)
        or job.timeout <= 0
    ):
        raise wrong("timeout", job.timeout, "a number of seconds above 0, or null")
    if type(job.claim_card) is not bool:
        raise wrong("claim_card", job.claim_card, "true or false")
    if not isinstance(job.inputs, tuple):
        raise wrong("inputs", job.inputs, "a list of paths")
    for path in job.inputs:
        text("inputs", path)
    _check_policy(job.environment, wrong, text)


def _check_policy(policy: EnvironmentPolicy, wrong: Any, text: Any) -> None:
    text("environment.prefix", policy.prefix, optional=True)
    if policy.kind not in (None, "conda", "venv"):
        raise wrong("environment.kind", policy.kind, "conda, venv or null")
    if not isinstance(policy.set, dict):
        raise wrong("environment.set", policy.set, "an object of names and values")
    for name, value in policy.set.items():
        if not isinstance(value, str) or "\0" in value:
            raise wrong(f"environment.set.{name}", value, "a text")
    for field_name in ("unset", "keep"):
        if not isinstance(getattr(policy, field_name), tuple):
            raise wrong(f"environment.{field_name}", getattr(policy, field_name), "a list of names")
    for name in (*policy.set, *policy.unset, *policy.keep):
        if not isinstance(name, str) or not name or any(c in name for c in _VARIABLE_FORBIDDEN):
            raise wrong("environment", name, "names of variables")
