"""Text Output: writes text to a file, or appends it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from topcook import pdg
from topcook.inprocess import Outcome, Stopping, Task
from topcook.parameters.table import layout, menu, string, table

from . import filechanges
from .base import GENERATE_WHEN, NodeType, parms
from .fileprocessor import FileProcessor, made, path_of
from .scheduling import LATER_COMMAND, OWN_COMMAND_REFUSED, SCHEDULING

PARAMETERS = table(
    layout("toptabs3", "processor_0_1", "sepparm", "sepparm4"),
    GENERATE_WHEN,
    menu("pdg_cachemode", "0", "0 1 2 3", by_token=True),
    menu("writeduring", "1", "0 1"),
    menu("pdg_cooktype", "1", "0 1"),
    string("filepath", "$HIP/$OS.`@pdg_index`.txt"),
    string("filetag", "file/text"),
    menu("append", "0", "0 1"),
    string("text"),
    SCHEDULING,
    LATER_COMMAND,
)


class TextOutput(FileProcessor):
    older_when = "writeduring"

    def expected(self, item: pdg.WorkItem) -> Sequence[pdg.File]:
        parameters = parms(self)
        tag = parameters.string("filetag", item)
        path = path_of(parameters, "filepath", item)
        filechanges.require_target(path, self.node.path)
        return [pdg.File(path, tag or pdg.tag_of(path))]

    def task(self, item: pdg.WorkItem) -> Task:
        parameters = parms(self)
        path = path_of(parameters, "filepath", item)
        tag = parameters.string("filetag", item)
        # Houdini offers Append under Write Files alone; otherwise an existing file is the cache.
        writes = parameters.menu("pdg_cachemode", item) == pdg.cacheMode.AlwaysWrite
        append = writes and parameters.menu("append", item) == 1
        filechanges.require_target(path, self.node.path)
        try:
            data = parameters.string("text", item).encode()
        except UnicodeEncodeError:
            raise pdg.CookError(
                f"{self.node.path}, parameter 'text': it has characters that no file can hold"
            ) from None

        def write(stopping: Stopping) -> Outcome:
            with filechanges.replacing(path) as part, part.open("wb") as file:
                if append and os.path.exists(path):
                    with open(path, "rb") as before:
                        filechanges.pump(before, file, stopping)
                file.write(data)
            return Outcome([made(path, tag)])

        return write


TYPE = NodeType("textoutput", PARAMETERS, pdg.nodeType.Processor, TextOutput, OWN_COMMAND_REFUSED)
