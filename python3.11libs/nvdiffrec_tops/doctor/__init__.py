"""Examines a training environment, a checkout, a configuration and its data before they are used.

The ``doctor`` command, the environment asset and the job's checks are the same. Nothing of the
examined environment is imported here: its own interpreter is asked, in a process of its own.
"""

from __future__ import annotations

from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.examination import examined, repaired
from nvdiffrec_tops.doctor.finding import Finding, worst_first

__all__ = ["Finding", "examine", "repair", "worst_first"]


def examine(
    *,
    environment: str | None,
    working_dir: str | None = None,
    config: str | None = None,
    engine: str = "diffrec",
    output: str | None = None,
    quick: bool = False,
) -> list[Finding]:
    """What is wrong, and what is right, in the order of a training: environment to output.

    Args:
        environment: an environment's folder or its interpreter; None is the active one.
        working_dir: nvdiffrec's checkout, or the folder that relative paths are read from.
        config: the training configuration, absolute or relative to ``working_dir``.
        engine: ``diffrec`` or ``nvdiffrec``.
        output: folder for the results.
        quick: leave out what takes longer than a second, such as importing PyTorch.

    Never raises.
    """
    return examined(Context(environment, working_dir, config, engine, output, quick))


def repair(
    *,
    environment: str | None,
    working_dir: str | None = None,
    config: str | None = None,
    engine: str = "diffrec",
    output: str | None = None,
    checks: list[str] | None = None,
) -> list[str]:
    """Mend what a check can mend safely; returns sentences of what was done. Never raises.

    ``checks`` limits it to these ids; the other parameters are those of :func:`examine`.
    """
    return repaired(Context(environment, working_dir, config, engine, output), checks)
