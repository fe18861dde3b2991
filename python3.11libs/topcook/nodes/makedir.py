"""Make Directory: makes a folder, with those above it."""

from __future__ import annotations

import os

from topcook import pdg
from topcook.inprocess import Outcome, Stopping, Task
from topcook.parameters.table import layout, menu, multiparm, string, table, toggle

from .base import GENERATE_WHEN, NodeType, parms
from .fileprocessor import FileProcessor, absolute, changed, path_of

PARAMETERS = table(
    layout("toptabs4", "toptabs4_1"),
    GENERATE_WHEN,
    string("dirname"),
    menu("outputfiles", "2", "0 1 2"),
    toggle("useitemindex"),
    multiparm("pdgnodedeps", string("pdgnodedep#"), count=1),
)

_KEEP, _APPEND, _REPLACE = range(3)


class MakeDirectory(FileProcessor):
    def task(self, item: pdg.WorkItem) -> Task:
        parameters = parms(self)
        if parameters.toggle("useitemindex", item):
            # The upstream node's name and the index, in the working directory. How Houdini joins
            # the two is documented nowhere.
            node = self.node if item.parent is None else item.parent.node
            path = absolute(parameters, f"{node.name}_{item.index}", self.node.path)
        else:
            path = path_of(parameters, "dirname", item)
        where = self.node.path
        if os.path.lexists(path) and not os.path.isdir(path):
            raise pdg.CookError(f"{where}: {path} is a file; a folder of that name cannot be made")
        outputs = parameters.menu("outputfiles", item)
        coming = [] if outputs == _REPLACE else item.inputFiles

        def make(stopping: Stopping) -> Outcome:
            there = os.path.isdir(path)
            os.makedirs(path, exist_ok=True)
            folder = pdg.File(path, "file/dir", hash=changed(path))
            files = coming if outputs == _KEEP else [*coming, folder]
            return Outcome(files, wrote=not there)

        return make


TYPE = NodeType("makedir", PARAMETERS, pdg.nodeType.Processor, MakeDirectory)
