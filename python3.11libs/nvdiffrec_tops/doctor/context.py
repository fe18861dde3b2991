"""What the checks look at: each fact is found out when a check first asks for it, once."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from nvdiffrec_contract import relativepaths
from nvdiffrec_contract.dataset import Description, Problem
from nvdiffrec_tops import environment as environments
from nvdiffrec_tops.doctor.inspection import LONG, QUICK, SLOW, Facts, InspectionError, inspect
from nvdiffrec_tops.environment import Environment, EnvironmentProblem
from nvdiffrec_tops.job import dataset, engines, toolkit
from nvdiffrec_tops.job.engines.engine import Engine
from nvdiffrec_tops.job.environment import EnvironmentPolicy, clean_environment
from nvdiffrec_tops.job.failures import JobError, quoted
from nvdiffrec_tops.job.jobfile import expand, read_configuration

TOOLKIT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
"""The folder that the toolkit's packages lie in."""

LIGHT = ("python", "packages", "tools", "driver")
"""Sections of the inspection that import nothing."""


class Context:
    """One examination's parameters (those of ``doctor.examine``) and what is known so far."""

    def __init__(
        self,
        environment: str | None,
        working_dir: str | None = None,
        config: str | None = None,
        engine: str = "diffrec",
        output: str | None = None,
        quick: bool = False,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.environment = environment or None
        self.working_dir = _folder(working_dir)
        self.config = config or None
        self.engine = engine
        self.output = _folder(output)
        self.quick = quick
        self.environ = dict(os.environ if environ is None else environ)

    @cached_property
    def described(self) -> Environment | EnvironmentProblem:
        """The environment as its files describe it, or why it cannot be used."""
        try:
            if self.environment is not None:
                return environments.describe(self.environment, environ=self.environ)
            active = environments.active(self.environ)
            if active is not None:
                return active
            if self.environ.get("HFS"):
                return EnvironmentProblem(
                    "no environment is named, and Houdini's own Python cannot train",
                    "set MINICONDA_ENV to an environment's folder, or create one with: "
                    "nvdiffrec-tops env create",
                )
            return environments.describe(sys.executable, environ=self.environ)
        except EnvironmentProblem as problem:
            return problem

    @property
    def trainer(self) -> Engine:
        """What is known of the engine.

        Raises:
            EngineError: there is none of that name.
        """
        return engines.engine(self.engine)

    @property
    def place(self) -> Environment:
        """The environment; only for checks that need ``environment_kind``.

        Raises:
            EnvironmentProblem: there is none.
        """
        if isinstance(self.described, EnvironmentProblem):
            raise self.described
        return self.described

    @property
    def python(self) -> str:
        """The environment's interpreter, to be pasted in a command."""
        described = self.described
        return described.python if isinstance(described, Environment) else "python3"

    def pip(self, *arguments: str) -> str:
        """The command that installs with the environment's own pip."""
        return " ".join([quoted(self.python), "-m", "pip", *arguments])

    @cached_property
    def variables(self) -> dict[str, str]:
        """The environment variables that a training in this environment gets."""
        variables = environments.isolated(self.environ, self.place)[0]
        # The compiler is looked for as the job does it, not as the environment's files tell.
        given = environments.policy(self.place, unset=toolkit.NAMES)
        job, _ = toolkit.settled(self.environ, EnvironmentPolicy(given.prefix, given.kind))
        taken = clean_environment(self.environ, job)[0]
        for name in toolkit.NAMES:
            variables.pop(name, None)
            if name in taken:
                variables[name] = taken[name]
        return variables

    @cached_property
    def light(self) -> dict[str, Facts] | InspectionError:
        """Facts that need no import, or why the interpreter gives none."""
        try:
            return inspect(
                self.place.python, LIGHT, self.variables, timeout=QUICK if self.quick else SLOW
            )
        except (InspectionError, EnvironmentProblem, OSError) as error:
            return InspectionError(str(error))

    @cached_property
    def heavy(self) -> dict[str, Facts]:
        """What importing the engine's packages gives; empty in a quick examination."""
        if self.quick or isinstance(self.light, InspectionError):
            return {}
        options = {"toolkit": TOOLKIT}
        if self.config_path is not None:
            options["config"] = self.config_path
        try:
            return inspect(
                self.place.python,
                self.trainer.imports,
                self.variables,
                options=options,
                timeout=LONG,
            )
        except (InspectionError, OSError) as error:
            return {"torch": {"problem": str(error)}}

    def facts(self, section: str) -> Facts:
        """A section's facts; empty when nothing is known, with ``problem`` when it failed."""
        if section in LIGHT:
            return {} if isinstance(self.light, InspectionError) else self.light.get(section, {})
        return self.heavy.get(section, {})

    def version(self, distribution: str) -> str | None:
        """The version of a package by its metadata; None when it is not installed."""
        found = self.facts("packages").get("distributions", {}).get(distribution, {})
        version = found.get("version")
        return version if isinstance(version, str) else None

    def importable(self, module: str) -> bool:
        """Whether an import of ``module`` would find something."""
        return bool(self.facts("packages").get("modules", {}).get(module, {}).get("origin"))

    # -- the configuration --------------------------------------------------------------------

    @property
    def config_candidates(self) -> list[str]:
        """Where the configuration may lie: below the working directory, else where we are."""
        if self.config is None:
            return []
        name = expand(self.config)
        folders = [*([self.working_dir] if self.working_dir else []), os.curdir]
        return list(dict.fromkeys(str(_folder(os.path.join(one, name))) for one in folders))

    @cached_property
    def config_path(self) -> str | None:
        """The configuration's absolute path; None when there is no such file."""
        return next((path for path in self.config_candidates if is_file(path)), None)

    @cached_property
    def configuration(self) -> dict[str, Any] | JobError:
        """The configuration, or why it cannot be read; empty without one."""
        if self.config_path is None:
            return {}
        try:
            return read_configuration(self.config_path)
        except JobError as error:
            return error

    def setting(self, name: str, default: Any) -> Any:
        """A field of the configuration, or ``default`` where it is absent or unreadable."""
        configuration = self.configuration
        value = configuration.get(name) if isinstance(configuration, dict) else None
        return default if value is None else value

    def number(self, name: str, default: float) -> float:
        """A field that is to be a finite number, else ``default``."""
        value = self.setting(name, default)
        good = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if good and abs(value) < 1e15 else default

    def size(self, name: str, default: tuple[int, int]) -> tuple[int, int]:
        """A [height, width] field in pixels, else ``default``."""
        value = self.setting(name, default)
        if not isinstance(value, list | tuple) or len(value) != 2:
            return default
        if not all(type(one) is int and 0 < one < 1 << 20 for one in value):
            return default
        return value[0], value[1]

    def resolved(self, name: str) -> str | None:
        """The existing path that a field names: from the working directory, then from the
        configuration's folder. None when there is none."""
        value = self.setting(name, None)
        return self.existing(value) if isinstance(value, str) and value else None

    @cached_property
    def dataset(self) -> Description | None:
        """The data that ``ref_mesh`` names, as their format describes them; None when it names
        nothing that exists. Of no kind, with a problem, where no Python can be asked."""
        path = self.resolved("ref_mesh")
        if path is None:
            return None
        try:
            pythons, variables = [self.place.python], self.variables
        except (EnvironmentProblem, OSError):
            pythons, variables = [], self.environ
        try:
            light = self.resolved("envmap")
            return dataset.describe(path, pythons, variables, quick=self.quick, light=light)
        except dataset.NotDescribedError as error:
            problem = Problem(
                "data",
                f"{path} could not be looked at: {error}",
                "name an environment whose Python starts",
                severity="warning",
            )
            return Description("", "", path, problems=(problem,))

    def existing(self, value: str) -> str | None:
        """The path as a training would find it; None when it does not exist."""
        return relativepaths.find(value, relativepaths.bases(self.working_dir, self.config_path))


def complaint(facts: Facts) -> str:
    """What is wrong with a section, with the telling line of what it printed."""
    lines = [line.strip() for line in facts.get("stderr", []) if line.strip()]
    fatal = [line for line in lines if line.startswith("Fatal Python error")]
    told = (fatal or lines)[-1:]
    return str(facts.get("problem", "")) + (f" ({told[0][:200]})" if told else "")


def _folder(path: str | None) -> str | None:
    try:
        return os.path.abspath(expand(path)) if path else None
    except OSError:  # the folder that we are in is gone
        return path


def is_file(path: str) -> bool:
    """Whether a file is there; False for what cannot be a path."""
    try:
        return os.path.isfile(path)
    except (OSError, ValueError):
        return False
