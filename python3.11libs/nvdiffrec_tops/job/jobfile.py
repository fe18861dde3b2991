"""The job file: everything that one training job needs, as JSON with a versioned schema.

    {"format": "tops-nvdiffrec-job", "version": 1, "engine": "diffrec",
     "config": "configs/bob.json", "output": "/show/bob/train"}

Relative paths in a job file are read from the job file's own folder; ``config`` and the paths in a
configuration also from ``working_dir``.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nvdiffrec_contract import jsonfiles
from nvdiffrec_contract.checks import Refused
from nvdiffrec_contract.configuration import without_comments
from nvdiffrec_contract.failure import EXIT_USAGE
from nvdiffrec_contract.jsonfiles import JsonError
from nvdiffrec_contract.options import FORMAT, OPTIONS, PATH, VERSION
from nvdiffrec_contract.regularfiles import open_regular
from nvdiffrec_contract.relativepaths import expand as expand
from nvdiffrec_contract.wording import did_you_mean, shown
from nvdiffrec_tops.job import engines
from nvdiffrec_tops.job.environment import EnvironmentPolicy
from nvdiffrec_tops.job.failures import JobError

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
    device: str = OPTIONS["device"].default
    seed: int | None = None
    environment: EnvironmentPolicy = field(default_factory=EnvironmentPolicy)
    retries: int = OPTIONS["retries"].default
    timeout: float | None = None
    inputs: tuple[str, ...] = ()
    on_failure: str = OPTIONS["on_failure"].default
    on_out_of_memory: str = OPTIONS["on_out_of_memory"].default
    claim_card: bool = OPTIONS["claim_card"].default

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


def load(path: str) -> JobFile:
    """Read a job file.

    Raises:
        JobFileError: it cannot be read, is no JSON, or a field is unknown, missing or wrong.
    """
    document = _read_json(path, f"the job file {path}", "check the path and its permissions")
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


def _read_json(path: str, what: str, cure: str) -> Any:
    """The JSON in a file that messages call ``what``; ``cure``: where it cannot be read."""
    try:
        with open_regular(path) as stream:
            data = stream.read(jsonfiles.MAX_BYTES + 1)
    except OSError as error:
        raise JobFileError(f"{what} cannot be read: {error.strerror or error}", cure) from None
    return parse_json(data, what)


def read_configuration(path: str) -> dict[str, Any]:
    """The JSON object in a configuration file, its comments left out.

    Raises:
        JobFileError: it cannot be read, or is no JSON object.
    """
    document = _read_json(path, f"the configuration {path}", "check its permissions")
    if not isinstance(document, dict):
        raise JobFileError(
            f"the configuration {path} must be one JSON object",
            "write { at its begin and } at its end, with fields between them",
        )
    return without_comments(document)


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
    for name, option in OPTIONS.items():
        if option.required and name not in fields:
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
    for option in OPTIONS.values():
        value = getattr(job, option.name)
        if option.name == "environment":
            _check_policy(value)
            continue
        try:
            option.check(value)
        except Refused as refused:
            near = did_you_mean(value, option.choices) if isinstance(value, str) else ""
            raise _wrong(option.name, refused, near) from None
    known = engines.names()
    if job.engine not in known:
        raise JobFileError(
            f'"engine" must be one of {", ".join(known)}, not {shown(job.engine)}'
            f"{did_you_mean(job.engine, known)}"
        )


def _wrong(name: str, refused: Refused, near: str = "") -> JobFileError:
    return JobFileError(f'"{name}" must be {refused.allowed}, not {shown(refused.value)}{near}')


def _check_policy(policy: EnvironmentPolicy) -> None:
    def refuse(name: str, value: Any, allowed: str) -> None:
        raise _wrong(f"environment{name}", Refused(value, allowed))

    if policy.prefix is not None:
        try:
            PATH(policy.prefix)
        except Refused as refused:
            raise _wrong("environment.prefix", refused) from None
    if policy.kind not in (None, "conda", "venv"):
        refuse(".kind", policy.kind, "conda, venv or null")
    if not isinstance(policy.set, dict):
        refuse(".set", policy.set, "an object of names and values")
    for name, value in policy.set.items():
        if not isinstance(value, str) or "\0" in value:
            refuse(f".set.{name}", value, "a text")
    for field_name in ("unset", "keep"):
        if not isinstance(getattr(policy, field_name), tuple):
            refuse(f".{field_name}", getattr(policy, field_name), "a list of names")
    for name in (*policy.set, *policy.unset, *policy.keep):
        if not isinstance(name, str) or not name or any(c in name for c in _VARIABLE_FORBIDDEN):
            refuse("", name, "names of variables")
