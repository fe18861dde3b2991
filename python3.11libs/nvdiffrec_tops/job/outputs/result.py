"""The result file: its fields stand in ``nvdiffrec_contract.resultfile``."""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from nvdiffrec_contract import layout, resultfile
from nvdiffrec_contract.files import (
    LinkError,
    Stamp,
    inside,
    is_link,
    read_inside,
    replace_file,
    stamp,
)
from nvdiffrec_contract.preparation import CONFIGURATION
from nvdiffrec_contract.regularfiles import open_regular
from nvdiffrec_tops.job import trainer
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.jobfile import JobFile, expand

FORMAT, VERSION = resultfile.FORMAT, resultfile.VERSION
NAME = layout.RESULT

# What a work item carries after its training.
FIGURES: dict[str, type[float] | type[int]] = {
    "psnr": float,
    "psnr_pass1": float,
    "faces": int,
    "training_seconds": float,
}

# Nanoseconds. A file whose time is younger may be changed again without its time showing it.
_YOUNG = 100_000_000

_MOST_READ = 8 << 30
_LONGEST_LINE = 1 << 16
_MOST_WORDS = 64
# A result file lists some thousand files at most.
_MOST_BYTES = 64 << 20

# Pictures are told apart by size and time: a scene may have gigabytes of them.
_BY_CONTENT = (".json", ".npy", ".npz", ".txt", ".mtl", ".obj")

_PLACEMENT = "placement.json"
_KEPT_BY_PREPARATION = (
    *("photographs", "masks", "report", "work"),
    *(CONFIGURATION, _PLACEMENT, "prepared.json", "prepare.log"),
)
"""What a training does not read of a data set that was prepared, which has a placement."""


def sha256(path: str, check: Callable[[], None] | None = None) -> str:
    """SHA-256 of a file's content, hexadecimal; ``check`` is called every so many bytes and may
    raise. Raises OSError, for a pipe or a device too."""
    digest = hashlib.sha256()
    with open_regular(path) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
            if check is not None:
                check()
    return digest.hexdigest()


def _input(path: str, check: Callable[[], None] | None) -> str:
    """An input file by its content; one too large to be read by size, time and its two ends."""
    state = os.stat(path)
    if state.st_size <= _MOST_READ:
        return sha256(path, check)
    with open_regular(path) as stream:
        first = stream.read(1 << 20)
        stream.seek(-(1 << 20), os.SEEK_END)
        ends = hashlib.sha256(first + stream.read(1 << 20)).hexdigest()
    return digest_of([state.st_size, int(state.st_mtime), ends])


def digest_of(value: Any) -> str:
    """SHA-256 of plain data, independent of the order of names."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def input_digest(path: str, check: Callable[[], None] | None = None) -> str:
    """Digest of an input: a file by content (a mesh with the materials and textures it names), a
    folder by names, sizes and times, with its tables of cameras by content. Results of jobs in it
    are left out, and what a preparation keeps there beside the data set.

    ``check`` is called again and again, and may raise to end it.

    Raises:
        OSError: it cannot be read, or is a pipe or a device.
    """
    if os.path.isdir(path):
        return digest_of(_listing(path, check))
    if path.lower().endswith(".obj"):
        files = _mesh_files(path)
        return digest_of([[os.path.basename(one), _input(one, check)] for one in files])
    return _input(path, check)


def _listing(folder: str, check: Callable[[], None] | None) -> list[list[Any]]:
    listing: list[list[Any]] = []
    apart = _KEPT_BY_PREPARATION if os.path.isfile(os.path.join(folder, _PLACEMENT)) else ()
    for parent, folders, files in os.walk(folder):
        left_out = apart if parent == folder else ()
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in left_out
            and not os.path.isfile(os.path.join(parent, name, NAME))
        )
        for name in sorted(files):
            if name.startswith(".") or name in left_out:
                continue
            path = os.path.join(parent, name)
            shown = os.path.relpath(path, folder).replace(os.sep, "/")
            state = os.stat(path)
            if check is not None:
                check()
            if name.lower().endswith(_BY_CONTENT) and stat.S_ISREG(state.st_mode):
                listing.append([shown, _input(path, check)])
            else:
                listing.append([shown, state.st_size, int(state.st_mtime)])
    return listing


def _mesh_files(path: str) -> list[str]:
    """The mesh, and those material libraries and textures beside it that exist. A line may hold
    options before a name, spaces in it, and several names: whatever of it is a file counts."""
    found = [path]
    for library in _named(path, rb"\s*mtllib\s+(.+)"):
        found.append(library)
        found += _named(library, rb"(?i)\s*(?:map_\w+|bump|norm)\s+(.+)")
    return list(dict.fromkeys(found))


def _named(path: str, pattern: bytes) -> list[str]:
    """The files beside this one that its lines of a pattern name."""
    expression = re.compile(pattern)
    folder = os.path.dirname(path)
    files: dict[str, None] = {}
    with open_regular(path) as stream:
        while line := stream.readline(_LONGEST_LINE):
            match = expression.match(line.removeprefix(codecs.BOM_UTF8))
            if match is None or b"\0" in line:
                continue
            words = match.group(1).decode("utf-8", "surrogateescape").split()[:_MOST_WORDS]
            names = {" ".join(words[i:]) for i in range(len(words))} | set(words)
            # Of a path of another machine the name is looked for here.
            names |= {one.replace("\\", "/").rpartition("/")[2] for one in names}
            for name in sorted(names):
                file = os.path.join(folder, name.replace("\\", "/").strip('"'))
                if os.path.isfile(file):
                    files[file] = None
    return list(files)


def job_digest(
    engine: str,
    script: str | None,
    device: str,
    seed: int | None,
    config: Mapping[str, Any],
    inputs: Mapping[str, str],
) -> str:
    """Digest of everything that decides the results; ``inputs`` maps fields to their digests."""
    return digest_of(
        {
            "version": VERSION,
            "engine": engine,
            "script": script,
            "device": device,
            "seed": seed,
            "config": config,
            "inputs": dict(inputs),
        }
    )


def read(output: str) -> dict[str, Any] | None:
    """The result file of an output folder; None when there is none that this version can read."""
    try:
        document = json.loads(read_inside(output, NAME, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return None
    return document if document.get("version") == VERSION else None


def last_done(document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The newest successful result: the document itself, or the one that it carries."""
    if document is None:
        return None
    if document.get("status") == "done":
        return dict(document)
    previous = document.get("previous")
    return previous if isinstance(previous, dict) else None


def entries(document: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """What a result file says of each file that stands in its folder by a job's doing."""
    done = last_done(document)
    listed = done.get("outputs") if done else None
    return [
        entry
        for entry in (listed if isinstance(listed, list) else [])
        if isinstance(entry, dict)
        and isinstance(entry.get("path"), str)
        and isinstance(entry.get("sha256"), str)
        and _is_below(entry["path"])
    ]


def manifest(document: Mapping[str, Any] | None) -> dict[str, str]:
    """Path to SHA-256 of the files that stand in the output folder by a job's doing."""
    return {entry["path"]: entry["sha256"] for entry in entries(document)}


def _is_below(path: str) -> bool:
    parts = path.split("/")
    return bool(path) and not os.path.isabs(path) and all(p not in ("", ".", "..") for p in parts)


def up_to_date(output: str, document: Mapping[str, Any] | None, digest: str) -> bool:
    """Whether the files in place are those that a job with ``digest`` made, unchanged."""
    done = last_done(document)
    if done is None or done.get("digest") != digest:
        return False
    listed = entries(done)
    if not listed or len(listed) != len(done["outputs"]):
        return False
    return all(changed(output, entry) is None for entry in listed)


def changed(output: str, entry: Mapping[str, Any]) -> str | None:
    """How a file in an output folder differs from its entry in the result file, in a phrase; None
    where it does not. Content is read only where the file is not the very one that the job left.
    """
    path = os.path.join(output, *entry["path"].split("/"))
    try:
        with inside(output, entry["path"]) as place:
            there = place.is_file()
    except LinkError as error:
        return f"{error.filename} is a link"
    except OSError:
        there = False
    found = stamp(path)
    if found is None or not there:
        return f"{path} is {'a link' if is_link(path) else 'missing'}"
    size = entry.get("size", found[1])
    if found[1] != size:
        return f"{path} has {found[1]} bytes in place of {size}"
    if list(found) == entry.get("stamp"):
        return None
    try:
        digest = _digest(path, found) if _is_settled(found) else sha256(path)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror or error}"
    return None if digest == entry["sha256"] else f"{path} has been changed"


def _is_settled(found: Stamp) -> bool:
    return time.time_ns() - found[0] > _YOUNG


@lru_cache(maxsize=1 << 14)
def _digest(path: str, _stamp: Stamp) -> str:
    return sha256(path)


def settings_digest(job: JobFile) -> str:
    """Digest of what a job asks for, as far as it is known without reading the data: the engine,
    the configuration with the overrides applied, and the seed. Not the device, nor any path that
    depends on the machine.

    Raises:
        JobError: the configuration, or a file that it names, is not there or cannot be used.
    """
    return settings_of(job, trainer.prepare(job).asked)


def settings_of(job: JobFile, asked: Mapping[str, Any]) -> str:
    """:func:`settings_digest` of a job whose configuration has been made ready."""
    return digest_of(
        {"version": VERSION, "engine": job.engine, "seed": trainer.seed(job), "config": asked}
    )


def same_settings(output: str, job: JobFile) -> bool | None:
    """Whether the results in an output folder were made with the settings of ``job``.

    None when that cannot be told: there are no results, an older version wrote them, or this
    machine does not have the job's configuration and data. Reads two small files, one of them only
    once; whether data or results have changed since is the job's own question (``up_to_date``).
    """
    recorded = _recorded(output)[0]
    if recorded is None:
        return None
    try:
        return recorded == settings_digest(job)
    except JobError:
        return None


def figures(output: str) -> dict[str, float | int]:
    """The figures of the results in an output folder, as a work item carries them; see
    :func:`figures_of`. Empty when there are none."""
    return dict(_recorded(output)[1])


def figures_of(document: Mapping[str, Any]) -> dict[str, float | int]:
    """``psnr`` and ``psnr_pass1`` (dB), ``faces`` and ``training_seconds`` of a result, those that
    are known and finite."""
    metrics = document.get("metrics")
    known = dict(metrics) if isinstance(metrics, dict) else {}
    known["training_seconds"] = document.get("seconds")
    found: dict[str, float | int] = {}
    for name, kind in FIGURES.items():
        value = known.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if -1e15 < value < 1e15:  # neither infinite nor NaN
            found[name] = kind(value)
    return found


def _recorded(output: str) -> tuple[str | None, dict[str, float | int]]:
    """Settings digest and figures of the results that stand in ``output``."""
    output = expand(output)
    found = stamp(os.path.join(output, NAME))
    return (None, {}) if found is None else _recorded_as(output, found)


@lru_cache(maxsize=1 << 14)
def _recorded_as(output: str, _stamp: Stamp) -> tuple[str | None, dict[str, float | int]]:
    done = last_done(read(output))
    if done is None:
        return None, {}
    settings = done.get("settings")
    return settings if isinstance(settings, str) else None, figures_of(done)


def describe(folder: str, paths: Sequence[str], tag: Any) -> list[dict[str, Any]]:
    """The entries of ``outputs`` for files below ``folder``; ``tag`` maps a path to its tag."""
    found = []
    for path in paths:
        file = os.path.join(folder, *path.split("/"))
        before = stamp(file)
        entry = {"path": path, "tag": tag(path), "size": os.path.getsize(file)}
        entry["sha256"] = sha256(file)
        if before is not None and _is_settled(before):
            entry["stamp"] = list(before)
        found.append(entry)
    return found


def write_json(path: str, document: Mapping[str, Any]) -> None:
    """Write JSON whole or not at all; paths that are no Unicode go in too. Raises OSError."""
    replace_file(Path(path), f"{json.dumps(document, indent=1)}\n".encode("ascii"), durable=True)
