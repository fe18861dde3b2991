"""The examined interpreter answers whatever its packages do."""

from __future__ import annotations

import ast
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nvdiffrec_tops.doctor import inspection
from nvdiffrec_tops.doctor.inspection import InspectionError, inspect

CRASH = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"
FOLDER = Path(inspection.SCRIPT).parent


@pytest.mark.parametrize("name", ["inspect_environment.py", "inspect_packages.py"])
def test_an_old_python_can_read_it(name: str) -> None:
    tree = ast.parse((FOLDER / name).read_text(encoding="utf-8"), feature_version=(3, 6))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.module != "__future__"  # annotations came with 3.7
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            assert node.value.id not in ("dict", "list", "tuple", "set")
        if isinstance(node, ast.Call):
            names = {keyword.arg for keyword in node.keywords}
            assert not names & {"capture_output", "text", "strict", "delete_on_close"}


def test_a_crash_costs_its_section_alone(
    environment: Path, put_package: Callable[..., None], clean: Path
) -> None:
    put_package(environment, "torch", "2.8.0", {"torch/__init__.py": CRASH})
    put_package(environment, "numpy", "2.1.0")
    python = str(environment / "bin" / "python3")
    found = inspect(python, ["python", "packages", "torch", "numpy"], os.environ)
    assert "signal 11" in found["torch"]["problem"]
    assert found["torch"]["crashed"]
    assert any("Segmentation fault" in line for line in found["torch"]["stderr"])
    assert found["numpy"] == {"version": "2.1.0"}
    assert found["packages"]["distributions"]["torch"]["version"] == "2.8.0"


def test_a_hang_costs_its_section_alone(
    environment: Path, put_package: Callable[..., None], clean: Path
) -> None:
    put_package(
        environment, "torch", "2.8.0", {"torch/__init__.py": "import time\ntime.sleep(600)\n"}
    )
    put_package(environment, "numpy", "2.1.0")
    begun = time.monotonic()
    found = inspect(
        str(environment / "bin" / "python3"),
        ["torch", "numpy"],
        os.environ,
        options={"each": "0.5"},
    )
    assert found["torch"]["problem"].startswith("no answer within")
    assert found["numpy"]["version"] == "2.1.0"
    assert time.monotonic() - begun < 15


def test_when_the_time_is_up(
    environment: Path, put_package: Callable[..., None], clean: Path, tmp_path: Path
) -> None:
    """What was answered before counts, and nothing is left running."""
    fcntl = pytest.importorskip("fcntl")
    held = tmp_path / "held"
    text = f"import fcntl, time\nfile = open({str(held)!r}, 'w')\n"
    text += "fcntl.flock(file, fcntl.LOCK_EX)\nfile.write('x')\nfile.flush()\ntime.sleep(600)\n"
    put_package(environment, "torch", "2.8.0", {"torch/__init__.py": text})
    found = inspect(
        str(environment / "bin" / "python3"), ["python", "torch"], os.environ, timeout=4.0
    )
    assert found["python"]["version"] == list(sys.version_info[:3])
    assert found["torch"]["problem"] == "no answer within 4 s"
    assert held.read_text() == "x"
    with held.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # given only when its holder is gone


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("print('@fact no json')\nprint('@fact {}')\nimport sys\nsys.exit(3)\n", "SystemExit: 3"),
        (
            "import os\nos.write(1, bytes(range(256)) * 200)\nos._exit(0)\n",
            "ended with exit code 0",
        ),
        ("raise ImportError('libcudart.so.12: cannot open\\nshared object')\n", "libcudart.so.12"),
        ("import sys\nsys.stdout.close()\nraise RecursionError\n", ""),
        ("def broken(:\n", "SyntaxError"),
        ("raise KeyboardInterrupt\n", "KeyboardInterrupt"),
    ],
)
def test_noise_and_odd_endings(
    environment: Path, put_package: Callable[..., None], clean: Path, text: str, problem: str
) -> None:
    put_package(environment, "numba", "1.0", {"numba/__init__.py": text})
    found = inspect(str(environment / "bin" / "python3"), ["numba", "python"], os.environ)
    assert problem in found["numba"]["problem"]
    assert found["python"]["bits"] == 64


def test_metadata_and_places_without_an_import(
    environment: Path, put_torch: Callable[..., None], put_package: Callable[..., None], clean: Path
) -> None:
    put_torch(environment, "2.8.0+cu128", cuda="12.8")
    put_package(
        environment,
        "nvdiffrast",
        "0.4.0",
        {"nvdiffrast/__init__.py": CRASH, "_nvdiffrast_c.cpython-311.so": ""},
    )
    put_package(
        environment,
        "tinycudann",
        "2.0",
        {"tinycudann/__init__.py": CRASH, "tinycudann_bindings/_90_C.cpython-311.so": ""},
    )
    found = inspect(str(environment / "bin" / "python3"), ["packages"], os.environ)["packages"]
    assert found["torch_build"]["cuda"] == "12.8"
    assert found["nvdiffrast_compiled"] == ["_nvdiffrast_c.cpython-311.so"]
    assert found["tinycudann_compiled"] == ["_90_C.cpython-311.so"]
    assert found["modules"]["nvdiffrast"]["origin"].endswith("nvdiffrast/__init__.py")
    assert "numpy" not in found["distributions"]


def test_tools_tell_their_versions(tmp_path: Path, clean: Path) -> None:
    said = {
        "nvcc": "Cuda compilation tools, release 12.8, V12.8.93",
        "ninja": "1.11.1",
        "c++": "c++ (Debian 12.2.0-14) 12.2.0\nCopyright (C) 2022",
    }
    for name, text in said.items():
        (tmp_path / name).write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
        (tmp_path / name).chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    found = inspect(sys.executable, ["tools"], environ)["tools"]
    assert found["nvcc"]["version"] == "12.8"
    assert found["ninja"]["version"] == "1.11.1"
    assert (found["compiler"]["version"], found["compiler"]["kind"]) == ("12.2.0", "gcc")


def test_cards_as_nvidia_smi_tells_them(tmp_path: Path, clean: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H100 80GB, 570.86.15, 81559, 80994, 9.0'\n")
    program.chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    found = inspect(sys.executable, ["driver"], environ)["driver"]
    assert found["version"] == "570.86.15"
    assert found["cards"][0]["compute_cap"] == "9.0"
    program.write_text("#!/bin/sh\necho 'Failed to initialize NVML: Driver/library mismatch'\n")
    found = inspect(sys.executable, ["driver"], environ)["driver"]
    assert (found["cards"], found["version"]) == ([], "")
    assert "mismatch" in found["said"]


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 3\n", "#!/bin/sh\necho no such thing >&2\n", ""])
def test_no_interpreter(tmp_path: Path, clean: Path, text: str) -> None:
    program = tmp_path / "python3"
    program.write_text(text)
    program.chmod(0o755)
    with pytest.raises(InspectionError):
        inspect(str(program), ["python"], os.environ)
    with pytest.raises(InspectionError):
        inspect(str(tmp_path / "missing"), ["python"], os.environ)
