"""A stand-in checkout and real virtual environments with stand-in packages."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
JOB = HERE.parents[2] / "python3.11libs/nvdiffrec_tops/job/__main__.py"
TODAY = {
    "torch": "2.11.0+cu130",
    "nvdiffrast": "0.4.0",
    "tinycudann": "2.0",
    "imageio": "2.37.0",
    "glfw": "2.9.0",
}
OCTAHEDRON = """v 0.8 0 0\nv -0.8 0 0\nv 0 0.8 0\nv 0 -0.8 0\nv 0 0 0.8\nv 0 0 -0.8
vt 0 0\nvt 1 0\nvt 0 1
f 1/1 3/2 5/3\nf 3/1 2/2 5/3\nf 2/1 4/2 5/3\nf 4/1 1/2 5/3
f 3/1 1/2 6/3\nf 2/1 3/2 6/3\nf 4/1 2/2 6/3\nf 1/1 4/2 6/3
"""


def make_environment(folder: Path, **versions: str) -> Path:
    """A virtual environment with the stand-in packages in ``versions`` and the real NumPy.

    A version of ``real`` for torch means this interpreter's own PyTorch and all that is beside it.
    """
    venv.create(folder, with_pip=False, symlinks=os.name == "posix")
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    site = folder / ("lib/" + version if os.name == "posix" else "Lib") / "site-packages"
    for name, number in {**TODAY, **versions}.items():
        if number and number != "real":
            shutil.copytree(HERE / "packages" / name, site / name)
            about = site / f"{name}-{number}.dist-info"
            about.mkdir()
            (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\n")
            with (about / "METADATA").open("a") as stream:
                stream.write(f"Version: {number}\n")
    if versions.get("torch") == "real":
        beside = [path for path in sys.path if path.endswith("site-packages")]
        (site / "beside.pth").write_text("\n".join(beside) + "\n")
        return folder
    numpy = importlib.metadata.distribution("numpy")
    real = Path(str(numpy.locate_file("numpy"))).parent
    for entry in [*real.glob("numpy"), *real.glob("numpy.libs"), *real.glob("numpy-*.dist-info")]:
        (site / entry.name).symlink_to(entry, target_is_directory=True)
    return folder


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``environments(torch="2.2.0+cu121")``: an environment that differs so from today's."""
    if os.name != "posix":
        pytest.skip("the environments are made of symbolic links")
    made: dict[tuple[tuple[str, str], ...], Path] = {}

    def make(**versions: str) -> Path:
        key = tuple(sorted(versions.items()))
        if key not in made:
            made[key] = make_environment(tmp_path_factory.mktemp("envs") / "nvdiffrec", **versions)
        return made[key]

    return make


@dataclass
class Done:
    """A job that has ended."""

    code: int
    out: str
    error: str
    output: Path
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def shims(self) -> dict[str, str]:
        """What the shims said in the log, by name."""
        found = {}
        for line in (self.output / "job.log").read_text().splitlines():
            if line.startswith("Shim "):
                name, _, text = line[5:].partition(": ")
                found[name] = found.get(name, "") + text + "\n"
        return found


@dataclass
class Studio:
    """A home with a checkout, an environment and a folder for results."""

    folder: Path
    checkout: Path
    environment: Path
    output: Path
    job: Path = JOB

    @property
    def cache(self) -> Path:
        """The folder of the one extension, in the cache that the job gives it."""
        found = list((self.folder / "home/.cache/tops_nvdiffrec/torch_extensions").glob("*/*"))
        assert len(found) == 1
        return found[0] / "renderutils_plugin"

    def variables(self, **more: str) -> dict[str, str]:
        """The environment of a farm's machine, without a display."""
        dropped = ("DISPLAY", "WAYLAND_DISPLAY", "XDG_CACHE_HOME", "TORCH_EXTENSIONS_DIR")
        kept = {name: value for name, value in os.environ.items() if name not in dropped}
        return {**kept, "HOME": str(self.folder / "home"), **more}

    def words(self, *more: str) -> list[str]:
        """The command that starts a job on the checkout's configuration."""
        words = [sys.executable, "-I", "-X", "utf8", str(self.job)]
        if more and more[0].endswith(".json"):
            return [*words, *more]
        words += ["--engine=nvdiffrec", "--config=configs/bob.json", f"--output={self.output}"]
        words += [f"--working-dir={self.checkout}", f"--python={self.environment}"]
        return [*words, *more]

    def run(self, *more: str, **variables: str) -> Done:
        """Run a job to its end."""
        ended = subprocess.run(
            self.words(*more), env=self.variables(**variables), cwd=self.folder,
            capture_output=True, encoding="utf-8", timeout=60, check=False,
        )  # fmt: skip
        result = self.output / "result.json"
        document = json.loads(result.read_text()) if result.exists() else {}
        return Done(ended.returncode, ended.stdout, ended.stderr, self.output, document)

    def by_hand(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """``python train.py ...`` in the checkout, as without the toolkit."""
        return subprocess.run(
            [str(self.environment / "bin/python3"), "train.py", *words], cwd=self.checkout,
            env={**self.variables(**variables), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True, encoding="utf-8", timeout=60, check=False,
        )  # fmt: skip

    def digest(self) -> str:
        """Names and contents of the checkout, less what Python compiles."""
        lines = [
            f"{path.relative_to(self.checkout)} {hashlib.sha256(path.read_bytes()).hexdigest()}"
            for path in sorted(self.checkout.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        ]
        return "\n".join(lines)


@pytest.fixture
def studio(tmp_path: Path, environments: Callable[..., Path], undoctored: Path) -> Studio:
    """A studio with today's versions, whose jobs do not ask the doctor first."""
    return make_studio(tmp_path, environments(), undoctored)


@pytest.fixture
def make(tmp_path: Path, environments: Callable[..., Path]) -> Callable[..., Studio]:
    """``make(torch="2.2.0+cu121")``: a studio whose environment differs so from today's, and whose
    jobs ask the doctor first."""
    return lambda **versions: make_studio(tmp_path, environments(**versions))


def make_studio(folder: Path, environment: Path, job: Path = JOB) -> Studio:
    checkout = folder / "nvdiffrec"
    shutil.copytree(HERE / "checkout", checkout, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("tets", "irrmaps", "bob"):
        (checkout / "data" / name).mkdir(parents=True)
    for grid in (32, 64):
        (checkout / f"data/tets/{grid}_tets.npz").write_bytes(b"PK\3\4 tetrahedra")
    (checkout / "data/irrmaps/bsdf_256_256.bin").write_bytes(b"\0" * 16)
    # 8 x 4 pixels: red 16, green 4, blue 0.25.
    (checkout / "data/irrmaps/light.hdr").write_bytes(
        b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 4 +X 8\n" + b"\x80\x20\x02\x85" * 32
    )
    (checkout / "data/bob/bob_tri.obj").write_text(OCTAHEDRON)
    (folder / "home").mkdir()
    return Studio(folder, checkout, environment, folder / "results", job)
