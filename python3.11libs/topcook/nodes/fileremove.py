"""File Remove: deletes the files of an item. Folders, and what a link points to, stay."""

from __future__ import annotations

import os

from topcook import pdg
from topcook.inprocess import Outcome, Stopped, Stopping, Task
from topcook.parameters.table import later, layout, menu, string, table, toggle

from .base import GENERATE_WHEN, NodeType, parms
from .fileprocessor import FileProcessor, incoming, path_of

PARAMETERS = table(
    layout("toptabs4", "folder0", "folder1"),
    GENERATE_WHEN,
    menu("mode", "0", "0 2", by_token=True),
    string("filepath"),
    string("sourcetag", "file"),
    toggle("addresultdata"),
    menu("workitemoutputs", "0", "0 1 2 3"),
    toggle("ignoreerrors"),
    toggle("dryrun"),
    later("20.0", menu("pdg_cooktype", "1", "0 1")),
)

_ALL, _DELETED, _EXTANT, _NONE = range(4)


class FileRemove(FileProcessor):
    def task(self, item: pdg.WorkItem) -> Task:
        parameters = parms(self)
        coming = item.inputFiles
        if parameters.menu("mode", item) == 0:
            doomed = [pdg.File(path := path_of(parameters, "filepath", item), pdg.tag_of(path))]
        else:
            doomed = incoming(parameters, "sourcetag", item)
        lenient = parameters.toggle("ignoreerrors", item)
        dry = parameters.toggle("dryrun", item)
        outputs = parameters.menu("workitemoutputs", item)
        if not parameters.isSet("workitemoutputs") and parameters.toggle("addresultdata", item):
            outputs = _DELETED
        where = self.node.path

        def remove(stopping: Stopping) -> Outcome:
            gone: list[pdg.File] = []
            warnings: list[str] = []
            for file in doomed:
                if stopping():
                    raise Stopped
                reason = _remove(file.path, dry)
                if not reason:
                    gone.append(file)
                elif lenient:
                    warnings.append(f"{where}: {reason}")
                else:
                    raise pdg.CookError(f"{where}: {reason}")
            paths = {file.path for file in gone}
            files = {
                _ALL: coming,
                _DELETED: gone,
                _EXTANT: [file for file in coming if file.path not in paths],
            }.get(outputs, [])
            return Outcome(files, warnings, wrote=False)

        return remove


def _remove(path: str, dry: bool) -> str:
    """Delete one file or link; gives why that cannot be, or ''."""
    if os.path.isdir(path) and not os.path.islink(path):
        return f"{path} is a folder; only files are removed"
    if not os.path.lexists(path):
        return f"{path} does not exist"
    try:
        if not dry:
            os.unlink(path)
    except OSError as error:
        return f"{path} cannot be removed: {error.strerror or error}"
    return ""


TYPE = NodeType("fileremove", PARAMETERS, pdg.nodeType.Processor, FileRemove)
