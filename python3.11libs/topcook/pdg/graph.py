"""The graph, its nodes and its context: ``pdg.Graph``, ``pdg.Node``, ``pdg.GraphContext``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from .attributes import AttributeOwner, File
from .enums import EventType, generateWhen, generationType, nodeType, result, workItemState
from .events import DISPATCHER, Event, EventEmitter
from .holder import DependencyHolder, PartitionHolder, WorkItemHolder
from .workitem import WorkItem


class CookError(RuntimeError):
    """Raised by a node or scheduler to stop: the message is meant for the artist."""


class Parameters(Protocol):
    """Evaluation of a node's parameters, per work item."""

    def has(self, name: str) -> bool: ...
    def string(self, name: str, item: WorkItem | None = None) -> str: ...
    def raw(self, name: str) -> str: ...
    def integer(self, name: str, item: WorkItem | None = None) -> int: ...
    def number(self, name: str, item: WorkItem | None = None) -> float: ...
    def toggle(self, name: str, item: WorkItem | None = None) -> bool: ...
    def names(self) -> list[str]: ...
    def attributeReferences(self) -> frozenset[str]: ...
    def expanded(self, text: str, item: WorkItem | None = None) -> str: ...
    def watched(self) -> dict[str, str]: ...


class Port:
    """One parameter of a node: ``self['name']`` in a callback."""

    def __init__(self, node: Node, name: str) -> None:
        self.node, self.name = node, name

    def evaluateString(self, work_item: WorkItem | None = None) -> str:
        return self.node.parameters.string(self.name, work_item)

    evaluate = evaluateString

    def evaluateRawString(self, work_item: WorkItem | None = None) -> str:
        return self.node.parameters.raw(self.name)

    def evaluateInt(self, work_item: WorkItem | None = None) -> int:
        return self.node.parameters.integer(self.name, work_item)

    def evaluateFloat(self, work_item: WorkItem | None = None) -> float:
        return self.node.parameters.number(self.name, work_item)

    def evaluateBool(self, work_item: WorkItem | None = None) -> bool:
        return self.node.parameters.toggle(self.name, work_item)


class _Callbacks:
    """What processors and partitioners have in common."""

    jobFiles: tuple[Path, ...] = ()
    """Files that the jobs of the node need beside them, in ``PDG_SCRIPTDIR``."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.context: GraphContext = node.graph.context

    @property
    def name(self) -> str:
        return self.node.name

    def __getitem__(self, name: str) -> Port:
        return Port(self.node, name)

    def parameter(self, name: str) -> Port | None:
        return Port(self.node, name) if self.node.parameters.has(name) else None

    @property
    def parameterNames(self) -> list[str]:
        return self.node.parameters.names()

    def topNode(self) -> Any:
        return self.node.topNode()

    # -- not part of the documented interface -------------------------------------------------
    @property
    def takesFailures(self) -> bool:
        """Whether the node makes items from upstream items that have failed."""
        return False

    def generatesWhen(self) -> generateWhen | None:
        """When the node makes its items, where that does not follow from Generate When."""
        return None


class PyProcessor(_Callbacks):
    """Base class of processors: override onGenerate."""

    def onGenerate(
        self,
        item_holder: WorkItemHolder,
        upstream_items: list[WorkItem],
        generation_type: generationType,
    ) -> result | None:
        raise NotImplementedError

    def onAddInternalDependencies(
        self,
        dependency_holder: DependencyHolder,
        internal_items: list[WorkItem],
        is_static: bool,
    ) -> result | None:
        return result.Success

    def onCookTask(self, work_item: WorkItem) -> result | None:
        return result.Success

    def prepareTask(self, work_item: WorkItem) -> Any:
        """Called on the cook's thread when an item's turn has come; not one of Houdini's.

        Here a node evaluates what depends on the upstream items' results. For an item that cooks
        in process it may return an ``inprocess.Task``, which the cook's worker runs in place of
        onCookTask. Raises CookError.
        """
        return None


class PyPartitioner(_Callbacks):
    """Base class of partitioners: override onPartition and, if need be, onFillPartition."""

    def onPartition(
        self, partition_holder: PartitionHolder, work_items: list[WorkItem]
    ) -> result | None:
        raise NotImplementedError

    def onFillPartition(self, partition: WorkItem, cooked: bool) -> result | None:
        return result.Success


class Node(EventEmitter):
    """One TOP node of the graph with its work items."""

    def __init__(
        self, graph: Graph, name: str, kind: nodeType, parameters: Parameters, path: str = ""
    ) -> None:
        super().__init__()
        self.graph, self.name, self.nodeType = graph, name, kind
        self.parameters = parameters
        self.path = path or name
        self.typeName = ""
        self.defaultLabel = ""
        self.referencing: list[Parameters] = [parameters]
        self.inputs: list[Node] = []
        self._wires: list[tuple[Node, int]] = []
        self.outputs: list[Node] = []
        self.isDynamic = False
        self.generateWhen = generateWhen.AllUpstreamGenerated
        self.isGenerated = False
        # What the node's own parameters were when it made its work items.
        self.generatedFrom: dict[str, str] = {}
        self.callbacks: Any = None
        self.cookErrors: list[str] = []
        self.houNode: Any = self
        self._items: list[WorkItem] = []
        self.hasStarted = False
        self.hasCooked = False

    def __repr__(self) -> str:
        return f"<Node {self.path}>"

    def topNode(self) -> Any:
        return self.houNode

    def connect(self, source: Node, output: int = 0) -> None:
        """Wire one of the source's outputs, counted from 0, into this node."""
        if (source, output) not in self._wires:
            self._wires.append((source, output))
        if source not in self.inputs:
            self.inputs.append(source)
            source.outputs.append(self)

    def receives(self, item: WorkItem) -> bool:
        """Whether an item leaves its node by an output that is wired into this one."""
        return (item.node, item.outputIndex) in self._wires

    def itemsOfInput(self, number: int) -> list[WorkItem]:
        """The items that come in by one of the wired inputs, counted from 0."""
        source, output = self._wires[number]
        return [item for item in source.workItems if item.outputIndex == output]

    @property
    def upstreamItems(self) -> list[WorkItem]:
        """The items that come in, in the order of the inputs."""
        return [item for number in range(len(self._wires)) for item in self.itemsOfInput(number)]

    @property
    def workItems(self) -> list[WorkItem]:
        return list(self._items)

    @property
    def staticWorkItems(self) -> list[WorkItem]:
        return [item for item in self._items if item.isStatic]

    @property
    def partitions(self) -> list[WorkItem]:
        return [item for item in self._items if item.isPartition]

    @property
    def outputFiles(self) -> list[File]:
        return [file for item in self._items for file in item.outputFiles]

    @property
    def hasErrors(self) -> bool:
        return bool(self.cookErrors) or any(item.isUnsuccessful for item in self._items)

    @property
    def isCooked(self) -> bool:
        return self.isGenerated and all(item.isCooked for item in self._items)

    def addItems(self, items: Iterable[WorkItem]) -> list[WorkItem]:
        added = list(items)
        self._items.extend(added)
        ids = tuple(item.id for item in added)
        if ids:
            context = self.graph.context
            context.emit(
                Event(EventType.WorkItemAddList, "", self, context, ids[0], workItemIds=ids)
            )
        return added

    def removeItems(self) -> None:
        """Forget the node's work items, to make them again."""
        for item in self._items:
            item.unlink()
            self.graph.forget(item)
        self._items.clear()
        self.isGenerated = self.hasStarted = self.hasCooked = False

    def cookError(self, message: str) -> None:
        self.cookErrors.append(message)
        context = self.graph.context
        context.emit(Event(EventType.CookError, message, self, context))

    def cookWarning(self, message: str) -> None:
        context = self.graph.context
        context.emit(Event(EventType.CookWarning, message, self, context))

    def stats(self) -> dict[str, int]:
        """Number of items in each state, by the state's name."""
        return dict(Counter(item.state.name for item in self._items))


class Graph(AttributeOwner):
    """All nodes and work items of one TOP network."""

    def __init__(self, context: GraphContext) -> None:
        super().__init__()
        self.context = context
        self._nodes: dict[str, Node] = {}
        self._items: dict[int, WorkItem] = {}
        self._names: dict[str, WorkItem] = {}
        self._last_id = 0

    def addNode(self, node: Node) -> Node:
        if node.name in self._nodes:
            raise ValueError(f"two nodes of the graph are called '{node.name}'")
        self._nodes[node.name] = node
        return node

    def nodes(self) -> list[Node]:
        return list(self._nodes.values())

    def node(self, name: str) -> Node | None:
        return self._nodes.get(name)

    def nextId(self) -> int:
        """A number that no work item of the graph has or had."""
        return self._last_id + 1

    def register(self, item: WorkItem) -> None:
        self._last_id = max(self._last_id, item.id)
        self._items[item.id] = item
        self._names[item.name] = item

    def forget(self, item: WorkItem) -> None:
        self._items.pop(item.id, None)
        self._names.pop(item.name, None)

    def workItems(self) -> list[WorkItem]:
        return list(self._items.values())

    def workItemById(self, item_id: int) -> WorkItem | None:
        return self._items.get(item_id)

    def workItemByName(self, name: str) -> WorkItem | None:
        return self._names.get(name)

    def workItemsByIds(self, ids: Iterable[int]) -> list[WorkItem]:
        return [self._items[one] for one in ids if one in self._items]


class GraphContext(EventEmitter):
    """The cook's surroundings; events of the whole graph are emitted here."""

    def __init__(self, name: str = "context") -> None:
        super().__init__()
        self.name = name
        self.graph = Graph(self)
        self.workingDir = Path.cwd()
        self.canceling = False
        self.cooking = False

    def cancelCook(self) -> None:
        self.canceling = True

    def waitAllEvents(self) -> None:
        """Return when every event emitted so far has been handled."""
        DISPATCHER.wait()

    def stateCount(self, state: workItemState) -> int:
        return sum(item.state is state for item in self.graph.workItems())
