"""The files of a work item: those that it is to make and those that it made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .attributes import File
from .enums import EventType, fileType, workItemState
from .events import Event

if TYPE_CHECKING:
    from .graph import GraphContext, Node


class ItemFiles:
    """What ``WorkItem`` says of output files; the rest of the item is given by the subclass."""

    if TYPE_CHECKING:
        id: int
        node: Node
        state: workItemState

        @property
        def context(self) -> GraphContext: ...
        @property
        def isOutOfProcess(self) -> bool: ...

    def __init__(self) -> None:
        self._outputs: list[File] = []
        self._added: list[File] = []
        self._expected: list[File] = []

    def addExpectedOutputFile(self, path: str, tag: str = "", own: bool = True) -> None:
        self._expected.append(File(path, tag or tag_of(path), owned=own, type=fileType.Expected))

    def addExpectedOutputFiles(self, paths: Iterable[str], tag: str = "", own: bool = True) -> None:
        for path in paths:
            self.addExpectedOutputFile(path, tag, own)

    addExpectedResultData = addExpectedOutputFile

    def addOutputFile(
        self, path: str, tag: str = "", hash_code: int = 0, own: bool = False
    ) -> None:
        """Report a real result. A path that is reported again replaces its first report.

        What an item reports while it cooks is its own.
        """
        runs = self.state in (workItemState.Scheduled, workItemState.Cooking)
        when = fileType.Runtime if runs else fileType.Generated
        entry = File.onDisk(path, tag or tag_of(path), own or runs, when)
        if hash_code:
            entry = replace(entry, hash=hash_code)
        self._outputs = [old for old in self._outputs if old.path != path] + [entry]
        if runs and self.isOutOfProcess:
            self._added = [old for old in self._added if old.path != path] + [entry]
        self._tell_output(entry)

    def copyOutputFiles(self, files: Iterable[File]) -> None:
        """Make files of other items results of this one, as they are; equal paths are kept."""
        for file in files:
            self._outputs.append(file)
            self._tell_output(file)

    def _tell_output(self, file: File) -> None:
        self.context.emit(
            Event(EventType.WorkItemOutputFiles, file.path, self.node, self.context, self.id)
        )

    def addOutputFiles(self, paths: Iterable[str], tag: str = "", own: bool = False) -> None:
        for path in paths:
            self.addOutputFile(path, tag, own=own)

    addResultData = addOutputFile

    @property
    def outputFiles(self) -> list[File]:
        return list(self._outputs)

    @property
    def addedFiles(self) -> list[File]:
        """The output files that the item's own process has reported."""
        return list(self._added)

    @property
    def expectedOutputFiles(self) -> list[File]:
        return list(self._expected)

    def outputFilesForTag(self, tag: str) -> list[File]:
        return [one for one in self._outputs if has_tag(one, tag)]

    def clearOutputFiles(self) -> None:
        self._outputs.clear()
        self._added.clear()

    def clearExpectedOutputFiles(self) -> None:
        self._expected.clear()


_TAGS = {
    ".avi": "file/video",
    ".bgeo": "file/geo",
    ".exr": "file/image",
    ".gz": "file/archive",
    ".hdr": "file/image",
    ".jpeg": "file/image",
    ".jpg": "file/image",
    ".json": "file/json",
    ".mov": "file/video",
    ".mp4": "file/video",
    ".obj": "file/geo",
    ".ply": "file/geo",
    ".png": "file/image",
    ".tif": "file/image",
    ".tiff": "file/image",
    ".txt": "file/text",
    ".usd": "file/usd",
    ".zip": "file/archive",
}


def tag_of(path: str) -> str:
    """The file tag that a file's extension suggests."""
    return _TAGS.get(Path(path).suffix.lower(), "file")


def has_tag(file: File, tag: str) -> bool:
    """True when the file's tag is the tag or lies below it (``file/image`` is a ``file``)."""
    return not tag or file.tag == tag or file.tag.startswith(tag + "/")
