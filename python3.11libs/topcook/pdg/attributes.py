"""Attributes of work items and of the graph."""

from __future__ import annotations

import copy
import fnmatch
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .enums import attribErrorLevel, attribFlag, attribOverwrite, attribType, fileType

# AttributeOwner has a method of the enumeration's name.
_AttribType = attribType


class AttributeTypeError(TypeError):
    """A value or type that does not fit an attribute."""


@dataclass(frozen=True)
class File:
    """A file of a work item: ``pdg.File``.

    ``hash`` is the time of the last change in whole seconds, ``size`` is in bytes; both are 0 for
    a file that is not there. ``type`` tells when the file became the item's.
    """

    path: str
    tag: str = "file"
    hash: int = 0
    size: int = 0
    owned: bool = False
    type: fileType = fileType.Generated

    @classmethod
    def onDisk(
        cls, path: str, tag: str = "file", owned: bool = False, type: fileType = fileType.Generated
    ) -> File:
        """The file or folder with the size and the time that it has now."""
        try:
            found = Path(path).stat()
        except (OSError, ValueError):
            return cls(path, tag, owned=owned, type=type)
        return cls(path, tag, int(found.st_mtime), found.st_size, owned, type)

    @property
    def local_path(self) -> str:
        return self.path

    def asDict(self) -> dict[str, Any]:
        """The form in which Houdini saves a file value."""
        return {
            "data": self.path,
            "tag": self.tag,
            "hash": self.hash,
            "size": self.size,
            "own": self.owned,
            "type": int(self.type),
        }


def cast(value: Any, kind: attribType) -> Any:
    """The value as the attribute type stores it. Raises TypeError or ValueError."""
    match kind:
        case attribType.Int:
            return int(value)
        case attribType.Float:
            return float(value)
        case attribType.String:
            return value if isinstance(value, str) else text_of(value)
        case attribType.File:
            return value if isinstance(value, File) else File(str(value))
        case attribType.Dict:
            loaded = json.loads(value) if isinstance(value, str) else value
            if not isinstance(loaded, dict):
                raise TypeError("a dictionary is needed")
            return loaded
        case _:
            return value


def text_of(value: Any) -> str:
    """The text of one value, as an environment variable or ``asString`` shows it."""
    if isinstance(value, File):
        return value.path
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, float) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


class Attribute:
    """A named, typed array of values with flags: ``pdg.AttributeString`` and its siblings.

    ``isOwner``: the item has set it, and not only inherited it. ``isConcat``: a partition has
    merged it from the values of its items.
    """

    def __init__(self, name: str, kind: attribType) -> None:
        self.name, self.type = name, kind
        self.flags = attribFlag.NoFlags
        self.isOwner = True
        self.isConcat = False
        self._values: list[Any] = []

    def __repr__(self) -> str:
        return f"<Attribute {self.name} {self.type.name} {self._values!r}>"

    @property
    def values(self) -> list[Any]:
        return list(self._values)

    @property
    def size(self) -> int:
        return len(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def isArray(self) -> bool:
        return len(self._values) > 1

    @property
    def isNumeric(self) -> bool:
        return self.type in (attribType.Int, attribType.Float)

    def value(self, index: int = 0) -> Any:
        return self._values[index]

    def setValue(self, value: Any, index: int = 0) -> None:
        """Set one slot; slots before it that do not exist yet are filled with the type's zero."""
        blank: Any = {attribType.Int: 0, attribType.Float: 0.0, attribType.Dict: {}}.get(
            self.type, File("") if self.type is attribType.File else ""
        )
        if not 0 <= index < 1_000_000:
            raise AttributeTypeError(f"attribute '{self.name}' cannot have an index {index}")
        new = self._cast(value)
        while len(self._values) <= index:
            self._values.append(blank)
        self._values[index] = new
        self.isOwner = True

    def setValues(self, values: Sequence[Any]) -> None:
        self._values = [self._cast(value) for value in values]
        self.isOwner = True

    def _cast(self, value: Any) -> Any:
        try:
            return cast(value, self.type)
        except (TypeError, ValueError) as error:
            raise AttributeTypeError(
                f"attribute '{self.name}' of type {self.type.name} cannot hold {value!r}: {error}"
            ) from None

    def truncate(self, size: int) -> None:
        del self._values[size:]
        self.isOwner = True

    def setFlag(self, flag: attribFlag, on: bool = True) -> None:
        changed = self.flags | flag if on else self.flags & ~flag
        if changed != self.flags:
            self.flags, self.isOwner = changed, True

    def setFlags(self, flags: attribFlag) -> None:
        self.flags = attribFlag(flags)

    def hasFlag(self, flag: attribFlag) -> bool:
        return bool(self.flags & flag)

    hasAnyFlags = hasFlag

    def hasFlags(self, flags: attribFlag) -> bool:
        return self.flags & flags == flags

    def asString(self, index: int = 0) -> str:
        return text_of(self._values[index])

    def asNumber(self, index: int = 0) -> float:
        return float(self._values[index])

    def asFile(self, index: int = 0) -> File:
        value = self._values[index]
        return value if isinstance(value, File) else File(text_of(value))

    def asValues(self) -> list[Any]:
        return self.values

    def copy(self) -> Attribute:
        twin = copy.copy(self)
        twin._values = copy.deepcopy(self._values)
        return twin

    def asDict(self) -> dict[str, Any]:
        """The form in which Houdini saves an attribute (format version 7)."""
        values = [v.asDict() if isinstance(v, File) else v for v in self._values]
        if self.type is attribType.PyObject:
            values = [repr(v) for v in values]
        return {
            "type": int(self.type),
            "flag": int(self.flags),
            "own": self.isOwner,
            "concat": self.isConcat,
            "value": values,
        }


class AttributeOwner:
    """The attribute interface shared by ``pdg.WorkItem`` and ``pdg.Graph``."""

    def __init__(self) -> None:
        self._attributes: dict[str, Attribute] = {}

    def addAttrib(
        self,
        name: str,
        kind: attribType,
        overwrite: attribOverwrite = attribOverwrite.Match,
        error_level: attribErrorLevel = attribErrorLevel.Error,
    ) -> Attribute | None:
        """Create an attribute, or return the existing one of the same type.

        With another type: ``Always`` replaces it, ``Never`` keeps it, ``Match`` raises TypeError
        (or returns None when ``error_level`` is not Error).
        """
        if not name:
            raise AttributeTypeError("an attribute needs a name")
        old = self._attributes.get(name)
        if old is not None and overwrite is not attribOverwrite.Always:
            if overwrite is attribOverwrite.Never or old.type is kind:
                return old
            if error_level is attribErrorLevel.Error:
                raise AttributeTypeError(
                    f"attribute '{name}' exists with type {old.type.name}, not {kind.name}"
                )
            return None
        new = Attribute(name, attribType(kind))
        self._attributes[name] = new
        return new

    def _set(self, name: str, kind: attribType, value: Any, index: int | None) -> None:
        attribute = self._attributes.get(name)
        if attribute is None or attribute.type is not kind:
            flags = attribute.flags if attribute else attribFlag.NoFlags
            attribute = self._attributes[name] = Attribute(name, kind)
            attribute.flags = flags
        if isinstance(value, list | tuple):
            attribute.setValues(value)
        else:
            attribute.setValue(value, index or 0)

    def setStringAttrib(self, name: str, value: Any, index: int | None = None) -> None:
        self._set(name, attribType.String, value, index)

    def setIntAttrib(self, name: str, value: Any, index: int | None = None) -> None:
        self._set(name, attribType.Int, value, index)

    def setFloatAttrib(self, name: str, value: Any, index: int | None = None) -> None:
        self._set(name, attribType.Float, value, index)

    def setDictAttrib(self, name: str, value: Any, index: int | None = None) -> None:
        self._set(name, attribType.Dict, value, index)

    def setFileAttrib(self, name: str, value: Any, index: int | None = None) -> None:
        self._set(name, attribType.File, value, index)

    def setPyObjectAttrib(self, name: str, value: Any) -> None:
        self._set(name, attribType.PyObject, [value], None)

    def _value(self, name: str, index: int = 0) -> Any:
        attribute = self._attributes.get(name)
        if attribute is None or not 0 <= index < attribute.size:
            return None
        return attribute.value(index)

    def _typed(self, name: str, kind: attribType, index: int) -> Any:
        attribute = self._attributes.get(name)
        return self._value(name, index) if attribute and attribute.type is kind else None

    def stringAttribValue(self, name: str, index: int = 0) -> str | None:
        value = self._typed(name, attribType.String, index)
        return None if value is None else str(value)

    def intAttribValue(self, name: str, index: int = 0) -> int | None:
        value = self._typed(name, attribType.Int, index)
        return None if value is None else int(value)

    def floatAttribValue(self, name: str, index: int = 0) -> float | None:
        value = self._typed(name, attribType.Float, index)
        return None if value is None else float(value)

    def dictAttribValue(self, name: str, index: int = 0) -> dict[str, Any] | None:
        value = self._typed(name, attribType.Dict, index)
        return value if isinstance(value, dict) else None

    def fileAttribValue(self, name: str, index: int = 0) -> File | None:
        value = self._typed(name, attribType.File, index)
        return value if isinstance(value, File) else None

    def pyObjectAttribValue(self, name: str) -> Any:
        return self._typed(name, attribType.PyObject, 0)

    def attribArray(self, name: str) -> list[Any] | None:
        attribute = self._attributes.get(name)
        return None if attribute is None else attribute.values

    stringAttribArray = intAttribArray = floatAttribArray = attribArray
    dictAttribArray = fileAttribArray = attribArray

    def attrib(self, name: str) -> Attribute | None:
        return self._attributes.get(name)

    def __getitem__(self, name: str) -> Attribute:
        return self._attributes[name]

    def attribValue(self, name: str, index: int = 0) -> Any:
        return self._value(name, index)

    def attribValues(self) -> dict[str, Any]:
        return {name: one.values for name, one in self._attributes.items()}

    def attribNames(self, kind: _AttribType | None = None) -> list[str]:
        """Names of the visible attributes, sorted; internal ones are left out."""
        return sorted(
            name
            for name, one in self._attributes.items()
            if kind in (None, one.type) and not one.hasFlag(attribFlag.Internal)
        )

    def attribType(self, name: str) -> _AttribType:
        attribute = self._attributes.get(name)
        return _AttribType.Undefined if attribute is None else attribute.type

    def hasAttrib(self, name: str) -> bool:
        return name in self._attributes

    def numAttribs(self, kind: _AttribType | None = None) -> int:
        return len(self.attribNames(kind))

    def attribMatch(self, pattern: str) -> list[str]:
        """Names that match a space separated list of patterns; ``^`` before one excludes."""
        return matching(self.attribNames(), pattern)

    def setAttribFlag(self, name: str, flag: attribFlag, on: bool = True) -> None:
        self._attributes[name].setFlag(flag, on)

    def eraseAttrib(self, name: str) -> bool:
        return self._attributes.pop(name, None) is not None

    def renameAttrib(self, old: str, new: str) -> None:
        attribute = self._attributes.pop(old)
        attribute.name, attribute.isOwner = new, True
        self._attributes[new] = attribute

    def copyAttrib(self, attribute: Attribute) -> None:
        """Take over an attribute of another owner; one of the same name is replaced."""
        twin = self._attributes[attribute.name] = attribute.copy()
        twin.isOwner = True

    def clearAttribs(self) -> None:
        self._attributes.clear()

    @contextmanager
    def lockAttributes(self) -> Iterator[AttributeOwner]:
        yield self

    def allAttribs(self) -> Iterable[Attribute]:
        return self._attributes.values()


def matching(names: Iterable[str], pattern: str) -> list[str]:
    """The names that a space separated pattern list selects; later ``^pattern`` words exclude."""
    chosen: dict[str, None] = {}
    names = list(names)
    for word in pattern.split():
        if word.startswith("^"):
            for name in fnmatch.filter(names, word[1:]):
                chosen.pop(name, None)
        else:
            chosen.update(dict.fromkeys(fnmatch.filter(names, word)))
    return sorted(chosen)
