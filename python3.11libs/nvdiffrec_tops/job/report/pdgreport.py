"""What the job tells PDG about its work item.

Lines on standard output, which any scheduler can read:

    ALF_PROGRESS <0 to 100>%
    PDG_RESULT: <item id>;-1;<path>;<tag>;0
    PDG_SET_CUSTOM_STATE: <item id>;-1;<text>
    PDG_ATTRIB: <item id>;<attribute>;<value as JSON>
    PDG_WARNING: <item id>;<text>
    PDG_FAILURE: <item id>;<failure as JSON>

The first three are PDG's own, the others this toolkit's: ``PDG_ATTRIB`` stands once for each
attribute that the item carries after its training, and for ``progress_picture`` and
``progress_psnr`` with each progress picture while it runs. A whole number is an Int attribute, one
with a decimal point a Float. All but the first need to know the item (``PDG_ITEM_ID``).

Where PDG's callback server is named (``PDG_RESULT_SERVER``, and no ``PDG_DISABLE_RPC``) and PDG's
job module lies in the scripts folder (``PDG_SCRIPTDIR/pdgcmd.py``), the same is also told through
that module. See *Job API* in Houdini's TOPs documentation.
"""

from __future__ import annotations

import collections
import importlib.util
import inspect
import json
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from nvdiffrec_contract import failureline, layout
from nvdiffrec_tops.job.outputs import result
from nvdiffrec_tops.job.report.joblog import Report

MODULE = "pdgcmd.py"
# Seconds that the job waits at its end until everything is delivered: after a training, and after
# a failure, when little is left to say.
FINAL_SECONDS = 20.0
FAILED_SECONDS = 5.0
# Seconds between two reports of the progress, how many of them may fail, and seconds after one that
# did: PDG's module ends all reporting after its fifth error, and the results are still to come.
INTERVAL = 0.3
PROGRESS_FAILURES = 2
PROGRESS_PAUSE = 10.0
RESULT_FAILURES = 2
MAX_KEPT = 1000


class WorkItem:
    """The work item that this job is the process of; where there is none, little is said."""

    def __init__(self, report: Report, environ: Mapping[str, str]) -> None:
        self._report = report
        self._id = failureline.item_of(environ)
        self._percent = -1
        self._state = ""
        self._callbacks: Callbacks | None = None
        scripts = environ.get("PDG_SCRIPTDIR")
        disabled = environ.get("PDG_DISABLE_RPC", "0") not in ("", "0")
        if environ.get("PDG_RESULT_SERVER") and scripts and not disabled:
            path = os.path.join(scripts, MODULE)
            if os.path.isfile(path):
                self._callbacks = Callbacks(path)

    def percent(self, percent: int) -> None:
        """How far the job is, 0 to 100; said when it has grown."""
        if percent > self._percent:
            self._percent = percent
            self._report.protocol(f"ALF_PROGRESS {percent}%")
            if self._callbacks:
                # 0 to 100, as float: what a public package for Houdini 22 passes.
                self._callbacks.newest("workItemSetCookPercent", float(percent))

    def state(self, state: str) -> None:
        """What is going on, in a word or two: PDG's custom state; said when it has changed."""
        if state != self._state:
            self._state = state
            self._say("PDG_SET_CUSTOM_STATE", f"-1;{state}")
            if self._callbacks:
                self._callbacks.newest("workItemSetCustomState", state)

    def picture(self, path: str, psnr: float | None) -> None:
        """A progress picture, and the PSNR of its views in dB: attributes while the job runs."""
        told: list[tuple[str, str, str | float]] = [("setStringAttrib", "progress_picture", path)]
        if psnr is not None:
            told.append(("setFloatAttrib", "progress_psnr", float(psnr)))
        for setter, name, value in told:
            self._say("PDG_ATTRIB", f"{name};{json.dumps(value)}")
            if self._callbacks:
                self._callbacks.newest(setter, name, value, 0)

    def warning(self, text: str) -> None:
        """A sentence that the work item shows as a warning."""
        self._say("PDG_WARNING", " ".join(text.split()))
        if self._callbacks:
            self._callbacks.keep("warning", text)

    def results(self, output: str, document: Mapping[str, Any]) -> None:
        """The attributes and the files of a result that stands in the folder ``output``.

        The final mesh comes first, because the first file of an item is what ``@pdg_output`` means.
        """
        values: dict[str, Any] = dict(result.figures_of(document))
        values["engine"] = str(document.get("engine", ""))
        files = [(str(one["path"]), str(one.get("tag", "file"))) for one in document["outputs"]]
        required = {name: number for number, name in enumerate(layout.REQUIRED)}
        files.sort(key=lambda file: (required.get(file[0], len(required)), file[0]))
        self.carries(output, values, [*files, (result.NAME, "file/json")])

    def carries(
        self, output: str, values: Mapping[str, Any], files: Sequence[tuple[str, str]]
    ) -> None:
        """Attributes, and files below the folder ``output``: (path with /, tag)."""
        for name, value in values.items():
            self._say("PDG_ATTRIB", f"{name};{json.dumps(value)}")
            if self._callbacks:
                setter = {int: "setIntAttrib", float: "setFloatAttrib"}.get(type(value))
                self._callbacks.keep(setter or "setStringAttrib", name, value, 0)
        by_tag: dict[str, list[str]] = {}
        unsaid = []
        for name, tag in files:
            path = os.path.join(output, *name.split("/")).replace(os.sep, "/")
            by_tag.setdefault(tag, []).append(path)
            if _breaks_line(path):
                unsaid.append(path)
            else:
                self._say("PDG_RESULT", f"-1;{path};{tag};0")
        if unsaid and self._id:
            text = f"PDG cannot take a path with ; or a line end: {unsaid[0]!r}"
            self._report.say(f"Job: note: {text}")
        if self._callbacks:
            for tag, paths in by_tag.items():
                # A list goes in calls of fifty files: a training may leave hundreds of pictures.
                what = paths[0] if len(paths) == 1 else paths
                self._callbacks.keep("addOutputFile", what, result_data_tag=tag)

    def _say(self, what: str, rest: str) -> None:
        if self._id:
            self._report.protocol(f"{what}: {self._id};{rest}")

    def close(self, seconds: float) -> None:
        """Wait until PDG has been told everything, at most so long; nothing more is told then."""
        callbacks, self._callbacks = self._callbacks, None
        trouble = callbacks.finish(seconds) if callbacks else ""
        if trouble:
            self._report.say(f"Job: note: {trouble}")

    def abandon(self) -> None:
        """Tell PDG nothing more, without waiting for anything."""
        callbacks, self._callbacks = self._callbacks, None
        if callbacks:
            callbacks.finish(0.0)


class Callbacks:
    """Calls of PDG's job module on a thread of their own: neither a slow or dead callback server
    nor an error in that module holds the job up or ends it.

    Args:
        path: the module's file. It is loaded from there, never looked for.
        interval: seconds between two reports of the progress.
    """

    def __init__(self, path: str, interval: float = INTERVAL) -> None:
        self._path, self._interval = path, interval
        self._changed = threading.Condition()
        self._kept: collections.deque[_Call] = collections.deque()
        self._newest: dict[str, _Call] = {}
        self._next_progress = 0.0
        self._progress_failures = 0
        self._result_failures = 0
        self._lost = 0
        self._trouble = ""
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="pdgcmd", daemon=True)
        self._thread.start()

    def newest(self, function: str, *arguments: Any) -> None:
        """Call a function soon; a newer call of the same function takes its place."""
        with self._changed:
            self._newest[function] = _Call(function, arguments, {}, is_progress=True)
            self._changed.notify()

    def keep(self, function: str, *arguments: Any, **named: Any) -> None:
        """Call a function as soon as those before it have been called."""
        with self._changed:
            if len(self._kept) < MAX_KEPT:
                self._kept.append(_Call(function, arguments, named))
                self._changed.notify()
            else:
                self._lost += 1

    def finish(self, seconds: float) -> str:
        """Wait for what is left, at most so long. What went wrong, in a sentence, or nothing."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(seconds)
        with self._changed:
            if self._thread.is_alive():
                self._trouble = self._trouble or f"no answer within {seconds:g} s"
            self._lost += len(self._kept)
            self._kept.clear()
            self._newest.clear()
            if not self._trouble and not self._lost:
                return ""
            lost = f"; reports that were not delivered: {self._lost}" if self._lost else ""
            return f"PDG's callback failed: {self._trouble or 'too many reports'}{lost}"

    def _run(self) -> None:
        try:
            module = _load(self._path)
        except BaseException as error:  # foreign code, on a thread of its own: even SystemExit
            with self._changed:
                self._trouble = f"{self._path} cannot be used: {_shown(error)}"
            return
        while True:
            call = self._take()
            if call is None:
                return
            try:
                call.make(module)
            except BaseException as error:
                self._failed(call, error)
            else:
                self._succeeded(call)

    def _take(self) -> _Call | None:
        """The next call, waited for; None at the end."""
        with self._changed:
            while True:
                if self._kept:
                    return self._kept.popleft()
                wait: float | None = None
                if self._newest:
                    wait = self._next_progress - time.monotonic()
                    if self._progress_failures >= PROGRESS_FAILURES:
                        wait = None
                    if self._ending or (wait is not None and wait <= 0):
                        return self._newest.pop(next(iter(self._newest)))
                elif self._ending:
                    return None
                self._changed.wait(wait)

    def _succeeded(self, call: _Call) -> None:
        with self._changed:
            if call.is_progress:
                self._next_progress = time.monotonic() + self._interval
            else:
                self._result_failures = 0

    def _failed(self, call: _Call, error: BaseException) -> None:
        with self._changed:
            self._trouble = self._trouble or f"{call.function}: {_shown(error)}"
            if call.is_progress:
                self._progress_failures += 1
                self._next_progress = time.monotonic() + PROGRESS_PAUSE
                if self._ending:
                    self._newest.clear()
                return
            self._lost += 1
            self._result_failures += 1
            if self._result_failures >= RESULT_FAILURES:
                self._lost += len(self._kept)
                self._kept.clear()


class _Call:
    """One call of a function of PDG's module."""

    def __init__(
        self,
        function: str,
        arguments: tuple[Any, ...],
        named: dict[str, Any],
        is_progress: bool = False,
    ) -> None:
        self.function, self._arguments, self._named = function, arguments, named
        self.is_progress = is_progress

    def make(self, module: Any) -> None:
        function = getattr(module, self.function)
        named = dict(self._named)
        # It would print what the job prints, or fill the log with percentages.
        if _takes(function, "to_stdout"):
            named["to_stdout"] = False
        function(*self._arguments, **named)


def _load(path: str) -> Any:
    specification = importlib.util.spec_from_file_location("pdgcmd", path)
    if specification is None or specification.loader is None:
        raise ImportError("it is no Python module")
    module = importlib.util.module_from_spec(specification)
    # It may import modules that PDG has put beside it. Last, so that they hide none of ours.
    sys.path.append(os.path.dirname(path))
    specification.loader.exec_module(module)
    return module


def _takes(function: Any, name: str) -> bool:
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def _breaks_line(text: str) -> bool:
    """Whether a text cannot stand in a line whose fields are separated by semicolons."""
    return any(character in text for character in ";\r\n")


def _shown(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."
