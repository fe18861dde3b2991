"""Jobs and machines of the demo farm: what they are, and which fit together."""

from __future__ import annotations

import subprocess
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

WAITING, BLOCKED, RUNNING = "waiting for machine", "waiting for children", "running"
SUCCEEDED, FAILED, CANCELLED, ABANDONED = "succeeded", "failed", "cancelled", "abandoned"
PAUSED = "paused"
ENDED = (SUCCEEDED, FAILED, CANCELLED, ABANDONED)
Spec = dict[str, Any]


@dataclass(eq=False)
class Client:
    """A machine of the farm with ``cpus`` slots. ``alive``: the server hears of it."""

    name: str
    cpus: int = 1
    groups: tuple[str, ...] = ()
    os: str = "linux"
    id: int = 0
    alive: bool = True
    used: int = 0
    runs: list[Run] = field(default_factory=list)


@dataclass(eq=False)
class Job:
    """A row of the server's table. ``runs``: the client of every start."""

    id: int
    spec: Spec
    status: str = BLOCKED
    progress: float = 0.0
    tries: int = 1
    parents: list[Job] = field(default_factory=list)
    children: list[Job] = field(default_factory=list)
    open_children: int = 0
    child_failed: bool = False
    ran: bool = False
    code: int | None = None
    output: deque[str] = field(default_factory=lambda: deque(maxlen=2000))
    notes: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    run: Run | None = None

    @property
    def commands(self) -> Mapping[str, str]:
        """The command for each platform, '' for all of them."""
        given = self.spec.get("command") or ""
        return given if isinstance(given, dict) else {"": given}


@dataclass(eq=False)
class Run:
    """One start of a job on a client. ``fate``: why it was ended from outside."""

    job: Job
    client: Client
    slots: int
    process: subprocess.Popen[bytes] | None = None
    fate: str = ""


@dataclass(frozen=True)
class Need:
    """What a job asks of a client, and of the farm's counted resources."""

    conditions: tuple[tuple[str, tuple[str, ...]], ...]
    single: bool
    cpus: int
    resources: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, spec: Spec) -> Need:
        conditions = [
            (one["name"], _names(one["value"]) if one["op"] == "any" else (one["value"],))
            for one in spec.get("conditions") or ()
        ]
        for key, name in (("host", "hostname"), ("hostgroup", "group")):
            if spec.get(key):
                conditions.append((name, _names(spec[key])))
        asked = spec.get("resources") or {}
        pairs = asked.items() if isinstance(asked, dict) else [_pair(one) for one in asked]
        return cls(
            tuple(conditions),
            "single" in (spec.get("tags") or ()),
            int(spec.get("cpus") or 1),
            tuple(sorted((str(name), int(number)) for name, number in pairs)),
        )

    def slots(self, client: Client) -> int:
        """How many of the client's slots are taken; 0 when it does not do."""
        facts = {"group": client.groups, "hostname": (client.name,), "os": (client.os,)}
        for name, values in self.conditions:
            if not set(facts[name]) & set(values):
                return 0
        slots = client.cpus if self.single else self.cpus
        return slots if client.alive and client.used + slots <= client.cpus else 0


def _names(value: Any) -> tuple[str, ...]:
    return tuple(value if isinstance(value, list) else map(str.strip, value.split(",")))


def _pair(one: Any) -> tuple[str, int]:
    return (one["name"], one["quantity"]) if isinstance(one, dict) else (one[0], one[1])


def found(table: Mapping[Any, Job], key: Any) -> Job:
    """The job of that number or stub. Raises ValueError in HQueue's words: there is none."""
    if key not in table:
        raise ValueError(f"Job {key} does not exist.")
    return table[key]


def has_cycle(jobs: Sequence[Job]) -> bool:
    """Whether any job is reached from itself through children."""
    state: dict[int, bool] = {}
    for start in jobs:
        stack: list[tuple[Job, Iterator[Job]]] = []
        if start.id not in state:
            state[start.id] = False
            stack.append((start, iter(start.children)))
        while stack:
            job, rest = stack[-1]
            child = next(rest, None)
            if child is None:
                state[job.id] = True
                stack.pop()
            elif child.id not in state:
                state[child.id] = False
                stack.append((child, iter(child.children)))
            elif not state[child.id]:
                return True
    return False
