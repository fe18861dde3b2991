"""Asset libraries in expanded form: the folder that ``hotl -t`` writes and Houdini loads in place.

kartaverse.step.1.0.hda/
    INDEX__SECTION  Sections.list  houdini.hdalibrary
    kartaverse_8_8Top_1step_8_81.0/
        Sections.list  DialogScript  Help  ...
        Contents.dir/Contents.mime  Contents.dir/Sections.list

Newer builds put further files beside ``Contents.mime`` (see ``BESIDE``); they are kept as they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from houfiles import dialogscript
from houfiles.containers import mime
from houfiles.containers.indexdata import INDEX, LIBRARY, Record, section_name
from houfiles.dialogscript import Interface
from houfiles.errors import MAX_FILE_BYTES, HouFileError, shown, text_of
from houfiles.node import Node
from houfiles.scene import contents_tree

from . import indextext, sections

_T = TypeVar("_T")

CONTENTS = "Contents.gz"
"""The section of the network; on disk it is the folder ``Contents.dir``."""
BESIDE = (*mime.EXTERNAL, "Contents.createtimes", "Contents.modtimes", "Contents.houdini_versions")
"""Files that may lie beside the network's text: what it refers to, and times and versions."""
_CONTENTS_FILE = "Contents.mime"
_CONTENTS_LIST = f'""\n{_CONTENTS_FILE}\t{_CONTENTS_FILE}\n'


@dataclass(frozen=True)
class ExpandedDefinition:
    """One asset. ``order`` names its sections, the network's among them; ``files`` holds the data
    of all others, ``members`` the network's parts in order (None without a network), ``beside``
    the files that lie beside these.

    User data among the members is in Houdini's binary form; ``section`` is the definition's name
    in the library.
    """

    section: str
    order: tuple[str, ...]
    files: Mapping[str, bytes]
    members: mime.Members | None
    beside: Mapping[str, bytes] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A text section. Raises HouFileError when it is missing or no text."""
        if name not in self.files:
            raise HouFileError(f"{self.section}: there is no section '{name}'")
        return _in(f"{self.section}, {name}", lambda: text_of(self.files[name]))

    @property
    def dialog_script(self) -> str:
        return self.text("DialogScript")

    @cached_property
    def interface(self) -> Interface:
        """The asset's parameters."""
        script = self.dialog_script
        return _in(f"{self.section}, DialogScript", lambda: dialogscript.decode(script))

    @cached_property
    def contents(self) -> Node:
        """The network inside the asset: the node ``hdaroot`` with its children."""
        if self.members is None:
            raise HouFileError(f"{self.section}: the asset has no network")
        return contents_tree(dict(self.members), self.section)


@dataclass(frozen=True)
class ExpandedLibrary:
    """A library: one record and one definition per asset, in order.

    Raises HouFileError when these, or a definition's sections and their order, do not agree.
    """

    records: tuple[Record, ...]
    definitions: tuple[ExpandedDefinition, ...]

    def __post_init__(self) -> None:
        if [section_name(one) for one in self.records] != [one.section for one in self.definitions]:
            raise HouFileError("the library's records and definitions do not agree")
        for one in self.definitions:
            if (CONTENTS in one.order) != (one.members is not None):
                raise HouFileError(f"{one.section}: its network is listed and missing, or unlisted")
            files = [name for name in one.order if name != CONTENTS]
            if len(set(files)) != len(files) or set(files) != set(one.files):
                raise HouFileError(f"{one.section}: its sections and their order do not agree")
            if one.beside and (one.members is None or not set(one.beside) <= set(BESIDE)):
                raise HouFileError(f"{one.section}: a file beside its network is not known")

    def definition(self, type_name: str) -> ExpandedDefinition:
        """The definition of a type such as ``kartaverse::step::1.0``. Raises HouFileError."""
        wanted = [section_name(one) for one in self.records if one.name == type_name]
        found = next((one for one in self.definitions if [one.section] == wanted), None)
        if found is None:
            raise HouFileError(f"the library does not define '{shown(type_name)}'")
        return found


def read_expanded(folder: str | os.PathLike[str]) -> ExpandedLibrary:
    """Read an expanded library. Raises HouFileError: one sentence with the folder and the file."""
    root = Path(folder)
    names = _list_of(root)
    if names[:2] != (INDEX, LIBRARY) or _bytes_of(root / LIBRARY):
        raise HouFileError(f"{root.name}: it is not an expanded asset library")
    index = _bytes_of(root / sections.mangle(INDEX))
    records = _in(f"{root.name}, {INDEX}", lambda: indextext.decode(text_of(index)))
    if [section_name(one) for one in records] != list(names[2:]):
        raise HouFileError(f"{root.name}: its index and {sections.LIST} do not agree")
    made = tuple(_definition(root / sections.mangle(name), name) for name in names[2:])
    return ExpandedLibrary(records, made)


def _definition(folder: Path, section: str) -> ExpandedDefinition:
    inside = folder / sections.CONTENTS_FOLDER
    if folder.is_symlink() or inside.is_symlink():
        raise HouFileError(f"{section}: its folder is a link, which is not followed")
    names = _list_of(folder)
    plain = [name for name in names if name != CONTENTS]
    files = {name: _bytes_of(folder / sections.mangle(name)) for name in plain}
    if len(plain) == len(names):
        return ExpandedDefinition(section, names, files, None)
    if _bytes_of(inside / sections.LIST) != _CONTENTS_LIST.encode():
        raise HouFileError(f"{section}: {inside.name} does not list its contents")
    data = _bytes_of(inside / _CONTENTS_FILE)
    members = _in(f"{section}, {_CONTENTS_FILE}", lambda: mime.decode(text_of(data)))
    beside = {name: _bytes_of(inside / name) for name in BESIDE if os.path.lexists(inside / name)}
    return ExpandedDefinition(section, names, files, members, beside)


def encode_expanded(library: ExpandedLibrary) -> dict[str, bytes]:
    """Every file of the folder, by its path below it. Raises HouFileError."""
    names = [one.section for one in library.definitions]
    found = {
        sections.mangle(INDEX): indextext.encode(library.records).encode(),
        LIBRARY: b"",
        sections.LIST: sections.encode_list((INDEX, LIBRARY, *names)).encode(),
    }
    for one in library.definitions:
        base = sections.mangle(one.section)
        found[f"{base}/{sections.LIST}"] = sections.encode_list(one.order).encode()
        for name, data in one.files.items():
            found[f"{base}/{sections.mangle(name)}"] = data
        if one.members is not None:
            inside = f"{base}/{sections.CONTENTS_FOLDER}"
            found |= {f"{inside}/{name}": data for name, data in one.beside.items()}
            found[f"{inside}/{_CONTENTS_FILE}"] = mime.encode(one.members).encode()
            found[f"{inside}/{sections.LIST}"] = _CONTENTS_LIST.encode()
    return found


def _in(place: str, read: Callable[[], _T]) -> _T:
    """A reader's result; its problem is told with the place."""
    try:
        return read()
    except HouFileError as error:
        raise HouFileError(f"{place}: {error}") from None


def _list_of(folder: Path) -> tuple[str, ...]:
    data = _bytes_of(folder / sections.LIST)
    return _in(f"{folder.name}, {sections.LIST}", lambda: sections.decode_list(text_of(data)))


def _bytes_of(path: Path) -> bytes:
    try:
        if path.is_symlink() or not path.is_file():
            raise HouFileError(f"{path} is missing, or is no file")
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise HouFileError(f"{path} cannot be read ({reason})") from None
    if len(data) > MAX_FILE_BYTES:
        raise HouFileError(f"{path} is too large")
    return data
