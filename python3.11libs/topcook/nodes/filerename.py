"""File Rename: renames or moves one file, or one folder."""

from __future__ import annotations

import os

from topcook import pdg
from topcook.inprocess import Outcome, Stopping, Task
from topcook.parameters.table import layout, menu, string, table

from . import filechanges
from .base import GENERATE_WHEN, NodeType, parms
from .fileprocessor import FileProcessor, changed, incoming, made, path_of
from .scheduling import LATER_COMMAND, OWN_COMMAND_REFUSED, SCHEDULING

PARAMETERS = table(
    layout("toptabs3_2", "toptabs3_2_1", "source", "destination", "sepparm", "sepparm4"),
    GENERATE_WHEN,
    menu("pdg_cooktype", "1", "0 1 2"),
    menu("renameduring", "1", "0 1 2"),
    menu("filesource", "1", "0 1"),
    string("filetag", "file"),
    string("originalpath", "$HIP/source.txt"),
    string("newpath", "$HIP/dest.txt"),
    string("resultdatatag", "file"),
    SCHEDULING,
    LATER_COMMAND,
)


class FileRename(FileProcessor):
    older_when = "renameduring"

    def _source(self, item: pdg.WorkItem) -> str:
        parameters = parms(self)
        if parameters.menu("filesource", item) == 1:
            return path_of(parameters, "originalpath", item)
        files = incoming(parameters, "filetag", item)
        if len(files) > 1:
            raise pdg.CookError(
                f"{self.node.path}: {len(files)} files come in for {item.name} and would all get "
                "the name in 'newpath'; split them into items of their own, or narrow 'filetag'"
            )
        return files[0].path

    def task(self, item: pdg.WorkItem) -> Task:
        parameters = parms(self)
        source = self._source(item)
        target = path_of(parameters, "newpath", item)
        tag = parameters.string("resultdatatag", item)
        where = self.node.path
        if not os.path.lexists(source):
            done = f"; {target} exists, so it was renamed before" if os.path.exists(target) else ""
            raise pdg.CookError(f"{where}: {source} does not exist{done}")
        if not os.path.basename(source):
            raise pdg.CookError(f"{where}: {source} ends without a name")
        filechanges.require_target(target, where)
        if os.path.isdir(source) and not os.path.islink(source) and os.path.lexists(target):
            raise pdg.CookError(f"{where}: {target} exists; a folder is not moved over it")
        folder, name = os.path.split(target)

        def describe(item: pdg.WorkItem) -> None:
            item.setFileAttrib("directory", pdg.File(folder, "file/dir", hash=changed(folder)))
            item.setStringAttrib("extension", os.path.splitext(name)[1])
            item.setStringAttrib("filename", name)

        def rename(stopping: Stopping) -> Outcome:
            wrote = filechanges.move(source, target, stopping)
            return Outcome([made(target, tag)], wrote=wrote, change=describe)

        return rename


TYPE = NodeType("filerename", PARAMETERS, pdg.nodeType.Processor, FileRename, OWN_COMMAND_REFUSED)
