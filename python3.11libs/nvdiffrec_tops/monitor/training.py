"""One training as the page shows it, read from its output folder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from typing import Any

from nvdiffrec_contract import failurefile, layout
from nvdiffrec_contract.failure import Failure
from nvdiffrec_contract.files import inside, read_inside
from nvdiffrec_contract.wording import shortened
from nvdiffrec_tops import results
from nvdiffrec_tops.job.outputs.placing import RUN_PREFIX
from nvdiffrec_tops.job.outputs.result import read as read_result_file
from nvdiffrec_tops.job.process import lock
from nvdiffrec_tops.job.report.progress import Progress

from . import curves, logreading, settings, views
from .files import RUN, File, Index

WAITING, RUNNING, DONE, FAILED, STOPPED = "waiting", "running", "done", "failed", "stopped"
STATES = (RUNNING, FAILED, STOPPED, WAITING, DONE)
LOG = "job.log"
MARKS = (layout.RESULT, LOG, layout.LIVE_TABLE, layout.TABLE, layout.CHECKPOINT, lock.NAME)
"""A folder with one of these is that of a training."""
SILENT_SECONDS = 180.0
"""A trainer without a job that has written nothing for so long is taken to have ended."""
_SMALL_TAIL = 24 << 10
_MOST_SCENE = 16 << 20


class Training:
    """A training that is watched.

    Args:
        key: names it in addresses.
        name: for people.
        output: its output folder; it need not be there yet.
    """

    def __init__(self, key: str, name: str, output: str) -> None:
        self.key, self.name, self.output = key, name, output
        self._index = Index()
        self._result: tuple[object, results.TrainingResult | None] = (None, None)
        self._kept: tuple[object, dict[str, Any]] = (None, {})

    # -- what there is ---------------------------------------------------------------------------
    def files(self) -> dict[str, File]:
        """The files that may be shown, by key."""
        return self._index.of(self.output, self._made())

    def summary(self) -> dict[str, Any]:
        """A row of the list of trainings."""
        stamp = self._stamp()
        if self._kept[0] != stamp or self._kept[1]["state"] == RUNNING:
            self._kept = (stamp, self._summarised())
        return self._kept[1]

    def detail(self) -> dict[str, Any]:
        """Everything about it but the pictures."""
        summary = self.summary()
        running = summary["state"] == RUNNING
        log = logreading.read(self.output, LOG)
        told = logreading.warnings(log)
        known = self._read_result()
        made = self._made()
        folders = [made, os.path.dirname(os.path.dirname(made))] if made and running else []
        asked = settings.asked([*folders, self.output], log.head or log.tail)
        files = self.files()
        groups = views.groups(files, self.prefix())
        return {
            **summary,
            "warnings": [{"text": one.text, "cure": one.cure} for one in told],
            "log": list(log.tail[-logreading.MOST_LINES :]),
            "log_bytes": log.size,
            "settings": [
                {"name": name, "value": value, "default": usual, "help": about}
                for name, value in sorted(asked.items())
                for usual, about in [settings.described(name)]
            ],
            "curves": self._table(made if running else None).columns,
            "groups": groups,
            "versions": dict(known.versions) if known is not None and not running else {},
        }

    def prefix(self) -> str:
        """How the keys of the pictures that count begin: those of a run that has not come to its
        end, else those of the results."""
        ended_well = self.summary()["state"] == DONE
        return RUN if not ended_well and self._made() is not None else ""

    def scene(self) -> dict[str, Any]:
        """``box`` and ``views`` of the trainer's own file, checked; empty where there is none."""
        made = self._made()
        for folder in [self.output, *([made] if made else [])][::-1]:
            try:
                data = read_inside(folder, f"{layout.PREVIEW}/{layout.PREVIEW_SCENE}", _MOST_SCENE)
                return views.cameras(json.loads(data))
            except (OSError, ValueError, RecursionError):
                continue
        return {}

    # -- how it is -------------------------------------------------------------------------------
    def _summarised(self) -> dict[str, Any]:
        known = self._read_result()
        made = self._made()
        worker = _worker(self.output)
        state, failure = self._state(known, made, worker is not None)
        done = known if known is not None and state == DONE else None
        table = self._table(made if state == RUNNING else None)
        found: dict[str, Any] = {
            "key": self.key,
            "name": self.name,
            "state": state,
            "engine": known.engine if known else "",
            "machine": worker or (str(known.document.get("host", "")) if known else ""),
            "seconds": done.seconds if done else None,
            "psnr": done.psnr if done else None,
            "psnr_pass1": done.metrics.get("psnr_pass1") if done else None,
            "faces": done.faces if done else None,
            "started": str(known.document.get("started", "")) if known else "",
            "percent": 100.0 if state == DONE else 0.0,
            "remaining": None,
            "stage": "",
            "id": failure.id if failure else "",
            "cause": failure.cause if failure else "",
            "cure": failure.cure if failure else "",
        }
        if state == RUNNING:
            found |= self._under_way(table)
        elif state == DONE and found["psnr"] is None:
            found["psnr"] = table.last("psnr")
        files = self.files()
        return found | views.newest_mesh(files, state == RUNNING)

    def _under_way(self, table: curves.Table) -> dict[str, Any]:
        number = table.last("pass")
        log = logreading.read(self.output, LOG, head=_SMALL_TAIL, tail=_SMALL_TAIL)
        one = logreading.progress(log, None if number is None else int(number), Progress())
        at = {"iteration": one.iteration, "pass": one.pass_number}
        if number is not None:
            at = {"iteration": int(table.last("iteration") or 0), "pass": int(number)}
        return {
            "percent": round(one.percent, 1),
            "remaining": one.remaining,
            "stage": one.stage,
            "iterations": one.iterations,
            "passes": one.pass_count,
            "image_loss": table.last("image_loss"),
            "psnr": table.last("progress_psnr") or table.last("psnr") or one.psnr,
            "psnr_pass1": one.psnr_pass1,
            "faces": one.faces,
            **at,
        }

    def _state(
        self, known: results.TrainingResult | None, made: str | None, at_work: bool
    ) -> tuple[str, Failure | None]:
        if at_work:
            return RUNNING, None
        if known is not None:
            failure = known.failure
            if failure is None:
                return DONE, None
            return (STOPPED if failure.id == "stopped" else FAILED), failure
        own = failurefile.read(os.path.join(self.output, layout.FAILURE))
        if own is not None:
            return FAILED, own
        mesh = os.path.join(self.output, *layout.REQUIRED[0].split("/"))
        written = _time(os.path.join(self.output, layout.TABLE))
        if os.path.isfile(mesh) and _time(mesh) >= written - SILENT_SECONDS:
            return DONE, None
        if made is not None:
            return STOPPED, None
        if written:
            return (RUNNING if time.time() - written < SILENT_SECONDS else STOPPED), None
        return WAITING, None

    def _made(self) -> str | None:
        """The newest run folder's own output folder."""
        with contextlib.suppress(OSError):
            runs = [
                entry.name
                for entry in os.scandir(self.output)
                if entry.name.startswith(RUN_PREFIX) and entry.is_dir(follow_symlinks=False)
            ]
            for name in sorted(runs, reverse=True):
                run = os.path.join(self.output, name)
                made = f"out/{name[len(RUN_PREFIX) :]}"
                with inside(run, made) as place:
                    if place.is_folder():
                        return os.path.join(run, *made.split("/"))
        return None

    def _read_result(self) -> results.TrainingResult | None:
        """The result file, read again when it has changed; after a failure the failure's own."""
        path = os.path.join(self.output, layout.RESULT)
        stamp = (_time(path), _size(path))
        if self._result[0] != stamp:
            found = None
            if read_result_file(self.output) is not None:
                with contextlib.suppress(results.ResultProblem):
                    found = results.read_result(self.output)
            self._result = (stamp, found)
        return self._result[1]

    def _table(self, made: str | None) -> curves.Table:
        places = [(self.output, layout.TABLE), (self.output, layout.LIVE_TABLE)]
        if made is not None:
            places = [(made, layout.TABLE), (self.output, layout.LIVE_TABLE), places[0]]
        for folder, name in places:
            table = curves.read(folder, name)
            if table.columns.get("epoch"):
                return table
        return curves.Table()

    def _stamp(self) -> tuple[object, ...]:
        paths = [self.output, *(os.path.join(self.output, name) for name in MARKS)]
        return tuple(_time(path) for path in paths)


def _worker(output: str) -> str | None:
    """The machine of the job that is at work there: its lock names it, and it lives; '' where it
    does not say which, None where there is none."""
    try:
        owner = json.loads(read_inside(output, lock.NAME, 4096))
        touched = os.lstat(os.path.join(output, lock.NAME)).st_mtime
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(owner, dict) or not owner:
        return None
    pid, host = owner.get("pid"), owner.get("host")
    machine = one_line(host) if isinstance(host, str) else ""
    if host == socket.gethostname() and os.name == "posix":
        if not isinstance(pid, int) or pid <= 0:
            return None
        try:
            os.kill(pid, 0)  # sends nothing: whether the process is there
        except ProcessLookupError:
            return None
        except (PermissionError, OverflowError):
            pass
        return machine
    return machine if time.time() - touched < 6 * lock.HEARTBEAT else None


def _time(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except (OSError, ValueError):
        return 0.0


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except (OSError, ValueError):
        return 0


def one_line(text: str) -> str:
    """A name on one line, however long it is."""
    return shortened(text, 120)
