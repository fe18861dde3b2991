"""The stand-in farm: the table of its jobs, and their processes on its clients."""

from __future__ import annotations

import contextlib
import heapq
import os
import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from standinjobs import (
    ABANDONED,
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
    kill_tree,
)


class StandInFarm:
    """What the server knows and the clients do; see ``standin.StandIn`` for the arguments."""

    address = ""

    def __init__(
        self,
        clients: int | Sequence[Client],
        instant: bool | Callable[[Job], int],
        resources: Mapping[str, int],
        environment: Mapping[str, str],
        folders: Mapping[str, str],
    ) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="hqueue-"))
        (self.root / "shared").mkdir()
        if isinstance(clients, int):
            clients = [Client(f"client{number + 1}") for number in range(clients)]
        self.machines = {client.name: client for client in clients}
        for number, client in enumerate(self.machines.values()):
            client.id = number + 1
            (self.root / client.name).mkdir()
        self.instant, self.resources = instant, dict(resources)
        self.environment = dict(environment)
        self.folders = dict(folders or {"linux": str(self.root / "shared")})
        self.jobs: dict[int, Job] = {}
        self.changed = threading.Condition(threading.RLock())
        self._last = 0
        self._queues: dict[Need, list[tuple[int, int, Job]]] = {}
        self._runs: set[Run] = set()
        self._at_once: queue.SimpleQueue[tuple[Run, int] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._spawn(self._end_at_once)

    def close(self) -> None:
        """End everything that still runs."""
        with self.changed:
            self._closed = True
            runs = self._doom(list(self._runs), "gone")
        self._kill(runs)
        self._at_once.put(None)
        for thread in self._threads:
            thread.join(10.0)
        shutil.rmtree(self.root, ignore_errors=True)

    def forget(self) -> None:
        """Lose the table. Jobs are counted from 1 again; what runs goes on, known to nobody."""
        with self.changed:
            self.jobs.clear()
            self._queues.clear()
            self._last = 0

    def wait(self, job: int, *statuses: str, timeout: float = 20.0) -> Job:
        """The job once it has one of the statuses (any in which it has ended, without any)."""
        wanted = statuses or ENDED
        with self.changed:
            done = self.changed.wait_for(lambda: self.jobs[job].status in wanted, timeout)
            assert done, f"job {job} is {self.jobs[job].status}: {list(self.jobs[job].output)}"
            return self.jobs[job]

    def lines(self, job: int, number: int, timeout: float = 20.0) -> list[str]:
        """A job's output once it has so many lines."""
        output = self.jobs[job].output
        with self.changed:
            assert self.changed.wait_for(lambda: len(output) >= number, timeout), list(output)
            return list(output)

    def status(self, job: int) -> str:
        """A job's status now."""
        with self.changed:
            return self.jobs[job].status

    def door(self, name: str = "door") -> Path:
        """A pipe in the shared folder: a job that reads it waits until it is written to."""
        path = Path(self.folders["linux"], name)
        os.mkfifo(path)
        return path

    # -- the clients' fates -----------------------------------------------------------------
    def kill_client(self, name: str) -> None:
        """The machine is lost with all that runs on it."""
        client = self.machines[name]
        with self.changed:
            client.alive = False
            runs = self._doom(client.runs, "lost")
        self._kill(runs)

    def silence_client(self, name: str) -> None:
        """The machine works on, but the server does not hear of it: its jobs are abandoned."""
        with self.changed:
            self.machines[name].alive = False
            for run in self.machines[name].runs:
                run.job.status = ABANDONED
            self.changed.notify_all()

    def revive_client(self, name: str) -> None:
        """The machine is back; jobs that it still has are running again."""
        client = self.machines[name]
        with self.changed:
            client.alive = True
            for run in client.runs:
                run.job.status = RUNNING
            untold, client.untold = client.untold, []
            for run, code in untold:
                self._ended(run, code)
            self.dispatch()
            self.changed.notify_all()

    # -- jobs -------------------------------------------------------------------------------
    def submit(self, specs: Sequence[Spec], parent: int | None) -> list[int]:
        """Add jobs, or none of them: raises ValueError."""
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
        if self.instant:
            self._at_once.put((run, -1))
            return
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
            self._at_once.put((run, 127))
            return
        self._spawn(lambda: self._follow(run))

    def _variables(self, job: Job, client: Client) -> dict[str, str]:
        """The service's environment, the specification's, and HQueue's own variables."""
        home = str(self.root / client.name)
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": home,
            "USER": "hquser",
            **self.environment,
            **(job.spec.get("environment") or {}),
            "JOBID": str(job.id),
            "HQSERVER": self.address,
            "HQROOT": self.folders.get(client.os, ""),
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
            if code < 0:
                code = self.instant(run.job) if callable(self.instant) else 0
            self._tell(run, code)

    def _tell(self, run: Run, code: int) -> None:
        with self.changed:
            self._ended(run, code)
            self.dispatch()
            self.changed.notify_all()

    def _ended(self, run: Run, code: int) -> None:
        job, client = run.job, run.client
        if not client.alive and not run.fate:
            client.untold.append((run, code))
            return
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
            self._finish(job, ABANDONED if run.fate == "lost" else FAILED)

    def _doom(self, runs: Sequence[Run], fate: str) -> list[Run]:
        for run in runs:
            run.fate = run.fate or fate
        return list(runs)

    def _kill(self, runs: Sequence[Run]) -> None:
        for run in runs:
            if run.process is not None and run.process.poll() is None:
                marks = {f"JOBID={run.job.id}".encode(), f"HQSERVER={self.address}".encode()}
                kill_tree(run.process.pid, marks)
