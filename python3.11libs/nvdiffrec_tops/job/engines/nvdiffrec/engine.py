"""What is special about nvdiffrec as a trainer."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from nvdiffrec_contract import memory
from nvdiffrec_contract.configuration import SECTION
from nvdiffrec_contract.engines import NVDIFFREC
from nvdiffrec_contract.failure import Failure
from nvdiffrec_tops.job import probe
from nvdiffrec_tops.job.engines.engine import TEMPLATES, Engine
from nvdiffrec_tops.job.engines.nvdiffrec import charting, checkout, contactsheet, extensionlock
from nvdiffrec_tops.job.engines.nvdiffrec.buildfailures import LOCK_PATH
from nvdiffrec_tops.job.engines.nvdiffrec.failures import FAILURES, NVDIFFRAST, TINYCUDANN
from nvdiffrec_tops.job.failures import JobError, quoted
from nvdiffrec_tops.job.jobfile import JobFile, JobFileError
from nvdiffrec_tops.job.report.progress import Progress
from nvdiffrec_tops.job.trainer import Training

# What nvdiffrec imports: from an index, and built for the card against an installed PyTorch.
_PLAIN = ("torch", "numpy", "xatlas", "imageio")
_BUILT = {"nvdiffrast": NVDIFFRAST, "tinycudann": TINYCUDANN}
_WAITING = "Shim extension-lock: waiting"


class Nvdiffrec(Engine):
    """A checkout's own training script."""

    name = NVDIFFREC
    label = "nvdiffrec (your checkout)"
    licence = "NVIDIA Source Code License: non-commercial use only"
    default_script = "train.py"
    needs_checkout = True
    failures = FAILURES
    needs_powers_of_two = True
    cuda_packages = ("tiny-cuda-nn",)
    imports = ("torch", "numpy", "nvdiffrast", "tinycudann", "imageio", "xatlas")
    checks = (
        "build_tools",
        "checkout",
        "compilers_match",
        "hdr_reading",
        "nvdiffrast",
        "plain_path",
        "preview_window",
        "several_processes",
        "stale_locks",
        "tetrahedral_grid",
        "tiny_cuda_nn",
    )
    environment_file = os.path.join(TEMPLATES, "env-nvdiffrec.yml")

    def script(self, job: JobFile) -> str:
        return checkout.script_of(job)

    def settle(self, job: JobFile, config: dict[str, Any]) -> list[str]:
        self.script(job)
        config.pop(SECTION, None)
        if job.device == "cpu":
            raise JobFileError(
                'the engine nvdiffrec needs an NVIDIA GPU; "device" is cpu',
                "set the device to auto, or use the diffrec engine, which also runs on a CPU",
            )
        notes = []
        if job.seed is not None:
            notes.append("nvdiffrec has no seed; the job's is not used")
        unused = [name for name in job.overrides if name.partition(".")[0] == SECTION]
        if unused:
            notes.append(f"nvdiffrec does not know {', '.join(unused)}; not used")
        return notes

    def check(self, job: JobFile, config: dict[str, Any], folder: str) -> list[str]:
        try:
            pythons = [probe.interpreter(job.python)]
        except JobError:
            pythons = []  # told when the training is to start
        fork = checkout.fork(config, folder, job.script)
        notes = checkout.check(config, folder, pythons, fork)
        return [*notes, *checkout.without_preview(config, job.environment.set)]

    def reads_more(self, config: Mapping[str, Any], working_dir: str, data: str) -> str:
        return checkout.fork(config, working_dir) or checkout.own_data(data)

    def command(self, job: JobFile, training: Training, python: str, config: str) -> list[str]:
        assert training.script is not None
        # Never more flags than nvdiffrec's JSON leaves room for.
        return [python, "-u", checkout.LAUNCHER, training.script, "--config", config]

    def fill(self, training: Training, folder: str) -> None:
        checkout.link(training.working_dir, folder)

    def lacks(self, python: str, answer: Mapping[str, Any]) -> tuple[str, str] | None:
        plain = [name for name in _PLAIN if not answer.get(name, True)]
        built = [name for name in _BUILT if not answer.get(name, True)]
        if not plain and not built:
            return None
        interpreter = quoted(python)
        commands = [f"{interpreter} -m pip install {' '.join(plain)}"] if plain else []
        commands += [_BUILT[name].format(python=interpreter) for name in built]
        return ", ".join([*plain, *built]), ", then ".join(commands)

    def finish(self, folder: str, python: str, environment: Mapping[str, str]) -> str | None:
        return contactsheet.make(folder, python, environment)

    def longest_silence(
        self, progress: Progress, config: Mapping[str, Any], environment: Mapping[str, str]
    ) -> tuple[float, Failure] | None:
        if not charting.is_charting(progress):
            return None
        seconds = charting.limit(config, environment)
        return None if seconds is None else (seconds, charting.stuck(progress, seconds))

    def mended(self, failure: Failure) -> str | None:
        """Removes a stale lock of a compiled extension."""
        lock, verdict = _judged(failure)
        if verdict is not None and extensionlock.clear(verdict):
            return f"removed the stale lock {lock} ({verdict.reason})"
        return None

    def explained(self, failure: Failure, config: Mapping[str, Any]) -> Failure:
        _lock, verdict = _judged(failure)
        if verdict is not None and not verdict.stale:
            return dataclasses.replace(
                failure, cause=f"{failure.cause}; it was left there, as {verdict.reason}"
            )
        if failure.id == "timeout":
            waiting = [line for line in failure.lines if line.startswith(_WAITING)]
            if waiting and not any(line.startswith("iter=") for line in failure.lines):
                return dataclasses.replace(
                    failure, cause=f"{failure.cause}; it was {waiting[-1].partition(': ')[2]}"
                )
        return failure

    def memory(
        self,
        config: Mapping[str, Any],
        number: Callable[[str, float], float],
        size: tuple[int, int],
        batch: int,
    ) -> float:
        samples = size[0] * size[1] * batch * number("spp", 1) ** 2
        return memory.nvdiffrec(samples, number("layers", 1))

    def data_files(self, working_dir: str) -> list[str]:
        data = os.path.join(working_dir, "data")
        tets = os.path.join(data, "tets")
        try:
            names = sorted(os.listdir(tets))
        except (OSError, ValueError):
            names = []
        grids = [os.path.join(tets, name) for name in names if name.endswith("_tets.npz")]
        return [os.path.join(data, "irrmaps", "bsdf_256_256.bin"), *grids]


def _judged(failure: Failure) -> tuple[str | None, extensionlock.Verdict | None]:
    """The lock of a compiled extension that a failure is about, and what is to be thought of it."""
    if failure.id != "stale-build-lock":
        return None, None
    for text in (*reversed(failure.lines), failure.cause):
        match = re.search(LOCK_PATH, text)
        if match:
            lock = os.path.expanduser(match.group("lock"))
            return lock, extensionlock.judge(lock)
    return None, None


ENGINE = Nvdiffrec()
