"""Cooking a scene from Python, without Houdini: :func:`cook_scene`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from houfiles import HouFileError
from nvdiffrec_contract import layout
from nvdiffrec_tops.results import OutputFile, TrainingResult, read_result
from topcook import pdg
from topcook.cook import Cook, Watcher
from topcook.network.opening import Network, open_network
from topcook.network.overrides import Override
from topcook.parameters.functions import ExpressionError
from topcook.schedulers.base import Job
from topcook.schedulers.local import LocalScheduler

from .console import report
from .options import CookCommandError
from .stopsignals import StopSignals
from .view import Running

Value = str | int | float | bool | os.PathLike[str]
"""What a parameter can be set to."""

_GRACE_SECONDS = 10.0
_GOOD = ("CookedSuccess", "CookedCache")


class CookProblem(ValueError):
    """A scene cannot be cooked as asked; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class CookProgress:
    """One thing that happened during a cook.

    Attributes:
        item: the name of the work item.
        node: the name of its node.
        state: its PDG state, such as ``Cooking``, ``CookedSuccess`` or ``CookedFail``.
        percent: how far the item is, 0 to 100.
        message: where a training is: pass, iteration, loss, PSNR, time left; else empty.
        ended: how many work items have ended, well or not.
        total: how many work items there are so far; more may be generated during the cook.
    """

    item: str
    node: str
    state: str
    percent: float
    message: str
    ended: int
    total: int


@dataclass(frozen=True)
class CookedItem:
    """A work item after the cook.

    Attributes:
        name: its name, which is unique in the network.
        node: the name of its node.
        index: its index among the items of the node.
        state: its PDG state: ``CookedSuccess``, ``CookedCache`` (its files were up to date),
            ``CookedFail``, ``CookedCancel``, or another one of an item that never ran.
        attributes: its attributes by name, each a list of values.
        outputs: the files that it made.
        seconds: how long it took.
        cause: why it is not cooked, for people; empty when it is.
        warnings: what PDG or the job warned of.
        log: its log file, where it has one.
    """

    name: str
    node: str
    index: int
    state: str
    attributes: Mapping[str, Sequence[Any]]
    outputs: tuple[OutputFile, ...]
    seconds: float
    cause: str = ""
    warnings: tuple[str, ...] = ()
    log: Path | None = None

    @property
    def successful(self) -> bool:
        """Whether the item is cooked."""
        return self.state in _GOOD

    @property
    def result_folder(self) -> Path | None:
        """The output folder of an item that trained; None for any other item."""
        paths = (one.path for one in self.outputs)
        return next((path.parent for path in paths if path.name == layout.RESULT), None)

    def training(self) -> TrainingResult | None:
        """The result of an item that trained; None for any other item.

        Raises:
            ResultProblem: its result file cannot be read any more.
        """
        folder = self.result_folder
        return None if folder is None else read_result(folder)


@dataclass(frozen=True)
class CookedScene:
    """How a cook ended.

    Attributes:
        successful: whether every work item of every node is cooked.
        stopped: whether the cook was interrupted.
        seconds: how long it took.
        items: the work items, in the order in which they were made.
        errors: what went wrong with nodes, rather than with items.
        notes: what was said of the scene and of the cook, each once.
        report: the same as plain data, as ``nvdiffrec-tops cook --json`` prints it.
    """

    successful: bool
    stopped: bool
    seconds: float
    items: tuple[CookedItem, ...]
    errors: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    report: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def outputs(self) -> tuple[OutputFile, ...]:
        """Every file that the items made, each path once."""
        found = {one.path: one for item in self.items for one in item.outputs}
        return tuple(found.values())

    @property
    def states(self) -> Mapping[str, str]:
        """The state of each work item, by the item's name."""
        return {item.name: item.state for item in self.items}

    def of(self, node: str) -> tuple[CookedItem, ...]:
        """The work items of one node.

        Args:
            node: the node's name.
        """
        return tuple(item for item in self.items if item.node == node)


def cook_scene(
    scene: str | os.PathLike[str],
    *,
    overrides: Mapping[str, Value] | None = None,
    top: str | None = None,
    nodes: Sequence[str] = (),
    jobs: int | None = None,
    force: bool = False,
    allow_scene_python: bool = False,
    on_progress: Callable[[CookProgress], object] | None = None,
) -> CookedScene:
    """Cook a TOP network of a scene on this machine, without Houdini, and wait for its end.

    A failed work item is no exception: it is told by ``CookedScene.successful`` and by the item's
    ``cause``. On the main thread, Ctrl-C, SIGTERM and SIGHUP stop the cook: running trainings save
    their state, and ``CookedScene.stopped`` is true.

    Args:
        scene: the ``.hip`` file.
        overrides: parameters to set before work items are generated, as ``NODE.PARAMETER`` to a
            value; only this cook sees them.
        top: path of the TOP network, such as ``/tasks/topnet1``; needed where a scene has several.
        nodes: names of the nodes to cook with everything upstream of them; the display node by
            default.
        jobs: how many work items run at once, in place of the scheduler's own number.
        force: run items although their output files exist.
        allow_scene_python: run the code of the scene's Python Script nodes, with your rights.
        on_progress: called whenever an item starts, gets on, or ends. Calls come one at a time, but
            on several threads. An exception in it stops the cook and leaves this function.

    Raises:
        CookProblem: the scene, its network or an override cannot be used.
    """
    try:
        network = open_network(
            scene,
            top=top,
            ends=nodes,
            overrides=[_override(name, value) for name, value in (overrides or {}).items()],
            local=True,
            scene_python=allow_scene_python,
        )
        return _cook(network, jobs, force, on_progress)
    except (CookCommandError, ExpressionError, HouFileError, pdg.CookError) as error:
        raise CookProblem(str(error)) from error


def _override(name: str, value: Value) -> Override:
    node, dot, parameter = name.rpartition(".")
    if not dot or not node or not parameter:
        raise CookCommandError(f"the override '{name}': write it as NODE.PARAMETER")
    if isinstance(value, bool):
        return Override(node, parameter, "on" if value else "off")
    return Override(
        node, parameter, os.fspath(value) if isinstance(value, os.PathLike) else f"{value}"
    )


def _cook(
    network: Network,
    jobs: int | None,
    force: bool,
    on_progress: Callable[[CookProgress], object] | None,
) -> CookedScene:
    notes = dict.fromkeys(network.notes)
    network.surroundings.warn = lambda message: notes.update({message: None})
    told = _Told(network.context.graph, on_progress)
    scheduler = LocalScheduler(
        network.scheduler, jobs=jobs, grace=_GRACE_SECONDS, on_line=told.line
    )
    watcher = Watcher(started=told.started, ended=told.ended, warning=network.surroundings.warn)
    cook = Cook(network.context, scheduler, watcher, force=force)
    told.stop = cook.request_stop
    with _signals(cook.request_stop):
        result = cook.run()
    if told.trouble is not None:
        raise told.trouble
    document = report(result)
    return CookedScene(
        successful=result.successful,
        stopped=result.stopped,
        seconds=result.seconds,
        items=tuple(_item(one) for one in document["items"]),
        errors=result.errors,
        notes=tuple(notes),
        report=document,
    )


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """Stop the cook by Ctrl-C; Python lets only the main thread take signals."""
    is_main = threading.current_thread() is threading.main_thread()
    with StopSignals(stop) if is_main else nullcontext():
        yield


def _item(document: Mapping[str, Any]) -> CookedItem:
    return CookedItem(
        name=document["name"],
        node=document["node"],
        index=document["index"],
        state=document["stateName"],
        attributes=document["attributes"],
        outputs=tuple(
            OutputFile(Path(one["path"]), one["tag"], one["size"]) for one in document["outputs"]
        ),
        seconds=document["seconds"],
        cause=document["cause"],
        warnings=tuple(document["warnings"]),
        log=None if document["log"] is None else Path(document["log"]),
    )


class _Told:
    """Turns what a cook reports into calls of ``on_progress``, one at a time."""

    def __init__(
        self, graph: pdg.Graph, on_progress: Callable[[CookProgress], object] | None
    ) -> None:
        self._graph, self._call = graph, on_progress
        self._lock = threading.RLock()
        self._running: dict[int, Running] = {}
        self.stop: Callable[[], None] = lambda: None
        self.trouble: BaseException | None = None

    def started(self, job: Job) -> None:
        with self._lock:
            self._follow(job.item)
            self._tell(job.item)

    def ended(self, item: pdg.WorkItem) -> None:
        with self._lock:
            self._tell(item)
            self._running.pop(item.id, None)

    def line(self, item: pdg.WorkItem, line: str) -> None:
        with self._lock:
            if not item.isCooked and self._follow(item).feed(line):
                self._tell(item)

    def _follow(self, item: pdg.WorkItem) -> Running:
        return self._running.setdefault(item.id, Running(item))

    def _tell(self, item: pdg.WorkItem) -> None:
        if self._call is None or self.trouble is not None:
            return
        running = self._running.get(item.id)
        items = self._graph.workItems()
        progress = CookProgress(
            item=item.name,
            node=item.node.name,
            state=item.state.name,
            percent=100.0 if item.isSuccessful else running.percent if running else 0.0,
            message=running.facts() if running else "",
            ended=sum(one.isCooked for one in items),
            total=len(items),
        )
        try:
            self._call(progress)
        except BaseException as error:
            self.trouble = error
            self.stop()
