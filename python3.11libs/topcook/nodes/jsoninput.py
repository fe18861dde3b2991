"""JSON Input: attributes, or work items, from the values of a JSON file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from topcook import pdg
from topcook.parameters.table import integer, later, layout, menu, multiparm, string, table, toggle

from . import jsonquery
from .base import GENERATE_WHEN, NodeType, parms
from .fileprocessor import path_of

_STORE = "7 0 1 2 3 4 5 6 8"

PARAMETERS = table(
    layout("toptabs3", "toptabs3_1", "folder0", "folder1"),
    GENERATE_WHEN,
    menu("jsonsource", "0", "0 1"),
    string("filetag", "file/json"),
    string("filepath", "`@pdg_input`"),
    integer("op"),
    integer("keyerrormode", 1),
    string("prop"),
    string("field"),
    string("attributename"),
    menu("attributetype", "7", _STORE, by_token=True),
    multiparm(
        "extractmult",
        string("query#"),
        string("attributename#"),
        menu("valtype#", "7", _STORE, by_token=True),
        integer("valindex#"),
    ),
    toggle("splitarray", True),
    string("extracts"),
    multiparm("pdgnodedeps"),
    later(
        "20.0",
        menu("attribcollision", "0", "0 1 2"),
        menu("preserveinput", "0", "0 1 2"),
        string("preserveinputattrib", "sourcefile"),
        toggle("preserveindex", True),
    ),
)

_RETRIEVE, _ARRAY, _DESERIALIZE = range(3)
_STRING, _INTEGER, _FLOAT, _PYOBJECT, _STRINGS, _INTEGERS, _FLOATS, _AUTOMATIC, _UNPACKED = range(9)
_SCALARS = {_STRING: pdg.attribType.String, _INTEGER: pdg.attribType.Int}
_SCALARS[_FLOAT] = pdg.attribType.Float
_ARRAYS = {_STRINGS: pdg.attribType.String, _INTEGERS: pdg.attribType.Int}
_ARRAYS[_FLOATS] = pdg.attribType.Float


class JsonInput(pdg.PyProcessor):
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
            path, document = self._document(parent)
            operation = parms(self).integer("op", parent)
            if operation == _RETRIEVE:
                self._retrieve(self._item(item_holder, parent), document)
            elif operation == _ARRAY:
                self._array(item_holder, parent, document)
            elif operation == _DESERIALIZE:
                self._deserialize(item_holder, parent, path, document)
            else:
                raise pdg.CookError(
                    f"{self.node.path}, parameter 'op': there is no operation {operation}"
                )
        return pdg.result.Success

    def _item(
        self, holder: pdg.WorkItemHolder, parent: pdg.WorkItem | None, *, count: bool = False
    ) -> pdg.WorkItem:
        """One more item; counted over the node, or with the parent's index."""
        number = len(self.node.workItems) + len(holder.workItems)
        return holder.addWorkItem(parent=parent, index=number if count or parent is None else -1)

    # -- the file ---------------------------------------------------------------------------
    def _document(self, parent: pdg.WorkItem | None) -> tuple[str, Any]:
        path = self._path(parent)
        try:
            return path, jsonquery.load(Path(path).read_bytes())
        except OSError as error:
            hint = "" if parent is None or parent.isCooked else _LATER
            raise pdg.CookError(
                f"{self.node.path}: {path} cannot be read: {error.strerror or error}{hint}"
            ) from None
        except ValueError as error:
            raise pdg.CookError(f"{self.node.path}: {path} is no JSON file: {error}") from None

    def _path(self, parent: pdg.WorkItem | None) -> str:
        parameters = parms(self)
        if parameters.menu("jsonsource", parent) == 1:
            return path_of(parameters, "filepath", parent)
        tag = parameters.string("filetag", parent)
        if parent is None:
            raise pdg.CookError(
                f"{self.node.path}: no node is wired in that could have a JSON file; set JSON File "
                "to Custom File Path"
            )
        files = parent.outputFilesForTag(tag)
        if len(files) != 1:
            hint = "" if parent.isCooked else _LATER
            raise pdg.CookError(
                f"{self.node.path}, parameter 'filetag': {parent.name} has {len(files)} output "
                f"files with the tag '{tag}', not one{hint}"
            )
        return files[0].path

    # -- operations -------------------------------------------------------------------------
    def _failed(self, item: pdg.WorkItem | None, error: Exception, name: str) -> None:
        message = f"{self.node.path}, parameter '{name}': {error}"
        if parms(self).integer("keyerrormode", item) == 1:
            raise pdg.CookError(message)
        if item is None:
            parms(self).surroundings.warn(message)
        else:
            item.addWarning(message)

    def _retrieve(self, item: pdg.WorkItem, document: Any) -> None:
        parameters = parms(self)
        for number in range(1, parameters.count("extractmult") + 1):
            query = parameters.string(f"query{number}", item)
            try:
                found = [value for _path, value in jsonquery.find(document, query)]
            except jsonquery.QueryError as error:
                self._failed(item, error, f"query{number}")
                continue
            name = parameters.string(f"attributename{number}", item)
            kind = parameters.menu(f"valtype{number}", item)
            value = found if "*" in query.split("/") else found[0]
            index = parameters.integer(f"valindex{number}", item)
            self._store(item, name, kind, value, index, f"attributename{number}")

    def _array(
        self, holder: pdg.WorkItemHolder, parent: pdg.WorkItem | None, document: Any
    ) -> None:
        parameters = parms(self)
        query, field = parameters.string("prop", parent), parameters.string("field", parent)
        try:
            found = jsonquery.find(document, query)
            values = [
                (number, position, path, value)
                for number, (path, target) in enumerate(found)
                for position, value in _fields(target, field)
            ]
        except jsonquery.QueryError as error:
            self._failed(parent, error, "prop")
            return
        name = parameters.string("attributename", parent)
        kind = parameters.menu("attributetype", parent)
        if parameters.toggle("splitarray", parent) or kind not in _SCALARS:
            for number, position, path, value in values:
                item = self._item(holder, parent, count=True)
                self._store(item, name, kind, value, 0, "attributename")
                _told(item, number, position, path, field)
            return
        for number, (path, _target) in enumerate(found):
            item = self._item(holder, parent, count=True)
            own = [value for one, _position, _path, value in values if one == number]
            self._store(item, name, _SINGLE_TO_ARRAY[kind], own, 0, "attributename")
            _told(item, number, 0, path, field)

    def _deserialize(
        self, holder: pdg.WorkItemHolder, parent: pdg.WorkItem | None, path: str, document: Any
    ) -> None:
        parameters = parms(self)
        documents = document if isinstance(document, list) else [document]
        for one in documents:
            try:
                saved = one["workitem"]
                attributes = [_attribute(name, v) for name, v in saved["attributes"].items()]
                index = int(saved["index"])
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise pdg.CookError(
                    f"{self.node.path}: {path} does not hold a saved work item ({error})"
                ) from None
            item = self._item(holder, parent)
            rule = parameters.menu("attribcollision", parent)
            for attribute in attributes:
                if item.hasAttrib(attribute.name) and rule != 1:
                    if rule == 2:
                        item.addWarning(f"the attribute '{attribute.name}' comes from upstream")
                    continue
                made = item.addAttrib(attribute.name, attribute.type, pdg.attribOverwrite.Always)
                assert made is not None
                made.setFlags(attribute.flags)
                made.setValues(attribute.values)
            if parameters.toggle("preserveindex", parent):
                item.index = index
            match parameters.menu("preserveinput", parent):
                case 1:
                    name = parameters.string("preserveinputattrib", parent)
                    item.setFileAttrib(name, pdg.File(path, "file/json"))
                case 2:
                    item.addOutputFile(path, "file/json")

    # -- storing ----------------------------------------------------------------------------
    def _store(
        self, item: pdg.WorkItem, name: str, kind: int, value: Any, index: int, parm: str
    ) -> None:
        if kind != _UNPACKED and not name:
            raise pdg.CookError(f"{self.node.path}, parameter '{parm}': the attribute has no name")
        try:
            if kind == _UNPACKED:
                if not isinstance(value, dict):
                    raise TypeError("only an object can be unpacked")
                for key, one in value.items():
                    _automatic(item, key, one)
            elif kind == _AUTOMATIC:
                _automatic(item, name, value)
            elif kind == _PYOBJECT:
                item.setPyObjectAttrib(name, value)
            elif kind in _ARRAYS:
                if not isinstance(value, list):
                    raise TypeError("it is no array")
                _SET[_ARRAYS[kind]](item)(name, [_scalar(_ARRAYS[kind], one) for one in value])
            else:
                _SET[_SCALARS[kind]](item)(name, _scalar(_SCALARS[kind], value), index)
        except (TypeError, ValueError, OverflowError) as error:
            shown = json.dumps(value)[:60]
            raise pdg.CookError(
                f"{self.node.path}: the value {shown} cannot be stored in '{name}': {error}"
            ) from None


_LATER = (
    "; it may not be there yet while work items are generated: set Generate When to Each Upstream "
    "Item is Cooked"
)
_SINGLE_TO_ARRAY = {_STRING: _STRINGS, _INTEGER: _INTEGERS, _FLOAT: _FLOATS}
_SET: dict[pdg.attribType, Callable[[pdg.WorkItem], Callable[..., None]]] = {
    pdg.attribType.String: lambda item: item.setStringAttrib,
    pdg.attribType.Int: lambda item: item.setIntAttrib,
    pdg.attribType.Float: lambda item: item.setFloatAttrib,
    pdg.attribType.Dict: lambda item: item.setDictAttrib,
}


def _fields(target: Any, field: str) -> Sequence[tuple[int, Any]]:
    """The values of a field, with their place in the array they come from, or 0."""
    places = list(enumerate(target)) if isinstance(target, list) else [(0, target)]
    if not field:
        return places
    found: list[tuple[int, Any]] = []
    for position, one in places:
        if not isinstance(one, dict) or field not in one:
            raise jsonquery.QueryError(f"there is no field '{field}'")
        found.append((position, one[field]))
    return found


def _told(item: pdg.WorkItem, number: int, position: int, path: str, field: str) -> None:
    item.setIntAttrib("json_arrayindex", position)
    item.setIntAttrib("obj_index", number)
    item.setStringAttrib("query", path)
    item.setStringAttrib("field", field)


def _scalar(kind: pdg.attribType, value: Any) -> Any:
    """The value as an attribute of the type holds it; text of anything that is no text."""
    if kind is pdg.attribType.String:
        return value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, list | dict) or value is None:
        raise TypeError("it is no number")
    return int(float(value)) if kind is pdg.attribType.Int and isinstance(value, str) else value


def _automatic(item: pdg.WorkItem, name: str, value: Any) -> None:
    """Store by the value's own type; what is of no one type is kept as a Python object."""
    values = value if isinstance(value, list) else [value]
    kinds = {bool if isinstance(one, bool) else type(one) for one in values}
    if kinds <= {int, bool} and values:
        item.setIntAttrib(name, [int(one) for one in values])
    elif kinds <= {int, bool, float} and values:
        item.setFloatAttrib(name, [float(one) for one in values])
    elif kinds == {str}:
        item.setStringAttrib(name, values)
    elif kinds == {dict}:
        item.setDictAttrib(name, values)
    else:
        item.setPyObjectAttrib(name, value)


def _attribute(name: str, saved: Any) -> pdg.Attribute:
    """An attribute in the form in which PDG saves it. Raises KeyError, TypeError, ValueError."""
    made = pdg.Attribute(name, pdg.attribType(saved["type"]))
    made.setFlags(pdg.attribFlag(saved["flag"]))
    values = saved["value"]
    if made.type is pdg.attribType.File:
        values = [pdg.File(one["data"], one["tag"], one["hash"], one["size"]) for one in values]
    made.setValues(values)
    return made


TYPE = NodeType("jsoninput", PARAMETERS, pdg.nodeType.Processor, JsonInput)
