"""One failure that is known by what a log says."""

from __future__ import annotations

from dataclasses import dataclass

from nvdiffrec_contract.failure import EXIT_TRAINING


@dataclass(frozen=True)
class KnownFailure:
    """A pattern in the log and what it means.

    Attributes:
        id: a short name of the kind; several entries may tell of one kind.
        pattern: what is searched, from one line on; it may go on into the lines below, each
            after a line feed.
        cause: what is wrong; may use the pattern's named groups in braces. With a group
            ``module`` there is also ``package``, what pip installs it from.
        cure: the next thing to do; may use the groups, and ``{python}``, the training
            environment's interpreter as a shell reads it.
        windows: the cure on Windows, where it is another one.
        retry: whether the same command may succeed when simply started again.
        exit_code: what the job ends with.
        near: a pattern that must stand in the lines above: in the traceback that the line ends.
        lines: how many lines from the first one on the pattern may see.
        general: it tells that something failed and not why; an entry that some line above tells
            of comes first.
        alone: it explains nothing but itself: it is not what a general failure below comes from.
        warning: it is looked for in warnings, and explains a general failure below them.
        detail: with a general one: a pattern of lines above whose first text is added to the cause.
    """

    id: str
    pattern: str
    cause: str
    cure: str
    windows: str = ""
    retry: bool = False
    exit_code: int = EXIT_TRAINING
    near: str = ""
    lines: int = 4
    general: bool = False
    alone: bool = False
    warning: bool = False
    detail: str = ""
