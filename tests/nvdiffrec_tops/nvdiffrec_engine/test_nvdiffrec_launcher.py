"""A script started by the launcher behaves as one that Python starts itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LAUNCHER = (
    Path(__file__).resolve().parents[3]
    / "python3.11libs/nvdiffrec_tops/job/engines/nvdiffrec/launcher.py"
)

LOOK = """
import json, sys
print(json.dumps([__name__, __file__, sys.argv, sys.path, __builtins__.__name__, __spec__]))
"""
WORKERS = """
import multiprocessing
class Made:
    def __init__(self, value):
        self.value = value
def work(value):
    return Made(value * 2)
if __name__ == "__main__":
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(method, [one.value for one in pool.map(work, [1, 2])])
"""
ENDINGS = {
    "nothing": ("", 0),
    "none": ("raise SystemExit", 0),
    "number": ("import sys; sys.exit(7)", 7),
    "text": ("import sys; sys.exit('no light')", 1),
    "error": ("def deep():\n    raise ValueError('too dark')\ndeep()", 1),
    "syntax": ("def (:\n", 1),
    "interrupt": ("raise KeyboardInterrupt", 130),
    "exit": ("import os; os._exit(9)", 9),
    "chained": ("try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise OSError(5, 'disk')", 1),
}


def start(python: str, script: Path, *words: str, launched: bool) -> subprocess.CompletedProcess:
    command = [python, "-u", *([str(LAUNCHER)] if launched else []), str(script), *words]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(script.parent)}
    return subprocess.run(
        command, cwd=script.parent, capture_output=True, encoding="utf-8", env=environment,
        check=False,
    )  # fmt: skip


def test_it_sees_what_it_would_see(tmp_path):
    script = tmp_path / "a b" / "train.py"
    script.parent.mkdir()
    script.write_text(LOOK)
    (script.parent / "result.py").write_text("")
    both = [
        start(sys.executable, script, "--config", "x y", "-b", "4", launched=launched).stdout
        for launched in (False, True)
    ]
    assert both[0] and both[0] == both[1].splitlines(keepends=True)[-1]


@pytest.mark.parametrize("name", ENDINGS)
def test_it_ends_as_it_would_end(tmp_path, name):
    text, code = ENDINGS[name]
    script = tmp_path / "train.py"
    script.write_text(text + "\n")
    plain, launched = (start(sys.executable, script, launched=one) for one in (False, True))
    expected = -2 if name == "interrupt" and plain.returncode == -2 else code
    assert plain.returncode == launched.returncode == expected
    said = [line for line in launched.stderr.splitlines() if "launcher" not in line]
    if name == "interrupt":
        assert said[-1] == "KeyboardInterrupt"
    elif name != "syntax":
        assert launched.stderr == plain.stderr
    else:
        assert said[-1] == plain.stderr.splitlines()[-1]


def test_workers_are_started_as_ever(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(WORKERS)
    done = start(sys.executable, script, launched=True)
    assert done.stdout.splitlines()[-2:] == ["fork [2, 4]", "spawn [2, 4]"], done.stderr


def test_mistakes_and_help(tmp_path):
    done = start(sys.executable, tmp_path / "none.py", launched=True)
    assert done.returncode == 2 and done.stderr.startswith("Error: there is no training script")
    for words, code in (((), 2), (("--help",), 0), (("--list-shims",), 0)):
        told = subprocess.run(
            [sys.executable, str(LAUNCHER), *words], capture_output=True, encoding="utf-8",
            check=False,
        )  # fmt: skip
        assert told.returncode == code and told.stdout and not told.stderr


@pytest.mark.parametrize("minor", range(7, 15))
def test_each_python_at_hand(tmp_path, minor):
    """From 3.9 on with shims; older ones start the script as it is."""
    versions = sorted((Path.home() / ".pyenv/versions").glob(f"3.{minor}.*/bin/python"))
    python = str(versions[0]) if versions else shutil.which(f"/usr/bin/python3.{minor}")
    if python is None:
        pytest.skip(f"no Python 3.{minor} at hand")
    script = tmp_path / "train.py"
    script.write_text("import sys\nprint('trained', sys.argv[1:])\n")
    done = start(python, script, "--config", "x", launched=True)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.splitlines()[-1] == "trained ['--config', 'x']"
    assert ("older than 3.9" in done.stdout) == (minor < 9)
