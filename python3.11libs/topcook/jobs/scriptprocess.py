"""A process that runs the script of a work item in place of Houdini's own process."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nvdiffrec_contract.files import reached
from topcook import pdg
from topcook.inprocess import Outcome, Stopped, Stopping, Task

from . import serialise

RUNNER = Path(__file__).resolve().parents[1] / "jobsupport" / "pythonscript.py"
_GRACE = 5.0
_INTERNAL = "__pdg"
_FEW_SECONDS = 0.1


def task(
    item: pdg.WorkItem,
    node: Mapping[str, Any],
    *,
    copy_inputs: int,
    module_paths: Sequence[str],
    variables: Mapping[str, str],
) -> Task:
    """Run ``item.script`` with work_item, parent_item, self and graph; nothing is run yet.

    ``node``: name, path and evaluated parameters of the node. What the script changes on its work
    item comes back in the outcome; what it prints goes into the item's log.
    """
    asked = {
        "item": _saved(item),
        "parent": None if item.parent is None else _saved(item.parent),
        "node": dict(node),
        "copy": copy_inputs,
        "paths": list(module_paths),
    }
    names = ("HIP", "HIPFILE", "HIPNAME", "JOB", "PDG_DIR", "PDG_TEMP")
    environment = {**os.environ, **{one: variables[one] for one in names if one in variables}}
    environment["PDG_ITEM_NAME"], environment["PDG_ITEM_ID"] = item.name, str(item.id)
    log = Path(variables.get("PDG_TEMP", tempfile.gettempdir()), "logs", f"{item.name}.log")
    item.logPath = log

    def run(stopping: Stopping) -> Outcome:
        answer = _answer(asked, environment, log, stopping)
        if answer["failure"]:
            raise pdg.CookError(f"{node['path']}: {answer['failure']}")
        return _outcome(answer["item"])

    return run


def _saved(item: pdg.WorkItem) -> dict[str, Any]:
    saved = serialise.full(item)
    expected = [file.asDict() for file in item.expectedOutputFiles]
    saved["workitem"].update(
        name=item.name,
        label=item.label,
        priority=item.priority,
        frame=item.frame,
        hasFrame=item.hasFrame,
        expected=expected,
    )
    return saved


def _answer(
    asked: Mapping[str, Any], environment: Mapping[str, str], log: Path, stopping: Stopping
) -> Any:
    with reached(log, log.parents[1], make=True) as place:
        opened = place.new()
    with tempfile.TemporaryDirectory(prefix="script-") as folder, open(opened, "wb") as out:
        request = Path(folder, "request.json")
        data = json.dumps(asked).encode()
        request.write_bytes(data)
        process = subprocess.Popen(
            [sys.executable, "-u", str(RUNNER), "--request", str(request)],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=os.name != "nt",
        )
        try:
            _wait(process, stopping)
        finally:
            if process.poll() is None:
                _signal(process, hard=True)
                process.wait()
        answered = request.read_bytes()
    if answered == data:
        code = process.returncode
        how = f"exit code {code}" if code >= 0 else f"signal {-code}"
        raise pdg.CookError(f"the script's process ended with {how} before the script did")
    return json.loads(answered)


def _wait(process: subprocess.Popen[bytes], stopping: Stopping) -> None:
    """Return when the process has ended. Raises Stopped, after a time to end by itself."""
    while True:
        try:
            process.wait(_FEW_SECONDS)
            return
        except subprocess.TimeoutExpired:
            if stopping():
                _signal(process, hard=False)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_GRACE)
                raise Stopped from None


def _signal(process: subprocess.Popen[bytes], *, hard: bool) -> None:
    if os.name == "nt":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL if hard else signal.SIGTERM)


def _outcome(saved: Any) -> Outcome:
    """What a script's process gave back; it is checked before anything is put on the item."""
    try:
        files = [_file(one) for one in saved["outputs"]]
        attributes = [
            _attribute(name, one)
            for name, one in saved["attributes"].items()
            if not name.startswith(_INTERNAL)
        ]
        index, priority = int(saved["index"]), int(saved["priority"])
        frame = float(saved["frame"]) if saved["hasFrame"] else None
        label, state = str(saved["label"]), str(saved["customState"])
        percent, said = float(saved["percent"]), [(int(k), str(m)) for k, m in saved["said"]]
    except (KeyError, TypeError, ValueError, OverflowError, pdg.AttributeTypeError) as error:
        raise pdg.CookError(
            f"the script left a value that no attribute can hold: {error}"
        ) from None

    def change(item: pdg.WorkItem) -> None:
        left = {one.name for one in attributes}
        for name in [one.name for one in item.allAttribs()]:
            if name not in left and not name.startswith(_INTERNAL):
                item.eraseAttrib(name)
        for attribute in attributes:
            if _same(item.attrib(attribute.name), attribute):
                continue
            made = item.addAttrib(attribute.name, attribute.type, pdg.attribOverwrite.Always)
            assert made is not None
            made.setFlags(attribute.flags)
            made.setValues(attribute.values)
        item.index, item.priority, item.customState = index, priority, state
        if label:
            item.setLabel(label)
        if frame is not None:
            item.setFrame(frame)
        if percent:
            item.setCookPercent(percent)
        for kind, message in said:
            item.addLog(message, pdg.workItemLogType(kind))

    return Outcome(files, change=change)


def _same(old: pdg.Attribute | None, new: pdg.Attribute) -> bool:
    return old is not None and (old.type, old.flags, old.values) == (
        new.type,
        new.flags,
        new.values,
    )


def _file(saved: Any) -> pdg.File:
    path = str(saved["data"])
    tag, digits = str(saved["tag"] or pdg.tag_of(path)), (int(saved["hash"]), int(saved["size"]))
    return pdg.File(path, tag, *digits, owned=bool(saved["own"]))


def _attribute(name: str, saved: Any) -> pdg.Attribute:
    made = pdg.Attribute(name, pdg.attribType(saved["type"]))
    made.setFlags(pdg.attribFlag(saved["flag"]))
    values = saved["value"]
    if made.type is pdg.attribType.File:
        values = [_file(one) for one in values]
    elif made.type is pdg.attribType.PyObject:
        values = [_literal(one) for one in values]
    made.setValues(values)
    return made


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
