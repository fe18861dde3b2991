"""Makes a job's configuration ready for its trainer, and the run folder that it starts in."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nvdiffrec_contract import relativepaths
from nvdiffrec_contract.configuration import NAMES, PATHS, hint, without_comments
from nvdiffrec_contract.wording import did_you_mean, shown
from nvdiffrec_tops.job import engines
from nvdiffrec_tops.job.jobfile import JobFile, JobFileError, read_configuration


@dataclass(frozen=True)
class Training:
    """A job's configuration made ready.

    ``config`` is complete but for ``out_dir``, with absolute paths; ``asked`` is the same with the
    paths as written, which stay the same when a project moves. ``inputs`` maps the field of each
    file that is read to its absolute path.
    """

    config: dict[str, Any]
    asked: dict[str, Any]
    inputs: dict[str, str]
    working_dir: str
    script: str | None = None
    notes: tuple[str, ...] = field(default=())


def prepare(job: JobFile) -> Training:
    """Read the configuration, apply the overrides and resolve its paths.

    Raises:
        JobError: the configuration or a file that it names cannot be read or used.
    """
    folders = []
    if job.working_dir:
        if not os.path.isdir(job.working_dir):
            raise JobFileError(
                f"the working directory {job.working_dir} does not exist or is no folder",
                "correct WORKING_DIR (working_dir): the nvdiffrec checkout, or the folder that "
                "relative paths in the configuration are read from",
            )
        folders.append(job.working_dir)
    config, config_path = _configuration(job, folders)
    folders = relativepaths.bases(job.working_dir or os.getcwd(), config_path)
    notes = _merge(config, job.overrides)
    config.pop("out_dir", None)
    config.pop("config", None)
    engine = engines.engine(job.engine)
    notes += engine.settle(job, config)
    asked = copy.deepcopy(config)
    inputs: dict[str, str] = {}
    for name in PATHS:
        if config.get(name) is not None:
            config[name] = inputs[name] = _find(config[name], name, folders)
    display = config.get("display")
    for index, column in enumerate(display if isinstance(display, list) else []):
        if isinstance(column, dict) and column.get("relight") is not None:
            name = f"display[{index}].relight"
            column["relight"] = inputs[name] = _find(column["relight"], name, folders)
    if not config.get("ref_mesh"):
        raise JobFileError(
            'the configuration has no "ref_mesh": nothing says what to train from',
            'name a mesh (.obj) or a folder of photographs in "ref_mesh"',
        )
    notes += engine.check(job, config, folders[0])
    for index, path in enumerate(job.inputs):
        inputs[f"inputs[{index}]"] = path
    return Training(config, asked, inputs, folders[0], engine.script(job), tuple(notes))


def _configuration(job: JobFile, folders: list[str]) -> tuple[dict[str, Any], str | None]:
    if isinstance(job.config, dict):
        return copy.deepcopy(without_comments(job.config)), None
    candidates = [os.path.join(folder, job.config) for folder in folders]
    candidates.append(os.path.abspath(job.config))
    path = next((one for one in candidates if os.path.isfile(one)), None)
    if path is None:
        raise JobFileError(
            "the configuration does not exist: " + " or ".join(dict.fromkeys(candidates)),
            "correct CONFIG_NAME (config): a .json file, relative to the working directory",
        )
    return read_configuration(path), os.path.abspath(path)


def _merge(config: dict[str, Any], overrides: Mapping[str, Any]) -> list[str]:
    """Apply the overrides in place; notes on fields that neither trainer knows."""
    notes = [
        f"the configuration's field {shown(name)} is not one of nvdiffrec's"
        + (f" ({meant})" if (meant := hint(name)) else "")
        for name in config
        if name not in NAMES
    ]
    for name, value in overrides.items():
        outer, _, inner = name.partition(".")
        if inner and outer == "diffrec":
            section = config.setdefault("diffrec", {})
            if not isinstance(section, dict):
                raise JobFileError(
                    f'"diffrec" in the configuration is {shown(section)}, '
                    "so its fields cannot be set"
                )
            section[inner] = value
            continue
        if name not in NAMES and name not in config:
            raise JobFileError(
                f"an override names the field {shown(name)}, which no configuration has"
                f"{did_you_mean(name, NAMES)}",
                "correct the name of the override",
            )
        config[name] = value
    return notes


def _find(path: Any, name: str, folders: list[str]) -> str:
    if not isinstance(path, str) or not path or "\0" in path:
        raise JobFileError(f'"{name}" in the configuration must be a path, not {shown(path)}')
    found = relativepaths.find(path, folders)
    if found is not None:
        return found
    raise JobFileError(
        f'"{name}" in the configuration names a file or folder that does not exist: '
        + " or ".join(relativepaths.candidates(path, folders)),
        "put it there or correct the path; relative paths are read from the working directory, "
        "then from the configuration's folder",
    )


def seed(job: JobFile) -> int | None:
    """The seed that decides a job's results; None where none does."""
    return job.seed if engines.engine(job.engine).seeded else None


def make_run_folder(job: JobFile, training: Training, folder: str, out_dir: str) -> str:
    """Fill the run folder and return the path of the configuration in it.

    The trainer writes to ``out/<out_dir>`` there.
    """
    engines.engine(job.engine).fill(training, folder)
    return write_configuration(training, folder, out_dir)


def write_configuration(training: Training, folder: str, out_dir: str) -> str:
    """Write the whole configuration into the run folder, over an earlier one; its path."""
    config = os.path.join(folder, "config.json")
    with open(config, "w", encoding="utf-8") as stream:
        json.dump({**training.config, "out_dir": out_dir}, stream, indent=2, ensure_ascii=False)
    return config
