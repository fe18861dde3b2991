"""When and from what each node makes its work items."""

from __future__ import annotations

from collections.abc import Callable

from . import pdg

_When = pdg.generateWhen


def settle(node: pdg.Node) -> None:
    """Settle Generate When of a node whose inputs are settled and, where static, generated.

    Automatic: Each Upstream Item is Cooked when an input generates during the cook, or when the
    node's expressions refer to an attribute that upstream items get only when they cook; otherwise
    All Upstream Items are Generated. A node without inputs is static.
    """
    during = any(one.isDynamic for one in node.inputs)
    when = node.callbacks.generatesWhen()
    if when is None:
        name = "pdg_workitemgeneration"
        has = node.parameters.has(name)
        when = _When(node.parameters.integer(name)) if has else _When.Automatic
    if when is _When.Automatic:
        each = during or _needs_cooked_items(node)
        when = _When.EachUpstreamCooked if each else _When.AllUpstreamGenerated
    node.generateWhen = when if node.inputs else _When.AllUpstreamGenerated
    waits = node.generateWhen is not _When.AllUpstreamGenerated
    node.isDynamic = bool(node.inputs) and (waits or during)


def _needs_cooked_items(node: pdg.Node) -> bool:
    """Whether the node refers to something that running the upstream items may bring forth."""
    upstream = node.upstreamItems
    running = [item for item in upstream if item.hasCommand or item.isInProcess]
    if not running:
        return False
    names = frozenset[str]().union(*(one.attributeReferences() for one in node.referencing))
    if "pdg_input" in names and not all(
        item.outputFiles or item.expectedOutputFiles for item in running
    ):
        return True
    return any(
        not name.startswith("pdg_")
        and not node.graph.hasAttrib(name)
        and not any(item.hasAttrib(name) for item in upstream)
        for name in names
    )


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

    def static(self) -> None:
        """Generate each static node that has not been. Raises CookError: that stops the cook."""
        for node in self.graph.nodes():
            settle(node)
            if not node.isDynamic and not node.isGenerated:
                self._admit(self._run(node, node.upstreamItems))
                self._finish(node)

    def cooked(self, item: pdg.WorkItem) -> None:
        """Generate at once from one cooked item where a node asks for each of them."""
        for node in item.node.outputs:
            used = self._used.setdefault(node.name, set())
            if (
                (item.isSuccessful or node.callbacks.takesFailures)
                and node.isDynamic
                and node.receives(item)
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
        upstream = node.upstreamItems
        failures = node.callbacks.takesFailures
        complete = all(one.isGenerated for one in node.inputs)
        if node.generateWhen is _When.EachUpstreamCooked:
            used = self._used.setdefault(node.name, set())
            for item in upstream:
                ready = assume or item.isSuccessful or (failures and item.isCooked)
                if item.id not in used and ready:
                    used.add(item.id)
                    self._admit(self._run(node, [item]))
            if complete and all(assume or item.isCooked for item in upstream):
                self._finish(node)
            return
        if not complete:
            return
        cooked = assume or all(
            item.isCooked if failures else item.isSuccessful for item in upstream
        )
        if node.generateWhen is _When.AllUpstreamCooked and not cooked:
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
