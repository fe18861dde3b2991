"""Puts a run's files into the output folder as one set, and takes back a change cut short.

Order of a change: every file that will be replaced or removed is first given a second name in the
run folder (a hard link, else a copy), and a journal lists the whole plan. Then each new file is
renamed onto its place, so that at no moment a file is missing, and the result file last. Removing
the journal completes the change. One that was cut short leaves its journal, from which
:func:`recover` restores the previous set; the new files are then back where they came from, and the
change can be made again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nvdiffrec_contract.failure import EXIT_OUTPUT
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.outputs.result import NAME as RESULT
from nvdiffrec_tops.job.outputs.result import changed, write_json

RUN_PREFIX = ".run-"
RUN_NAME = re.compile(r"\.run-\d{8}-\d{6}-[0-9a-f]{6}")
JOURNAL = ".job.journal.json"

# Left by a trainer for itself, not for the artist.
_NOT_COLLECTED = ("checkpoint", ".")


def produced(folder: str) -> list[str]:
    """Paths, with ``/``, of the files below ``folder`` that are to be collected, sorted."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(_NOT_COLLECTED)]
        for name in files:
            if not name.startswith(_NOT_COLLECTED) and not name.endswith((".tmp", ".part")):
                path = os.path.relpath(os.path.join(parent, name), folder)
                found.append(path.replace(os.sep, "/"))
    return sorted(found)


def replace_set(
    output: str,
    run_folder: str,
    new_folder: str,
    new: Sequence[str],
    previous: Mapping[str, str],
    result: Mapping[str, Any],
    note: Callable[[str], None] = lambda _: None,
) -> None:
    """Move ``new`` (paths below ``new_folder``) into ``output`` and write ``result`` there.

    Args:
        output: the output folder.
        run_folder: on the same disk as ``output``; takes the second names of the old files.
        new_folder: below ``run_folder``.
        new: the files to move, as paths below ``new_folder``.
        previous: path to SHA-256 of the files that an earlier job made. Those that are not in
            ``new`` are removed. A file that is not listed, or was changed since, is not ours: it
            is kept under another name beside the new one, or left where it is.
        result: the result file, as plain data.
        note: takes a sentence about each file that is kept aside.

    Raises:
        JobError: the output folder cannot be written; it holds the previous set then, and
            ``new_folder`` the new one.
    """
    backup = os.path.join(run_folder, "previous")
    try:
        shutil.rmtree(backup, ignore_errors=True)  # of an earlier attempt
        entries = _plan(output, run_folder, new, previous)
        for entry in entries:
            if entry["backup"]:
                source = os.path.join(output, *entry["path"].split("/"))
                target = os.path.join(backup, *entry["path"].split("/"))
                os.makedirs(os.path.dirname(target), exist_ok=True)
                _second_name(source, target)
        staged = os.path.join(run_folder, "new-" + RESULT)
        write_json(staged, result)
        journal = {
            "run": os.path.basename(run_folder),
            "made": os.path.relpath(new_folder, run_folder).replace(os.sep, "/"),
            "entries": entries,
        }
        write_json(os.path.join(output, JOURNAL), journal)
        for entry in entries:
            path = os.path.join(output, *entry["path"].split("/"))
            if entry["aside"]:
                os.rename(path, os.path.join(output, *entry["aside"].split("/")))
                note(f"{entry['path']} is not from an earlier job: kept as {entry['aside']}")
            if entry["path"] == RESULT:
                os.replace(staged, path)
            elif entry["new"]:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.replace(os.path.join(new_folder, *entry["path"].split("/")), path)
            else:
                os.unlink(path)
        os.unlink(os.path.join(output, JOURNAL))
    except OSError as error:
        recover(output)
        raise _unwritable(output, error) from error
    except BaseException:
        recover(output)
        raise
    for entry in entries:
        if not entry["new"]:
            _remove_empty(os.path.dirname(os.path.join(output, entry["path"])), output)


def _plan(
    output: str, run_folder: str, new: Sequence[str], previous: Mapping[str, str]
) -> list[dict[str, Any]]:
    """What becomes of each file, the result file last. Raises OSError."""
    run_id = os.path.basename(run_folder)[len(RUN_PREFIX) :]
    entries: list[dict[str, Any]] = []
    wanted = set(new)
    for name in [*new, *(name for name in previous if name not in wanted)]:
        path = os.path.join(output, *name.split("/"))
        entry: dict[str, Any] = {"path": name, "new": name in wanted, "backup": None, "aside": None}
        if os.path.lexists(path):
            if name in previous and not _is_changed(output, name, previous[name]):
                entry["backup"] = f"previous/{name}"
            elif name in wanted:
                entry["aside"] = _free_name(name, run_id, output)
            else:
                continue  # changed by someone since: left alone
        elif name not in wanted:
            continue
        entries.append(entry)
    there = os.path.isfile(os.path.join(output, RESULT))
    backup = f"previous/{RESULT}" if there else None
    entries.append({"path": RESULT, "new": True, "backup": backup, "aside": None})
    return entries


def _is_changed(output: str, name: str, digest: str) -> bool:
    return changed(output, {"path": name, "sha256": digest}) is not None


def _unwritable(output: str, error: OSError) -> JobError:
    """What to say of results that cannot be put in their place."""
    cause = f"{error.strerror or error} ({error.filename})"
    cure = "check the folder's permissions and free space, and that no program holds the files"
    if isinstance(error, (FileExistsError, NotADirectoryError)) and error.filename:
        way = str(error.filename)
        while len(way) > len(output) and not os.path.isfile(way):
            way = os.path.dirname(way)
        if os.path.isfile(way):
            cause = f"the file {way} stands where a folder is needed"
            cure = "move it away or rename it"
    return JobError(
        "output-unwritable",
        f"the results cannot be put into {output}: {cause}",
        f"{cure}; the previous results are still in place",
        EXIT_OUTPUT,
    )


def recover(output: str) -> bool:
    """Restore the previous set when a change of it was cut short, and put the new files back where
    they came from; whether there was such a change.

    Safe to be cut short itself: it can be run again.

    Raises:
        JobError: the journal cannot be read, or the folder cannot be written.
    """
    path = os.path.join(output, JOURNAL)
    try:
        with open(path, encoding="utf-8") as stream:
            journal = json.load(stream)
        entries = [dict(entry) for entry in journal["entries"]]
        run_folder = os.path.join(output, os.path.basename(str(journal["run"])))
        made = journal.get("made")  # absent in a journal of an older version
        new_folder = None if made is None else _below(run_folder, made)
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise JobError(
            "journal",
            f"the journal of an interrupted change cannot be read: {path} ({error})",
            f"look at the files in {output}, delete the journal, and cook again with --force",
            EXIT_OUTPUT,
        ) from None
    try:
        for entry in reversed(entries):
            target = _below(output, entry["path"])
            if new_folder is not None and entry["new"] and entry["path"] != RESULT:
                _take_back(target, _below(new_folder, entry["path"]))
            _restore(entry, target, output, run_folder)
        os.unlink(path)
    except OSError as error:
        raise JobError(
            "output-unwritable",
            f"the previous results cannot be put back into {output}: {error.strerror or error} "
            f"({error.filename})",
            "check the folder's permissions and free space, then cook again: nothing is lost",
            EXIT_OUTPUT,
        ) from error
    return True


def _restore(entry: Mapping[str, Any], target: str, output: str, run_folder: str) -> None:
    """Bring one file of the previous set back, or take a new one away where there was none."""
    if entry["backup"]:
        source = _below(run_folder, entry["backup"])
        if os.path.exists(source):
            _put_back(source, target)
    elif entry["aside"]:
        source = _below(output, entry["aside"])
        if os.path.lexists(source):
            os.replace(source, target)
    elif entry["new"] and os.path.isfile(target):  # there was none before
        os.unlink(target)
        _remove_empty(os.path.dirname(target), output)


def _take_back(target: str, source: str) -> None:
    """Give a new file that stands in its place its former name again, beside the present one."""
    if not os.path.lexists(source) and os.path.isfile(target):
        _put_back(target, source)


def remove_run_folder(folder: str) -> None:
    """Remove a run folder, but never what its link to a checkout's data shows."""
    link = os.path.join(folder, "data")
    if os.path.islink(link):
        os.unlink(link)
    # What the trainer made first: what is left of a folder must not look like one to go on with.
    shutil.rmtree(os.path.join(folder, "out"), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def abandoned(output: str) -> list[str]:
    """Run folders of earlier jobs; to be called with the output's lock held."""
    try:
        names = sorted(os.listdir(output))
    except OSError:
        return []
    return [os.path.join(output, name) for name in names if RUN_NAME.fullmatch(name)]


def _below(folder: str, name: str) -> str:
    """``name`` below ``folder``; a journal that points elsewhere is refused."""
    path = os.path.normpath(os.path.join(folder, *str(name).split("/")))
    if not path.startswith(os.path.normpath(folder) + os.sep):
        raise JobError(
            "journal",
            f"the journal of an interrupted change names a file outside {folder}",
            "delete .job.journal.json there and cook again with --force",
            EXIT_OUTPUT,
        )
    return path


def _second_name(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a disk without hard links
        shutil.copy2(source, target)


def _put_back(source: str, target: str) -> None:
    """Rename a copy of ``source`` onto ``target``; a rename of two names of one file does nothing,
    so this can be repeated."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    part = target + ".part"
    if os.path.lexists(part):
        os.unlink(part)
    _second_name(source, part)
    os.replace(part, target)
    if os.path.lexists(part):
        os.unlink(part)


def _free_name(name: str, run_id: str, output: str) -> str:
    stem, ending = os.path.splitext(name)
    candidate = f"{stem}.before-{run_id}{ending}"
    count = 1
    while os.path.lexists(os.path.join(output, *candidate.split("/"))):
        count += 1
        candidate = f"{stem}.before-{run_id}-{count}{ending}"
    return candidate


def _remove_empty(folder: str, output: str) -> None:
    """Remove ``folder`` and its parents below ``output`` while they are empty."""
    folder = os.path.normpath(folder)
    while folder != os.path.normpath(output) and folder.startswith(os.path.normpath(output)):
        try:
            os.rmdir(folder)
        except OSError:
            return
        folder = os.path.dirname(folder)
