"""The examples in the packages' pages, in a process that has nothing of the toolkit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ALONE = """
import sys
assert not any(name.startswith("nvdiffrec_tops") for name in sys.modules)
"""


def examples(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def run(root: Path, tmp_path: Path):
    def start(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code + ALONE],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(root / "python3.11libs")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return start


def test_a_described_scene_is_read_and_cooked(run, root: Path, tmp_path: Path) -> None:
    reading, building = examples(root / "python3.11libs" / "houfiles" / "README.md")
    cooking, registering = examples(root / "python3.11libs" / "topcook" / "README.md")
    run(building)
    (tmp_path / "made.hip").rename(tmp_path / "shot.hip")
    assert "step genericgenerator []" in run(reading)
    cooked = run("from pathlib import Path\n" + registering + cooking)
    assert [line.split()[:2] for line in cooked.splitlines()] == [
        [f"step_{number}", "CookedSuccess"] for number in (1, 2, 3)
    ]
