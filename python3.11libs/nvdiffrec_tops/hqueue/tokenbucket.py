"""Spacing of requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class TokenBucket:
    """Lets ``rate`` requests pass in a second, and up to ``burst`` at once after a rest.

    From any thread; each waits for the place that it was given.
    """

    def __init__(
        self,
        rate: float,
        burst: float,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Raises ValueError: nothing would ever pass."""
        if rate <= 0 or burst < 1:
            raise ValueError(f"{rate} requests in a second, {burst} at once")
        self._rate, self._burst = rate, burst
        self._now, self._sleep = now, sleep
        self._tokens, self._then = burst, now()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when the next request may be sent."""
        with self._lock:
            moment = self._now()
            earned = (moment - self._then) * self._rate
            self._tokens = min(self._burst, self._tokens + earned) - 1.0
            self._then = moment
            missing = -self._tokens / self._rate
        if missing > 0:
            self._sleep(missing)
