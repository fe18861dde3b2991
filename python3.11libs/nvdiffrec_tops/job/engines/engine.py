"""What an engine is: everything that differs from one trainer to another."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nvdiffrec_contract import layout
from nvdiffrec_contract.failure import Failure
from nvdiffrec_contract.layout import Output
from nvdiffrec_tops.job.failures import ENVIRONMENT, MACHINE, KnownFailure
from nvdiffrec_tops.job.report.progress import Progress, ProgressParser

if TYPE_CHECKING:
    from nvdiffrec_tops.job.environment import EnvironmentPolicy
    from nvdiffrec_tops.job.jobfile import JobFile
    from nvdiffrec_tops.job.trainer import Training


TEMPLATES = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir, "templates"
)
"""The folder of the environment files that this toolkit ships."""


class Engine:
    """One trainer. A subclass says what is different; ``command`` is the least.

    Attributes:
        name: as job files name it; that of its folder.
        label: as a menu shows it.
        licence: what an artist has to know before choosing it.
        devices: values of ``device`` that it can be asked for.
        default_script: the training script below the working directory; None for a module.
        needs_checkout: whether the working directory must be the trainer's own checkout.
        python: the oldest version of Python that it runs with.
        seeded: whether the job's seed decides its results.
        writes_table: whether it writes the table of its losses itself.
        checkpoint: file in its output folder that a training goes on from; None where it cannot.
        failures: what to look for in its log where it did not tell of a failure itself.
        refuses_unknown_fields: whether a field that it does not know ends it.
        reads_section: whether it reads the configuration's object ``"diffrec"``.
        needs_powers_of_two: whether the edges of its textures must be powers of two.
        cuda_packages: packages beside PyTorch that it needs compiled for the card.
        imports: packages that the doctor tries out, see ``doctor/inspect_packages.py``.
        checks: the doctor's checks that concern it and not every engine.
        environment_file: the conda environment file that ``env create`` takes; '' for none.
    """

    name = ""
    label = ""
    licence = ""
    devices: tuple[str, ...] = ("auto", "cuda")
    default_script: str | None = None
    needs_checkout = False
    python: tuple[int, int] = (3, 9)
    seeded = False
    writes_table = False
    checkpoint: str | None = None
    failures: Sequence[KnownFailure] = (*ENVIRONMENT, *MACHINE)
    refuses_unknown_fields = False
    reads_section = False
    needs_powers_of_two = False
    cuda_packages: tuple[str, ...] = ()
    imports: tuple[str, ...] = ("torch", "numpy")
    checks: tuple[str, ...] = ()
    environment_file = ""

    @property
    def needs_gpu(self) -> bool:
        """Whether it cannot train on the processor."""
        return "cpu" not in self.devices

    def outputs(self, config: Mapping[str, Any]) -> tuple[Output, ...]:
        """The files that a run of a configuration always makes: the final mesh's, the first pass's
        where there are two, the measured figures when it validates, the table, the result file."""
        return (
            *layout.meshes(config),
            *layout.figures(config),
            Output(layout.TABLE, layout.tag(layout.TABLE)),
            Output(layout.RESULT, layout.tag(layout.RESULT)),
        )

    def settle(self, job: JobFile, config: dict[str, Any]) -> list[str]:
        """Check a job and take out of its configuration what the trainer is not to see; notes.

        Raises:
            JobError: it cannot be trained.
        """
        return []

    def check(self, job: JobFile, config: dict[str, Any], folder: str) -> list[str]:
        """The same once the configuration's paths are absolute. ``folder``: the working folder."""
        return []

    def reads_more(self, config: Mapping[str, Any], working_dir: str, data: str) -> str:
        """Why it may read data that no format here describes, so that nothing about them is an
        error; '' where it does not."""
        return ""

    def script(self, job: JobFile) -> str | None:
        """Path of the script whose change makes results out of date; None for a module.

        Raises:
            JobError: it is not there.
        """
        return None

    def command(self, job: JobFile, training: Training, python: str, config: str) -> list[str]:
        """The trainer's argument list; ``config`` is the path of the whole configuration."""
        raise NotImplementedError

    def fill(self, training: Training, folder: str) -> None:
        """Put into the run folder what the trainer looks for in its current directory.

        Raises:
            JobError: that is not possible.
        """

    def check_environment(self, python: str, answer: Mapping[str, Any]) -> None:
        """Refuse an environment that cannot train. ``answer``: see ``probe.ask``.

        Raises:
            JobError: what is missing.
        """

    def lacks(self, python: str, answer: Mapping[str, Any]) -> tuple[str, str] | None:
        """All packages that are not installed, and the commands that install them; None where all
        are there. ``answer``: see ``probe.ask``."""
        return None

    def policy(self, policy: EnvironmentPolicy, answer: Mapping[str, Any]) -> EnvironmentPolicy:
        """The changes to the trainer's environment, with its own.

        Raises:
            JobError: the trainer itself is missing.
        """
        return policy

    def variables(self, folder: str) -> dict[str, str]:
        """Variables for a start in this run folder."""
        return {}

    def failure_file(self, folder: str) -> str | None:
        """Where a start in this run folder tells of its failure; None where it does not."""
        return None

    def progress(self, config: Mapping[str, Any]) -> ProgressParser:
        """The reader of its log."""
        return ProgressParser(pass_count=1 if config.get("base_mesh") else 2)

    def finish(self, folder: str, python: str, environment: Mapping[str, str]) -> str | None:
        """Add to what a training has made in ``folder``; a sentence for the log."""
        return None

    def longest_silence(
        self, progress: Progress, config: Mapping[str, Any], environment: Mapping[str, str]
    ) -> tuple[float, Failure] | None:
        """Seconds that it may print nothing in its present state, and what it means when it prints
        nothing for longer; None where any silence is fine.

        Raises:
            JobError: a setting of it cannot be used.
        """
        return None

    def mended(self, failure: Failure) -> str | None:
        """Mend what keeps the trainer from starting; a sentence of it, None where nothing was."""
        return None

    def explained(self, failure: Failure, config: Mapping[str, Any]) -> Failure:
        """The failure with what can be found out about it here."""
        return failure

    def memory(
        self,
        config: Mapping[str, Any],
        number: Callable[[str, float], float],
        size: tuple[int, int],
        batch: int,
    ) -> float:
        """Bytes that a training takes.

        Args:
            config: the configuration.
            number: the configuration's number of a name, or its default.
            size: (height, width) of what is drawn.
            batch: views at a time.
        """
        raise NotImplementedError

    def data_files(self, working_dir: str) -> list[str]:
        """Large files of the trainer's own that it reads from its working folder."""
        return []
