"""Runs work items as jobs of an HQueue farm, one per item, while the cook waits here."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from nvdiffrec_tops.command import JOB_SCRIPT
from nvdiffrec_tops.cook import reporting
from nvdiffrec_tops.hqueue.farm import Farm, JobServer
from nvdiffrec_tops.hqueue.jobspec import FarmOptions, container_spec, job_spec
from nvdiffrec_tops.hqueue.paths import SharedFolders
from nvdiffrec_tops.hqueue.problem import HQueueProblem
from nvdiffrec_tops.hqueue.record import Submission
from nvdiffrec_tops.hqueue.task import Pace, Task
from nvdiffrec_tops.job import farmfile
from nvdiffrec_tops.job.process import cards
from topcook import pdg
from topcook.jobs import serialise
from topcook.jobs.environment import Folders, JobSettings, job_command, job_environment
from topcook.parameters.evaluation import NodeParameters
from topcook.schedulers.base import Job, LineHandler
from topcook.schedulers.farm import FarmChild, FarmScheduler

from .needs import check_environment, environments, nearest_folder, needs, writes

_TOOLKIT = JOB_SCRIPT.parents[3]


@dataclass
class FarmSetup:
    """Where a cook's jobs go.

    ``options``: for all jobs, in place of the scheduler's and the nodes' parameters where
    ``given`` names them (``priority``, ``groups``, ``tags`` ...). ``announce`` is told the number
    and the folder of the submission, ``machine`` where an item runs, and which attempt it is.
    """

    server: JobServer
    shared: SharedFolders
    options: FarmOptions
    given: frozenset[str]
    token: str
    scene: str
    say: Callable[[str], None]
    announce: Callable[[int, Path], None] = lambda _job, _folder: None
    machine: Callable[[pdg.WorkItem, str, int], None] = lambda _item, _machine, _attempt: None
    pace: Pace = field(default_factory=Pace)


class HQueueScheduler(FarmScheduler):
    """Work items are jobs of an HQueue farm, below one container job."""

    def __init__(
        self,
        parameters: NodeParameters,
        setup: FarmSetup,
        *,
        on_line: LineHandler = lambda _item, _line: None,
    ) -> None:
        """Raises CookError: the working folder cannot be used by the farm."""
        super().__init__(parameters, on_line=on_line)
        self.setup = setup
        self.submission = self._prepare()
        name = parameters.string("jobname") if parameters.has("jobname") else ""
        title = name or f"nvdiffrec: {Path(setup.scene).stem}"
        self.farm = Farm(
            setup.server,
            self.submission,
            lambda ids: {
                **container_spec(title, setup.token, setup.options),
                "childrenIds": list(ids),
            },
            say=setup.say,
            pace=setup.pace,
            announce=lambda job: setup.announce(job, self.submission.folder),
        )
        self._checked: dict[str, str] = {}
        self._told: dict[str, str] = {}
        self._mounts = farmfile.Mounts(setup.shared.mounts())

    def _prepare(self) -> Submission:
        """Choose the folders, which the farm must see, and begin the record."""
        folder = _state_folder(self.folders, self.setup.shared) / "farm" / self.setup.token
        problems = self.setup.shared.check([str(nearest_folder(folder))])
        if self.setup.shared.check([str(JOB_SCRIPT)]):
            problems.append(
                f"the toolkit itself, {_TOOLKIT}, is in no folder that the farm shares "
                f"({', '.join(self.setup.shared.local()) or 'none is known'}); put a clone "
                "into one and submit with that one, or name the folder with --share"
            )
        if problems:
            raise pdg.CookError("\n".join(problems))
        # A folder of its own: two submissions of one scene may be under way together.
        self.folders = Folders(self.folders.working, folder)
        self.parameters.surroundings.variables["PDG_TEMP"] = str(folder)
        setup = self.setup
        return Submission(
            setup.token, setup.server.address, setup.scene, folder, self.folders.working
        )

    # -- one item ---------------------------------------------------------------------------
    def start(self, item: pdg.WorkItem) -> Job:
        """Hand an item to the farm. Raises CookError: it cannot run there; nothing is written."""
        settings = JobSettings(self.parameters, item)
        environment = job_environment(
            item,
            self.parameters,
            settings,
            self.folders,
            self.base_environment(settings),
            self.parameters.surroundings.variables,
        )
        self._check(item, job_command(item, self.parameters, self.folders, environment))
        return super().start(item)

    def base_environment(self, settings: JobSettings) -> dict[str, str]:
        """Nothing of this machine, unless the scheduler is to hand it on."""
        if settings.knows("hqueue_inheritlocalenv") and settings.toggle("hqueue_inheritlocalenv"):
            return dict(os.environ)
        return {}

    def _launch(self, job: Job) -> None:
        item = job.item
        job.forget()
        options = self._options(job.settings)
        path = self.folders.data / f"{item.name}.farm.json"
        farm_file = {
            "version": farmfile.VERSION,
            "name": item.name,
            "command": job.command,
            "shell": item.shouldRunInShell,
            "environment": {**job.environment, **options.environment, cards.CLAIM: "1"},
            "unset": self._unset(job.settings),
            "log": str(job.log),
            "state": self.submission.state.path,
            "interpreters": dict(options.interpreters),
            "mounts": [list(one) for one in self.setup.shared.mounts()],
            "slots": options.jobs_per_client or 0,
        }
        try:
            self.submission.state.make()
            data = json.dumps(farm_file, indent=1).encode()
            serialise.write_bytes(path, self.submission.folder, data)
            spec = job_spec(
                item.name,
                _python(job.command),
                str(JOB_SCRIPT),
                str(path),
                options=options,
                folders=self.setup.shared,
                token=self.setup.token,
            )
        except OSError as error:
            raise pdg.CookError(f"{path} cannot be written: {error.strerror or error}") from None
        except HQueueProblem as problem:
            raise pdg.CookError(f"{item.name}: {problem}") from None
        self._written.append(path)
        child = FarmChild(self.cancel)
        job.child = child
        task = self.task(job, child, spec, _facts(item))
        self._sent(item, task)
        self.farm.submit(task)

    def task(
        self, job: Job, child: FarmChild, spec: Mapping[str, Any], facts: dict[str, Any]
    ) -> Task:
        """The farm's view of a job."""
        item = job.item

        def ended(code: int, reason: str) -> None:
            span = task.span
            self.tell_end(job, child, code, reason, began=span.started, ended=span.ended)

        def started(machine: str, attempt: int) -> None:
            item.setStringAttrib("machine", machine)
            self.setup.machine(item, machine, attempt)

        task = Task(
            name=item.name,
            spec=spec,
            log=job.log,
            facts=facts,
            on_line=lambda line: self._line(job, line),
            on_exit=ended,
            on_start=started,
            after=self._after(item),
        )
        return task

    def _after(self, item: pdg.WorkItem) -> Sequence[Task]:
        """Jobs that the farm itself is to wait for: none, an item is sent when it is ready."""
        return ()

    def _sent(self, item: pdg.WorkItem, task: Task) -> None:
        """A task is about to go to the farm."""

    def _check(self, item: pdg.WorkItem, command: list[str] | str) -> None:
        """Refuse a job that the farm could not see the files of."""
        shared = self.setup.shared
        for environment in environments(item, command):
            if environment not in self._checked:
                self._checked[environment] = self._environment(environment)
        paths = [*needs(item, command), *writes(item)]
        for path in paths:
            if path not in self._checked:
                self._checked[path] = " ".join(shared.check([path]))
        wanted = [*environments(item, command), *paths]
        problems = dict.fromkeys(filter(None, (self._checked[one] for one in wanted)))
        if not problems:
            return
        fresh = [one for one in problems if one not in self._told]
        others = dict.fromkeys(self._told[one] for one in problems if one in self._told)
        if others:
            fresh.append(f"what is said of {', '.join(others)} holds for it too")
        self._told.update((one, item.name) for one in problems if one not in self._told)
        raise pdg.CookError("\n".join(fresh))

    def _environment(self, environment: str) -> str:
        """What keeps an environment from starting on the farm."""
        try:
            warning = check_environment(environment, self.setup.shared)
        except HQueueProblem as problem:
            return str(problem)
        if warning:
            self.parameters.surroundings.warn(warning)
        return ""

    def _options(self, settings: JobSettings) -> FarmOptions:
        """The job parameters of the node or the scheduler, where the command line is silent."""
        options, given = self.setup.options, self.setup.given
        if not settings.knows("hqueue_priority"):
            return options
        found: dict[str, Any] = {
            "priority": settings.integer("hqueue_priority"),
            "description": settings.string("hqueue_description"),
            "tags": tuple(settings.string("hqueue_tags").replace(",", " ").split()),
        }
        assign = settings.menu("hqueue_assign_to")
        found["clients"] = _words(settings, "hqueue_clients") if assign == 1 else ()
        found["groups"] = _words(settings, "hqueue_client_groups") if assign == 2 else ()
        if settings.toggle("hqueue_is_CPU_number_set"):
            found["cpus"] = settings.integer("hqueue_CPUs_to_use")
        if settings.is_set("hqueue_triesleft"):
            found["tries"] = settings.integer("hqueue_triesleft")
        found["environment"] = {**dict(settings.pairs("hqueue_env")), **options.environment}
        if {"tags", "jobs_per_client"} & given:
            del found["tags"]
        if {"clients", "groups"} & given:
            del found["clients"], found["groups"]
        return replace(options, **{k: v for k, v in found.items() if k not in given})

    def _unset(self, settings: JobSettings) -> list[str]:
        """Variables of the farm machine that a job is not to see."""
        if settings.knows("hqueue_envunset"):
            return settings.string("hqueue_envunset").split()
        return ["PYTHONHOME", "PYTHONPATH"]

    def cancel(self) -> None:
        """End the submission."""
        self.farm.cancel()

    def local_path(self, path: str) -> str:
        """A path that a farm machine wrote, as this machine sees it."""
        return self._mounts.here(path)

    def __enter__(self) -> Self:
        self.farm.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.submission.complete = True
        self.farm.__exit__(*error)
        if not self.submission.items:
            self._clear()

    def _clear(self) -> None:
        """Leave nothing of a submission that sent nothing."""
        for path in self._written:
            with contextlib.suppress(OSError):
                path.unlink()
        for path in [*self._written, self.folders.scripts / "any"]:
            with contextlib.suppress(OSError, ValueError):
                for folder in path.relative_to(self.folders.temp.parents[1]).parents:
                    (self.folders.temp.parents[1] / folder).rmdir()


def _words(settings: JobSettings, name: str) -> tuple[str, ...]:
    return tuple(settings.string(name).replace(",", " ").split())


def _facts(item: pdg.WorkItem) -> dict[str, Any]:
    """What a later ``follow`` has to know of an item."""
    return {
        "id": item.id,
        "node": item.node.name,
        "type": item.node.typeName,
        "index": item.index,
        "label": item.label,
        "attributes": reporting.attributes(item),
        "expected": [[one.path, one.tag] for one in item.expectedOutputFiles],
    }


def _python(command: list[str] | str) -> str:
    """The interpreter that starts a job: the command's own where it begins with one."""
    if isinstance(command, list) and os.path.basename(command[0]).lower().startswith("python"):
        return command[0]
    return sys.executable


def _state_folder(folders: Folders, shared: SharedFolders) -> Path:
    """Where submissions are kept: a folder that the farm sees, and never the toolkit's own.

    It is the temp folder where that lies below the working folder, which is the shared one. A
    scene that lies in the toolkit itself, as the shipped ones do, keeps its submissions in the
    first shared folder outside it that can be written.

    Raises CookError: there is none.
    """
    if not folders.working.is_relative_to(_TOOLKIT):
        inside = folders.temp.is_relative_to(folders.working)
        return folders.temp if inside else folders.working / "pdgtemp"
    for root in map(Path, shared.local()):
        outside = not root.is_relative_to(_TOOLKIT) and root != Path("/")
        if outside and os.access(root, os.W_OK):
            return root / "nvdiffrec-tops"
    raise pdg.CookError(
        f"the scene's working folder {folders.working} lies in the toolkit, which a submission "
        "writes nothing into, and none of the farm's shared folders outside it can be written "
        f"({', '.join(shared.local()) or 'none is known'}); copy the scene to a shared folder, or "
        "name one with --share"
    )
