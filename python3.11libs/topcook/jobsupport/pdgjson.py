"""Stands in for PDG's job module ``pdgjson`` where there is no Houdini: a work item in a job.

``WorkItem.fromJobEnvironment()`` reads the item that the job belongs to. It has the attributes and
files of PDG's own; what is set on it is reported as ``pdgcmd`` beside it does.

Runs on its own in a job's Python, 3.7 or newer: standard library only.
"""

from __future__ import annotations

import ast
import base64
import fnmatch
import gzip
import json
import os
from collections.abc import Callable
from typing import Any, NoReturn

import pdgcmd

INT, FLOAT, STRING, FILE, PYOBJECT, GEOMETRY, DICT = range(7)
_INTERNAL = 8


class File:
    """A file of a work item."""

    def __init__(
        self, path: Any, tag: str = "file", hash_code: int = 0, size: int = 0, own: bool = False
    ) -> None:
        self.path: str = os.fspath(getattr(path, "path", path))
        self.tag, self.hash, self.size, self.owned = tag, hash_code, size, own

    def __repr__(self) -> str:
        return f"<File {self.path} ({self.tag})>"

    def __str__(self) -> str:
        return self.path

    def __fspath__(self) -> str:
        return self.path

    @property
    def local_path(self) -> str:
        return self.path

    @classmethod
    def fromDict(cls, saved: Any) -> File:
        return cls(saved["data"], saved["tag"], saved["hash"], saved["size"], saved["own"])

    def asDict(self) -> dict[str, Any]:
        return {
            "data": self.path,
            "tag": self.tag,
            "hash": self.hash,
            "size": self.size,
            "own": self.owned,
            "type": 0,
        }


def _cast(value: Any, kind: int) -> Any:
    if kind == INT:
        return int(value)
    if kind == FLOAT:
        return float(value)
    if kind == STRING:
        return str(value)
    if kind == FILE:
        return value if isinstance(value, File) else File(value)
    if kind == DICT:
        return dict(json.loads(value) if isinstance(value, str) else value)
    return value


class Attribute:
    """A named, typed array of values."""

    def __init__(self, name: str, kind: int, flag: int = 0) -> None:
        self.name, self.type, self.flag = name, kind, flag
        self._values: list[Any] = []

    @classmethod
    def fromDict(cls, name: str, saved: Any) -> Attribute:
        made = cls(name, saved["type"], saved["flag"])
        values = saved["value"]
        if made.type == FILE:
            values = [File.fromDict(one) for one in values]
        elif made.type == PYOBJECT:
            values = [_literal(one) for one in values]
        made._values = list(values)
        return made

    def asDict(self) -> dict[str, Any]:
        values = [one.asDict() if isinstance(one, File) else one for one in self._values]
        if self.type == PYOBJECT:
            values = [repr(one) for one in values]
        return {
            "type": self.type,
            "flag": self.flag,
            "own": True,
            "concat": False,
            "value": values,
        }

    @property
    def values(self) -> list[Any]:
        return list(self._values)

    asValues = values

    @property
    def size(self) -> int:
        return len(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: int) -> Any:
        return self._values[index]

    def value(self, index: int = 0) -> Any:
        return self._values[index]

    def asString(self, index: int = 0) -> str:
        return str(self._values[index])

    def asNumber(self, index: int = 0) -> float:
        return float(self._values[index])

    def asFile(self, index: int = 0) -> File:
        return _cast(self._values[index], FILE)  # type: ignore[no-any-return]

    def setValue(self, value: Any, index: int = 0) -> None:
        blank = {INT: 0, FLOAT: 0.0, DICT: {}}.get(self.type, "")
        while len(self._values) <= index:
            self._values.append(File("") if self.type == FILE else blank)
        self._values[index] = _cast(value, self.type)

    def setValues(self, values: Any) -> None:
        self._values = [_cast(one, self.type) for one in values]


def _literal(text: Any) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


class Attributes:
    """The attributes of a work item, or of the graph, by PDG's names."""

    def __init__(self) -> None:
        self._attributes: dict[str, Attribute] = {}
        self._tell: Callable[[Attribute, int | None], None] = lambda _attribute, _index: None

    def _set(self, name: str, kind: int, value: Any, index: int | None) -> None:
        attribute = self._attributes.get(name)
        if attribute is None or attribute.type != kind:
            flag = 0 if attribute is None else attribute.flag
            attribute = self._attributes[name] = Attribute(name, kind, flag)
        if isinstance(value, (list, tuple)):
            attribute.setValues(value)
            index = None
        else:
            attribute.setValue(value, index or 0)
        self._tell(attribute, index if index is not None or attribute.size != 1 else 0)

    def setIntAttrib(self, name: str, value: Any, index: int | None = None) -> None:
        self._set(name, INT, value, index)

    def setFloatAttrib(self, name: str, value: Any, index: int | None = None) -> None:
        self._set(name, FLOAT, value, index)

    def setStringAttrib(self, name: str, value: Any, index: int | None = None) -> None:
        self._set(name, STRING, value, index)

    def setFileAttrib(self, name: str, value: Any, index: int | None = None) -> None:
        self._set(name, FILE, value, index)

    def setDictAttrib(self, name: str, value: Any, index: int | None = None) -> None:
        self._set(name, DICT, value, index)

    def setPyObjectAttrib(self, name: str, value: Any) -> None:
        self._set(name, PYOBJECT, [value], None)

    setIntAttribArray = setIntAttrib
    setFloatAttribArray = setFloatAttrib
    setStringAttribArray = setStringAttrib
    setFileAttribArray = setFileAttrib
    setDictAttribArray = setDictAttrib

    def attrib(self, name: str) -> Attribute | None:
        return self._attributes.get(name)

    def __getitem__(self, name: str) -> Attribute:
        return self._attributes[name]

    def hasAttrib(self, name: str) -> bool:
        return name in self._attributes

    def attribType(self, name: str) -> int:
        return self._attributes[name].type if name in self._attributes else -1

    def attribNames(self, kind: int | None = None) -> list[str]:
        found = self._attributes.values()
        return sorted(
            one.name for one in found if not one.flag & _INTERNAL and kind in (None, one.type)
        )

    def attribMatch(self, pattern: str) -> list[str]:
        names = self.attribNames()
        return sorted({one for word in pattern.split() for one in fnmatch.filter(names, word)})

    def attribValues(self) -> dict[str, list[Any]]:
        return {name: self._attributes[name].values for name in self.attribNames()}

    def attribValue(self, name: str, index: int = 0) -> Any:
        attribute = self._attributes.get(name)
        if attribute is None or not 0 <= index < attribute.size:
            return None
        return attribute.value(index)

    def attribArray(self, name: str) -> list[Any] | None:
        attribute = self._attributes.get(name)
        return None if attribute is None else attribute.values

    def _typed(self, name: str, kind: int, index: int) -> Any:
        return self.attribValue(name, index) if self.attribType(name) == kind else None

    def intAttribValue(self, name: str, index: int = 0) -> Any:
        return self._typed(name, INT, index)

    def floatAttribValue(self, name: str, index: int = 0) -> Any:
        return self._typed(name, FLOAT, index)

    def stringAttribValue(self, name: str, index: int = 0) -> Any:
        return self._typed(name, STRING, index)

    def fileAttribValue(self, name: str, index: int = 0) -> Any:
        return self._typed(name, FILE, index)

    def dictAttribValue(self, name: str, index: int = 0) -> Any:
        return self._typed(name, DICT, index)

    def pyObjectAttribValue(self, name: str) -> Any:
        return self._typed(name, PYOBJECT, 0)

    intAttribArray = floatAttribArray = stringAttribArray = attribArray
    fileAttribArray = dictAttribArray = attribArray

    def addAttrib(self, name: str, kind: Any, *_rules: Any) -> Attribute:
        attribute = self._attributes.get(name)
        if attribute is None or attribute.type != int(kind):
            attribute = self._attributes[name] = Attribute(name, int(kind))
        return attribute

    def eraseAttrib(self, name: str) -> bool:
        return self._attributes.pop(name, None) is not None

    def renameAttrib(self, old: str, new: str) -> None:
        attribute = self._attributes.pop(old)
        attribute.name = new
        self._attributes[new] = attribute

    def setAttribFlag(self, name: str, flag: Any, on: bool = True) -> None:
        attribute = self._attributes[name]
        attribute.flag = attribute.flag | int(flag) if on else attribute.flag & ~int(flag)


class Data:
    """The older interface to attributes: ``work_item.data.stringData(name, index)``."""

    def __init__(self, item: Attributes) -> None:
        self._item = item

    def stringData(self, name: str, index: int = 0) -> Any:
        return self._item.stringAttribValue(name, index)

    def intData(self, name: str, index: int = 0) -> Any:
        return self._item.intAttribValue(name, index)

    def floatData(self, name: str, index: int = 0) -> Any:
        return self._item.floatAttribValue(name, index)

    def stringDataArray(self, name: str) -> Any:
        return self._item.attribArray(name)

    intDataArray = floatDataArray = stringDataArray

    def setString(self, name: str, value: Any, index: int = 0) -> None:
        self._item.setStringAttrib(name, value, index)

    def setInt(self, name: str, value: Any, index: int = 0) -> None:
        self._item.setIntAttrib(name, value, index)

    def setFloat(self, name: str, value: Any, index: int = 0) -> None:
        self._item.setFloatAttrib(name, value, index)

    setStringArray, setIntArray, setFloatArray = setString, setInt, setFloat

    @property
    def allDataMap(self) -> dict[str, list[Any]]:
        """Attributes by name; files are given by their paths."""
        return {
            name: [one.path if isinstance(one, File) else one for one in values]
            for name, values in self._item.attribValues().items()
        }


class WorkItem(Attributes):
    """A work item, from what PDG saves of it.

    With ``reports`` every change is written to standard output at once; without, ``saved`` gives
    all of them at the end.
    """

    def __init__(self, saved: Any, reports: bool = True) -> None:
        super().__init__()
        item = saved["workitem"]
        self.id: int = item["id"]
        self.index: int = item["index"]
        self.name: str = item.get("name") or os.environ.get("PDG_ITEM_NAME", "")
        self.label: str = item.get("label") or os.environ.get("PDG_ITEM_LABEL", "")
        self.frame: float = item.get("frame", 0.0)
        self.hasFrame: bool = item.get("hasFrame", False)
        self.priority: int = item.get("priority", 0)
        self.type: int = item["type"]
        self.nodeName: str = item.get("nodeName", "")
        self.script = base64.b64decode(item["customData"]).decode("utf-8", "replace")
        self.inputFiles: list[File] = []
        self.outputFiles: list[File] = []
        self.expectedOutputFiles = [File.fromDict(one) for one in item.get("expected", [])]
        self.customState, self.cookPercent = "", 0.0
        self.failed = False
        self.said: list[tuple[int, str]] = []
        self._reports = reports
        for name, one in item["attributes"].items():
            attribute = Attribute.fromDict(name, one)
            if name == "__pdg_inputfiles":
                self.inputFiles = attribute.values
            elif name == "__pdg_outputfiles":
                self.outputFiles = attribute.values
            else:
                self._attributes[name] = attribute
        self.madeFiles: list[File] = []
        if reports:
            self._tell = self._report

    @classmethod
    def fromJobEnvironment(
        cls,
        item_name: str | None = None,
        cb_server: Any = None,
        expand_strings: bool = False,
        as_native: bool = False,
        print_info: bool = True,
    ) -> WorkItem:
        """The item that this process was started for."""
        name = item_name or os.environ["PDG_ITEM_NAME"]
        path = os.path.join(os.environ["PDG_TEMP"], "data", name + ".json")
        made = cls.fromFile(path if os.path.exists(path) else path + ".gz")
        if expand_strings:
            for attribute in made._attributes.values():
                if attribute.type == STRING and not attribute.flag & _INTERNAL:
                    attribute._values = [os.path.expandvars(one) for one in attribute._values]
        return made

    @classmethod
    def fromFile(cls, path: str, *_more: Any, **_named: Any) -> WorkItem:
        with open(path, "rb") as file:
            data = file.read()
        return cls.fromString(gzip.decompress(data) if path.endswith(".gz") else data)

    @classmethod
    def fromString(cls, text: Any, *_more: Any, **_named: Any) -> WorkItem:
        return cls(json.loads(text))

    @property
    def data(self) -> Data:
        return Data(self)

    def _report(self, attribute: Attribute, index: int | None) -> None:
        values = [one.path if isinstance(one, File) else one for one in attribute.values]
        if attribute.type == PYOBJECT:
            values = [repr(one) for one in values]
        value = values if index is None else values[index]
        pdgcmd._attribute(attribute.name, value, index or 0, self.id)

    # -- files ------------------------------------------------------------------------------
    def addOutputFile(
        self, path: Any, tag: str = "", hash_code: int = 0, own: bool = False
    ) -> None:
        file = File(path, tag, hash_code, own=own)
        self.outputFiles = [one for one in self.outputFiles if one.path != file.path] + [file]
        self.madeFiles.append(file)
        if self._reports:
            pdgcmd.addOutputFile(file.path, self.id, result_data_tag=tag, hash_code=hash_code)

    def addOutputFiles(
        self, paths: Any, tag: str = "", hashes: Any = (), own: bool = False
    ) -> None:
        for path in paths:
            self.addOutputFile(path, tag, own=own)

    addResultData = addOutputFile

    def addExpectedOutputFile(self, path: Any, tag: str = "", own: bool = True) -> None:
        self.expectedOutputFiles.append(File(path, tag, own=own))

    addExpectedResultData = addExpectedOutputFile

    @property
    def inputResultData(self) -> list[File]:
        return self.inputFiles

    @property
    def resultData(self) -> list[File]:
        return self.outputFiles

    def inputFilesForTag(self, tag: str) -> list[File]:
        return [one for one in self.inputFiles if _has_tag(one, tag)]

    def outputFilesForTag(self, tag: str) -> list[File]:
        return [one for one in self.outputFiles if _has_tag(one, tag)]

    def localizePath(self, path: str) -> str:
        return str(pdgcmd.localizePath(path))

    # -- environment ------------------------------------------------------------------------
    @property
    def environment(self) -> dict[str, str]:
        exported = [one for one in self._attributes.values() if one.flag & 2 and one.size]
        return {one.name: one.asString() for one in exported}

    def envLookup(self, name: str) -> str | None:
        return self.environment.get(name)

    def hasEnvironmentVar(self, name: str) -> bool:
        return name in self.environment

    def addEnvironmentVar(self, name: str, value: Any) -> None:
        self.setStringAttrib(name, value)
        self.setAttribFlag(name, 2)

    def applyEnvironment(self) -> None:
        os.environ.update(self.environment)

    # -- state ------------------------------------------------------------------------------
    def setFrame(self, frame: float, step: int = 1) -> None:
        self.frame, self.hasFrame = float(frame), True

    def setLabel(self, label: str) -> None:
        self.label = str(label)

    def setCookPercent(self, percent: float) -> None:
        """Progress between 0 and 1."""
        self.cookPercent = min(max(float(percent), 0.0), 1.0)
        if self._reports:
            pdgcmd.workItemSetCookPercent(100 * self.cookPercent)

    def setCustomState(self, state: str) -> None:
        self.customState = str(state)
        if self._reports:
            pdgcmd.workItemSetCustomState(self.customState, self.id)

    def _say(self, kind: int, message: Any) -> None:
        self.said.append((kind, str(message)))

    def addMessage(self, message: Any) -> None:
        self._say(2, message)
        if self._reports:
            pdgcmd.printlog(message)

    addLog = addMessage

    def addWarning(self, message: Any) -> None:
        self._say(1, message)
        if self._reports:
            pdgcmd.warning(str(message), self.id)

    cookWarning = addWarning

    def addError(self, message: Any, fail_task: bool = True, timestamp: bool = True) -> None:
        self._say(0, message)
        self.failed = self.failed or fail_task
        if self._reports:
            pdgcmd.printlog(message)

    cookError = addError

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"work_item.{name} needs Houdini: this work item belongs to a cook without Houdini"
        )

    def saved(self) -> dict[str, Any]:
        """Everything that may have changed, as JSON."""
        return {
            "attributes": {name: one.asDict() for name, one in self._attributes.items()},
            "outputs": [one.asDict() for one in self.madeFiles],
            "index": self.index,
            "label": self.label,
            "frame": self.frame,
            "hasFrame": self.hasFrame,
            "priority": self.priority,
            "customState": self.customState,
            "percent": self.cookPercent,
            "said": self.said,
        }


def _has_tag(file: File, tag: str) -> bool:
    return not tag or file.tag == tag or file.tag.startswith(tag + "/")
