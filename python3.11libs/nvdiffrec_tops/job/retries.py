"""What the job does after a training has failed: start it again, with what change, or tell why."""

from __future__ import annotations

import dataclasses

from nvdiffrec_contract.failure import Failure
from nvdiffrec_tops.job import engines
from nvdiffrec_tops.job.failures import SMALLER_BATCH_HELPS
from nvdiffrec_tops.job.jobfile import JobFile
from nvdiffrec_tops.job.trainer import Training

# Lines at the start of a mesh that are looked at; the rest of a huge one changes its size little.
_MESH_LINES = 2_000_000
DEFAULT_MESH_SCALE = 2.1


class Retries:
    """Decides after each failure of one job's training.

    Attributes:
        training: the configuration for the next start; differs from the first after a retry with
            a smaller batch.
    """

    def __init__(self, job: JobFile, training: Training) -> None:
        self.training = training
        self._left = job.retries
        self._count = job.retries
        self._halve = job.on_out_of_memory == "halve_batch"
        self._mended = False
        self._engine = engines.engine(job.engine)

    def after(self, failure: Failure) -> str | None:
        """A sentence on why and how the training is started again; None when it is not.

        Beside failures that starting again can mend there are two that are mended first: what the
        engine itself can mend, once, and what too large a batch does to the graphics card (its
        memory is full, a kernel does not start), which halves ``batch`` where the job asks for it.
        """
        mended = None if self._mended else self._engine.mended(failure)
        if mended is not None:
            self._mended = True
            return f"{mended}; starting again"
        if failure.id in SMALLER_BATCH_HELPS and self._halve:
            batch = self.training.config.get("batch", 1)
            if isinstance(batch, int) and batch > 1:
                config = {**self.training.config, "batch": batch // 2}
                self.training = dataclasses.replace(self.training, config=config)
                return (
                    f"{failure.cause}; starting again with batch {batch // 2} in place of {batch}: "
                    "each iteration sees fewer views"
                )
        if failure.retry and self._left:
            self._left -= 1
            number = self._count - self._left
            return f"{failure.cause}; starting again ({number} of {self._count})"
        return None

    def explained(self, failure: Failure) -> Failure:
        """The failure with what can be found out about it here."""
        failure = self._engine.explained(failure, self.training.config)
        if failure.id in SMALLER_BATCH_HELPS and self._halve:
            return dataclasses.replace(
                failure, cause=f"{failure.cause}, with a batch of 1 view as well"
            )
        if failure.id == "empty-mesh":
            found = self._size_mismatch()
            if found:
                return dataclasses.replace(failure, cause=f"{failure.cause}; {found}")
        return failure

    def _size_mismatch(self) -> str | None:
        """Whether the reference mesh does not fit the grid."""
        reference = self.training.config.get("ref_mesh")
        if not isinstance(reference, str) or not reference.lower().endswith(".obj"):
            return None
        scale = self.training.config.get("mesh_scale", DEFAULT_MESH_SCALE)
        size = _extent(reference)
        try:
            scale = float(scale)
        except (TypeError, ValueError, OverflowError):
            return None
        if size is None:
            return None
        if 2.0 * size > scale > 0:
            return (
                f"the reference mesh reaches {size:.3g} from the origin and the grid only "
                f"{scale / 2:.3g} (mesh_scale {scale:g})"
            )
        if 2.0 * size < 0.05 * scale:
            return (
                f"the reference mesh reaches only {size:.3g} from the origin, a small part of the "
                f"grid of {scale / 2:.3g} (mesh_scale {scale:g})"
            )
        return None


def _extent(path: str) -> float | None:
    """The largest coordinate of an .obj's vertices, by amount; None when it cannot be read."""
    largest = None
    try:
        with open(path, "rb") as stream:
            for _, line in zip(range(_MESH_LINES), stream):
                if line.startswith(b"v "):
                    values = [abs(float(one)) for one in line.split()[1:4]]
                    largest = max(largest or 0.0, *values)
    except (OSError, ValueError, TypeError):
        return None
    return largest
