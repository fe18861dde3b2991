"""The job process runs under any Python from 3.9 on with its standard library alone."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

JOB = Path(__file__).resolve().parents[3] / "python3.11libs/nvdiffrec_tops/job"
SOURCES = sorted(path for path in JOB.rglob("*.py") if "shims" not in path.parts)
# Modules of the standard library that came after 3.9.
LATER = {"tomllib", "graphlib", "zoneinfo", "compression", "annotationlib"}


def interpreters() -> list[str]:
    """Every Python from 3.9 that is at hand: on PATH, and those of pyenv."""
    found = {}
    for minor in range(9, 16):
        candidates = [shutil.which(f"python3.{minor}")]
        versions = Path.home() / ".pyenv/versions"
        candidates += [str(path) for path in sorted(versions.glob(f"3.{minor}.*/bin/python"))]
        usable = [path for path in candidates if path and _runs(path, minor)]
        if usable:
            found[minor] = usable[0]
    return list(found.values()) or [sys.executable]


def _runs(path: str, minor: int) -> bool:
    question = "import sys; print(sys.version_info[1])"
    try:
        answer = subprocess.run(
            [path, "-I", "-c", question], capture_output=True, timeout=20, check=False
        )
    except OSError:
        return False
    return answer.stdout.strip() == str(minor).encode()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(JOB).as_posix())
def test_source_is_python_3_9_and_imports_the_standard_library_alone(path):
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            modules = [node.module or ""]
        else:
            continue
        for module in modules:
            if module.startswith("nvdiffrec_tops."):
                assert module.split(".")[1] == "job", f"{path.name} imports {module}"
            else:
                top = module.split(".")[0]
                ours = top == "nvdiffrec_contract"
                assert ours or (top in sys.stdlib_module_names and top not in LATER), module


def test_importing_it_loads_nothing_else():
    code = (
        "import sys; before = set(sys.modules); sys.path.insert(0, sys.argv[1])\n"
        "import nvdiffrec_tops.job.commandline\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names)))\n"
        "print(sorted(n for n in sys.modules if n.startswith('nvdiffrec_tops.')\n"
        "      and not n.startswith('nvdiffrec_tops.job')))"
    )
    answer = subprocess.run(
        [sys.executable, "-S", "-I", "-c", code, str(JOB.parents[1])],
        capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    assert answer.stdout == "['nvdiffrec_contract', 'nvdiffrec_tops']\n[]\n"


@pytest.mark.parametrize("python", interpreters())
def test_a_whole_job_under_each_interpreter_at_hand(site, python):
    done = subprocess.run(
        [python, "-I", "-X", "utf8", "-W", "error", str(JOB / "__main__.py"), *site.arguments()],
        capture_output=True, encoding="utf-8", cwd=site.folder, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (site.output / "mesh/mesh.obj").exists()


def test_it_starts_by_path_from_any_folder_with_hostile_neighbours(tmp_path):
    for name in ("json", "nvdiffrec_tops", "progress", "result"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported a neighbour')")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, str(JOB / "__main__.py"), "--help"],
        capture_output=True, encoding="utf-8", cwd=tmp_path, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "JOBFILE.json" in done.stdout


def test_it_starts_as_a_module(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "nvdiffrec_tops.job", "none.json"],
        capture_output=True, encoding="utf-8", check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(JOB.parents[1])},
    )  # fmt: skip
    assert done.returncode == 2 and "none.json cannot be read" in done.stderr
