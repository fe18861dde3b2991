"""What goes into a bundle, read out of a result's folder: no link is followed, nothing is large.

The folder, and ``result.json`` in it, may come from anybody: what it names is read and never run.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nvdiffrec_contract import files, jsonfiles, layout
from nvdiffrec_contract.configuration import FIELDS
from nvdiffrec_contract.jsonfiles import JsonError
from nvdiffrec_contract.regularfiles import read_regular
from nvdiffrec_tops.bugreport import privacy
from nvdiffrec_tops.bugreport.privacy import Placeholders

MOST_DOCUMENT = 4 << 20
LOG_BEGIN, LOG_END = 64 << 10, 448 << 10
"""Bytes of a long log that are kept: of its begin, and of its end."""
LOG = "job.log"
PICTURES = (
    (".", re.compile(re.escape(layout.CONTACT_SHEET)), 1),
    (".", re.compile(r"img_dmtet_pass1_\d+\.png"), 1),
    (".", re.compile(r"img_mesh_pass_\d+\.png"), 1),
    ("validate", re.compile(r"val_\d+\w*\.png"), 2),
)
"""Folders, names and numbers of pictures: the last ones of each kind."""
MOST_NAMES = 100_000
# Variables of a trainer that say how it ran; others may say who its owner is.
_TOLD = re.compile(r"(?:CUDA|OMP|MKL|NUMBA|PYTORCH|TORCH|WARP|DIFFREC|NVDIFFREC)_")


@dataclass
class Gathered:
    """What was found.

    Attributes:
        texts: text by its name in the bundle.
        pictures: paths of pictures below the folder.
        left_out: sentences on what is not in it.
        job: the job, as ``result.json`` tells it; empty where nothing does.
        config: the configuration's file, where there is one.
    """

    texts: dict[str, str] = field(default_factory=dict)
    pictures: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    job: Mapping[str, Any] = field(default_factory=dict)
    config: str | None = None


def gather(folder: str) -> tuple[Gathered, Placeholders]:
    """What a result's folder holds, private things replaced, and the placeholders.

    Args:
        folder: absolute.
    """
    found = Gathered()
    result = _document(folder, layout.RESULT, found)
    job = result.get("job")
    found.job = job if isinstance(job, dict) else {}
    config = _configuration(found)
    placeholders = _placeholders(folder, result, found)
    for name, document in (
        ("result.json", result),
        ("job.json", found.job),
        ("configuration.json", config),
        (layout.FAILURE, _document(folder, layout.FAILURE, found)),
    ):
        if document:
            plain = _without_values(document)
            found.texts[name] = jsonfiles.text_of(placeholders.document(plain))
    for name in (_log_name(result), layout.TABLE, layout.LIVE_TABLE):
        _text(folder, name, found, placeholders)
    for place, pattern, count in PICTURES:
        found.pictures += _last(folder, place, pattern, count)
    return found, placeholders


def _document(folder: str, name: str, found: Gathered) -> dict[str, Any]:
    try:
        data = files.read_inside(folder, name, MOST_DOCUMENT)
        return jsonfiles.an_object(jsonfiles.parse(data, name), name)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, JsonError) as error:
        found.left_out.append(f"{name}: {_reason(error)}")
        return {}


def _configuration(found: Gathered) -> dict[str, Any]:
    """The configuration that the job names, where it is one; a job that holds its own has it."""
    named = found.job.get("config")
    if not isinstance(named, str) or not named or "\0" in named:
        return {}
    base = found.job.get("working_dir")
    path = os.path.join(base if isinstance(base, str) else os.curdir, os.path.expanduser(named))
    try:
        if files.is_link(path):
            raise files.LinkError(path)
        data = read_regular(path, MOST_DOCUMENT)
        document = jsonfiles.an_object(jsonfiles.parse(data, "it"), "it")
    except (OSError, ValueError, JsonError) as error:
        found.left_out.append(f"the configuration: {_reason(error)}")
        return {}
    # Whoever wrote the result may have named any file of whoever sends the bundle.
    if not document.keys() & FIELDS.keys():
        found.left_out.append("the configuration: what the job names is none")
        return {}
    found.config = os.path.abspath(path)
    return document


def _placeholders(folder: str, result: Mapping[str, Any], found: Gathered) -> Placeholders:
    job = found.job
    places = [(folder, "<RESULT>"), (os.path.realpath(folder), "<RESULT>")]
    named = [("output", "<RESULT>"), ("working_dir", "<WORKING_DIR>"), ("python", "<ENVIRONMENT>")]
    for name, placeholder in named:
        value = job.get(name)
        if isinstance(value, str) and os.path.isabs(value):
            places.append((value, placeholder))
    if found.config is not None:
        places.append((os.path.dirname(found.config), "<CONFIGURATION>"))
    environment = result.get("environment")
    prefix = environment.get("prefix") if isinstance(environment, dict) else None
    if isinstance(prefix, str):
        places.append((prefix, "<ENVIRONMENT>"))
    places.append((os.path.dirname(os.path.dirname(os.path.dirname(__file__))), "<TOOLKIT>"))
    inputs = result.get("inputs")
    for one in inputs if isinstance(inputs, list) else []:
        path = one.get("path") if isinstance(one, dict) else None
        if isinstance(path, str) and os.path.isabs(path):
            places.append((os.path.dirname(path), "<DATA>"))
    # A place that is the home folder itself or above it says nothing that may be said.
    home = os.path.expanduser("~")
    places = [
        (path, name) for path, name in places if not (home + os.sep).startswith(path + os.sep)
    ]
    host = result.get("host")
    return privacy.of_this_machine(
        places=[(path, name) for path, name in places if len(path) > 3],
        hosts=[host] if isinstance(host, str) else [],
        secrets=_values(job),
    )


def _variables(job: Any) -> Mapping[str, Any]:
    environment = job.get("environment") if isinstance(job, dict) else None
    given = environment.get("set") if isinstance(environment, dict) else None
    return given if isinstance(given, dict) else {}


def _values(job: Any) -> list[str]:
    """Values of variables that a job sets and that are told nobody."""
    return [
        value
        for name, value in _variables(job).items()
        if isinstance(value, str) and not _TOLD.match(name) and not os.path.isabs(value)
    ]


def _without_values(document: Mapping[str, Any]) -> Any:
    """A result or a job without the values of the variables that its owner set."""
    found: dict[str, Any] = json.loads(json.dumps(document))
    for job in (found, found.get("job"), (found.get("previous") or {}).get("job")):
        given = _variables(job)
        for name in given:
            if not _TOLD.match(name):
                given[name] = privacy.SECRET  # type: ignore[index]
    return found


def _log_name(result: Mapping[str, Any]) -> str:
    name = result.get("log")
    return name if isinstance(name, str) and re.fullmatch(r"\w[\w.-]*", name) else LOG


def _text(folder: str, name: str, found: Gathered, placeholders: Placeholders) -> None:
    try:
        with files.inside(folder, name) as place, open(place.open(os.O_RDONLY), "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            data = stream.read(LOG_BEGIN + LOG_END)
            if size > len(data):
                begin = data[:LOG_BEGIN].rpartition(b"\n")[0]
                stream.seek(size - LOG_END)
                # From a line's begin: half a word is not recognised.
                end = stream.read(LOG_END).partition(b"\n")[2]
                left = size - len(begin) - len(end)
                data = begin + f"\n[{left} bytes are left out here]\n".encode() + end
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        found.left_out.append(f"{name}: {_reason(error)}")
        return
    found.texts[name] = placeholders.text(data.decode("utf-8", "replace"))


def _last(folder: str, place: str, pattern: re.Pattern[str], count: int) -> list[str]:
    where = os.path.join(folder, place)
    if files.is_link(where):
        return []
    try:
        names = sorted(one for one in os.listdir(where)[:MOST_NAMES] if pattern.fullmatch(one))
    except OSError:
        return []
    return [one if place == "." else f"{place}/{one}" for one in names[-count:]]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
