"""One training per graphics card: a job claims a free card and holds it until its trainer ends.

A card is claimed with the system's own lock on a file of this machine, which vanishes with its
holder however it ends. All users of a machine share the folder of these files.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType

from nvdiffrec_contract.failure import EXIT_ENVIRONMENT
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.process.lock import system_lock

VISIBLE = "CUDA_VISIBLE_DEVICES"
CLAIM = "TOPS_NVDIFFREC_CLAIM_CARD"
"""A job claims a card also when this variable is 1: farm jobs do."""
FOLDER = "tops-nvdiffrec-cards"
_INTERVAL = 0.5
_QUERY = ("nvidia-smi", "--query-gpu=index", "--format=csv,noheader")
_QUERY_SECONDS = 30.0


def present(environment: Mapping[str, str]) -> list[str]:
    """The cards that a training may use: those made visible, else all that the driver lists.

    Empty where there is no driver.
    """
    named = environment.get(VISIBLE)
    if named is not None:
        return [one.strip() for one in named.split(",") if one.strip()]
    try:
        listed = subprocess.run(
            _QUERY, capture_output=True, text=True, timeout=_QUERY_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return listed.stdout.split()


class CardClaim:
    """Holds one card from :meth:`wait` until the context ends.

    ``folder``: where the lock files lie; None is this machine's own.
    """

    def __init__(self, cards: Sequence[str], folder: str | None = None) -> None:
        self.cards = list(cards)
        self.card = ""
        self._folder = folder or os.path.join(tempfile.gettempdir(), FOLDER)
        self._descriptor = -1

    def wait(self, check: Callable[[], None], waiting: Callable[[], None]) -> str:
        """Claim the first card that is free, and return it; ``waiting`` is called once when none
        is. ``check`` may raise to give up.

        Raises:
            JobError: the lock files cannot be made.
        """
        told = False
        while True:
            for card in self.cards:
                if self._claim(card):
                    self.card = card
                    return card
            if not told:
                told = True
                waiting()
            check()
            time.sleep(_INTERVAL)

    def _claim(self, card: str) -> bool:
        name = re.sub(r"[^A-Za-z0-9-]", "_", card)[:100] + ".lock"
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            if not os.path.isdir(self._folder):
                os.makedirs(self._folder, exist_ok=True)
                with contextlib.suppress(OSError):
                    os.chmod(self._folder, 0o1777)
            descriptor = os.open(os.path.join(self._folder, name), flags, 0o666)
        except OSError as error:
            raise JobError(
                "cards-unlockable",
                f"the locks of the graphics cards in {self._folder} cannot be used: "
                f"{error.strerror or error}",
                "correct the permissions of that folder, or choose the cards by their numbers",
                EXIT_ENVIRONMENT,
            ) from None
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, 0o666)  # another user's job claims it next
        if system_lock(descriptor):
            self._descriptor = descriptor
            return True
        os.close(descriptor)
        return False

    def __enter__(self) -> CardClaim:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The file stays: deleting it would let two jobs hold locks on two files of one name.
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@contextlib.contextmanager
def claimed(
    wanted: bool,
    environment: dict[str, str],
    check: Callable[[], None],
    waiting: Callable[[str], None],
) -> Iterator[str]:
    """For as long as the context lasts a card is claimed, and alone visible in ``environment``.

    Gives a sentence about it; '' when none was ``wanted``. ``check`` may raise to give up waiting.
    """
    with CardClaim(present(environment) if wanted else ()) as claim:
        if not claim.cards:
            # A farm job takes a machine as it is.
            told = wanted and os.environ.get(CLAIM) != "1"
            yield "no graphics card was found to claim on this machine" if told else ""
            return
        listed = ", ".join(claim.cards)
        card = claim.wait(check, lambda: waiting(f"waiting for a graphics card ({listed})"))
        environment[VISIBLE] = card
        environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as nvidia-smi numbers them
        yield f"graphics card {card} is claimed for this job"
