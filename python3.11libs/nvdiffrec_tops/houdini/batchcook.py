"""The cook of a batch: started once, told as it goes, stopped by a signal."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TextIO, cast

import hou

from nvdiffrec_tops.cook.options import INTERRUPTED
from nvdiffrec_tops.cook.stopsignals import StopSignals
from nvdiffrec_tops.houdini.batchscene import BatchError

_COUNTING_SECONDS = 2.0


class BatchCook:
    """One cook. ``context`` is the network's ``pdg.GraphContext``; ``errors`` what PDG said."""

    def __init__(self, top: hou.TopNode, ends: Sequence[hou.TopNode], words: TextIO) -> None:
        self.errors: list[str] = []
        self.stopped = False
        self._ends = list(ends)
        first = self._ends[0]
        # Makes nodes and schedulers alone, so that there is something to listen to.
        first.cookWorkItems(block=True, tops_only=True)
        # The stubs of hou leave this one out.
        self.context: Any = cast("Any", first).getPDGGraphContext()
        if self.context is None:
            raise BatchError(f"Houdini made no task graph for {top.path()}; see the messages above")
        self._told = _Told(self.context, words)

    def run(self, generate_only: bool) -> None:
        """Cook all ends together, or make their work items. Returns when it is over.

        The cook blocks, as in Houdini's own script for this: work that needs Houdini's main thread
        is then done there.
        """
        import pdg

        kinds = (
            pdg.EventType.WorkItemStateChange,
            pdg.EventType.CookError,
            pdg.EventType.CookWarning,
        )
        handlers = [self.context.addEventHandler(self._take, kind) for kind in kinds]
        nodes = self._ends if len(self._ends) > 1 else []
        try:
            with StopSignals(self._stop):
                self._ends[0].cookWorkItems(block=True, generate_only=generate_only, nodes=nodes)
        except hou.OperationFailed as error:
            self.errors.append(str(error))
        except KeyboardInterrupt:
            # Houdini may turn Ctrl-C into this one itself.
            self._stop()
        finally:
            for handler in handlers:
                self.context.removeEventHandler(handler)
            self._told.close()

    def _take(self, event: Any) -> None:
        """Called by PDG on any thread: nothing but queueing happens here."""
        import pdg

        if event.type == pdg.EventType.WorkItemStateChange:
            self._told.state(event.workItemId, event.currentState)
            return
        is_error = event.type == pdg.EventType.CookError
        if is_error:
            self.errors.append(str(event.message))
        self._told.say(f"{'error' if is_error else 'warning'}: {event.message}")

    def _stop(self) -> None:
        """The first signal cancels the cook; another one ends the process at once."""
        if self.stopped:
            os._exit(INTERRUPTED)
        self.stopped = True
        self._told.say("stopping; once more ends Houdini at once")
        self.context.cancelCook()


class _Told:
    """Prints what happens, on a thread of its own: PDG's threads do not wait for a terminal."""

    def __init__(self, context: Any, words: TextIO) -> None:
        self._context, self._words = context, words
        self._finished: set[int] = set()
        self._total, self._counted = 0, float("-inf")
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._tell, name="batch cook", daemon=True)
        self._thread.start()

    def say(self, text: str) -> None:
        self._queue.put(lambda: self._print(text))

    def state(self, item_id: int, state: Any) -> None:
        self._queue.put(lambda: self._state(item_id, state))

    def close(self) -> None:
        """Print what is left."""
        self._queue.put(None)
        self._thread.join()

    def _tell(self) -> None:
        while (told := self._queue.get()) is not None:
            told()

    def _state(self, item_id: int, state: Any) -> None:
        self._count()
        item = self._context.graph.workItemById(item_id)
        name = item.name if item is not None else f"work item {item_id}"
        word = getattr(state, "name", str(state))
        if word.startswith("Cooked"):
            self._finished.add(item_id)
        else:
            self._finished.discard(item_id)
        total = max(self._total, len(self._finished))
        self._print(f"[{len(self._finished)}/{total}] {name}: {word}")

    def _count(self) -> None:
        """Look at every item now and then: not at each event, of which there are many per item.

        Items without a command are cooked without an event.
        """
        if time.monotonic() - self._counted < _COUNTING_SECONDS:
            return
        items = [item for node in self._context.graph.nodes() for item in node.workItems]
        self._total = len(items)
        self._finished = {item.id for item in items if item.state.name.startswith("Cooked")}
        self._counted = time.monotonic()

    def _print(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._words.write(text + "\n")
            self._words.flush()
