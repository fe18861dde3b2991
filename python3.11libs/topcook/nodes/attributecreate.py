"""Attribute Create: one item per upstream item, with new or changed attributes."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path
from typing import Any

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import (
    ParmSpec,
    floating,
    integer,
    layout,
    menu,
    multiparm,
    string,
    table,
    toggle,
)

from .base import GENERATE_WHEN, NodeType, literal_expression_problem, parms, set_priority
from .conflict import Conflict, add_attribute

_CONFLICTS = "0 4 1 2 3"
_SCOPES = "0 1 2"


def _head(kind: str) -> tuple[ParmSpec, ...]:
    return (
        toggle(f"{kind}enable#", True),
        string(f"{kind}name#"),
        menu(f"{kind}conflict#", "0", _CONFLICTS, by_token=True),
        menu(f"{kind}scope#", "0", _SCOPES),
    )


PARAMETERS = table(
    layout("folder0", "folder2", "folder1"),
    layout("sepparm#_3", "sepparm#_4", "sepparm#_5", "sepparm#_7", "sepparm#_6"),
    layout("sepparm#", "sepparm#_2"),
    GENERATE_WHEN,
    menu("emptyinput", "0", "0 1 2 3"),
    toggle("usecondition"),
    integer("condition"),
    menu("copyoutputs", "2", "0 1 2"),
    menu("pdg_workitempriority", "0", "0 1"),
    integer("pdg_workitempriorityexpr"),
    toggle("useindex"),
    integer("indexvalue"),
    toggle("useframe"),
    floating("framevalue"),
    toggle("usepriority"),
    integer("priorityvalue"),
    multiparm(
        "stringattribs",
        *_head("string"),
        string("stringvalue#"),
        toggle("usestringindex#"),
        integer("stringindex#"),
    ),
    multiparm("intattribs", *_head("int"), integer("intsize#"), integer("intvalue#", 0, 0, 0, 0)),
    multiparm(
        "floatattribs", *_head("float"), integer("floatsize#"), floating("floatvalue#", 0, 0, 0, 0)
    ),
    multiparm(
        "dictattribs",
        *_head("dict"),
        string("dictvalue#"),
        toggle("usedictindex#"),
        integer("dictindex#"),
        toggle("dictinvalid#"),
    ),
    multiparm("pyobjectattribs", *_head("pyobject"), string("pyobjectexpression#")),
    multiparm(
        "resultdata",
        toggle("resultenable#", True),
        menu("resultmenu#", "0", "0 1"),
        string("resultattrname#"),
        menu("resultconflict#", "0", _CONFLICTS, by_token=True),
        menu("resultscope#", "0", _SCOPES),
        string("resultvalue#"),
        string("resulttag#", "file"),
        toggle("resultown#"),
        toggle("resultcopy#"),
        menu("resultcheckfilepath#", "1", "off on 2"),
        menu("checkpathwhen#", "0", "0 1"),
        string("existsattrib#", "file_exists"),
    ),
)

_LISTS = {
    "string": "stringattribs",
    "int": "intattribs",
    "float": "floatattribs",
    "dict": "dictattribs",
    "pyobject": "pyobjectattribs",
}
_GRAPH_SCOPE = "attributes of the whole graph exist only inside Houdini"
REFUSED = {f"{kind}scope#": _GRAPH_SCOPE for kind in [*_LISTS, "result"]}


class AttributeCreate(pdg.PyProcessor):
    def onGenerate(
        self,
        item_holder: pdg.WorkItemHolder,
        upstream_items: list[pdg.WorkItem],
        generation_type: pdg.generationType,
    ) -> pdg.result:
        parameters = parms(self)
        if not upstream_items:
            match parameters.menu("emptyinput"):
                case 0:
                    self._fill(item_holder.addWorkItem(index=0), parameters)
                case 2:
                    self.node.cookWarning(f"{self.node.path}: no work item comes in")
                case 3:
                    raise pdg.CookError(f"{self.node.path}: no work item comes in")
        for upstream in upstream_items:
            self._fill(item_holder.addWorkItem(parent=upstream), parameters)
        return pdg.result.Success

    def _fill(self, item: pdg.WorkItem, parameters: NodeParameters) -> None:
        set_priority(parameters, item)
        if not parameters.toggle("usecondition") or parameters.integer("condition", item):
            self._attributes(item, parameters)
            self._files(item, parameters)
            if parameters.toggle("useindex"):
                item.index = parameters.integer("indexvalue", item)
            if parameters.toggle("useframe"):
                item.setFrame(parameters.number("framevalue", item))
            if parameters.toggle("usepriority"):
                item.priority = parameters.integer("priorityvalue", item)
        copy = parameters.menu("copyoutputs")
        if item.parent is not None and (copy == 1 or (copy == 2 and not item.outputFiles)):
            item.copyOutputFiles(item.parent.outputFiles)

    def _attributes(self, item: pdg.WorkItem, parameters: NodeParameters) -> None:
        for kind, name, number in _instances(parameters):
            index: int | None = None
            if kind == "string":
                values: list[Any] = [parameters.string(f"stringvalue{number}", item)]
                if parameters.toggle(f"usestringindex{number}"):
                    index = parameters.integer(f"stringindex{number}", item)
            elif kind in ("int", "float"):
                size = min(max(parameters.integer(f"{kind}size{number}", item), 1), 4)
                values = [
                    parameters.number(f"{kind}value{number}", item, component)
                    for component in range(size)
                ]
            elif kind == "dict":
                values = [_dictionary(parameters, number, item)]
                if parameters.toggle(f"usedictindex{number}"):
                    index = parameters.integer(f"dictindex{number}", item)
            else:
                text = parameters.string(f"pyobjectexpression{number}", item)
                values = [_literal(parameters.path, f"pyobjectexpression{number}", text)]
            conflict = _CONFLICT[parameters.menu(f"{kind}conflict{number}")]
            add_attribute(item, name, _TYPES[kind], values, conflict, index=index)

    def _files(self, item: pdg.WorkItem, parameters: NodeParameters) -> None:
        for number in range(1, parameters.count("resultdata") + 1):
            if not parameters.toggle(f"resultenable{number}"):
                continue
            path = parameters.string(f"resultvalue{number}", item)
            tag = parameters.string(f"resulttag{number}", item)
            if parameters.menu(f"checkpathwhen{number}") == 0:
                self._check(item, parameters, number, path)
            elif parameters.menu(f"resultcheckfilepath{number}") != 0:
                item.setCookType(pdg.workItemCookType.InProcess)
            if parameters.toggle(f"resultcopy{number}") and Path(path).is_file():
                path = _copied(path, self.context.workingDir)
            if parameters.menu(f"resultmenu{number}") == 0:
                item.addOutputFile(path, tag, own=parameters.toggle(f"resultown{number}"))
                continue
            name = parameters.string(f"resultattrname{number}", item)
            if name:
                conflict = _CONFLICT[parameters.menu(f"resultconflict{number}")]
                value = pdg.File(path, tag)
                add_attribute(item, name, pdg.attribType.File, [value], conflict)

    def _check(
        self, item: pdg.WorkItem, parameters: NodeParameters, number: int, path: str
    ) -> None:
        rule = parameters.menu(f"resultcheckfilepath{number}")
        exists = Path(path).exists()
        if rule == 2:
            name = parameters.string(f"existsattrib{number}", item)
            if name:
                item.setIntAttrib(name, int(exists))
            if not exists:
                item.addWarning(f"{self.node.path}: the file {path} does not exist")
        elif rule == 1 and not exists:
            raise pdg.CookError(
                f"{self.node.path}: the file {path or '(empty path)'} named in "
                f"'resultvalue{number}' does not exist"
            )

    def onCookTask(self, work_item: pdg.WorkItem) -> pdg.result:
        """The file checks that are to happen when the item cooks."""
        parameters = parms(self)
        for number in range(1, parameters.count("resultdata") + 1):
            if parameters.toggle(f"resultenable{number}") and parameters.menu(
                f"checkpathwhen{number}"
            ):
                path = parameters.string(f"resultvalue{number}", work_item)
                self._check(work_item, parameters, number, path)
        return pdg.result.Success


_CONFLICT = {
    0: Conflict.REPLACE,
    4: Conflict.KEEP,
    1: Conflict.UPDATE,
    2: Conflict.WARN,
    3: Conflict.ERROR,
}
_TYPES = {
    "string": pdg.attribType.String,
    "int": pdg.attribType.Int,
    "float": pdg.attribType.Float,
    "dict": pdg.attribType.Dict,
    "pyobject": pdg.attribType.PyObject,
}


def _instances(parameters: NodeParameters) -> list[tuple[str, str, int]]:
    """Enabled instances with a name: (kind, attribute name, instance number)."""
    found: list[tuple[str, str, int]] = []
    for kind, owner in _LISTS.items():
        for number in range(1, parameters.count(owner) + 1):
            name = parameters.string(f"{kind}name{number}")
            if parameters.toggle(f"{kind}enable{number}") and name:
                found.append((kind, name, number))
    return found


def _copied(path: str, folder: Path) -> str:
    target = folder / Path(path).name
    if not target.exists() or not target.samefile(path):
        folder.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        shutil.copyfile(path, part)
        part.replace(target)
    return str(target)


def _literal(path: str, name: str, text: str) -> Any:
    try:
        return ast.literal_eval(text.strip() or "None")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise pdg.CookError(literal_expression_problem(path, name, text)) from None


def _dictionary(parameters: NodeParameters, number: int, item: pdg.WorkItem) -> dict[str, Any]:
    name = f"dictvalue{number}"
    text = parameters.string(name, item).strip() or "{}"
    where = f"{parameters.path}, parameter '{name}'"
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = _literal(parameters.path, name, text)
    if not isinstance(value, dict):
        raise pdg.CookError(f"{where}: not a dictionary: {text[:60]}")
    skip = parameters.toggle(f"dictinvalid{number}")
    kept: dict[str, Any] = {}
    for key, one in value.items():
        try:
            json.dumps({key: one}, allow_nan=False)
        except (TypeError, ValueError):
            if not skip:
                raise pdg.CookError(
                    f"{where}: the value of '{key}' cannot be stored; turn on Skip Unsupported "
                    f"Values (dictinvalid{number}) to leave it out"
                ) from None
            continue
        kept[str(key)] = one
    return kept


def _check_literals(parameters: NodeParameters) -> list[str]:
    found: list[str] = []
    for number in range(1, parameters.count("pyobjectattribs") + 1):
        name = f"pyobjectexpression{number}"
        text = parameters.raw(name)
        if "`" in text or "$" in text:
            continue
        try:
            _literal(parameters.path, name, text)
        except pdg.CookError as error:
            found.append(str(error))
    return found


TYPE = NodeType(
    "attributecreate",
    PARAMETERS,
    pdg.nodeType.Processor,
    AttributeCreate,
    REFUSED,
    _check_literals,
)
