"""Events of the pdg module: handlers run on a worker thread, never on the cooking thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .enums import EventType, workItemState


@dataclass(frozen=True)
class Event:
    """What a handler receives. There is no ``workItem`` member: look the id up in the graph."""

    type: EventType
    message: str = ""
    node: Any = None
    context: Any = None
    workItemId: int = -1
    workItemIds: tuple[int, ...] = ()
    currentState: workItemState = workItemState.Undefined
    lastState: workItemState = workItemState.Undefined
    dependencyId: int = -1


Handler = Callable[..., object]


@dataclass(eq=False)
class PyEventHandler:
    """A registered callable; keep it to unregister."""

    callback: Handler
    eventType: EventType
    passHandler: bool = False
    emitters: list[EventEmitter] = field(default_factory=list)

    def removeFromAllEmitters(self) -> None:
        for emitter in list(self.emitters):
            emitter.removeEventHandler(self)


class _Dispatcher:
    """One daemon thread that calls handlers in the order in which events were emitted."""

    def __init__(self) -> None:
        self._queue: queue.Queue[tuple[PyEventHandler, Event] | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self.errors: list[str] = []

    def put(self, handler: PyEventHandler, event: Event) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pdg-events", daemon=True)
                self._thread.start()
        self._queue.put((handler, event))

    def wait(self) -> None:
        self._queue.join()

    def _run(self) -> None:
        while (entry := self._queue.get()) is not None:
            handler, event = entry
            try:
                if handler.passHandler:
                    handler.callback(handler, event)
                else:
                    handler.callback(event)
            except Exception as error:  # a handler's fault must not stop the cook
                self.errors.append(f"event handler {handler.callback!r}: {error}")
            finally:
                self._queue.task_done()


DISPATCHER = _Dispatcher()


class EventEmitter:
    """Base of everything that takes event handlers."""

    def __init__(self) -> None:
        self._handlers: list[PyEventHandler] = []

    def addEventHandler(
        self, handler: Handler, eventType: EventType, passHandler: bool = False
    ) -> PyEventHandler:
        """Call ``handler(event)`` for every event of the type (``EventType.All`` for each one)."""
        registered = PyEventHandler(handler, eventType, passHandler)
        registered.emitters.append(self)
        self._handlers.append(registered)
        return registered

    def removeEventHandler(self, handler: PyEventHandler) -> None:
        if handler in self._handlers:
            self._handlers.remove(handler)
            handler.emitters.remove(self)

    @property
    def eventHandlers(self) -> list[PyEventHandler]:
        return list(self._handlers)

    @property
    def supportedEventTypes(self) -> list[EventType]:
        return list(EventType)

    def emit(self, event: Event) -> None:
        """Queue the event for every matching handler."""
        for handler in list(self._handlers):
            if handler.eventType in (EventType.All, event.type):
                DISPATCHER.put(handler, event)
