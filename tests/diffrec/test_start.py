"""What a run loads before it needs it would be waited for at every start."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

# What takes long to load: other programs' compilers, and what only the end of a run needs.
HEAVY = ("torch._dynamo", "sympy", "numba", "warp", "flip_evaluator", "xatlas", "scipy", "trimesh")

PROGRAM = """
import json, sys
from diffrec.cli import main
print(main(sys.argv[1:]))
print(json.dumps([name for name in {names!r} if name in sys.modules]))
"""


def loaded(folder: Path, program: str, *arguments: str) -> list[str]:
    """The modules that a program, run in a folder, names in its last line."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_trainer_is_loaded_without_what_it_does_not_need_yet(tmp_path: Path) -> None:
    program = (
        "import json, sys, torch\n"
        "import diffrec.cli, diffrec.training.run, diffrec.runtime.device\n"
        "diffrec.runtime.device.choose_device('auto')\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    assert loaded(tmp_path, program) == []


def test_a_mistake_is_told_before_pytorch_is_loaded(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"itr": 3}')
    found = loaded(tmp_path, PROGRAM.format(names=("torch", "numpy")), "--config", str(wrong))
    assert found == []


def test_training_never_loads_the_compiler_of_pytorch(sample: Path, tmp_path: Path) -> None:
    """It takes seconds, and nothing here uses it."""
    config = tmp_path / "short.json"
    fields = {
        "ref_mesh": str(sample / "sample.obj"),
        "envmap": str(sample / "sky.hdr"),
        "iter": 1,
        "train_res": [16, 16],
        "texture_res": [32, 32],
        "dmtet_grid": 10,
        "save_interval": 0,
        "validate": False,
        "out_dir": "short",
        "diffrec": {"light_res": 16, "device": "cpu", "asset": []},
    }
    config.write_text(json.dumps(fields))
    names = ("torch._dynamo", "torch._inductor", "sympy")
    found = loaded(tmp_path, PROGRAM.format(names=names), "--config", str(config))
    assert found == []
    assert (tmp_path / "out" / "short" / "mesh" / "mesh.obj").is_file()
