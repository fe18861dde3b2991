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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, NamedTuple

from nvdiffrec_contract import layout
from nvdiffrec_contract.failure import EXIT_OUTPUT
from nvdiffrec_contract.files import LinkError, Place, inside, is_link, read_inside
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.outputs.links import link_error
from nvdiffrec_tops.job.outputs.result import NAME as RESULT
from nvdiffrec_tops.job.outputs.result import changed, write_json

RUN_PREFIX = ".run-"
RUN_NAME = re.compile(r"\.run-\d{8}-\d{6}-[0-9a-f]{6}")
JOURNAL = ".job.journal.json"

_MOST_BYTES = 64 << 20
_OWN = "|".join(re.escape(name) for name in (RESULT, JOURNAL, layout.LIVE_TABLE))
_PART = re.compile(rf"\.({_OWN})\.\d+\.part|({_OWN})\.part")
"""Temporary names of files in the output folder, of this version and of earlier ones."""

# Left by a trainer for itself, not for the artist.
_NOT_COLLECTED = ("checkpoint", ".")


def produced(folder: str) -> list[str]:
    """Paths, with ``/``, of the files below ``folder`` that are to be collected, sorted."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(_NOT_COLLECTED)]
        for name in files:
            path = os.path.join(parent, name)
            left = name.startswith(_NOT_COLLECTED) or name.endswith((".tmp", ".part"))
            if not left and not is_link(path):
                found.append(os.path.relpath(path, folder).replace(os.sep, "/"))
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
                with ExitStack() as stack:
                    source = stack.enter_context(inside(output, entry["path"]))
                    kept = inside(run_folder, f"previous/{entry['path']}", make=True)
                    source.second_name(stack.enter_context(kept))
        staged = os.path.join(run_folder, "new-" + RESULT)
        write_json(staged, result)
        journal = {
            "run": os.path.basename(run_folder),
            "made": os.path.relpath(new_folder, run_folder).replace(os.sep, "/"),
            "entries": entries,
        }
        write_json(os.path.join(output, JOURNAL), journal)
        for entry in entries:
            with inside(output, entry["path"], make=entry["new"]) as place:
                if entry["aside"]:
                    with inside(output, entry["aside"]) as aside:
                        place.move(aside)
                    note(f"{entry['path']} is not from an earlier job: kept as {entry['aside']}")
                if entry["path"] == RESULT:
                    with inside(run_folder, os.path.basename(staged)) as new_place:
                        new_place.move(place)
                elif entry["new"]:
                    with inside(new_folder, entry["path"]) as new_place:
                        new_place.move(place)
                else:
                    place.unlink()
        os.unlink(os.path.join(output, JOURNAL))
    except OSError as error:
        recover(output)
        raise _unwritable(output, error) from error
    except BaseException:
        recover(output)
        raise
    for entry in entries:
        if not entry["new"]:
            _remove_empty(output, entry["path"])


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
    entry = {"path": RESULT, "new": True, "backup": None, "aside": None}
    with inside(output, RESULT) as place:
        if place.is_file():
            entry["backup"] = f"previous/{RESULT}"
        elif place.state() is not None:
            entry["aside"] = _free_name(RESULT, run_id, output)
    entries.append(entry)
    return entries


def _is_changed(output: str, name: str, digest: str) -> bool:
    return changed(output, {"path": name, "sha256": digest}) is not None


def _unwritable(output: str, error: OSError) -> JobError:
    """What to say of results that cannot be put in their place."""
    if isinstance(error, LinkError):
        return link_error(str(error.filename))
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
        journal = _journal(json.loads(read_inside(output, JOURNAL, _MOST_BYTES)))
    except FileNotFoundError:
        return False
    except LinkError:
        raise link_error(path) from None
    except (OSError, ValueError, RecursionError) as error:
        raise JobError(
            "journal",
            f"the journal of an interrupted change cannot be read: {path} ({error})",
            f"look at the files in {output}, delete the journal, and cook again with --force",
            EXIT_OUTPUT,
        ) from None
    for entry in journal.entries:  # before anything is touched
        for name in (entry["path"], entry["aside"]):
            _refuse_outside(output, name)
        for name in (entry["backup"], journal.made):
            _refuse_outside(os.path.join(output, journal.run), name)
    try:
        for entry in reversed(journal.entries):
            if journal.made and entry["new"] and entry["path"] != RESULT:
                _take_back(output, entry["path"], f"{journal.run}/{journal.made}/{entry['path']}")
            _restore(entry, output, journal.run)
        os.unlink(path)
    except LinkError as error:
        raise link_error(str(error.filename)) from None
    except OSError as error:
        raise JobError(
            "output-unwritable",
            f"the previous results cannot be put back into {output}: {error.strerror or error} "
            f"({error.filename})",
            "check the folder's permissions and free space, then cook again: nothing is lost",
            EXIT_OUTPUT,
        ) from error
    return True


class _Journal(NamedTuple):
    """A journal; ``made`` is absent from one of an older version."""

    run: str
    made: str | None
    entries: list[dict[str, Any]]


def _journal(document: Any) -> _Journal:
    """A journal out of its JSON. Raises ValueError."""
    try:
        run, made, entries = document["run"], document.get("made"), document["entries"]
        found = [
            {name: entry[name] for name in ("path", "new", "backup", "aside")} for entry in entries
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
    for entry in found:
        texts = (entry["backup"], entry["aside"])
        if not all(one is None or isinstance(one, str) for one in texts):
            raise ValueError("an entry names no file")
        if not isinstance(entry["path"], str) or not isinstance(entry["new"], bool):
            raise ValueError("an entry names no file")
    if not isinstance(run, str) or not isinstance(made, (str, type(None))):
        raise ValueError("it names no run")
    return _Journal(os.path.basename(run) or "?", made, found)


def _restore(entry: Mapping[str, Any], output: str, run: str) -> None:
    """Bring one file of the previous set back, or take a new one away where there was none."""
    if entry["backup"]:
        _put_back(output, f"{run}/{entry['backup']}", entry["path"])
        return
    with _inside_if_there(output, entry["path"]) as target:
        if entry["aside"]:
            with _inside_if_there(output, entry["aside"]) as aside:
                if target is not None and aside is not None and aside.state() is not None:
                    aside.move(target)
        elif entry["new"] and target is not None and target.is_file():  # there was none before
            target.unlink()
            _remove_empty(output, entry["path"])


def _take_back(output: str, target: str, source: str) -> None:
    """Give a new file that stands in its place its former name again, beside the present one."""
    with _inside_if_there(output, source) as place:
        gone = place is None or place.state() is None
    if gone:
        _put_back(output, target, source)


@contextmanager
def _inside_if_there(output: str, name: str) -> Iterator[Place | None]:
    """As ``inside``; None where a folder on the way is missing."""
    with ExitStack() as stack:
        try:
            place = stack.enter_context(inside(output, name))
        except (FileNotFoundError, NotADirectoryError):
            place = None
        yield place


def remove_run_folder(folder: str) -> None:
    """Remove a run folder, but never what its link to a checkout's data shows."""
    if is_link(folder):
        return  # none of ours
    link = os.path.join(folder, "data")
    if os.path.islink(link):
        os.unlink(link)
    # What the trainer made first: what is left of a folder must not look like one to go on with.
    shutil.rmtree(os.path.join(folder, "out"), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def parts(output: str) -> list[str]:
    """Files that jobs which were killed left half written in an output folder."""
    try:
        names = os.listdir(output)
    except OSError:
        return []
    return [os.path.join(output, name) for name in names if _PART.fullmatch(name)]


def remove_parts(output: str) -> None:
    """Remove half-written files; to be called with the output's lock held."""
    for path in parts(output):
        with suppress(OSError):
            os.unlink(path)


def abandoned(output: str) -> list[str]:
    """Run folders of earlier jobs; to be called with the output's lock held."""
    try:
        names = sorted(os.listdir(output))
    except OSError:
        return []
    found = [os.path.join(output, name) for name in names if RUN_NAME.fullmatch(name)]
    return [path for path in found if os.path.isdir(path) and not is_link(path)]


def _refuse_outside(folder: str, name: str | None) -> None:
    """Refuse a journal that points elsewhere than below ``folder``."""
    if name is None:
        return
    path = os.path.normpath(os.path.join(folder, *name.split("/")))
    if not path.startswith(os.path.normpath(folder) + os.sep):
        raise JobError(
            "journal",
            f"the journal of an interrupted change names a file outside {folder}",
            "delete .job.journal.json there and cook again with --force",
            EXIT_OUTPUT,
        )


def _put_back(output: str, source: str, target: str) -> None:
    """Rename a copy of ``source`` onto ``target``, where there is a ``source``; a rename of two
    names of one file does nothing, so this can be repeated."""
    with ExitStack() as stack:
        origin = stack.enter_context(_inside_if_there(output, source))
        if origin is None or not origin.is_file():
            return
        place = stack.enter_context(inside(output, target, make=True))
        part = place.beside(".part")
        if part.state() is not None:
            part.unlink()
        origin.second_name(part)
        part.move(place)
        if part.state() is not None:
            part.unlink()


def _free_name(name: str, run_id: str, output: str) -> str:
    stem, ending = os.path.splitext(name)
    candidate = f"{stem}.before-{run_id}{ending}"
    count = 1
    while os.path.lexists(os.path.join(output, *candidate.split("/"))):
        count += 1
        candidate = f"{stem}.before-{run_id}-{count}{ending}"
    return candidate


def _remove_empty(output: str, name: str) -> None:
    """Remove the folders on the way to the file ``name`` below ``output`` that are empty."""
    folder = name.rpartition("/")[0]
    while folder:
        try:
            with inside(output, folder) as place:
                os.rmdir(place.name, dir_fd=place.folder)
        except OSError:
            return
        folder = folder.rpartition("/")[0]
