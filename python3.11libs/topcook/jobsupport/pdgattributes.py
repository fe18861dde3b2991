"""Attributes and files of a work item in a job, by PDG's names; for ``pdgjson`` beside it.

Runs in a job's Python, 3.7 or newer: standard library only.
"""

from __future__ import annotations

import ast
import fnmatch
import json
import os
from collections.abc import Callable
from typing import Any

INT, FLOAT, STRING, FILE, PYOBJECT, GEOMETRY, DICT = range(7)
INTERNAL = 8


class File:
    """A file of a work item."""

    def __init__(
        self, path: Any, tag: str = "file", hash_code: int = 0, size: int = 0, own: bool = False
    ) -> None:
        self.path: str = os.fspath(getattr(path, "path", path))
        self.tag, self.hash, self.size, self.owned = tag, hash_code, size, own

    def __repr__(self) -> str:
        return f"<File {self.path} ({self.tag})>"

    def __str__(self) -> str:
        return self.path

    def __fspath__(self) -> str:
        return self.path

    @property
    def local_path(self) -> str:
        return self.path

    @classmethod
    def fromDict(cls, saved: Any) -> File:
        return cls(saved["data"], saved["tag"], saved["hash"], saved["size"], saved["own"])

    def asDict(self) -> dict[str, Any]:
        return {
            "data": self.path,
            "tag": self.tag,
            "hash": self.hash,
            "size": self.size,
            "own": self.owned,
            "type": 0,
        }


def _cast(value: Any, kind: int) -> Any:
    if kind == INT:
        return int(value)
    if kind == FLOAT:
        return float(value)
    if kind == STRING:
        return str(value)
    if kind == FILE:
        return value if isinstance(value, File) else File(value)
    if kind == DICT:
        return dict(json.loads(value) if isinstance(value, str) else value)
    return value


class Attribute:
    """A named, typed array of values."""

    def __init__(self, name: str, kind: int, flag: int = 0) -> None:
        self.name, self.type, self.flag = name, kind, flag
        self._values: list[Any] = []

    @classmethod
    def fromDict(cls, name: str, saved: Any) -> Attribute:
        made = cls(name, saved["type"], saved["flag"])
        values = saved["value"]
        if made.type == FILE:
            values = [File.fromDict(one) for one in values]
        elif made.type == PYOBJECT:
            values = [_literal(one) for one in values]
        made._values = list(values)
        return made

    def asDict(self) -> dict[str, Any]:
        values = [one.asDict() if isinstance(one, File) else one for one in self._values]
        if self.type == PYOBJECT:
            values = [repr(one) for one in values]
        return {
            "type": self.type,
            "flag": self.flag,
            "own": True,
            "concat": False,
            "value": values,
        }

    @property
    def values(self) -> list[Any]:
        return list(self._values)

    asValues = values

    @property
    def size(self) -> int:
        return len(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: int) -> Any:
        return self._values[index]

    def value(self, index: int = 0) -> Any:
        return self._values[index]

    def asString(self, index: int = 0) -> str:
        return str(self._values[index])

    def asNumber(self, index: int = 0) -> float:
        return float(self._values[index])

    def asFile(self, index: int = 0) -> File:
        return _cast(self._values[index], FILE)  # type: ignore[no-any-return]

    def setValue(self, value: Any, index: int = 0) -> None:
        blank = {INT: 0, FLOAT: 0.0, DICT: {}}.get(self.type, "")
        while len(self._values) <= index:
            self._values.append(File("") if self.type == FILE else blank)
        self._values[index] = _cast(value, self.type)

    def setValues(self, values: Any) -> None:
        self._values = [_cast(one, self.type) for one in values]


def _literal(text: Any) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


class Attributes:
    """The attributes of a work item, or of the graph, by PDG's names."""

    def __init__(self) -> None:
        self._attributes: dict[str, Attribute] = {}
        self._tell: Callable[[Attribute, int | None], None] = lambda _attribute, _index: None

    def _set(self, name: str, kind: int, value: Any, index: int | None) -> None:
        attribute = self._attributes.get(name)
        if attribute is None or attribute.type != kind:
            flag = 0 if attribute is None else attribute.flag
            attribute = self._attributes[name] = Attribute(name, kind, flag)
        if isinstance(value, (list, tuple)):
            attribute.setValues(value)
            index = None
        else:
            attribute.setValue(value, index or 0)
        self._tell(attribute, index if index is not None or attribute.size != 1 else 0)

    def setIntAttrib(self, name: str, value: Any, index: int | None = None) -> None:
        self._set(name, INT, value, index)

    def setFloatAttrib(self, name: str, value: Any, index: int | None = None) -> None:
        self._set(name, FLOAT, value, index)

    def setStringAttrib(self, name: str, value: Any, index: int | None = None) -> None:
        self._set(name, STRING, value, index)

    def setFileAttrib(self, name: str, value: Any, index: int | None = None) -> None:
        self._set(name, FILE, value, index)

    def setDictAttrib(self, name: str, value: Any, index: int | None = None) -> None:
        self._set(name, DICT, value, index)

    def setPyObjectAttrib(self, name: str, value: Any) -> None:
        self._set(name, PYOBJECT, [value], None)

    setIntAttribArray = setIntAttrib
    setFloatAttribArray = setFloatAttrib
    setStringAttribArray = setStringAttrib
    setFileAttribArray = setFileAttrib
    setDictAttribArray = setDictAttrib

    def attrib(self, name: str) -> Attribute | None:
        return self._attributes.get(name)

    def __getitem__(self, name: str) -> Attribute:
        return self._attributes[name]

    def hasAttrib(self, name: str) -> bool:
        return name in self._attributes

    def attribType(self, name: str) -> int:
        return self._attributes[name].type if name in self._attributes else -1

    def attribNames(self, kind: int | None = None) -> list[str]:
        found = self._attributes.values()
        return sorted(
            one.name for one in found if not one.flag & INTERNAL and kind in (None, one.type)
        )

    def attribMatch(self, pattern: str) -> list[str]:
        names = self.attribNames()
        return sorted({one for word in pattern.split() for one in fnmatch.filter(names, word)})

    def attribValues(self) -> dict[str, list[Any]]:
        return {name: self._attributes[name].values for name in self.attribNames()}

    def attribValue(self, name: str, index: int = 0) -> Any:
        attribute = self._attributes.get(name)
        if attribute is None or not 0 <= index < attribute.size:
            return None
        return attribute.value(index)

    def attribArray(self, name: str) -> list[Any] | None:
        attribute = self._attributes.get(name)
        return None if attribute is None else attribute.values

    def _typed(self, name: str, kind: int, index: int) -> Any:
        return self.attribValue(name, index) if self.attribType(name) == kind else None

    def intAttribValue(self, name: str, index: int = 0) -> Any:
        return self._typed(name, INT, index)

    def floatAttribValue(self, name: str, index: int = 0) -> Any:
        return self._typed(name, FLOAT, index)

    def stringAttribValue(self, name: str, index: int = 0) -> Any:
        return self._typed(name, STRING, index)

    def fileAttribValue(self, name: str, index: int = 0) -> Any:
        return self._typed(name, FILE, index)

    def dictAttribValue(self, name: str, index: int = 0) -> Any:
        return self._typed(name, DICT, index)

    def pyObjectAttribValue(self, name: str) -> Any:
        return self._typed(name, PYOBJECT, 0)

    intAttribArray = floatAttribArray = stringAttribArray = attribArray
    fileAttribArray = dictAttribArray = attribArray

    def addAttrib(self, name: str, kind: Any, *_rules: Any) -> Attribute:
        attribute = self._attributes.get(name)
        if attribute is None or attribute.type != int(kind):
            attribute = self._attributes[name] = Attribute(name, int(kind))
        return attribute

    def eraseAttrib(self, name: str) -> bool:
        return self._attributes.pop(name, None) is not None

    def renameAttrib(self, old: str, new: str) -> None:
        attribute = self._attributes.pop(old)
        attribute.name = new
        self._attributes[new] = attribute

    def setAttribFlag(self, name: str, flag: Any, on: bool = True) -> None:
        attribute = self._attributes[name]
        attribute.flag = attribute.flag | int(flag) if on else attribute.flag & ~int(flag)


class Data:
    """The older interface to attributes: ``work_item.data.stringData(name, index)``."""

    def __init__(self, item: Attributes) -> None:
        self._item = item

    def stringData(self, name: str, index: int = 0) -> Any:
        return self._item.stringAttribValue(name, index)

    def intData(self, name: str, index: int = 0) -> Any:
        return self._item.intAttribValue(name, index)

    def floatData(self, name: str, index: int = 0) -> Any:
        return self._item.floatAttribValue(name, index)

    def stringDataArray(self, name: str) -> Any:
        return self._item.attribArray(name)

    intDataArray = floatDataArray = stringDataArray

    def setString(self, name: str, value: Any, index: int = 0) -> None:
        self._item.setStringAttrib(name, value, index)

    def setInt(self, name: str, value: Any, index: int = 0) -> None:
        self._item.setIntAttrib(name, value, index)

    def setFloat(self, name: str, value: Any, index: int = 0) -> None:
        self._item.setFloatAttrib(name, value, index)

    setStringArray, setIntArray, setFloatArray = setString, setInt, setFloat

    @property
    def allDataMap(self) -> dict[str, list[Any]]:
        """Attributes by name; files are given by their paths."""
        return {
            name: [one.path if isinstance(one, File) else one for one in values]
            for name, values in self._item.attribValues().items()
        }
