"""Checks of the environment and of the variables around it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_tops import doctor
from nvdiffrec_tops.doctor.context import Context

Look = Callable[[Context, str], doctor.Finding]
Healthy = Callable[..., Context]


def test_a_real_environment(environment: Path, clean: Path, look: Look) -> None:
    context = Context(str(environment))
    assert look(context, "environment_kind").severity == "ok"
    found = look(context, "interpreter_starts")
    assert found.severity == "ok"
    assert str(environment / "bin" / "python3") in found.evidence
    assert look(context, "python_version").severity == "ok"


def test_no_such_environment(tmp_path: Path, look: Look) -> None:
    context = Context(str(tmp_path / "gone"))
    found = look(context, "environment_kind")
    assert found.severity == "error"
    assert str(tmp_path / "gone") in found.evidence
    assert found.cure
    assert look(context, "interpreter_starts").severity == "skipped"


def test_houdini_has_no_environment_of_its_own(look: Look) -> None:
    found = look(Context(None, environ={"HFS": "/opt/hfs", "PATH": ""}), "environment_kind")
    assert found.severity == "error"
    assert "MINICONDA_ENV" in found.cure


def test_the_systems_python_is_noted(healthy: Healthy, look: Look) -> None:
    assert look(healthy(kind="system"), "environment_kind").severity == "note"


def test_a_folder_with_a_space_for_nvdiffrec(tmp_path: Path, look: Look) -> None:
    for name, severity in (("my env", "error"), ("myenv", "ok")):
        packages = tmp_path / name / "lib" / "python3.11" / "site-packages"
        packages.mkdir(parents=True)
        (tmp_path / name / "bin").mkdir()
        (tmp_path / name / "bin" / "python3").touch(mode=0o755)
        (tmp_path / name / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.4\n")
        context = Context(str(tmp_path / name), engine="nvdiffrec")
        assert look(context, "plain_path").severity == severity


def test_an_interpreter_that_does_not_start(environment: Path, clean: Path, look: Look) -> None:
    for name in ("python", "python3"):
        path = environment / "bin" / name
        path.unlink()
        path.write_text("#!/bin/sh\necho 'libpython3.11.so.1.0: cannot open' >&2\nexit 127\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    found = look(Context(str(environment)), "interpreter_starts")
    assert found.severity == "error"
    assert "libpython3.11.so.1.0" in found.evidence


@pytest.mark.parametrize(
    ("engine", "version", "severity"),
    [
        ("diffrec", [3, 10, 4], "error"),
        ("diffrec", [3, 11, 0], "ok"),
        ("nvdiffrec", [3, 9, 18], "ok"),
        ("nvdiffrec", [3, 8, 2], "error"),
    ],
)
def test_versions_of_python(
    healthy: Healthy, look: Look, engine: str, version: list[int], severity: str
) -> None:
    def change(light: dict[str, Any], heavy: dict[str, Any]) -> None:
        light["python"]["version"] = version

    assert look(healthy(change, engine=engine), "python_version").severity == severity


def test_a_python_of_32_bits(healthy: Healthy, look: Look) -> None:
    context = healthy(lambda light, heavy: light["python"].update(bits=32))
    assert look(context, "python_version").severity == "error"


def test_variables_that_break_the_environment(environment: Path, clean: Path, look: Look) -> None:
    environ = {**os.environ, "HFS": "/opt/hfs21", "PYTHONHOME": "/opt/hfs21/python"}
    found = look(Context(str(environment), environ=environ), "leaked_variables")
    assert found.severity == "warning"
    assert "PYTHONHOME is /opt/hfs21/python" in found.evidence
    assert "unset PYTHONHOME" in found.cure


def test_variables_that_are_taken_out_anyway(environment: Path, clean: Path, look: Look) -> None:
    environ = {**os.environ, "HFS": "/opt/hfs21", "LD_LIBRARY_PATH": "/opt/hfs21/dsolib:/usr/lib"}
    found = look(Context(str(environment), environ=environ), "leaked_variables")
    assert found.severity == "note"
    assert "/opt/hfs21/dsolib" in found.evidence
    assert "/usr/lib" not in found.evidence
    assert look(Context(str(environment)), "leaked_variables").severity == "ok"


@pytest.mark.parametrize(
    ("world", "severity"), [("2", "warning"), ("1", "ok"), ("", "ok"), ("two", "ok"), ("²", "ok")]
)
def test_several_processes(healthy: Healthy, look: Look, world: str, severity: str) -> None:
    context = healthy(environ={"WORLD_SIZE": world})
    assert look(context, "several_processes").severity == severity


def test_packages_of_the_users_folder(healthy: Healthy, look: Look) -> None:
    def change(light: dict[str, Any], heavy: dict[str, Any]) -> None:
        light["python"]["user_site"] = "/home/a/.local/lib/python3.11/site-packages"
        light["packages"]["distributions"]["numpy"]["folder"] = light["python"]["user_site"] + "/"

    found = look(healthy(change), "user_packages")
    assert found.severity == "warning"
    assert found.evidence.startswith("numpy would be taken from /home/a/.local")
    assert look(healthy(), "user_packages").severity == "ok"


def test_the_users_folder_of_a_real_python(
    clean: Path, put_package: Callable[..., None], look: Look
) -> None:
    python = os.path.realpath(sys.executable)
    put_package(clean / ".local", "nvdiffrast", "0.3.1")
    environ = {**os.environ, "PYTHONPATH": "/nowhere"}
    context = Context(python, engine="nvdiffrec", environ=environ, quick=True)
    found = look(context, "user_packages")
    assert found.severity == "warning"
    assert str(clean / ".local") in found.evidence
    assert "nvdiffrast" in found.evidence
    assert context.version("nvdiffrast") == "0.3.1"


def test_a_whole_examination_of_an_empty_environment(environment: Path, clean: Path) -> None:
    findings = doctor.examine(environment=str(environment), engine="nvdiffrec")
    worst = {one.check: one.severity for one in findings}
    assert worst["torch_imports"] == "error"
    assert worst["numpy_and_torch"] == "skipped"
    assert all(one.cure for one in findings if one.severity in ("error", "warning"))
    assert not [one for one in findings if "the check itself failed" in one.evidence]
