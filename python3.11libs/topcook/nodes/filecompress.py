"""File Compress: puts the files of an item into a ZIP or TAR archive."""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from topcook import pdg
from topcook.inprocess import Outcome, Stopped, Stopping, Task
from topcook.parameters.table import integer, layout, menu, string, table, toggle

from . import filechanges
from .base import GENERATE_WHEN, NodeType, parms
from .fileprocessor import FileProcessor, incoming, made, path_of
from .scheduling import LATER_COMMAND, OWN_COMMAND_REFUSED, SCHEDULING

PARAMETERS = table(
    layout("folder0", "folder0_1", "source", "output", "sepparm4"),
    GENERATE_WHEN,
    menu("pdg_cooktype", "2", "1 2", by_token=True),
    menu("mode", "1", "0 1"),
    string("filepath", "`@pdg_input`"),
    string("sourcetag", "file"),
    integer("method"),
    string("output_filename", "$HIP/output/$OS.`@pdg_index`.zip"),
    toggle("zipcompression", True),
    toggle("zipappend", True),
    integer("tarcompression", 9),
    SCHEDULING,
    LATER_COMMAND,
)

_ENDINGS = (".zip", ".tar.gz")


class FileCompress(FileProcessor):
    def task(self, item: pdg.WorkItem) -> Task:
        parameters = parms(self)
        where = self.node.path
        method = parameters.integer("method", item)
        if method not in (0, 1):
            raise pdg.CookError(f"{where}, parameter 'method': there is no method {method}")
        target = path_of(parameters, "output_filename", item)
        if not target.lower().endswith(_ENDINGS[method]):
            target += _ENDINGS[method]
        filechanges.require_target(target, where)
        if parameters.menu("mode", item) == 0:
            sources = [path_of(parameters, "filepath", item)]
        else:
            sources = [file.path for file in incoming(parameters, "sourcetag", item)]
        for source in sources:
            if not os.path.exists(source):
                raise pdg.CookError(f"{where}: {source} does not exist")
        deflate = parameters.toggle("zipcompression", item)
        append = parameters.toggle("zipappend", item)
        level = min(max(parameters.integer("tarcompression", item), 1), 9)
        item.setStringAttrib("method", _ENDINGS[method][1:])
        item.setStringAttrib("output_file", target)
        item.setFileAttrib("input_files", [pdg.File(one, pdg.tag_of(one)) for one in sources])
        if method == 0:
            item.setIntAttrib("compression", int(deflate))
            item.setIntAttrib("appendarchive", int(append))

        def compress(stopping: Stopping) -> Outcome:
            entries = dict(_entries(sources, target, where))
            with filechanges.replacing(target) as part:
                if method == 0:
                    _zip(part, target, entries, deflate, append, where, stopping)
                else:
                    _tar(part, entries, level, stopping)
            return Outcome([made(target, "file/archive")])

        return compress


def _entries(sources: Sequence[str], target: str, where: str) -> Iterator[tuple[str, str]]:
    """Names in the archive with their files: base names, or below the folder all have in common.

    Folders are walked; links to folders are not followed, and the archive is left out.
    """
    names = [os.path.basename(os.path.normpath(source)) for source in sources]
    if len(set(names)) < len(set(sources)):
        common = os.path.commonpath([os.path.dirname(source) for source in sources])
        names = [os.path.relpath(source, common) for source in sources]
    for name, source in zip(names, sources, strict=True):
        for path, inner in _files(source):
            if os.path.abspath(path) == os.path.abspath(target):
                continue
            if not os.path.isfile(path):
                raise pdg.CookError(f"{where}: {path} is no ordinary file")
            yield "/".join([*Path(name).parts, *inner]), path


def _files(source: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    if not os.path.isdir(source):
        yield source, ()
        return
    for folder, _folders, files in os.walk(source):
        inner = Path(folder).relative_to(source).parts
        for name in sorted(files):
            yield os.path.join(folder, name), (*inner, name)


def _zip(
    part: Path,
    target: str,
    entries: dict[str, str],
    deflate: bool,
    append: bool,
    where: str,
    stopping: Stopping,
) -> None:
    """Write the archive anew; with ``append``, with what was in it and has no new version."""
    method = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    kept: list[zipfile.ZipInfo] = []
    mode: Literal["w", "a"] = "w"
    try:
        if append and os.path.exists(target):
            with zipfile.ZipFile(target) as old:
                kept = [one for one in old.infolist() if one.filename not in entries]
                if len(kept) == len(old.infolist()):
                    with open(target, "rb") as before, part.open("wb") as copy:
                        filechanges.pump(before, copy, stopping)
                    mode, kept = "a", []
        with zipfile.ZipFile(part, mode, method) as new:
            if kept:
                with zipfile.ZipFile(target) as old:
                    for info in kept:
                        with old.open(info) as read, new.open(info, "w") as write:
                            filechanges.pump(read, write, stopping)
            for name, path in entries.items():
                info = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
                info.compress_type = method
                with open(path, "rb") as read, new.open(info, "w", force_zip64=True) as write:
                    filechanges.pump(read, write, stopping)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise pdg.CookError(
            f"{where}: {target} exists and cannot be added to ({error}); turn off Append to "
            "Existing Archive to write it anew"
        ) from None


def _tar(part: Path, entries: dict[str, str], level: int, stopping: Stopping) -> None:
    with tarfile.open(part, "w:gz", compresslevel=level, dereference=True) as archive:
        for name, path in entries.items():
            if stopping():
                raise Stopped
            archive.add(path, name, recursive=False)


TYPE = NodeType(
    "filecompress", PARAMETERS, pdg.nodeType.Processor, FileCompress, OWN_COMMAND_REFUSED
)
