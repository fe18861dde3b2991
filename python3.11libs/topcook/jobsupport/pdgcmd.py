"""Stands in for PDG's job module ``pdgcmd`` where there is no Houdini.

A headless cook has no callback server: it reads what jobs write to their standard output. So these
functions take the arguments that the documented ones take, and write one line each (see
``topcook/jobs/loglines.py``). ``to_stdout`` and ``server_addr`` are accepted and change nothing.
What needs a callback server (batches, shared servers) is not here, and says so when it is used.

Runs on its own in a job's Python, 3.7 or newer: standard library only.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any, NoReturn

_writing = threading.Lock()


def addOutputFile(
    result_data: Any,
    workitem_id: Any = None,
    server_addr: Any = None,
    result_data_tag: str = "",
    subindex: int = -1,
    and_success: bool = False,
    to_stdout: bool = True,
    raise_exc: bool = True,
    duration: float = 0.0,
    hash_code: int = 0,
    batch_size: int = 50,
) -> None:
    """Report a file, or a list of files, that the work item has made."""
    paths = result_data if isinstance(result_data, (list, tuple)) else [result_data]
    for path in paths:
        _result(path, workitem_id, result_data_tag, subindex, hash_code)


reportResultData = addOutputFile


def addOutputFiles(
    output_file_array: Any,
    workitem_id: Any = None,
    server_addr: Any = None,
    output_file_tag: Any = "",
    subindex: int = -1,
    to_stdout: bool = True,
    raise_exc: bool = True,
    duration: float = 0.0,
    hash_codes: Any = (),
) -> None:
    """Report files; one tag for all, or a list with a tag for each."""
    for number, path in enumerate(output_file_array):
        tag = output_file_tag
        if not isinstance(tag, str):
            tag = tag[number] if number < len(tag) else ""
        hash_code = hash_codes[number] if number < len(hash_codes) else 0
        _result(path, workitem_id, tag, subindex, hash_code)


def setStringAttrib(
    attr_name: str,
    attr_value: Any,
    attr_index: int,
    workitem_id: Any = None,
    subindex: int = -1,
    server_addr: Any = None,
    raise_exc: bool = True,
) -> None:
    """Set one component of a String attribute."""
    _attribute(attr_name, str(attr_value), attr_index, workitem_id)


def setIntAttrib(
    attr_name: str,
    attr_value: Any,
    attr_index: int,
    workitem_id: Any = None,
    subindex: int = -1,
    server_addr: Any = None,
    raise_exc: bool = True,
) -> None:
    """Set one component of an Int attribute."""
    _attribute(attr_name, int(attr_value), attr_index, workitem_id)


def setFloatAttrib(
    attr_name: str,
    attr_value: Any,
    attr_index: int,
    workitem_id: Any = None,
    subindex: int = -1,
    server_addr: Any = None,
    raise_exc: bool = True,
) -> None:
    """Set one component of a Float attribute."""
    _attribute(attr_name, float(attr_value), attr_index, workitem_id)


def setFileAttrib(
    attr_name: str,
    attr_value: Any,
    attr_index: int,
    workitem_id: Any = None,
    subindex: int = -1,
    server_addr: Any = None,
    raise_exc: bool = True,
) -> None:
    """Set one component of a file attribute; a headless cook keeps its path as a String."""
    _attribute(attr_name, str(getattr(attr_value, "path", attr_value)), attr_index, workitem_id)


def setDictAttrib(
    attr_name: str,
    attr_value: Any,
    attr_index: int,
    workitem_id: Any = None,
    subindex: int = -1,
    server_addr: Any = None,
    raise_exc: bool = True,
) -> None:
    """Set one component of a Dict attribute: a dictionary, or its JSON."""
    value = json.loads(attr_value) if isinstance(attr_value, str) else attr_value
    _attribute(attr_name, dict(value), attr_index, workitem_id)


def setStringAttribArray(
    attr_name: str,
    attr_value: Any,
    workitem_id: Any = None,
    subindex: int = -1,
    server_addr: Any = None,
    raise_exc: bool = True,
) -> None:
    """Set the whole array of a String attribute."""
    _attribute(attr_name, [str(one) for one in attr_value], 0, workitem_id)


def setIntAttribArray(
    attr_name: str,
    attr_value: Any,
    workitem_id: Any = None,
    subindex: int = -1,
    server_addr: Any = None,
    raise_exc: bool = True,
) -> None:
    """Set the whole array of an Int attribute."""
    _attribute(attr_name, [int(one) for one in attr_value], 0, workitem_id)


def setFloatAttribArray(
    attr_name: str,
    attr_value: Any,
    workitem_id: Any = None,
    subindex: int = -1,
    server_addr: Any = None,
    raise_exc: bool = True,
) -> None:
    """Set the whole array of a Float attribute."""
    _attribute(attr_name, [float(one) for one in attr_value], 0, workitem_id)


def workItemSetCookPercent(
    cook_percent: float,
    workitem_id: Any = None,
    subindex: int = -1,
    server_addr: Any = None,
    to_stdout: bool = True,
    raise_exc: bool = True,
) -> None:
    """How far the work item is: 0 to 100."""
    _write(f"ALF_PROGRESS {min(max(int(cook_percent), 0), 100)}%")


def workItemSetCustomState(
    custom_state: str,
    workitem_id: Any = None,
    subindex: int = -1,
    server_addr: Any = None,
    to_stdout: bool = True,
    raise_exc: bool = True,
) -> None:
    """What the work item is doing, in a word or two."""
    _write(f"PDG_SET_CUSTOM_STATE: {_item(workitem_id)};{subindex};{custom_state}")


def workItemAppendLog(
    log_data: str,
    log_type: int = 3,
    workitem_id: Any = None,
    subindex: int = -1,
    server_addr: Any = None,
    to_stdout: bool = True,
    raise_exc: bool = True,
) -> None:
    """Lines for the work item's log: a job's standard output is that log. Type 1 is a warning."""
    if int(log_type) == 1:
        warning(log_data, workitem_id)
        return
    for line in str(log_data).splitlines():
        _write(line)


def warning(
    message: str, workitem_id: Any = None, server_addr: Any = None, raise_exc: bool = True
) -> None:
    """A warning that the work item shows."""
    _write(f"PDG_WARNING: {_item(workitem_id)};{message}")


def workItemStartCook(*arguments: Any, **named: Any) -> None:
    """Nothing: the cook has started the job and knows."""


# The job's exit code says how it ended.
workItemSuccess = workItemFailed = workItemCancelled = workItemStartCook
keepalive = invalidateCache = workItemStartCook


def localizePath(deloc_path: str) -> str:
    """Fill in ``__PDG_...__`` tokens and variables of the environment."""
    path = str(deloc_path)
    for name in ("PDG_DIR", "PDG_TEMP", "PDG_SCRIPTDIR", "PDG_ITEM_NAME", "PDG_ITEM_ID"):
        path = path.replace(f"__{name}__", os.environ.get(name, f"__{name}__"))
    return os.path.expandvars(path).replace("\\", "/")


def delocalizePath(local_path: str) -> str:
    """The path as it is: a headless cook runs on one machine."""
    return local_path


def makeDirSafe(local_path: str) -> None:
    """Make a folder unless it exists."""
    if local_path:
        os.makedirs(local_path, exist_ok=True)


def printlog(msg: object, *arguments: Any, **named: Any) -> None:
    """Write to the work item's log."""
    for line in str(msg).splitlines():
        _write(line)


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(
        f"pdgcmd.{name} needs Houdini: this pdgcmd belongs to a cook without Houdini and has no "
        "callback server"
    )


def _item(given: Any) -> str:
    return str(given if given else os.environ.get("PDG_ITEM_ID", ""))


def _result(path: Any, item: Any, tag: str, subindex: int, hash_code: int) -> None:
    text = os.fsdecode(path).replace(os.sep, "/")
    _write(f"PDG_RESULT: {_item(item)};{subindex};{text};{tag};{hash_code}")


def _attribute(name: str, value: Any, index: int, item: Any) -> None:
    place = f"{name}.{index}" if index else name
    _write(f"PDG_ATTRIB: {_item(item)};{place};{json.dumps(value)}")


def _write(line: str) -> None:
    """One line, whole, whatever thread it comes from."""
    line = " ".join(line.splitlines())
    with _writing:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    # pdgcmd.py --success, --fail or --cancel: the exit code of the command says it here.
    sys.exit(0 if "--success" in sys.argv else 1)
