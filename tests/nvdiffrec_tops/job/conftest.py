"""A checkout and an installed diffrec that only look like the real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from nvdiffrec_tops.job import preflight

# Prints nvdiffrec's lines and writes its files; FAKE chooses how it ends.
FAKE_TRAINER = r"""
import json, os, signal, subprocess, sys, time
mode, _, argument = os.environ.get("FAKE", "ok").partition(":")
with open(sys.argv[sys.argv.index("--config") + 1], encoding="utf-8") as stream:
    config = json.load(stream)
if os.environ.get("FAKE_RECORD"):
    with open(os.environ["FAKE_RECORD"], "w", encoding="utf-8") as stream:
        json.dump({"argv": sys.argv, "cwd": os.getcwd(), "config": config, "pid": os.getpid(),
                   "environment": dict(os.environ), "data": os.path.isdir("data/tets")}, stream)
if os.environ.get("FAKE_COUNT"):
    with open(os.environ["FAKE_COUNT"], "a") as stream:
        stream.write("x")
if os.environ.get("FAKE_FIFO"):
    held = os.open(os.environ["FAKE_FIFO"], os.O_WRONLY)
    os.set_inheritable(held, True)
    subprocess.Popen(
        [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
         "print('grandchild ready', flush=True); time.sleep(600)"], close_fds=False)
if mode == "say":
    sys.exit(argument)
if mode == "once" and os.path.getsize(os.environ["FAKE_COUNT"]) == 1:
    sys.exit(argument)
if mode == "tell":
    with open(os.environ["NVDIFFREC_FAILURE_FILE"], "w", encoding="utf-8") as stream:
        stream.write(argument)
    sys.exit(1)
if mode == "batches" and config.get("batch", 1) > int(argument):
    with open(os.environ["NVDIFFREC_FAILURE_FILE"], "w", encoding="utf-8") as stream:
        json.dump({"format": "tops-nvdiffrec-failure", "version": 1, "id": "out-of-gpu-memory",
                   "cause": "too much", "cure": "less"}, stream)
    sys.exit("Fehler: kein Platz")
if mode == "signal":
    os.kill(os.getpid(), int(argument))
print("Config / Flags:\n---------")
print("iter", config["iter"])
print("base_mesh", config.get("base_mesh"))
print("---------", flush=True)
def train():
    for i in range(0, config["iter"] + 1, 10):
        print("iter=%5d, img_loss=0.1, reg_loss=0.1, lr=0.02000, time=10.0 ms, rem=1.00 s" % i,
              flush=True)
def export(name, text):
    folder = os.path.join("out", config["out_dir"], name)
    os.makedirs(folder)
    print("Writing mesh: ", folder + "/mesh.obj")
    for file in "mesh.obj mesh.mtl texture_kd.png texture_ks.png texture_n.png probe.hdr".split():
        with open(os.path.join(folder, file), "w") as stream:
            stream.write(file + " " + text)
        if mode == "half" and name == "mesh":
            hang()
    print("    writing 5 vertices\n    writing 10 faces")
    print("Done exporting mesh", flush=True)
def hang():
    print("hanging", flush=True)
    time.sleep(600)
stamp = os.environ.get("FAKE_STAMP", "first")
train()
print("Running validation\nMSE,      PSNR\n0.00200000, 27.125")
print("Base mesh has 12 triangles and 8 vertices.")
export("dmtet_mesh", stamp)
if mode == "hang":
    hang()
if mode == "nothing":
    sys.exit(0)
with open("out/%s/img_mesh_pass_000000.png" % config["out_dir"], "w") as stream:
    stream.write("picture " + stamp)
train()
print("Running validation\nMSE,      PSNR\n0.00100000, 30.5")
export("mesh", stamp)
"""


@dataclass
class Site:
    """A fake checkout with one scene, and how to run jobs on it."""

    folder: Path
    checkout: Path
    modules: Path
    output: Path
    main: Path

    def arguments(self, engine: str = "nvdiffrec", **variables: str) -> list[str]:
        """Arguments of a job on the scene; ``variables`` go into the trainer's environment."""
        words = ["--engine", engine, "--config", "configs/scene.json"]
        words += ["--working-dir", str(self.checkout), "--output", str(self.output)]
        if engine == "diffrec":
            variables = {"PYTHONPATH": str(self.modules), **variables}
        return words + [f"--env={name}={value}" for name, value in variables.items()]

    def command(self, *words: str, python: str = sys.executable) -> list[str]:
        """The argument list that starts the job process."""
        return [python, "-I", "-X", "utf8", str(self.main), *words]

    def run(
        self, *words: str, python: str = sys.executable, **extra: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a job to its end; ``extra`` goes into the job's own environment."""
        return subprocess.run(
            self.command(*words, python=python),
            env={**os.environ, **extra},
            cwd=self.folder,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    def files(self) -> dict[str, str]:
        """Every file in the output folder by its path, but the log and its table."""
        return {
            path.relative_to(self.output).as_posix(): path.read_text(errors="replace")
            for path in self.output.rglob("*")
            if path.is_file() and path.name not in ("job.log", "training.csv")
        }


@pytest.fixture
def make_site(
    tmp_path: Path, undoctored: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Site]:
    """Makes a site in a folder of any name."""
    monkeypatch.setattr(preflight, "_SCRIPT", str(undoctored.parents[1] / "doctor/preflight.py"))

    def make(name: str = "site") -> Site:
        folder = tmp_path / name
        checkout = folder / "nvdiffrec checkout"
        modules = folder / "modules"
        for path in (checkout / "data/tets", checkout / "configs", modules / "diffrec"):
            path.mkdir(parents=True)
        (checkout / "train.py").write_text(FAKE_TRAINER)
        (checkout / "data/mesh.obj").write_text("v 0 0 0\n")
        (checkout / "configs/scene.json").write_text(
            '{"ref_mesh": "data/mesh.obj", "iter": 20, "out_dir": "scene"}'
        )
        (modules / "diffrec/__init__.py").write_text("")
        (modules / "diffrec/__main__.py").write_text(FAKE_TRAINER)
        (modules / "torch.py").write_text("")
        return Site(folder, checkout, modules, folder / "results", undoctored)

    return make


@pytest.fixture
def site(make_site: Callable[[str], Site]) -> Site:
    """A site in a plain folder."""
    return make_site("site")
