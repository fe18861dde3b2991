"""Wait for All: one partition that holds every upstream item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import pdg
from ..parameters import NodeParameters
from ..parmtable import layout, menu, multiparm, string, table, toggle
from .base import NodeType, parms

PARAMETERS = table(
    layout("attributes", "attributes_1", "sepparm", "sepparm2", "sepparm3_#"),
    toggle("pdg_partitionmerge"),
    menu("pdg_partitionmergeoutputs", "4", "0 1 2 3 4"),
    multiparm(
        "pdg_partitionmergeattributes",
        menu("pdg_partitionmergeoperation#", "1", "0 1 2 3 4 5 6 7 8"),
        string("pdg_partitionmergepattern#", "*"),
        toggle("pdg_partitionmergepreserve#"),
        count=1,
    ),
    menu("pdg_partitionwhen", "0", "0 1"),
    menu("pdg_partitiontargettype", "0", "0 1 2"),
    string("pdg_partitiontarget"),
    toggle("pdg_partitionignorefailures"),
    toggle("pdg_partitionsplit"),
    string("pdg_partitionsplitattrib"),
    menu("pdg_partitionsplitmissing", "0", "0 2 3", by_token=True),
    string("pdg_partitionsplitdefault"),
    toggle("pdg_partitionsplitpartial"),
    menu("pdg_partitionframe", "1", "0 1 2 3 4"),
    menu("pdg_partitionsort", "1", "0 1 2 3 4"),
    menu("pdg_partitionsortdirection", "0", "0 1"),
    string("pdg_partitionsortattrib"),
    toggle("pdg_partitionstoreids"),
    string("pdg_partitionidattrib", "partitionitems"),
)

REFUSED = {
    "pdg_partitiontargettype": "only items of the node's direct inputs can be partitioned",
    "pdg_partitiontarget": "only items of the node's direct inputs can be partitioned",
    "pdg_partitionsplitpartial": "partial matches of array attributes are not modelled",
    "pdg_partitionmergepreserve#": "attributes of arrays inside arrays are not modelled",
}

_REDUCE: dict[int, Callable[[list[Any]], Any]] = {
    5: min,
    6: max,
    7: sum,
    8: lambda values: sum(values) / len(values),
}


class WaitForAll(pdg.PyPartitioner):
    def onPartition(
        self, partition_holder: pdg.PartitionHolder, work_items: list[pdg.WorkItem]
    ) -> pdg.result:
        parameters = parms(self)
        items = _sorted(parameters, work_items, self.node.inputs)
        if not parameters.toggle("pdg_partitionsplit"):
            partition_holder.addItemsToPartition(items, 0)
            return pdg.result.Success
        name = parameters.string("pdg_partitionsplitattrib")
        missing = parameters.menu("pdg_partitionsplitmissing")
        groups: dict[str, int] = {}
        for item in items:
            attribute = item.attrib(name)
            if attribute is not None and attribute.size:
                key = "\0".join(attribute.asString(i) for i in range(attribute.size))
            elif missing == 3:
                key = parameters.string("pdg_partitionsplitdefault", item)
            else:
                if missing == 2:
                    partition_holder.addItemToAllPartitions(item)
                continue
            partition_holder.addItemToPartition(item, groups.setdefault(key, len(groups)))
        return pdg.result.Success

    def onFillPartition(self, partition: pdg.WorkItem, cooked: bool) -> pdg.result:
        """Merge attributes and frame when the partition is made, output files when it cooks."""
        parameters = parms(self)
        contents = partition.partitionItems
        if cooked:
            _merge_outputs(parameters.menu("pdg_partitionmergeoutputs"), partition, contents)
            return pdg.result.Success
        partition.ignoresFailures = parameters.toggle("pdg_partitionignorefailures")
        _merge_attributes(parameters, partition, contents)
        frames = [item.frame for item in contents if item.hasFrame]
        choice = parameters.menu("pdg_partitionframe")
        if frames and choice:
            partition.setFrame((frames[0], frames[-1], max(frames), min(frames))[choice - 1])
        partition.priority = max((item.priority for item in contents), default=0)
        if parameters.toggle("pdg_partitionstoreids"):
            name = parameters.string("pdg_partitionidattrib", partition)
            partition.setIntAttrib(name, [item.id for item in contents])
        return pdg.result.Success


def _sorted(
    parameters: NodeParameters, items: Sequence[pdg.WorkItem], inputs: Sequence[pdg.Node]
) -> list[pdg.WorkItem]:
    order = parameters.menu("pdg_partitionsort")
    if order == 0:
        return list(items)
    attribute = parameters.string("pdg_partitionsortattrib") if order == 3 else ""

    def key(item: pdg.WorkItem) -> tuple[Any, ...]:
        if order == 1:
            return (item.index,)
        if order == 2:
            return (inputs.index(item.node) if item.node in inputs else len(inputs),)
        if order == 4:
            return (item.frame,)
        found = item.attrib(attribute)
        if found is None or not found.size:
            return (2, 0.0, "")
        if found.isNumeric:
            return (0, found.asNumber(), "")
        return (1, 0.0, found.asString())

    return sorted(items, key=key, reverse=parameters.menu("pdg_partitionsortdirection") == 1)


def _merge_attributes(
    parameters: NodeParameters, partition: pdg.WorkItem, contents: Sequence[pdg.WorkItem]
) -> None:
    """The first operation whose pattern matches an attribute decides how it is merged."""
    operations = [
        (
            parameters.menu(f"pdg_partitionmergeoperation{number}"),
            parameters.string(f"pdg_partitionmergepattern{number}", partition),
        )
        for number in range(1, parameters.count("pdg_partitionmergeattributes") + 1)
    ]
    done: set[str] = set()
    for operation, pattern in operations:
        names = {name for item in contents for name in item.attribMatch(pattern)} - done
        for name in sorted(names):
            _merge_one(operation, name, partition, contents)
        done |= names


def _merge_one(
    operation: int, name: str, partition: pdg.WorkItem, contents: Sequence[pdg.WorkItem]
) -> None:
    found = [one for item in contents if (one := item.attrib(name)) is not None]
    if operation == 0:
        return
    first, last = found[0], found[-1]
    values = [value for one in found if one.type is first.type for value in one.values]
    merged = (last if operation == 2 else first).copy()
    if operation == 3:
        unique: list[Any] = []
        for value in values:
            if value not in unique:
                unique.append(value)
        merged.setValues(unique)
    elif operation == 4:
        merged.setValues(values)
    elif operation in _REDUCE and values:
        if operation > 6 and not first.isNumeric:
            raise pdg.CookError(
                f"{partition.node.path}: the attribute '{name}' is no number, it has no "
                f"{'sum' if operation == 7 else 'average'}"
            )
        merged.setValues([_REDUCE[operation](values)])
    target = partition.addAttrib(name, merged.type, pdg.attribOverwrite.Always)
    assert target is not None
    target.setFlags(merged.flags)
    target.setValues(merged.values)


def _merge_outputs(
    operation: int, partition: pdg.WorkItem, contents: Sequence[pdg.WorkItem]
) -> None:
    if operation == 0:
        return
    if operation == 1:
        contents = contents[:1]
    elif operation == 2:
        contents = contents[-1:]
    files = [file for item in contents for file in item.outputFiles]
    if operation == 3:
        by_path = {file.path: file for file in reversed(files)}
        files = [by_path[path] for path in sorted(by_path)]
    for file in files:
        partition.addOutputFile(file.path, file.tag, file.hash, file.owned)


TYPE = NodeType("waitforall", PARAMETERS, pdg.nodeType.Partitioner, WaitForAll, REFUSED)
