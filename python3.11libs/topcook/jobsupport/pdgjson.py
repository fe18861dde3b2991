"""Stands in for PDG's job module ``pdgjson`` where there is no Houdini: a work item in a job.

``WorkItem.fromJobEnvironment()`` reads the item that the job belongs to. It has the attributes and
files of PDG's own; what is set on it is reported as ``pdgcmd`` beside it does.

Runs on its own in a job's Python, 3.7 or newer: standard library only.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
from typing import TYPE_CHECKING, Any, NoReturn

import pdgcmd

if TYPE_CHECKING:
    from topcook.jobsupport import pdgattributes
else:  # a job has the two files beside each other
    import pdgattributes

INT, FLOAT, STRING = pdgattributes.INT, pdgattributes.FLOAT, pdgattributes.STRING
FILE, PYOBJECT = pdgattributes.FILE, pdgattributes.PYOBJECT
GEOMETRY, DICT = pdgattributes.GEOMETRY, pdgattributes.DICT
File = pdgattributes.File
Attribute = pdgattributes.Attribute
Attributes = pdgattributes.Attributes
Data = pdgattributes.Data


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
                if attribute.type == STRING and not attribute.flag & pdgattributes.INTERNAL:
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
