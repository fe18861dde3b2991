"""The batch cook of hython: same command line and report as the cook without Houdini."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_tops.cli import main
from nvdiffrec_tops.houfiles.build import build
from nvdiffrec_tops.houfiles.describe import NodeDescription, SceneDescription, Token


@pytest.fixture
def hip(tmp_path: Path) -> Path:
    """Two items that run, one that gathers them, and another end that is not displayed."""
    local = NodeDescription(
        "localscheduler",
        "localscheduler",
        {"tempdirmenu": Token("2"), "tempdircustom": str(tmp_path / "temp")},
    )
    code = f'"{sys.executable}" -c "import sys; sys.exit(int(sys.argv[1]))" 0'
    run = NodeDescription("run", "genericgenerator", {"itemcount": 2, "pdg_command": code})
    gather = NodeDescription("all", "waitforall", inputs=("run",), flags=("display",))
    top = NodeDescription(
        "topnet1",
        "topnet",
        {"topscheduler": "localscheduler"},
        children=(local, run, gather),
        is_network=True,
    )
    path = tmp_path / "a scene.hip"
    path.write_bytes(build(SceneDescription("shot", (top,))))
    return path


def _shape(value: Any) -> Any:
    """A document's names and types."""
    if isinstance(value, dict):
        return {key: _shape(one) for key, one in value.items()}
    return [_shape(value[0])] if isinstance(value, list) and value else type(value).__name__


def test_a_cook_succeeds_and_reports_as_the_cook_without_houdini(
    hip: Path, batch: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    assert batch.main([str(hip), "--report", str(report)]) == 0
    said = capsys.readouterr().out
    assert "CookedSuccess" in said and "Cook finished" in said
    ours = json.loads(report.read_text())
    assert main(["cook", str(hip), "--json", "--report", str(tmp_path / "other.json")]) == 0
    theirs = json.loads((tmp_path / "other.json").read_text())
    assert theirs == json.loads(capsys.readouterr().out)
    assert _shape(ours) == _shape(theirs)
    assert [item["stateName"] for item in ours["items"]] == ["CookedSuccess"] * 3


def test_an_upstream_failure_is_a_failure_although_another_node_is_cooked(
    hip: Path, batch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = f'"{sys.executable}" -c "import sys; sys.exit(3)"'
    assert batch.main([str(hip), "--set", f"run.pdg_command={broken}", "--json"]) == 1
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    states = {item["stateName"] for item in document["items"]}
    assert "CookedFail" in states and not document["successful"]
    assert "NOT COOKED" in captured.err


def test_parameters_are_set_as_their_own_type(hip: Path, batch: Any, session: Any) -> None:
    options = ["--set", "run.itemcount=5", "--set", "run.sequential=on", "--dry-run"]
    assert batch.main([str(hip), *options]) == 0
    assert [(one.parm, one.value) for one in session.set] == [
        ("itemcount", "5"),
        ("sequential", "on"),
    ]
    assert session.network is not None
    assert len(session.network.context.graph.node("run").workItems) == 5


def test_force_forgets_what_was_cooked_and_deletes_nothing(
    hip: Path, batch: Any, session: Any
) -> None:
    assert batch.main([str(hip), "--force", "--dry-run"]) == 0
    assert session.dirtied == ["run", "all"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--top", "/tasks/other"], "no such TOP network; it has /tasks/topnet1"),
        (["--node", "rnu"], "has no node 'rnu'; it has localscheduler, run, all"),
        (["--set", "run.nothing=1"], "has no parameter 'nothing'"),
        (["--set", "run.itemcount=many"], "does not take 'many'"),
        (["--set", "nonsense"], "write it as NODE.PARM=VALUE"),
        (["--report", "/nowhere/at/all.json"], "cannot be written"),
    ],
)
def test_mistakes_are_one_line(
    hip: Path, batch: Any, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert batch.main([str(hip), *options]) == 1
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said


def test_a_file_that_is_no_scene(
    tmp_path: Path, batch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert batch.main([str(tmp_path / "none.hip")]) == 1
    assert "does not exist" in capsys.readouterr().err
    (tmp_path / "bad.hip").write_bytes(b"nothing")
    assert batch.main([str(tmp_path / "bad.hip")]) == 1
    assert "Houdini cannot load" in capsys.readouterr().err


def test_without_houdini_the_script_says_what_to_do(root: Path, hip: Path) -> None:
    done = subprocess.run(
        [sys.executable, root / "scripts" / "batch_cook.py", hip], capture_output=True, text=True
    )
    assert done.returncode == 2 and "start it with hython" in done.stderr
    assert "Traceback" not in done.stderr
