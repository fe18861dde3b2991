"""Work items: ``pdg.WorkItem``."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nvdiffrec_contract.failure import Failure

from .attributes import Attribute, AttributeOwner, File, text_of
from .enums import (
    EventType,
    attribFlag,
    attribType,
    platform,
    workItemCookType,
    workItemExecutionType,
    workItemLogType,
    workItemState,
    workItemType,
)
from .events import Event, EventEmitter
from .itemfiles import ItemFiles, has_tag

if TYPE_CHECKING:
    from .graph import Graph, GraphContext, Node

COMMAND_ATTRIBUTE = "__pdg_commandstring"
PLATFORMS = (platform.Linux, platform.Mac, platform.Windows)
"""The order of the commands of an item that has one for each platform."""
ACTIVE: ContextVar[WorkItem | None] = ContextVar("active work item", default=None)
"""The work item that parameters read through ``hou`` are evaluated for, on this thread."""
_COOKED = (workItemState.CookedSuccess, workItemState.CookedCache)
_UNSUCCESSFUL = (workItemState.CookedFail, workItemState.CookedCancel)


class WorkItem(AttributeOwner, EventEmitter, ItemFiles):
    """One task: attributes, an optional command, files, dependencies and a state."""

    def __init__(self, node: Node, item_id: int, name: str, *, static: bool) -> None:
        AttributeOwner.__init__(self)
        EventEmitter.__init__(self)
        ItemFiles.__init__(self)
        self.node, self.id, self.name = node, item_id, name
        self.isStatic = static
        self.index = 0
        self.label = ""
        self.type = workItemType.Regular
        self.executionType = workItemExecutionType.Regular
        self.priority = 0
        self.frame = 0.0
        self.frameStep: float = 1
        self.hasFrame = False
        self.parent: WorkItem | None = None
        self.isNoGenerate = False
        self.isPostCook = False
        self.shouldRunInShell = False
        self.customDataType, self.customData = "genericdata", ""
        self.outputIndex = 0
        self.partitionItems: list[WorkItem] = []
        self.ignoresFailures = False
        self.customState = ""
        self.cookPercent = 0.0
        self.cookDuration = 0.0
        self.logPath: Path | None = None
        self.failure = ""
        self.told: Failure | None = None  # the failure as the item's own job tells it
        self.state = workItemState.Uncooked
        self._cook_type = workItemCookType.Automatic
        self._dependencies: dict[int, WorkItem] = {}
        self._dependents: dict[int, WorkItem] = {}
        self._log: list[tuple[workItemLogType, str]] = []

    def __repr__(self) -> str:
        return f"<WorkItem {self.name} id={self.id} {self.state.name}>"

    # -- identity ---------------------------------------------------------------------------
    @property
    def graph(self) -> Graph:
        return self.node.graph

    @property
    def context(self) -> GraphContext:
        return self.graph.context

    def setLabel(self, label: str) -> None:
        self.label = label

    def setFrame(self, frame: float, step: float = 1) -> None:
        self.frame, self.frameStep, self.hasFrame = frame, step, True

    @property
    def script(self) -> str:
        """The script of an item that runs one; it is saved as the item's custom data."""
        return base64.b64decode(self.customData).decode("utf-8", "replace")

    @script.setter
    def script(self, text: str) -> None:
        self.customDataType = "scriptdata"
        self.customData = base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")

    # -- inheritance ------------------------------------------------------------------------
    def copyFrom(self, parent: WorkItem) -> None:
        """Take over the parent's attributes (those not flagged NoCopy), frame and priority."""
        for attribute in parent.allAttribs():
            if not attribute.hasFlag(attribFlag.NoCopy):
                inherited = self._attributes[attribute.name] = attribute.copy()
                inherited.isOwner = False
        if parent.hasFrame:
            self.setFrame(parent.frame, parent.frameStep)
        self.priority = parent.priority

    # -- environment ------------------------------------------------------------------------
    def addEnvironmentVar(self, name: str, value: Any) -> None:
        self.setStringAttrib(name, text_of(value))
        self.setAttribFlag(name, attribFlag.EnvExport, True)

    @property
    def environment(self) -> dict[str, str]:
        """Every attribute flagged EnvExport: its first value as text.

        Internal attributes use that flag for something else.
        """
        return {
            one.name: text_of(one.value(0))
            for one in sorted(self.allAttribs(), key=lambda attribute: attribute.name)
            if one.hasFlag(attribFlag.EnvExport)
            and not one.hasFlag(attribFlag.Internal)
            and one.size
        }

    def envLookup(self, name: str) -> str | None:
        return self.environment.get(name)

    def hasEnvironmentVar(self, name: str) -> bool:
        return name in self.environment

    def clearEnvironment(self) -> None:
        for name in self.environment:
            self.eraseAttrib(name)

    # -- command ----------------------------------------------------------------------------
    def setCommand(self, command: str) -> None:
        """Make the item run a command out of process; kept as an internal, uncopied attribute."""
        self._set_commands([command])

    def _set_commands(self, commands: Sequence[str]) -> None:
        attribute = Attribute(COMMAND_ATTRIBUTE, attribType.String)
        attribute.setValues(commands)
        attribute.setFlags(attribFlag.NoCopy | attribFlag.Internal)
        self._attributes[COMMAND_ATTRIBUTE] = attribute
        self.setShouldRunInShell(self.shouldRunInShell)

    @property
    def command(self) -> str:
        return str(self._value(COMMAND_ATTRIBUTE) or "")

    @property
    def hasCommand(self) -> bool:
        return any(self.attribArray(COMMAND_ATTRIBUTE) or ())

    def setPlatformCommands(self, commands: Mapping[platform, str]) -> None:
        """One command for each platform; one without is empty there."""
        self._set_commands([commands.get(one, "") for one in PLATFORMS])

    def platformCommand(self, which: platform) -> str:
        """The command on a platform: its own, or the one for all of them."""
        if self.hasPlatformCommand and which in PLATFORMS:
            return str(self._value(COMMAND_ATTRIBUTE, PLATFORMS.index(which)) or "")
        return self.command

    @property
    def hasPlatformCommand(self) -> bool:
        return len(self.attribArray(COMMAND_ATTRIBUTE) or ()) == len(PLATFORMS)

    def setShouldRunInShell(self, on: bool) -> None:
        """Whether the system's shell interprets the command."""
        self.shouldRunInShell = on
        if (attribute := self.attrib(COMMAND_ATTRIBUTE)) is not None:
            attribute.setFlag(attribFlag.EnvExport, on)

    def setCookType(self, kind: workItemCookType) -> None:
        self._cook_type = kind

    @property
    def cookType(self) -> workItemCookType:
        """Automatic resolves to OutOfProcess with a command and to Generate without one.

        A partition stays Automatic.
        """
        if self._cook_type is not workItemCookType.Automatic or self.isPartition:
            return self._cook_type
        return workItemCookType.OutOfProcess if self.hasCommand else workItemCookType.Generate

    @property
    def isInProcess(self) -> bool:
        return self.cookType is workItemCookType.InProcess

    @property
    def isOutOfProcess(self) -> bool:
        return self.hasCommand and not self.isInProcess

    @property
    def isBatch(self) -> bool:
        return self.type is workItemType.Batch

    @property
    def isPartition(self) -> bool:
        return self.type is workItemType.Partition

    # -- files ------------------------------------------------------------------------------
    @property
    def inputFiles(self) -> list[File]:
        """Output files of the items that this one depends on, of other nodes."""
        files: dict[str, File] = {}
        for item in self.dependencies:
            if item.node is not self.node:
                files.update({one.path: one for one in item.outputFiles})
        return list(files.values())

    @property
    def expectedInputFiles(self) -> list[File]:
        return [one for item in self.dependencies for one in item.expectedOutputFiles]

    def inputFilesForTag(self, tag: str) -> list[File]:
        return [one for one in self.inputFiles if has_tag(one, tag)]

    def localizePath(self, path: str) -> str:
        return path.replace("__PDG_DIR__", str(self.context.workingDir))

    # -- dependencies and state -------------------------------------------------------------
    def addDependency(self, item: WorkItem) -> None:
        if item is not self:
            self._dependencies[item.id] = item
            item._dependents[self.id] = self

    def unlink(self) -> None:
        """Take the item out of what it depends on and what depends on it."""
        for item in self._dependencies.values():
            item._dependents.pop(self.id, None)
        for item in self._dependents.values():
            item._dependencies.pop(self.id, None)

    @property
    def dependencies(self) -> list[WorkItem]:
        return list(self._dependencies.values())

    @property
    def dependents(self) -> list[WorkItem]:
        return list(self._dependents.values())

    def hasDependency(self, item: WorkItem) -> bool:
        return item.id in self._dependencies

    @property
    def failedDependencies(self) -> list[WorkItem]:
        return [item for item in self.dependencies if item.isUnsuccessful]

    @property
    def isCooked(self) -> bool:
        return self.state in _COOKED + _UNSUCCESSFUL

    @property
    def isSuccessful(self) -> bool:
        return self.state in _COOKED

    @property
    def isUnsuccessful(self) -> bool:
        return self.state in _UNSUCCESSFUL

    def setState(self, state: workItemState) -> None:
        """Change the state and tell the item's and the context's handlers."""
        if state is self.state:
            return
        last, self.state = self.state, state
        event = Event(
            EventType.WorkItemStateChange,
            node=self.node,
            context=self.context,
            workItemId=self.id,
            currentState=state,
            lastState=last,
        )
        self.emit(event)
        self.context.emit(event)

    def setCookPercent(self, percent: float) -> None:
        """Progress between 0 and 1."""
        self.cookPercent = min(max(float(percent), 0.0), 1.0)
        event = EventType.WorkItemCookPercentUpdate
        self.context.emit(Event(event, node=self.node, context=self.context, workItemId=self.id))

    def setCustomState(self, state: str) -> None:
        self.customState = state

    # -- log --------------------------------------------------------------------------------
    def addLog(self, message: str, kind: workItemLogType = workItemLogType.Message) -> None:
        self._log.append((kind, message))
        self.context.emit(Event(EventType.Log, message, self.node, self.context, self.id))

    def addMessage(self, message: str) -> None:
        self.addLog(message)

    def addWarning(self, message: str) -> None:
        self.addLog(message, workItemLogType.Warning)

    cookWarning = addWarning

    def addError(self, message: str, fail_task: bool = False, timestamp: bool = True) -> None:
        self.addLog(message, workItemLogType.Error)
        if fail_task:
            self.failure = message
            self.setState(workItemState.CookedFail)

    @property
    def logMessages(self) -> str:
        return "\n".join(message for _kind, message in self._log)

    def messagesOf(self, kind: workItemLogType) -> list[str]:
        return [message for one, message in self._log if one is kind]

    @property
    def logURI(self) -> str:
        return "" if self.logPath is None else self.logPath.absolute().as_uri()

    # -- expressions ------------------------------------------------------------------------
    @contextmanager
    def makeActive(self) -> Iterator[WorkItem]:
        """While the context lasts, parameters read through ``hou`` see this item's attributes."""
        before = ACTIVE.set(self)
        try:
            yield self
        finally:
            ACTIVE.reset(before)

    def expressionValues(self, name: str) -> Sequence[object] | None:
        """Values behind ``@name``: the built-ins, then the item's, then the graph's attributes."""
        match name:
            case "pdg_index":
                return [self.index]
            case "pdg_id":
                return [self.id]
            case "pdg_name":
                return [self.name]
            case "pdg_label":
                return [self.label or self.name]
            case "pdg_priority":
                return [self.priority]
            case "pdg_frame":
                return [self.frame]
            case "pdg_input":
                return [one.path for one in self.inputFiles or self.expectedInputFiles]
            case "pdg_output":
                return [one.path for one in self.outputFiles or self.expectedOutputFiles]
        attribute = self.attrib(name) or self.graph.attrib(name)
        if attribute is None:
            return None
        return [text_of(one) if not attribute.isNumeric else one for one in attribute.values]


def safe_name(text: str) -> str:
    """The text with everything that may not stand in a file name replaced."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text).lstrip(".") or "item"
