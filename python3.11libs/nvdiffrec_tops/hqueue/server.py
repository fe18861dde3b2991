"""An HQueue server, as far as submission and following of jobs need it.

Names of methods and their arguments are those of HQueue's documentation (HQueue API). Where it is
silent, all that is likely is accepted: how an unknown job is told, and in which shape network
folders come.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .problem import HQueueProblem
from .rpc import Fault, Place, Trouble, decode, encode, not_hqueue, post
from .tokenbucket import TokenBucket

__all__ = ["HQueueProblem", "Server", "StatusNames", "UnansweredSubmission", "UnknownJob"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
_SUBMISSION = 6
"""A submission may take so many times the timeout: what became of an unanswered one is unknown."""
_NO_METHOD = re.compile(
    r"not supported|no such method|unknown method|method .*not (found|exist)", re.I
)
_NO_JOB = re.compile(
    r"(does ?n[o']t|not) exist|not found|no such|(unknown|invalid) job|NoneType", re.I
)
_PLATFORMS = {"linux": "linux", "windows": "windows", "macosx": "macosx", "macos": "macosx"}


class UnknownJob(HQueueProblem):
    """The server has no such job: it was deleted, or the server has lost its state."""


class UnansweredSubmission(HQueueProblem):
    """Jobs were sent and nothing came back: they may be on the farm, or not."""


@dataclass(frozen=True)
class StatusNames:
    """The names that mean each state; ``failed`` includes those of jobs that were cancelled."""

    succeeded: frozenset[str]
    failed: frozenset[str]
    running: frozenset[str]
    paused: frozenset[str]


SEEN = StatusNames(
    frozenset({"succeeded"}),
    frozenset({"failed", "cancelled", "abandoned"}),
    frozenset({"running"}),
    frozenset({"paused"}),
)
"""Names in use; for servers that do not tell theirs."""


def ignore(_message: str) -> None:
    """Say nothing."""


class Server:
    """Asks an HQueue server. From any thread."""

    def __init__(
        self,
        address: str,
        *,
        timeout: float = 10.0,
        patience: float = 300.0,
        requests_per_second: float = 20.0,
        on_trouble: Callable[[str], None] = ignore,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Remember the address; nothing is asked yet.

        Args:
            address: ``http://host:5000``, ``host:5000`` or ``host``; https as well.
            timeout: seconds for a request and the whole of its answer.
            patience: seconds for which a request is tried again while the server cannot be
                reached or has an error of its own; 0: it is tried once.
            requests_per_second: on the average; after a rest twice as many at once.
            on_trouble: told in a sentence when a request is to be tried again, and when the
                server answers again.
            now: tells the time in seconds.
            sleep: waits for a number of seconds.

        Raises:
            HQueueProblem: the address is none.
        """
        self._place = Place.of(address)
        self._timeout, self._patience = timeout, patience
        self._on_trouble = on_trouble
        self._now, self._sleep = now, sleep
        self._bucket = TokenBucket(
            requests_per_second, max(2 * requests_per_second, 1.0), now=now, sleep=sleep
        )
        self._lock = threading.Lock()
        self._names: StatusNames | None = None
        self._requests = 0

    @property
    def address(self) -> str:
        """``http://host:port``."""
        return self._place.address

    @property
    def requests(self) -> int:
        """Requests sent so far."""
        return self._requests

    def ping(self) -> None:
        """Raises HQueueProblem: there is no HQueue server."""
        self._call("ping")

    def new_jobs(self, specs: Sequence[Mapping[str, Any]], parent: int | None = None) -> list[int]:
        """Submit jobs; their numbers. With ``parent`` they become that job's children.

        While the server cannot be reached at all this is tried again, but never once the jobs
        may have arrived.

        Raises:
            UnansweredSubmission: the jobs may be on the farm.
            HQueueProblem: they are not.
        """
        if not specs:
            return []
        params: list[Any] = [[dict(spec) for spec in specs]]
        if parent is not None:
            params.append(parent)
        answer = self._call("newjob", *params, again=False)
        found = answer if isinstance(answer, list) else [answer]
        if not all(type(one) is int for one in found):
            raise UnansweredSubmission(
                f"the HQueue server {self.address} has answered a submission without numbers of "
                "jobs",
                "look for the jobs in its web pages",
            )
        return found

    def job(self, job_id: int, attributes: Sequence[str] = ()) -> dict[str, Any]:
        """A job's attributes: those named (``status``, ``progress`` ...), or all.

        Raises:
            UnknownJob: the server does not know it (any more).
            HQueueProblem: the server cannot be asked.
        """
        params = [job_id, list(attributes)] if attributes else [job_id]
        try:
            answer = self._call("getJob", *params)
        except Fault as fault:
            if not _NO_JOB.search(fault.text) or _NO_METHOD.search(fault.text):
                raise
            answer = None
        if not answer:
            self._names = None
            raise UnknownJob(
                f"the HQueue server {self.address} does not know job {job_id}",
                "it was deleted, or the server has lost its jobs; submit again",
            )
        if not isinstance(answer, dict):
            raise not_hqueue(self._place)
        return answer

    def cancel(self, ids: Sequence[int]) -> None:
        """Cancel jobs. Jobs that the server does not know are as good as cancelled."""
        if not ids:
            return
        try:
            self._call("cancelJobs", list(ids))
        except Fault as fault:
            if not _NO_JOB.search(fault.text) or _NO_METHOD.search(fault.text):
                raise
            # It may have stopped at the unknown one.
            for one in ids if len(ids) > 1 else ():
                self.cancel([one])

    def status_names(self) -> StatusNames:
        """The names of states; asked once, and again after the server was away."""
        names = self._names
        if names is None:
            succeeded = self._status("getSucceededStatusNames", SEEN.succeeded)
            failed = self._status("getFailedJobStatusNames", SEEN.failed)
            running = self._status("getRunningJobStatusNames", SEEN.running)
            paused = self._status("getPausedJobStatusNames", SEEN.paused)
            others = succeeded | running | paused
            # A server may not count as failed what somebody has cancelled.
            names = StatusNames(succeeded, failed | (SEEN.failed - others), running, paused)
            self._names = names
        return names

    def network_folders(self) -> list[dict[str, str]] | None:
        """For each shared folder its path by platform (linux, windows, macosx).

        None when the server has no such method: it is older than HQueue 19.5.
        """
        try:
            answer = self._call("getNetworkFolders")
        except Fault:
            return None
        return _folders(answer)

    def _status(self, method: str, seen: frozenset[str]) -> frozenset[str]:
        try:
            answer = self._call(method)
        except Fault as fault:
            if _NO_METHOD.search(fault.text):
                return seen
            raise
        if not isinstance(answer, list):
            raise not_hqueue(self._place)
        return frozenset(one for one in answer if isinstance(one, str))

    def _call(self, method: str, *params: Any, again: bool = True) -> Any:
        """``again``: the request may be sent a second time although the first may have arrived."""
        body = encode(method, params)
        timeout = self._timeout * (1 if again else _SUBMISSION)
        end = self._now() + self._patience
        pause, told = _FIRST_PAUSE, False
        while True:
            self._bucket.wait()
            with self._lock:
                self._requests += 1
            try:
                data = post(self._place, body, timeout)
            except Trouble as trouble:
                self._names = None
                left = end - self._now()
                if trouble.sent and not again:
                    raise UnansweredSubmission(
                        f"the HQueue server {self.address} {trouble.reason}; whether it has taken "
                        "the jobs is unknown",
                        "look for them in its web pages before they are submitted again",
                    ) from None
                if left <= 0:
                    raise HQueueProblem(
                        f"the HQueue server {self.address} {trouble.reason}", trouble.cure
                    ) from None
                if not told:
                    told = True
                    self._on_trouble(
                        f"the HQueue server {self.address} {trouble.reason}; trying again"
                    )
                # Jitter: many clients of one server shall not come back at the same moment.
                self._sleep(min(pause * random.uniform(0.5, 1.0), left))
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            if told:
                self._on_trouble(f"the HQueue server {self.address} answers again")
            return decode(self._place, method, data)


def _folders(answer: Any, depth: int = 0) -> list[dict[str, str]]:
    """Every path by platform in an answer of whatever nesting."""
    if depth > 4 or not isinstance(answer, list | dict):
        return []
    if isinstance(answer, dict):
        paths = {
            _PLATFORMS[str(name).lower()]: path
            for name, path in answer.items()
            if str(name).lower() in _PLATFORMS and isinstance(path, str) and path
        }
        if paths:
            return [paths]
    below = answer.values() if isinstance(answer, dict) else answer
    return [folder for one in below for folder in _folders(one, depth + 1)]
