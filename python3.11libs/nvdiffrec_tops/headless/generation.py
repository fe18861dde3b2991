"""When and from what each node makes its work items."""

from __future__ import annotations

from collections.abc import Callable

from . import pdg

_When = pdg.generateWhen


def resolve(graph: pdg.Graph) -> None:
    """Settle Generate When of every node, upstream first.

    Automatic: Each Upstream Item is Cooked when an input generates during the cook, otherwise All
    Upstream Items are Generated. A node without inputs is static.
    """
    for node in graph.nodes():
        during = any(one.isDynamic for one in node.inputs)
        if node.nodeType is pdg.nodeType.Partitioner:
            cooked = node.parameters.integer("pdg_partitionwhen") == 1
            node.generateWhen = _When.AllUpstreamCooked if cooked else _When.AllUpstreamGenerated
        else:
            name = "pdg_workitemgeneration"
            has = node.parameters.has(name)
            when = _When(node.parameters.integer(name)) if has else _When.Automatic
            if when is _When.Automatic:
                when = _When.EachUpstreamCooked if during else _When.AllUpstreamGenerated
            node.generateWhen = when if node.inputs else _When.AllUpstreamGenerated
        waits = node.generateWhen is not _When.AllUpstreamGenerated
        node.isDynamic = bool(node.inputs) and (waits or during)


def renew(graph: pdg.Graph) -> dict[str, pdg.regenerateReason]:
    """Drop the work items of each node that makes them again when the graph is cooked once more.

    PDG looks at the node itself: one of its own parameters has changed, or what such a parameter
    refers to; or the node always regenerates. A parameter that a callback reads elsewhere is not
    the node's own and changes nothing. What lies downstream follows. Gives the reasons by the
    nodes' names; a new ``Generation`` of the graph then makes the missing items.
    """
    reasons: dict[str, pdg.regenerateReason] = {}
    for node in graph.nodes():
        parameters, always = node.parameters, "alwaysregenerate"
        if not node.isGenerated:
            continue
        if node.generatedFrom != parameters.watched():
            reasons[node.name] = pdg.regenerateReason.Full
        elif any(one.name in reasons for one in node.inputs):
            reasons[node.name] = pdg.regenerateReason.Propagate
        elif parameters.has(always) and parameters.toggle(always):
            reasons[node.name] = pdg.regenerateReason.Always
    for node in reversed(graph.nodes()):
        if node.name in reasons:
            node.removeItems()
    return reasons


class Generation:
    """Generates items, statically before a cook and dynamically during it."""

    def __init__(
        self,
        graph: pdg.Graph,
        admit: Callable[[list[pdg.WorkItem]], None],
        generated: Callable[[pdg.Node], None] = lambda _node: None,
    ) -> None:
        self.graph, self._admit, self._generated = graph, admit, generated
        self._used: dict[str, set[int]] = {}
        self._failed: set[str] = set()
        resolve(graph)

    def static(self) -> None:
        """Generate each static node that has not been. Raises CookError: that stops the cook."""
        for node in self.graph.nodes():
            if not node.isDynamic and not node.isGenerated:
                items = [item for one in node.inputs for item in one.workItems]
                self._admit(self._run(node, items))
                self._finish(node)

    def cooked(self, item: pdg.WorkItem) -> None:
        """Generate at once from one cooked item where a node asks for each of them."""
        for node in item.node.outputs:
            used = self._used.setdefault(node.name, set())
            if (
                item.isSuccessful
                and node.isDynamic
                and node.generateWhen is _When.EachUpstreamCooked
                and node.name not in self._failed
                and item.id not in used
            ):
                used.add(item.id)
                try:
                    self._admit(self._run(node, [item]))
                except pdg.CookError as error:
                    self._failed.add(node.name)
                    node.cookError(str(error))

    def dynamic(self, *, assume_cooked: bool = False) -> None:
        """Generate what has become possible. A failure is recorded on its node.

        ``assume_cooked`` treats every upstream item as cooked (for a dry run).
        """
        for node in self.graph.nodes():
            if node.isDynamic and not node.isGenerated and node.name not in self._failed:
                try:
                    self._advance(node, assume_cooked)
                except pdg.CookError as error:
                    self._failed.add(node.name)
                    node.cookError(str(error))

    def _advance(self, node: pdg.Node, assume: bool) -> None:
        upstream = [item for one in node.inputs for item in one.workItems]
        complete = all(one.isGenerated for one in node.inputs)
        if node.generateWhen is _When.EachUpstreamCooked:
            used = self._used.setdefault(node.name, set())
            for item in upstream:
                if item.id not in used and (assume or item.isSuccessful):
                    used.add(item.id)
                    self._admit(self._run(node, [item]))
            if complete and all(assume or item.isCooked for item in upstream):
                self._finish(node)
            return
        if not complete:
            return
        if node.generateWhen is _When.AllUpstreamCooked and not assume:
            partition = node.nodeType is pdg.nodeType.Partitioner
            ignores = partition and node.parameters.toggle("pdg_partitionignorefailures")
            if not all(item.isCooked if ignores else item.isSuccessful for item in upstream):
                return
        self._admit(self._run(node, upstream))
        self._finish(node)

    def _finish(self, node: pdg.Node) -> None:
        node.isGenerated = True
        node.generatedFrom = node.parameters.watched()
        context = self.graph.context
        context.emit(pdg.Event(pdg.EventType.NodeGenerated, node=node, context=context))
        self._generated(node)

    def _run(self, node: pdg.Node, upstream: list[pdg.WorkItem]) -> list[pdg.WorkItem]:
        """Call the node's callbacks; anything but a CookError is reported as the node's fault."""
        try:
            if node.nodeType is pdg.nodeType.Partitioner:
                return _partition(node, upstream)
            return _process(node, upstream)
        except pdg.CookError:
            raise
        except Exception as error:
            raise pdg.CookError(
                f"{node.path}: generating work items failed: {type(error).__name__}: {error}"
            ) from error


def _process(node: pdg.Node, upstream: list[pdg.WorkItem]) -> list[pdg.WorkItem]:
    static = not node.isDynamic
    holder = pdg.WorkItemHolder(node, static=static)
    kind = pdg.generationType.Static if static else pdg.generationType.Dynamic
    outcome = node.callbacks.onGenerate(holder, upstream, kind)
    if outcome is pdg.result.Failure:
        raise pdg.CookError(f"{node.path}: generating work items failed")
    items = node.addItems(holder.workItems)
    for item in items:
        if node.defaultLabel and not item.label:
            item.setLabel(node.parameters.expanded(node.defaultLabel, item))
    node.callbacks.onAddInternalDependencies(pdg.DependencyHolder(), items, static)
    return items


def _partition(node: pdg.Node, upstream: list[pdg.WorkItem]) -> list[pdg.WorkItem]:
    static = not node.isDynamic
    holder = pdg.PartitionHolder(node, static=static)
    node.callbacks.onPartition(holder, upstream)
    items = node.addItems(holder.partitions())
    for item in items:
        node.callbacks.onFillPartition(item, False)
    return items
