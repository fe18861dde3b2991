"""Python Script nodes: refused unless allowed, run in processes of their own, results come back."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_tops.cli import main
from topcook import pdg
from topcook.cook import Cook, CookResult, Watcher
from topcook.network.opening import NetworkError, open_network
from topcook.schedulers.local import LocalScheduler

Run = Callable[..., CookResult]
GENERATE, IN_PROCESS, OUT_OF_PROCESS = "0", "1", "2"
EVERY = (GENERATE, IN_PROCESS, OUT_OF_PROCESS)


@pytest.fixture
def run() -> Run:
    """Cook a scene whose scripts are allowed."""

    def cook(hip: Path) -> CookResult:
        network = open_network(hip, scene_python=True)
        scheduler = LocalScheduler(network.scheduler, jobs=1, grace=1.0)
        return Cook(network.context, scheduler, Watcher()).run()

    return cook


def script(top: Any, code: str, when: str = IN_PROCESS, **parms: Any) -> Any:
    code = textwrap.dedent(code)
    return top("py", "pythonscript", {"pdg_cooktype": when, "script": code, **parms}, ["make"])


@pytest.fixture
def make(top, tmp_path) -> Any:
    """An item with attributes of every kind and an output file."""
    (tmp_path / "in.png").write_text("x")
    return top(
        "make",
        "attributecreate",
        {
            "stringattribs": 1,
            "stringname1": "s",
            "stringvalue1": 'it\'s "quoted"\n日',
            "intattribs": 1,
            "intname1": "i",
            "intsize1": 2,
            "intvalue1": [3, 4, 0, 0],
            "dictattribs": 1,
            "dictname1": "d",
            "dictvalue1": '{"a": [1]}',
            "resultdata": 1,
            "resultvalue1": "$HIP/in.png",
            "resulttag1": "file/image",
        },
    )


def only(cooked: CookResult) -> pdg.WorkItem:
    (item,) = (one for one in cooked.graph.workItems() if one.node.name == "py")
    return item


# -- permission -------------------------------------------------------------------------------
@pytest.mark.parametrize("when", EVERY)
def test_a_scenes_code_is_not_run_without_permission(scene, top, make, capsys, tmp_path, when):
    hip = scene(make, script(top, f"open('{tmp_path}/run', 'w')", when))
    assert main(["cook", str(hip)]) == 1
    said = capsys.readouterr().err
    assert "--allow-scene-python" in said and "with your rights" in said
    assert main(["cook", str(hip), "--dry-run", "--allow-scene-python"]) == 0
    assert not (tmp_path / "run").exists()
    assert main(["cook", str(hip), "--allow-scene-python"]) == 0
    assert (tmp_path / "run").exists()


def test_the_option_is_explained(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["cook", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "--allow-scene-python run the code of the scene's Python Script nodes" in said
    assert "read it first" in said


def test_what_only_houdini_has_is_refused_by_name(scene, top, make) -> None:
    hip = scene(make, script(top, "", "3", batchtype="1", nativeworkitem="on"))
    with pytest.raises(NetworkError) as caught:
        open_network(hip, scene_python=True)
    for name in ("pdg_cooktype", "batchtype", "nativeworkitem"):
        assert f"'{name}'" in str(caught.value)


# -- what a script sees and changes -------------------------------------------------------------
CHANGES = """
    assert work_item.stringAttribValue("s") == 'it\\'s "quoted"\\n日', work_item["s"].values
    assert work_item.intAttribArray("i") == [3, 4] and work_item["i"].value(1) == 4
    assert work_item.attribValue("d") == {"a": [1]} and work_item.index == 0
    assert work_item.data.stringData("s", 0).startswith("it") and not graph.attribNames()
    assert [one.tag for one in work_item.inputFiles] == ["file/image"]
    work_item.setStringAttrib("s", ["a; b", "c\\nd"])
    work_item.setFloatAttrib("f", 0.5)
    work_item.setIntAttrib("i", 9, 1)
    work_item.setDictAttrib("d", {"b": None})
    work_item.addOutputFile("/out/mesh 1.obj", "file/geo")
    work_item.addWarning("be careful")
    work_item.setCustomState("half way")
    print("hello")
"""


@pytest.mark.parametrize("when", EVERY)
def test_changes_come_back(scene, top, make, run, when) -> None:
    cooked = run(scene(make, script(top, CHANGES, when)))
    item = only(cooked)
    assert cooked.successful, (item.failure, item.logPath and item.logPath.read_text())
    assert item.attribArray("s") == ["a; b", "c\nd"] and item.attribArray("f") == [0.5]
    assert item.attribArray("i") == [3, 9] and item.attribArray("d") == [{"b": None}]
    assert [(one.path, one.tag) for one in item.outputFiles] == [("/out/mesh 1.obj", "file/geo")]
    assert item.messagesOf(pdg.workItemLogType.Warning) == ["be careful"]
    assert item.customState == "half way"
    assert item.logPath is not None and "hello" in item.logPath.read_text()


@pytest.mark.parametrize("when", [GENERATE, IN_PROCESS])
def test_a_script_in_houdinis_place_knows_node_and_parent(scene, top, make, run, when) -> None:
    code = """
        assert self.name == "py" and self["copyoutputs"].evaluateString() == "off"
        assert self.topNode().path() == "/tasks/topnet1/py"
        assert self["pdg_schedulewhen"].evaluateInt() == 1
        assert parent_item.stringAttribValue("s") == work_item.stringAttribValue("s")
        work_item.eraseAttrib("s")
        work_item.setFileAttrib("file", "/tmp/x.png")
        work_item.setPyObjectAttrib("object", {1: (2, "three")})
        work_item.index, work_item.priority = 7, 5
        work_item.setFrame(12.0)
        work_item.setLabel("seven")
        work_item.addEnvironmentVar("SHOW", "city")
    """
    item = only(run(scene(make, script(top, code, when, copyoutputs="off"))))
    assert item.isSuccessful, item.failure
    assert not item.hasAttrib("s") and item.hasAttrib("i") and not item.outputFiles
    assert item.fileAttribValue("file") == pdg.File("/tmp/x.png", "file")
    assert item.pyObjectAttribValue("object") == {1: (2, "three")}
    assert (item.index, item.priority, item.frame, item.label) == (7, 5, 12.0, "seven")
    assert item.environment == {"SHOW": "city"}


@pytest.mark.parametrize("when", EVERY)
@pytest.mark.parametrize(("copy", "files"), [("off", []), ("on", ["in.png"]), ("2", ["in.png"])])
def test_inputs_become_outputs(scene, top, make, run, when, copy, files) -> None:
    item = only(run(scene(make, script(top, "pass", when, copyoutputs=copy))))
    assert [(Path(one.path).name, one.tag) for one in item.outputFiles] == [
        (name, "file/image") for name in files
    ]


@pytest.mark.parametrize("older", ["off", "on", "2"])
def test_scenes_of_older_versions_say_when_otherwise(scene, top, make, run, older) -> None:
    parms = {"inprocess": older, "script": "work_item.setIntAttrib('x', 1)"}
    item = only(run(scene(make, top("py", "pythonscript", parms, ["make"]))))
    assert item.attribArray("x") == [1]
    kinds = {"off": "OutOfProcess", "on": "InProcess", "2": "Generate"}
    assert item.cookType.name == kinds[older]


def test_attributes_of_a_script_reach_expressions_downstream(scene, top, make, run, tmp_path):
    code = "work_item.setStringAttrib('word', 'two words; $HOME')"
    text = {"filepath": "$HIP/out.txt", "text": "`@word`"}
    nodes = [make, script(top, code, GENERATE), top("text", "textoutput", text, ["py"])]
    assert run(scene(*nodes)).successful
    assert (tmp_path / "out.txt").read_text() == "two words; $HOME"


def test_items_made_before_the_script_ran_see_what_it_set(scene, top, make, run) -> None:
    """New and changed attributes are handed down, to items that have none of their own."""
    code = "work_item.setIntAttrib('x', 1); work_item.setStringAttrib('s', 'new')"
    own = {"stringattribs": 1, "stringname1": "x", "stringvalue1": "mine"}
    nodes = [
        make,
        script(top, code),
        top("one", "attributecreate", {}, ["py"]),
        top("two", "attributecreate", own, ["one"]),
    ]
    items = {one.node.name: one for one in run(scene(*nodes)).graph.workItems()}
    assert items["make"].attribArray("s") != ["new"] and not items["make"].hasAttrib("x")
    assert items["one"].attribArray("x") == [1] and items["one"].attribArray("s") == ["new"]
    assert items["two"].attribArray("x") == ["mine"] and items["two"].attribArray("s") == ["new"]


# -- failures -----------------------------------------------------------------------------------
FAILURES = [
    ("x = 1\nraise ValueError('wrong')", "line 2: ValueError: wrong"),
    ("def f(:", "SyntaxError"),
    ("import hou", "ModuleNotFoundError: No module named 'hou'"),
    ("work_item.cookSubItem()", "work_item.cookSubItem needs Houdini"),
    ("raise SystemExit(3)", "sys.exit(3)"),
    ("work_item.addError('no data', True)", "no data"),
]


@pytest.mark.parametrize("when", EVERY)
@pytest.mark.parametrize(("code", "sentence"), FAILURES)
def test_failures_say_what_went_wrong(scene, top, make, run, when, code, sentence) -> None:
    hip = scene(make, script(top, code, when))
    if when == GENERATE:
        with pytest.raises(pdg.CookError, match="/tasks/topnet1/py: ") as caught:
            run(hip)
        assert sentence in str(caught.value)
        return
    item = only(run(hip))
    assert item.isUnsuccessful and item.logPath is not None
    assert sentence in item.failure + item.logPath.read_text()


@pytest.mark.parametrize(
    "code", ["import os; os._exit(4)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
)
def test_a_script_that_takes_its_process_down(scene, top, make, run, code) -> None:
    item = only(run(scene(make, script(top, code))))
    assert item.isUnsuccessful and "before the script did" in item.failure


@pytest.mark.parametrize("value", ["float('nan')", "2**70"])
def test_values_that_nothing_can_hold_end_in_a_sentence(scene, top, make, run, value) -> None:
    item = only(run(scene(make, script(top, f"work_item.setFloatAttrib('f', {value})"))))
    assert item.isSuccessful or item.failure


def test_a_running_script_is_stopped(scene, top, make, tmp_path) -> None:
    """The script says that it runs and waits for ever; the cook ends all the same."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    code = f"open('{fifo}', 'w').write('go')\nimport threading; threading.Event().wait()"
    network = open_network(scene(make, script(top, code)), scene_python=True)
    cook = Cook(network.context, LocalScheduler(network.scheduler, jobs=1), Watcher())

    def stop() -> None:
        fifo.read_text()
        cook.request_stop()

    thread = threading.Thread(target=stop)
    thread.start()
    result = cook.run()
    thread.join()
    assert result.stopped and only(result).state is pdg.workItemState.CookedCancel


# -- the interpreter ----------------------------------------------------------------------------
def test_arguments_paths_and_a_venv(scene, top, make, run, tmp_path) -> None:
    (tmp_path / "ven v/bin").mkdir(parents=True)
    (tmp_path / "ven v/bin/python").symlink_to(sys.executable)
    packages = tmp_path / "ven v/lib/python3.99/site-packages"
    packages.mkdir(parents=True)
    (packages / "inthevenv.py").write_text("word = 'found'")
    code = """
        import os, sys
        import inthevenv
        work_item.setStringAttrib("seen", [inthevenv.word, *sys.argv[1:], sys.flags.optimize * "o"])
        work_item.setIntAttrib("clean", int("PYTHONPATH" not in os.environ))
    """
    item = only(
        run(
            scene(
                make,
                script(
                    top,
                    code,
                    OUT_OF_PROCESS,
                    pythonbin="3",
                    pythonvenv="$HIP/ven v",
                    resetpython="on",
                    pythonargs="-u -O",
                    extraargs="one 'two words' -x --y=$HIP",
                    pythonpaths=1,
                    pathsource1="1",
                    venvpath1="$HIP/ven v",
                ),
            )
        )
    )
    assert item.isSuccessful, item.logPath and item.logPath.read_text()
    words = ["found", "one", "two words", "-x", f"--y={tmp_path}", "o"]
    assert item.attribArray("seen") == words and item.attribArray("clean") == [1]


def test_a_venv_that_is_none(scene, top, make, run) -> None:
    hip = scene(make, script(top, "", OUT_OF_PROCESS, pythonbin="3", pythonvenv="$HIP/none"))
    with pytest.raises(pdg.CookError, match="is no virtual environment"):
        run(hip)


def test_expansion_only_where_it_is_asked_for(scene, top, make, run, tmp_path) -> None:
    code = "work_item.setStringAttrib('x', '$HIP `@i`')"
    assert only(run(scene(make, script(top, code)))).attribArray("x") == ["$HIP `@i`"]
    expanded = only(run(scene(make, script(top, code, expandscript="on"))))
    assert expanded.attribArray("x") == [f"{tmp_path} 3"]


def test_the_record_of_a_script_item_carries_the_script(scene, top, make, capsys) -> None:
    hip = scene(make, script(top, "print('日')"))
    assert main(["cook", str(hip), "--dry-run", "--json", "--allow-scene-python"]) == 0
    saved = json.loads(capsys.readouterr().out)[-1]["workitem"]
    assert saved["customDataType"] == "scriptdata"
    assert saved["customData"] == "cHJpbnQoJ+aXpScp"
