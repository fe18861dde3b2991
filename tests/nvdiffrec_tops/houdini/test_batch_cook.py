"""The batch cook of hython: same command line and report as the cook without Houdini."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from houfiles.build import build
from houfiles.describe import NodeDescription, SceneDescription, Token
from nvdiffrec_tops.cli import main
from nvdiffrec_tops.cook.options import INTERRUPTED
from topcook import pdg
from topcook.network.overrides import Override


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


def test_menus_take_tokens_and_multiparms_numbers(hip: Path, batch: Any, session: Any) -> None:
    options = ["--set", "run.pdg_workitemgeneration=3", "--jobs", "2", "--dry-run"]
    assert batch.main([str(hip), *options]) == 0
    assert session.exported["run.pdg_workitemgeneration"] == "3"
    assert session.exported["localscheduler.maxprocsmenu"] == "1"
    assert session.exported["localscheduler.maxprocs"] == 2
    scene = importlib.import_module("nvdiffrec_tops.houdini.batchscene")
    top = scene.find_network(None)
    scene.set_parm(top, Override("run", "stringattribs", "4"))
    assert session.exported["run.stringattribs"] == 4


def test_force_writes_files_again(hip: Path, batch: Any, session: Any) -> None:
    assert batch.main([str(hip), "--force", "--dry-run"]) == 0
    written = int(pdg.cacheMode.AlwaysWrite)
    assert session.exported == {"run.pdg_cachemode": written}


def test_the_toolkits_assets_are_there_without_the_package(
    hip: Path, batch: Any, session: Any, root: Path
) -> None:
    assert batch.main([str(hip), "--dry-run"]) == 0
    assert session.variables == {"TOPS_NVDIFFREC": root.as_posix()}
    assert sorted(Path(one).name for one in session.installed) == sorted(
        path.name for path in (root / "otls").glob("*.hda")
    )


def test_a_dry_run_shows_and_runs_nothing_as_without_houdini(
    hip: Path, batch: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[Any] = []
    for cook in (batch.main, lambda argv: main(["cook", *argv])):
        report = tmp_path / f"{len(said)}.json"
        assert cook([str(hip), "--dry-run", "--report", str(report)]) == 0
        text = capsys.readouterr().out
        assert cook([str(hip), "--dry-run", "--json"]) == 0
        said.append((text, json.loads(capsys.readouterr().out), json.loads(report.read_text())))
    (ours, our_items, our_report), (theirs, their_items, their_report) = said
    assert ours == theirs and "command: " in ours and "NOT COOKED" not in ours
    assert our_items == their_items
    assert _shape(our_report) == _shape(their_report) and our_report["successful"]
    assert not list((tmp_path / "temp").rglob("*.log"))


def test_every_end_is_cooked_at_once(hip: Path, batch: Any, session: Any) -> None:
    session.all_ends = True
    assert batch.main([str(hip), "--node", "run", "--node", "all"]) == 0


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_signal_cancels_the_cook_and_the_report_says_so(
    hip: Path, batch: Any, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    # The job itself sends the signal, so it is running when the signal comes.
    code = "import os, signal, sys, threading; os.kill(int(sys.argv[1]), signal.SIGTERM)"
    command = f'"{sys.executable}" -c "{code}; threading.Event().wait()" {os.getpid()}'
    options = ["--set", f"run.pdg_command={command}", "--set", "run.itemcount=1"]
    before = signal.getsignal(signal.SIGTERM)
    assert batch.main([str(hip), *options, "--report", str(report)]) == INTERRUPTED
    assert signal.getsignal(signal.SIGTERM) is before
    document = json.loads(report.read_text())
    assert document["stopped"] and not document["successful"]


class _Node:
    """A ``pdg.Node`` whose items are in the given states."""

    hasErrors = False

    def __init__(self, name: str, states: str = "", errors: tuple[str, ...] = ()) -> None:
        import hou

        self.name, self.isCooked = name, True
        above: Any = hou.TopNode.__new__(hou.TopNode)
        above.path, above.errors = lambda: f"/tasks/topnet1/{name}", lambda: errors
        above.type = lambda: SimpleNamespace(name=lambda: "genericgenerator")
        self.topNode = lambda: above
        self.workItems = [self._item(state) for state in states.split()]

    def _item(self, state: str) -> Any:
        return SimpleNamespace(
            **{"id": 1, "name": f"{self.name}_1", "node": self, "index": 0, "label": ""},
            **{"state": pdg.workItemState[state], "command": "", "cookDuration": 0.0},
            **{"attribNames": list, "outputFiles": [], "expectedOutputFiles": []},
            **{"logURI": "", "logMessages": "", "dependencies": []},
        )


@pytest.mark.parametrize(
    ("upstream", "display", "elsewhere", "errors", "good"),
    [
        ("CookedSuccess", "CookedCache", "", (), True),
        # Houdini's own script looks at the display node alone, and would call these good.
        ("CookedFail", "CookedSuccess", "", (), False),
        ("CookedCancel", "CookedSuccess", "", (), False),
        ("CookedSuccess", "CookedSuccess Uncooked", "", (), False),
        ("CookedSuccess", "CookedSuccess", "", ("no such file",), False),
        # A branch that nobody asked for may wait, but not fail.
        ("CookedSuccess", "CookedSuccess", "Uncooked", (), True),
        ("CookedSuccess", "CookedSuccess", "CookedFail", (), False),
    ],
)
def test_every_node_is_examined(
    batch: Any, upstream: str, display: str, elsewhere: str, errors: tuple[str, ...], good: bool
) -> None:
    nodes = [_Node("up", upstream, errors), _Node("down", display), _Node("other", elsewhere)]
    graph = SimpleNamespace(nodes=lambda: nodes)
    cook = SimpleNamespace(context=SimpleNamespace(graph=graph), errors=[], stopped=False)
    wanted = {"/tasks/topnet1/up", "/tasks/topnet1/down"}
    document = batch.report(cook, wanted, 1.0, False)
    assert document["successful"] is good
    assert document["nodes"][0]["errors"] == list(errors)


def test_nodes_inside_a_wanted_asset_are_wanted(batch: Any) -> None:
    inner = _Node("train/pythonprocessor1", "Uncooked")
    cook = SimpleNamespace(
        context=SimpleNamespace(graph=SimpleNamespace(nodes=lambda: [inner])),
        errors=[],
        stopped=False,
    )
    assert not batch.report(cook, {"/tasks/topnet1/train"}, 1.0, False)["successful"]
    assert batch.report(cook, {"/tasks/topnet1/tra"}, 1.0, False)["successful"]


def test_options_without_meaning_in_houdini_are_taken(
    hip: Path, batch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert batch.main([str(hip), "--dry-run", "--grace", "3", "--allow-unknown-parms"]) == 0
    assert "--grace means nothing here" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--top", "/tasks/other"], "no such TOP network; it has /tasks/topnet1"),
        (["--node", "rnu"], "has no node 'rnu'; it has localscheduler, run, all"),
        (["--set", "run.nothing=1"], "has no parameter 'nothing'"),
        (["--set", "run.itemcount=many"], "does not take 'many'"),
        (["--set", "nonsense"], "write it as NODE.PARM=VALUE"),
        (["--report", "/nowhere/at/all.json"], "there is no folder /nowhere/at"),
        (["--node", "localscheduler"], "no node that makes work items"),
        (["--set", "run.pdg_workitemgeneration=always"], "its entries are 1, 3, 0, 2"),
        (["--set", "run.sequential=perhaps"], "write on or off"),
        (["--set", "run.reload=1"], "it has no value"),
        (["--set", "run.itemcount=99999999999999999999x"], "does not take"),
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
