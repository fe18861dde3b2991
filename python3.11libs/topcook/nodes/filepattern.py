"""File Pattern: work items for the files, or folders, that match a pattern."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterator, Sequence

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import integer, layout, menu, string, table, toggle

from . import filechanges
from .base import GENERATE_WHEN, NodeType, parms
from .fileprocessor import changed, path_of

PARAMETERS = table(
    layout("folder0", "folder1", "folder2", "sepparm", "sepparm2"),
    GENERATE_WHEN,
    integer("filetypes", 1),
    string("pattern", "$HIP/*"),
    toggle("recursive"),
    toggle("followlinks"),
    menu("nomatchbehavior", "0", "ignore error createattr"),
    string("nomatchattr", "exists"),
    toggle("split", True),
    toggle("includeextensions"),
    toggle("inheritupstreamindex"),
    string("fileattrib", "filename"),
    string("directoryattrib", "directory"),
    string("extensionattrib", "extension"),
    toggle("usesizeattrib"),
    string("sizeattrib", "filesize"),
    toggle("usemtimeattrib"),
    string("mtimeattrib", "filemtime"),
    toggle("errornomatch"),
    menu("splitnomatchbehavior", "0", "ignore error createattr"),
    toggle("useoutputattrib"),
    string("outputattrib", "files"),
    toggle("overrideresultdatatag"),
    string("resultdatatag", "file"),
    toggle("copyfiles"),
)

_ALL, _FILES, _FOLDERS = range(3)
_IGNORE, _ERROR, _MAKE = range(3)
# Extensions of two parts, as Houdini's own geometry has them.
_DOUBLE = (".bgeo.sc", ".bgeo.gz", ".geo.sc", ".geo.gz", ".tar.gz")


class FilePattern(pdg.PyProcessor):
    def onGenerate(
        self,
        item_holder: pdg.WorkItemHolder,
        upstream_items: list[pdg.WorkItem],
        generation_type: pdg.generationType,
    ) -> pdg.result:
        parents: list[pdg.WorkItem | None] = list(upstream_items)
        if not parents and not self.node.inputs:
            parents = [None]
        for parent in parents:
            self._generate(item_holder, parent)
        return pdg.result.Success

    def _generate(self, holder: pdg.WorkItemHolder, parent: pdg.WorkItem | None) -> None:
        parameters = parms(self)
        pattern = path_of(parameters, "pattern", parent)
        paths = self._matches(pattern, parent)
        missing = _when_nothing_matches(parameters, parent)
        if not paths and missing == _ERROR:
            raise pdg.CookError(f"{self.node.path}, parameter 'pattern': nothing matches {pattern}")
        if not paths and missing == _IGNORE:
            return
        if not parameters.toggle("split", parent) or not paths:
            item = holder.addWorkItem(parent=parent, index=0 if parent is None else -1)
            self._add_files(item, paths)
            self._exists(item, missing, bool(paths))
            return
        inherit = parent is not None and parameters.toggle("inheritupstreamindex", parent)
        for path in paths:
            count = len(self.node.workItems) + len(holder.workItems)
            item = holder.addWorkItem(parent=parent, index=-1 if inherit else count)
            self._describe(item, path)
            self._add_files(item, [path])
            self._exists(item, missing, True)

    def _exists(self, item: pdg.WorkItem, missing: int, found: bool) -> None:
        name = parms(self).string("nomatchattr", item)
        if missing == _MAKE and name:
            item.setIntAttrib(name, int(found))

    # -- matching ---------------------------------------------------------------------------
    def _matches(self, pattern: str, parent: pdg.WorkItem | None) -> list[str]:
        parameters = parms(self)
        types = parameters.integer("filetypes", parent)
        if types not in (_ALL, _FILES, _FOLDERS):
            raise pdg.CookError(
                f"{self.node.path}, parameter 'filetypes': there is no type {types}"
            )
        recursive = parameters.toggle("recursive", parent)
        follow = parameters.toggle("followlinks", parent)
        folder, name = os.path.split(pattern)
        found: dict[str, None] = {}
        for base in _folders(folder):
            below = _walk(base, follow) if recursive else [base]
            for one in below:
                found.update(dict.fromkeys(self._in(one, name, types)))
        return sorted(found)

    def _in(self, folder: str, pattern: str, types: int) -> Iterator[str]:
        try:
            names = os.listdir(folder)
        except OSError as error:
            raise pdg.CookError(
                f"{self.node.path}, parameter 'pattern': the folder {folder} cannot be read: "
                f"{error.strerror or error}"
            ) from None
        for name in names:
            hidden = name.startswith(".") and not pattern.startswith(".")
            if name != pattern and (hidden or not fnmatch.fnmatchcase(name, pattern)):
                continue
            path = os.path.join(folder, name)
            if types == _FOLDERS and not os.path.isdir(path):
                continue
            if types == _FILES and not os.path.isfile(path):
                continue
            if os.path.exists(path):
                yield path

    # -- what an item is told ---------------------------------------------------------------
    def _describe(self, item: pdg.WorkItem, path: str) -> None:
        parameters = parms(self)
        is_folder = os.path.isdir(path)
        folder = path if is_folder else os.path.dirname(path)
        if name := parameters.string("directoryattrib", item):
            value = pdg.File(folder, "file/dir", changed(folder), _size(folder))
            item.setFileAttrib(name, value)
        if not is_folder:
            base, extension = _parts(os.path.basename(path))
            if name := parameters.string("extensionattrib", item):
                item.setStringAttrib(name, extension)
            if name := parameters.string("fileattrib", item):
                whole = parameters.toggle("includeextensions", item)
                item.setStringAttrib(name, base + extension if whole else base)
        for use, attribute, value_of in (
            ("usesizeattrib", "sizeattrib", _size),
            ("usemtimeattrib", "mtimeattrib", changed),
        ):
            name = parameters.string(attribute, item)
            if parameters.toggle(use, item) and name:
                item.setIntAttrib(name, value_of(path))

    def _add_files(self, item: pdg.WorkItem, paths: Sequence[str]) -> None:
        parameters = parms(self)
        if parameters.toggle("copyfiles", item) and self.context.cooking:
            paths = self._copied(paths, item)
        tag = ""
        if parameters.toggle("overrideresultdatatag", item):
            tag = parameters.string("resultdatatag", item)
        files = [
            pdg.File(
                path,
                tag or ("file/dir" if os.path.isdir(path) else pdg.tag_of(path)),
                changed(path),
                _size(path),
            )
            for path in paths
        ]
        name = parameters.string("outputattrib", item)
        if parameters.toggle("useoutputattrib", item) and name:
            if files:
                item.setFileAttrib(name, files)
            return
        for file in files:
            item.addOutputFile(file.path, file.tag, file.hash)

    def _copied(self, paths: Sequence[str], item: pdg.WorkItem) -> list[str]:
        """Copies in the working directory: an older one is replaced, a newer one is kept."""
        working = parms(self).surroundings.variables.get("PDG_DIR", os.getcwd())
        targets: list[str] = []
        for path in paths:
            target = os.path.join(working, os.path.basename(path))
            if target in targets:
                raise pdg.CookError(
                    f"{self.node.path}: two files of {item.name} are called "
                    f"{os.path.basename(path)}; they cannot both be copied to {working}"
                )
            if os.path.isdir(path):
                raise pdg.CookError(f"{self.node.path}: the folder {path} cannot be copied")
            _copy_newer(path, target, self.node.path)
            targets.append(target)
        return targets


def _when_nothing_matches(parameters: NodeParameters, parent: pdg.WorkItem | None) -> int:
    """No Match Behavior, or what older versions had in its place."""
    if not parameters.isSet("nomatchbehavior"):
        if parameters.toggle("errornomatch", parent):
            return _ERROR
        if parameters.isSet("splitnomatchbehavior"):
            return parameters.menu("splitnomatchbehavior", parent)
    return parameters.menu("nomatchbehavior", parent)


def _folders(pattern: str) -> list[str]:
    """The folders that the pattern's first part means: itself when it exists."""
    if os.path.isdir(pattern):
        return [pattern]
    return [one for one in glob.glob(pattern) if os.path.isdir(one)]


def _walk(base: str, follow: bool) -> Iterator[str]:
    """A folder and all below it; a link that leads back above itself is not entered again."""
    entered: set[str] = set()
    for folder, folders, _files in os.walk(base, followlinks=follow):
        real = os.path.realpath(folder)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        yield folder


def _parts(name: str) -> tuple[str, str]:
    """A file's name and its extension, with the dot."""
    for ending in _DOUBLE:
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)], name[-len(ending) :]
    return os.path.splitext(name)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _copy_newer(path: str, target: str, where: str) -> None:
    try:
        if os.path.exists(target) and os.stat(target).st_mtime >= os.stat(path).st_mtime:
            return
        filechanges.require_target(target, where)
        filechanges.copy(path, target, lambda: False)
    except OSError as error:
        raise pdg.CookError(f"{where}: {path} cannot be copied to {target}: {error}") from None


TYPE = NodeType("filepattern", PARAMETERS, pdg.nodeType.Processor, FilePattern)
