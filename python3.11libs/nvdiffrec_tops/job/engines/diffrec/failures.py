"""What keeps diffrec from starting at all; once it runs it tells of a failure itself."""

from __future__ import annotations

from nvdiffrec_contract.failure import EXIT_ENVIRONMENT
from nvdiffrec_tops.job.failures import ENVIRONMENT, MACHINE, KnownFailure

_OWN = (
    KnownFailure(
        "diffrec-missing",
        r"No module named (?:diffrec$|'diffrec'|diffrec\.__main__)",
        "the diffrec trainer is not importable in the training environment",
        "install the toolkit there: pip install -e 'FOLDER_OF_THE_TOOLKIT[diffrec]'",
        exit_code=EXIT_ENVIRONMENT,
    ),
    KnownFailure(
        "diffrec-incomplete",
        r"No module named '(?P<module>diffrec\.[\w.]+)'",
        "the diffrec trainer is incomplete: its module {module} is missing",
        "install the toolkit again, whole",
        exit_code=EXIT_ENVIRONMENT,
    ),
)

FAILURES = (*_OWN, *ENVIRONMENT, *MACHINE)
