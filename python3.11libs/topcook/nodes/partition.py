"""What all partitioners share: sorting, splitting and merging of the items of a partition."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import ParmSpec, layout, menu, multiparm, string, toggle

from .base import parms

MERGE: tuple[ParmSpec, ...] = (
    toggle("pdg_partitionmerge"),
    menu("pdg_partitionmergeoutputs", "4", "0 1 2 3 4"),
    *multiparm(
        "pdg_partitionmergeattributes",
        menu("pdg_partitionmergeoperation#", "1", "0 1 2 3 4 5 6 7 8 9 10"),
        string("pdg_partitionmergepattern#", "*"),
        toggle("pdg_partitionmergepreserve#"),
        *layout("sepparm3_#"),
        count=1,
    ),
)
"""The page Merge Attributes."""

ADVANCED: tuple[ParmSpec, ...] = (
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
"""The page Advanced."""

REFUSED = {
    "pdg_partitiontargettype": "only items of the node's direct inputs can be partitioned",
    "pdg_partitiontarget": "only items of the node's direct inputs can be partitioned",
    "pdg_partitionsplitpartial": "partial matches of array attributes are not modelled",
    "pdg_partitionmergepreserve#": "attributes of arrays inside arrays are not modelled",
}

SIZE_ATTRIBUTE = "partitionsize"
Groups = dict[int, list[pdg.WorkItem]]


def value_of(attribute: pdg.Attribute) -> tuple[Any, ...]:
    """An attribute's values in a form that can be compared and used as a key."""
    if attribute.isNumeric:
        return tuple(attribute.values)
    return tuple(attribute.asString(index) for index in range(attribute.size))


def sort_key(values: Sequence[Any]) -> tuple[tuple[int, float, str], ...]:
    """Orders values of mixed types: numbers by size, then texts."""
    return tuple(
        (0, float(one), "") if isinstance(one, int | float) else (1, 0.0, str(one))
        for one in values
    )


class Partitioner(pdg.PyPartitioner):
    """Base of the partitioners: override ``groups``."""

    def groups(
        self, parameters: NodeParameters, items: list[pdg.WorkItem], everywhere: list[pdg.WorkItem]
    ) -> Groups:
        """The items of each partition by the partition's index.

        Items that belong to all partitions are added to ``everywhere``.
        """
        raise NotImplementedError

    def onPartition(
        self, partition_holder: pdg.PartitionHolder, work_items: list[pdg.WorkItem]
    ) -> pdg.result:
        """Partition the items, each value of Split by Attribute on its own."""
        parameters = parms(self)
        items = _sorted(parameters, work_items, self.node.inputs)
        offset = 0
        for part in _split(parameters, items, partition_holder):
            everywhere: list[pdg.WorkItem] = []
            found = self.groups(parameters, part, everywhere)
            for index, group in found.items():
                members = {item.id for item in group} | {item.id for item in everywhere}
                inside = [item for item in part if item.id in members]
                partition_holder.addItemsToPartition(inside, offset + index)
            offset += max(found, default=-1) + 1
        return pdg.result.Success

    def onFillPartition(self, partition: pdg.WorkItem, cooked: bool) -> pdg.result:
        """Merge attributes and frame when the partition is made.

        When it cooks, attributes are merged anew with what the items' own cooks have brought, and
        output files.
        """
        parameters = parms(self)
        contents = partition.partitionItems
        merge_attributes(parameters, partition, contents)
        size = partition.addAttrib(SIZE_ATTRIBUTE, pdg.attribType.Int, pdg.attribOverwrite.Always)
        assert size is not None
        size.setValue(len(contents))
        if cooked:
            merge_outputs(parameters.menu("pdg_partitionmergeoutputs"), partition, contents)
            return pdg.result.Success
        partition.ignoresFailures = self.takesFailures
        frames = [item.frame for item in contents if item.hasFrame]
        choice = parameters.menu("pdg_partitionframe")
        if frames and choice:
            partition.setFrame((frames[0], frames[-1], max(frames), min(frames))[choice - 1])
        partition.priority = max((item.priority for item in contents), default=0)
        if parameters.toggle("pdg_partitionstoreids"):
            name = parameters.string("pdg_partitionidattrib", partition)
            partition.setIntAttrib(name, [item.id for item in contents])
        return pdg.result.Success

    @property
    def takesFailures(self) -> bool:
        return parms(self).toggle("pdg_partitionignorefailures")

    def generatesWhen(self) -> pdg.generateWhen:
        cooked = parms(self).menu("pdg_partitionwhen") == 1
        when = pdg.generateWhen
        return when.AllUpstreamCooked if cooked else when.AllUpstreamGenerated


def _split(
    parameters: NodeParameters, items: Sequence[pdg.WorkItem], holder: pdg.PartitionHolder
) -> list[list[pdg.WorkItem]]:
    """The items of each value of the split attribute; all of them when there is none."""
    if not parameters.toggle("pdg_partitionsplit"):
        return [list(items)]
    name = parameters.string("pdg_partitionsplitattrib")
    missing = parameters.menu("pdg_partitionsplitmissing")
    parts: dict[tuple[Any, ...], list[pdg.WorkItem]] = {}
    for item in items:
        attribute = item.attrib(name)
        if attribute is not None and attribute.size:
            key = tuple(attribute.asString(index) for index in range(attribute.size))
        elif missing == 3:
            key = (parameters.string("pdg_partitionsplitdefault", item),)
        else:
            if missing == 2:
                holder.addItemToAllPartitions(item)
            continue
        parts.setdefault(key, []).append(item)
    return list(parts.values())


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
            return ((2, 0.0, ""),)
        return sort_key(value_of(found)[:1])

    return sorted(items, key=key, reverse=parameters.menu("pdg_partitionsortdirection") == 1)


def merge_attributes(
    parameters: NodeParameters, partition: pdg.WorkItem, contents: Sequence[pdg.WorkItem]
) -> None:
    """The first operation whose pattern matches an attribute decides how it is merged."""
    done: set[str] = set()
    for number in range(1, parameters.count("pdg_partitionmergeattributes") + 1):
        operation = parameters.menu(f"pdg_partitionmergeoperation{number}")
        pattern = parameters.string(f"pdg_partitionmergepattern{number}", partition)
        names = {name for item in contents for name in item.attribMatch(pattern)} - done
        for name in sorted(names):
            if operation:
                _merge_one(operation, name, partition, contents)
        done |= names


def _unique(values: Iterable[Any]) -> list[Any]:
    kept: list[Any] = []
    for value in values:
        if value not in kept:
            kept.append(value)
    return kept


_OPERATIONS: dict[int, Callable[[list[Any]], list[Any]]] = {
    3: _unique,
    4: list,
    5: lambda values: [min(values)],
    6: lambda values: [max(values)],
    7: lambda values: [sum(values)],
    8: lambda values: [sum(values) / len(values)],
    9: lambda values: [statistics.mode(values)],
    10: lambda values: [statistics.median(values)],
}
_NEEDS_NUMBERS = {7: "sum", 8: "average", 10: "median"}


def _merge_one(
    operation: int, name: str, partition: pdg.WorkItem, contents: Sequence[pdg.WorkItem]
) -> None:
    found = [
        one
        for item in contents
        if (one := item.attrib(name)) is not None and not one.hasFlag(pdg.attribFlag.NoCopy)
    ]
    if not found:
        return
    model = found[-1] if operation == 2 else found[0]
    values = [value for one in found if one.type is model.type for value in one.values]
    if operation in (1, 2) or not values:
        values = model.values
    else:
        if operation in _NEEDS_NUMBERS and not model.isNumeric:
            raise pdg.CookError(
                f"{partition.node.path}: the attribute '{name}' is no number, it has no "
                f"{_NEEDS_NUMBERS[operation]}"
            )
        try:
            values = _OPERATIONS[operation](values)
        except TypeError:
            raise pdg.CookError(
                f"{partition.node.path}: the values of the attribute '{name}' cannot be "
                "compared with each other; choose another merge operation for it"
            ) from None
    target = partition.addAttrib(name, model.type, pdg.attribOverwrite.Always)
    assert target is not None
    target.setFlags(model.flags)
    target.setValues(values)
    target.isConcat = True


def merge_outputs(
    operation: int, partition: pdg.WorkItem, contents: Sequence[pdg.WorkItem]
) -> None:
    """Copy the output files of the items to their partition."""
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
    partition.copyOutputFiles(files)
