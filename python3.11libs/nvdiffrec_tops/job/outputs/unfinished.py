"""Trainings whose results are not in place: what is kept of them, and how one goes on.

The diffrec trainer writes checkpoints into its own output folder, which lies in the run folder in
the job's output folder, where another machine finds it as well. A run folder with a checkpoint
outlives its job. The next job with the same digest takes what the trainer had written into its own
run folder, and the trainer goes on from there.

A training of either engine that came to its end is kept until its results are in place. The next
job with the same digest only puts them there. That it is finished is written down over a file that
was made before the training, so that a disk that has become full meanwhile cannot prevent it.

A run folder belongs to whoever holds the output's lock; what changes one is to be called with it
held.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from nvdiffrec_contract import layout
from nvdiffrec_contract.files import LinkError, inside, is_link, new_file, read_inside
from nvdiffrec_tops.job.outputs import placing
from nvdiffrec_tops.job.outputs.result import write_json

"""Variable that makes diffrec leave its checkpoint at its end: 1."""
_STAMP = "training.json"
_FINISHED = "finished.json"
_ROOM = _FINISHED + ".part"
_ROOM_BYTES = 64 * 1024  # more than what is written there
_MOST_BYTES = 16 << 20


def stamp(folder: str, digest: str, checkpoint: str | None) -> None:
    """Write down what a run folder trains, and make room for its end.

    Args:
        folder: the run folder.
        digest: of everything that decides the results.
        checkpoint: file in the trainer's output folder that it goes on from; None where it cannot.

    Raises:
        OSError: it cannot be written.
    """
    write_json(os.path.join(folder, _STAMP), {"digest": digest, "checkpoint": checkpoint})
    with open(new_file(os.path.join(folder, _ROOM)), "wb") as stream:
        stream.write(b" " * _ROOM_BYTES)
        stream.flush()
        os.fsync(stream.fileno())


def finish(folder: str, made: str, names: Sequence[str], facts: Mapping[str, Any]) -> None:
    """Write down that the training of a run folder is finished.

    Args:
        folder: the run folder.
        made: folder of its files, below ``folder``.
        names: the files, as paths below ``made``.
        facts: what the result file is to say of the training, as plain data.

    Raises:
        OSError: it cannot be written.
    """
    sizes = {name: os.path.getsize(os.path.join(made, *name.split("/"))) for name in names}
    document = {"made": os.path.relpath(made, folder), "sizes": sizes, "facts": dict(facts)}
    with inside(folder, _ROOM) as room, inside(folder, _FINISHED) as place:
        with open(room.open(os.O_RDWR), "r+b") as stream:
            stream.write(json.dumps(document).encode("ascii"))
            stream.truncate()
            stream.flush()
            os.fsync(stream.fileno())
        room.move(place)


def finished(folder: str) -> dict[str, Any] | None:
    """What :func:`finish` was told of a run folder; None unless every file is there, whole."""
    document = _read(os.path.join(folder, _FINISHED))
    try:
        made = os.path.join(folder, document["made"])
        for name, size in document["sizes"].items():
            if os.path.getsize(os.path.join(made, *name.split("/"))) != size:
                return None
        facts = dict(document["facts"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return facts


def is_finished(folder: str) -> bool:
    """Whether a run folder holds a finished training."""
    return finished(folder) is not None


def is_kept(folder: str) -> bool:
    """Whether a run folder holds something that a later job can use."""
    return is_resumable(folder) or is_finished(folder)


def is_resumable(folder: str) -> bool:
    """Whether a run folder holds a checkpoint of a training that has not come to its end."""
    if os.path.exists(os.path.join(folder, _FINISHED)):
        return False
    return _checkpoint(folder) is not None


def is_repetition(folder: str, done: Mapping[str, Any] | None) -> bool:
    """Whether a run folder holds the beginning of a training whose results are in place already, as
    the result ``done`` says: that of a *Train Again* which was killed."""
    if done is None or is_finished(folder):
        return False
    digest = _digest(folder)
    return digest is not None and digest == done.get("digest")


def matching(folders: Sequence[str], digest: str) -> str | None:
    """The run folder to go on with for the job with ``digest``: the newest finished one, else the
    newest that holds a checkpoint."""
    own = [one for one in sorted(folders, reverse=True) if _digest(one) == digest]
    for wanted in (is_finished, is_resumable):
        for folder in own:
            if wanted(folder):
                return folder
    return None


def adopt(former: str, folder: str) -> bool:
    """Move what the trainer wrote in the run folder ``former`` into that of a new run, and remove
    the rest; whether that was possible."""
    checkpoint = _checkpoint(former)
    if checkpoint is None:
        return False
    run_id = os.path.basename(folder)[len(placing.RUN_PREFIX) :]
    try:
        _make_own(os.path.dirname(checkpoint))
        os.makedirs(os.path.join(folder, "out"), exist_ok=True)
        os.rename(os.path.dirname(checkpoint), os.path.join(folder, "out", run_id))
    except OSError:
        return False
    placing.remove_run_folder(former)
    return True


def _make_own(made: str) -> None:
    """See that a trainer can write to what lies in ``made`` without changing anything elsewhere.

    Raises:
        OSError: it cannot: a link lies there.
    """
    for parent, folders, files in os.walk(made):
        for name in (*folders, *files):
            path = os.path.join(parent, name)
            state = os.lstat(path)
            if is_link(path):
                raise LinkError(path)
            if name in files and state.st_nlink > 1:
                with inside(parent, name) as place:
                    part = place.beside(".part")
                    place.copy(part)
                    part.move(place)


def _checkpoint(folder: str) -> str | None:
    run_id = os.path.basename(folder)[len(placing.RUN_PREFIX) :]
    name = _read(os.path.join(folder, _STAMP)).get("checkpoint", layout.CHECKPOINT)
    if not isinstance(name, str) or os.path.basename(name) != name:
        return None
    path = os.path.join(folder, "out", run_id, name)
    try:
        with inside(folder, f"out/{run_id}/{name}") as place:
            return path if place.is_file() else None
    except OSError:
        return None


def _digest(folder: str) -> str | None:
    digest = _read(os.path.join(folder, _STAMP)).get("digest")
    return digest if isinstance(digest, str) else None


def _read(path: str) -> dict[str, Any]:
    """The object in a JSON file; empty where there is none."""
    try:
        folder, name = os.path.split(path)
        found = json.loads(read_inside(folder, name, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
