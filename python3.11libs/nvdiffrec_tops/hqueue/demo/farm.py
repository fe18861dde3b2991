"""The demo farm: the table of its jobs, and their processes on its machines."""

from __future__ import annotations

import contextlib
import heapq
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .jobs import (
    BLOCKED,
    CANCELLED,
    ENDED,
    FAILED,
    RUNNING,
    SUCCEEDED,
    WAITING,
    Client,
    Job,
    Need,
    Run,
    Spec,
    found,
    has_cycle,
)
from .processes import ask_to_end, kill_tree

_NO_COMMAND = 127


class DemoFarm:
    """What an HQueue server knows and its clients do.

    Where HQueue's documentation is silent, it does this: ``triesLeft`` counts starts, and a job
    that fails starts again while there are some; a parent of a job that did not succeed fails
    without running; cancelling a job cancels its children; a job given to a parent that has ended
    runs all the same; an unknown job is a fault. Not done: pausing, several hosts, mail, onSuccess
    and the like.
    """

    address = ""

    def __init__(
        self,
        root: Path,
        clients: Iterable[Client],
        *,
        folders: Sequence[Mapping[str, str]],
        environment: Mapping[str, str],
        resources: Mapping[str, int],
    ) -> None:
        """Make the machines' folders.

        Args:
            root: a folder of the farm's own; each machine works in a folder below it.
            clients: the machines.
            folders: the shared folders, each by its path on every platform, the main one first.
            environment: the variables of the clients' service.
            resources: how many there are of each resource.

        Raises:
            OSError: the machines' folders cannot be made.
        """
        self.root = root
        self.machines = {client.name: client for client in clients}
        for number, client in enumerate(self.machines.values()):
            client.id = number + 1
            (root / client.name).mkdir(parents=True, exist_ok=True)
        self.network_folders = [dict(one) for one in folders]
        self.environment = dict(environment)
        self.resources = dict(resources)
        self.jobs: dict[int, Job] = {}
        self.changed = threading.Condition(threading.RLock())
        self._last = 0
        self._queues: dict[Need, list[tuple[int, int, Job]]] = {}
        self._runs: set[Run] = set()
        self._at_once: queue.SimpleQueue[tuple[Run, Callable[[], int]] | None]
        self._at_once = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._spawn(self._end_at_once)

    def close(self, grace: float = 0.0) -> int:
        """End everything that still runs, and start nothing more; how many jobs that were.

        They have ``grace`` seconds to end by themselves; a training saves its work in that time.
        """
        with self.changed:
            self._closed = True
            runs = self._doom(list(self._runs), "gone")
        if grace:
            deadline = time.monotonic() + grace
            for run in runs:
                if run.process is not None:
                    ask_to_end(run.process.pid)
            for run in runs:
                if run.process is not None:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        run.process.wait(max(deadline - time.monotonic(), 0.01))
        self._kill(runs)
        self._at_once.put(None)
        for thread in self._threads:
            thread.join(10.0)
        return len(runs)

    # -- jobs -------------------------------------------------------------------------------
    def submit(self, specs: Sequence[Spec], parent: int | None) -> list[int]:
        """Add jobs, with ``parent`` as its children; or none of them.

        Raises ValueError: a specification is wrong, or names a job that is not there.
        """
        with self.changed:
            made: list[Job] = []
            stubs: dict[Any, Job] = {}
            tops = [self._make(spec, made, stubs) for spec in specs]
            known = {**self.jobs, **{job.id: job for job in made}}
            links: list[tuple[Job, Job]] = []
            for job in tops if parent is not None else ():
                links.append((found(known, parent), job))
            for job in made:
                spec = job.spec
                links += [(job, found(known, one)) for one in spec.get("childrenIds") or ()]
                links += [(found(known, one), job) for one in spec.get("parentIds") or ()]
                links += [(job, found(stubs, one)) for one in spec.get("childStubIds") or ()]
            for above, below in links:
                above.children.append(below)
                below.parents.append(above)
            if has_cycle(made):
                for above, below in links:
                    above.children.remove(below)
                    below.parents.remove(above)
                raise ValueError("the jobs wait for each other")
            self.jobs.update((job.id, job) for job in made)
            for above in {above.id: above for above, _ in links}.values():
                if above.status not in ENDED:
                    self._count_children(above)
            for job in made:
                self._count_children(job)
            for job in made:
                if job.status == BLOCKED and not job.open_children:
                    self._settle(job)
            self.dispatch()
            self.changed.notify_all()
            return [job.id for job in tops]

    def _make(self, spec: Spec, made: list[Job], stubs: dict[Any, Job]) -> Job:
        if not isinstance(spec, dict) or not isinstance(spec.get("name"), str):
            raise ValueError("a job's specification is a dictionary with a name")
        self._last += 1
        job = Job(self._last, spec, tries=int(spec.get("triesLeft") or 1))
        Need.of(spec)
        made.append(job)
        if "stubId" in spec:
            stubs[spec["stubId"]] = job
        for child in spec.get("children") or ():
            job.children.append(below := self._make(child, made, stubs))
            below.parents.append(job)
        return job

    def _count_children(self, job: Job) -> None:
        job.open_children = sum(child.status not in ENDED for child in job.children)
        job.child_failed = any(child.status in ENDED[1:] for child in job.children)
        if job.open_children and job.status == WAITING:
            job.status = BLOCKED

    def _settle(self, job: Job) -> None:
        """A job whose children have ended waits for a machine, or has ended itself."""
        if job.child_failed:
            self._finish(job, FAILED)
        elif job.ran or not any(job.commands.values()):
            self._finish(job, SUCCEEDED)
        else:
            job.status = WAITING
            rank = (-int(job.spec.get("priority", 5)), job.id, job)
            heapq.heappush(self._queues.setdefault(Need.of(job.spec), []), rank)

    def _finish(self, job: Job, status: str) -> None:
        job.status = status
        job.progress = 1.0 if status == SUCCEEDED else job.progress
        for parent in job.parents:
            parent.open_children -= 1
            parent.child_failed = parent.child_failed or status != SUCCEEDED
            if not parent.open_children and parent.status == BLOCKED:
                self._settle(parent)

    def cancel(self, ids: Sequence[int], fate: str = CANCELLED) -> None:
        """End jobs and what is below them; with another ``fate``, the jobs alone."""
        with self.changed:
            waiting = [found(self.jobs, one) for one in ids]
            seen: dict[int, Job] = {}
            while waiting:
                job = waiting.pop()
                if job.id not in seen and job.status not in ENDED:
                    seen[job.id] = job
                    waiting += job.children if fate == CANCELLED else ()
            runs = self._doom([job.run for job in seen.values() if job.run is not None], fate)
            idle = [job for job in seen.values() if job.run is None and fate == CANCELLED]
            for job in idle:
                job.status = CANCELLED
            for job in idle:
                self._finish(job, CANCELLED)
            self.changed.notify_all()
        self._kill(runs)

    def delete(self, ids: Sequence[int]) -> None:
        """Cancel jobs and forget them."""
        self.cancel(ids)
        with self.changed:
            for one in ids:
                job = self.jobs.pop(one)
                for parent in job.parents:
                    parent.children.remove(job)

    # -- running ----------------------------------------------------------------------------
    def dispatch(self) -> None:
        """Start what can be started."""
        while not self._closed and (found := self._next()) is not None:
            self._start(*found)

    def _next(self) -> tuple[Job, Client, int] | None:
        best: tuple[tuple[int, int, Job], Need, Client, int] | None = None
        for need, ranks in list(self._queues.items()):
            while ranks and ranks[0][2].status != WAITING:
                heapq.heappop(ranks)
            if not ranks:
                del self._queues[need]
                continue
            if any(self.resources.get(name, 0) < number for name, number in need.resources):
                continue
            if best is None or ranks[0] < best[0]:
                fitting = ((one, need.slots(one)) for one in self.machines.values())
                client, slots = next((pair for pair in fitting if pair[1]), (None, 0))
                if client is not None:
                    best = ranks[0], need, client, slots
        if best is None:
            return None
        heapq.heappop(self._queues[best[1]])
        return best[0][2], best[2], best[3]

    def _start(self, job: Job, client: Client, slots: int) -> None:
        run = Run(job, client, slots)
        job.run, job.status = run, RUNNING
        job.tries -= 1
        job.runs.append(client.name)
        client.used += slots
        client.runs.append(run)
        self._runs.add(run)
        for name, number in Need.of(job.spec).resources:
            self.resources[name] -= number
        self._run(run)

    def _run(self, run: Run) -> None:
        """Start the job's command on the machine."""
        job, client = run.job, run.client
        command = job.commands.get(client.os) or job.commands.get("")
        shell = job.spec.get("shell") or "sh"
        try:
            if not command or shell not in ("sh", "bash"):
                raise OSError(f"{shell}: {command!r} for {client.os}")
            run.process = subprocess.Popen(
                [shell, "-c", command],
                cwd=self.root / client.name,
                env=self._variables(job, client),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, TypeError, ValueError) as error:
            job.output.append(f"Could not run command: {error}")
            self._at_once.put((run, lambda: _NO_COMMAND))
            return
        self._spawn(lambda: self._follow(run))

    def _variables(self, job: Job, client: Client) -> dict[str, str]:
        """The service's environment, the specification's, and HQueue's own variables."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.root / client.name),
            "USER": "hquser",
            **self.environment,
            **(job.spec.get("environment") or {}),
            "JOBID": str(job.id),
            "HQSERVER": self.address,
            "HQROOT": next((one.get(client.os, "") for one in self.network_folders), ""),
            "HQCLIENTARCH": f"{client.os}-x86_64",
        }

    def _spawn(self, work: Callable[[], None]) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._threads.append(threading.Thread(target=work, daemon=True))
        self._threads[-1].start()

    def _follow(self, run: Run) -> None:
        assert run.process is not None and run.process.stdout is not None
        with run.process.stdout as stream:
            for data in stream:
                line = data.decode("utf-8", "replace").rstrip("\r\n")
                with self.changed:
                    run.job.output.append(line)
                    if line.startswith("PROGRESS:"):
                        with contextlib.suppress(ValueError, ZeroDivisionError):
                            done, _, whole = line.removeprefix("PROGRESS:").partition("/")
                            run.job.progress = int(done) / int(whole)
                    self.changed.notify_all()
        self._tell(run, run.process.wait())

    def _end_at_once(self) -> None:
        while (found := self._at_once.get()) is not None:
            run, code = found
            self._tell(run, code())

    def _tell(self, run: Run, code: int) -> None:
        with self.changed:
            self._ended(run, code)
            self.dispatch()
            self.changed.notify_all()

    def _ended(self, run: Run, code: int) -> None:
        job, client = run.job, run.client
        self._runs.discard(run)
        client.runs.remove(run)
        client.used -= run.slots
        for name, number in Need.of(job.spec).resources:
            self.resources[name] += number
        job.run = None
        if self.jobs.get(job.id) is not job:
            return
        job.code, job.ran = code, code == 0 and not run.fate
        if run.fate == CANCELLED:
            self._finish(job, CANCELLED)
        elif job.ran or job.tries > 0 or run.fate == "ejected":
            job.tries += run.fate == "ejected"
            job.status = BLOCKED
            if not job.open_children:
                self._settle(job)
        else:
            self._finish(job, self._fate(run))

    def _fate(self, run: Run) -> str:
        """The status of a job that has failed for good."""
        return FAILED

    def _doom(self, runs: Sequence[Run], fate: str) -> list[Run]:
        for run in runs:
            run.fate = run.fate or fate
        return list(runs)

    def _kill(self, runs: Sequence[Run]) -> None:
        for run in runs:
            if run.process is not None and run.process.poll() is None:
                marks = {f"JOBID={run.job.id}".encode(), f"HQSERVER={self.address}".encode()}
                kill_tree(run.process.pid, marks)
