"""File Copy: copies the files of an item to a folder, or one file to a path."""

from __future__ import annotations

import os
from collections.abc import Sequence

from topcook import pdg
from topcook.inprocess import Outcome, Stopping, Task
from topcook.parameters.table import layout, menu, string, table

from . import filechanges
from .base import GENERATE_WHEN, NodeType, parms
from .fileprocessor import FileProcessor, incoming, made, path_of
from .scheduling import LATER_COMMAND, OWN_COMMAND_REFUSED, SCHEDULING

PARAMETERS = table(
    layout("folder0", "folder0_1", "sourcefolder", "outputfolder", "sepparm", "sepparm4"),
    GENERATE_WHEN,
    menu("pdg_cachemode", "0", "0 1 2 3", by_token=True),
    menu("pdg_cooktype", "1", "0 1 2"),
    menu("copyduring", "1", "0 1 2"),
    menu("filesource", "1", "0 1"),
    string("filetag", "file"),
    string("filepath"),
    menu("copyto", "1", "0 1", by_token=True),
    string("destfolder"),
    string("destfile"),
    string("resultdatatag", "file"),
    SCHEDULING,
    LATER_COMMAND,
)

_UPSTREAM = 0
_TO_FOLDER = 0


class FileCopy(FileProcessor):
    older_when = "copyduring"

    def expected(self, item: pdg.WorkItem) -> Sequence[pdg.File]:
        parameters = parms(self)
        tag = parameters.string("resultdatatag", item)
        if parameters.menu("filesource", item) == _UPSTREAM:
            wanted = parameters.string("filetag", item)
            coming = [*item.inputFiles, *item.expectedInputFiles]
            sources = [file.path for file in coming if pdg.has_tag(file, wanted)]
        else:
            sources = [parameters.string("filepath", item)]
        if not all(sources) or not sources:
            return ()
        targets = self._targets(item, list(dict.fromkeys(sources)))
        return [pdg.File(target, tag or pdg.tag_of(target)) for target in targets]

    def _sources(self, item: pdg.WorkItem) -> list[str]:
        parameters = parms(self)
        if parameters.menu("filesource", item) == _UPSTREAM:
            return [file.path for file in incoming(parameters, "filetag", item)]
        return [path_of(parameters, "filepath", item)]

    def _targets(self, item: pdg.WorkItem, sources: Sequence[str]) -> list[str]:
        """Where each source goes.

        Raises CookError when two of them would go to one place, or something else is there.
        """
        parameters = parms(self)
        if parameters.menu("copyto", item) != _TO_FOLDER:
            if len(sources) > 1:
                raise pdg.CookError(
                    f"{self.node.path}, parameter 'destfile': {len(sources)} files would be copied "
                    f"to one path for {item.name}; set Copy To to Directory"
                )
            target = path_of(parameters, "destfile", item)
            filechanges.require_target(target, self.node.path)
            return [target]
        folder = path_of(parameters, "destfolder", item)
        targets = [os.path.join(folder, os.path.basename(source)) for source in sources]
        for number, target in enumerate(targets):
            filechanges.require_target(target, self.node.path)
            if target in targets[:number]:
                raise pdg.CookError(
                    f"{self.node.path}: two files of {item.name} are called "
                    f"{os.path.basename(target)} and would be copied over each other"
                )
        return targets

    def task(self, item: pdg.WorkItem) -> Task:
        parameters = parms(self)
        sources = self._sources(item)
        targets = self._targets(item, sources)
        tag = parameters.string("resultdatatag", item)
        where = self.node.path
        for name in ("filesource", "copyto"):
            item.setIntAttrib(name, parameters.menu(name, item))
        for name in ("filetag", "filepath", "destfile", "destfolder", "resultdatatag"):
            item.setStringAttrib(name, parameters.string(name, item))
        if parameters.menu("filesource", item) == _UPSTREAM:
            item.setStringAttrib("filestocopy", sources)

        def copy(stopping: Stopping) -> Outcome:
            wrote = False
            for source in sources:
                filechanges.require_file(source, where)
            for source, target in zip(sources, targets, strict=True):
                wrote |= filechanges.copy(source, target, stopping)
            return Outcome([made(target, tag) for target in targets], wrote=wrote)

        return copy


TYPE = NodeType("filecopy", PARAMETERS, pdg.nodeType.Processor, FileCopy, OWN_COMMAND_REFUSED)
