"""What a node's callbacks add to: work items, partitions and dependencies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .enums import cloneMode, workItemCookType, workItemType
from .workitem import WorkItem, safe_name

if TYPE_CHECKING:
    from .graph import Node


class WorkItemHolder:
    """Collects the items of one onGenerate call: ``pdg.WorkItemHolder``."""

    def __init__(self, node: Node, *, static: bool) -> None:
        self._node, self._static = node, static
        self._items: list[WorkItem] = []

    def addWorkItem(
        self,
        *,
        name: str | None = None,
        parent: WorkItem | None = None,
        index: int = -1,
        cookType: workItemCookType = workItemCookType.Automatic,
        inProcess: bool = False,
        cloneOutputFiles: bool = False,
        cloneResultData: bool = False,
        cloneTarget: WorkItem | None = None,
        cloneMode: cloneMode = cloneMode.Default,
        preserveType: bool = False,
        isNoGenerate: bool = False,
        priority: int | None = None,
        typeName: str = "",
        frame: float | None = None,
    ) -> WorkItem:
        """Add an item. It takes attributes, environment and frame of ``parent``; ``index`` -1
        means the parent's index. Raises ValueError when the name is already taken.
        """
        graph = self._node.graph
        item_id = graph.nextId()
        chosen = safe_name(name) if name else f"{self._node.name}_{item_id}"
        if graph.workItemByName(chosen) is not None:
            raise ValueError(f"two work items of the graph are called '{chosen}'")
        item = WorkItem(self._node, item_id, chosen, static=self._static)
        source = cloneTarget or parent
        if source is not None:
            item.copyFrom(source)
        if parent is not None:
            item.parent = parent
            item.addDependency(parent)
            if cloneOutputFiles or cloneResultData:
                item.copyOutputFiles(parent.outputFiles)
        if index >= 0:
            item.index = index
        elif parent is not None:
            item.index = parent.index
        else:
            item.index = len(self._node.workItems) + len(self._items)
        if priority is not None:
            item.priority = priority
        if frame is not None:
            item.setFrame(frame)
        item.isNoGenerate = isNoGenerate
        item.setCookType(workItemCookType.InProcess if inProcess else cookType)
        graph.register(item)
        self._items.append(item)
        return item

    def addWorkItemFromWorkItem(self, item: WorkItem) -> WorkItem:
        return self.addWorkItem(parent=item)

    def addDependency(self, dependent: WorkItem, dependency: WorkItem) -> None:
        dependent.addDependency(dependency)

    def commit(self) -> None:
        """Nothing to do: items become visible when the callback returns."""

    @property
    def workItems(self) -> list[WorkItem]:
        return list(self._items)

    allWorkItems = workItems

    @property
    def isEmpty(self) -> bool:
        return not self._items


class PartitionHolder:
    """Collects the partitions of one onPartition call: ``pdg.PartitionHolder``."""

    def __init__(self, node: Node, *, static: bool) -> None:
        self._node, self._static = node, static
        self._contents: dict[int, list[WorkItem]] = {}
        self._everywhere: list[WorkItem] = []

    def addItemToPartition(self, item: WorkItem, partition: int) -> None:
        self._contents.setdefault(partition, []).append(item)

    def addItemsToPartition(self, items: Iterable[WorkItem], partition: int) -> None:
        for item in items:
            self.addItemToPartition(item, partition)

    def addItemToAllPartitions(self, item: WorkItem) -> None:
        self._everywhere.append(item)

    def partitions(self) -> list[WorkItem]:
        """Make one work item of type Partition for each group; the group's number is its index."""
        made: list[WorkItem] = []
        for key in sorted(self._contents):
            graph = self._node.graph
            item_id = graph.nextId()
            name = f"{self._node.name}_{item_id}"
            item = WorkItem(self._node, item_id, name, static=self._static)
            item.type = workItemType.Partition
            item.index = key
            item.partitionItems = [*self._contents[key], *self._everywhere]
            for content in item.partitionItems:
                item.addDependency(content)
            graph.register(item)
            made.append(item)
        return made


class DependencyHolder:
    """Orders items inside a node: ``dependency_holder.addDependency(dependent, dependency)``."""

    def addDependency(self, dependent: WorkItem, dependency: WorkItem) -> None:
        dependent.addDependency(dependency)

    def addDependencies(self, dependent: WorkItem, dependencies: Sequence[WorkItem]) -> None:
        for dependency in dependencies:
            dependent.addDependency(dependency)
