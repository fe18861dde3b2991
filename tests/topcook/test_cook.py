"""Whole cooks of small scenes with real commands."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_tops.cli import main

Cook = Callable[..., dict[str, Any]]


@pytest.fixture
def cook(capsys: pytest.CaptureFixture[str]) -> Cook:
    """Cook a scene; returns the JSON report with the exit code and what was said added."""

    def run(scene: Path, *arguments: str) -> dict[str, Any]:
        code = main(["cook", str(scene), "--json", *arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        report: dict[str, Any] = json.loads(captured.out) if captured.out else {}
        return {**report, "code": code, "said": captured.err}

    return run


def states(report: dict[str, Any], node: str) -> list[str]:
    return [item["stateName"] for item in report["items"] if item["node"] == node]


def test_attributes_environment_command_partition(scene, top, python, cook, tmp_path) -> None:
    out = tmp_path / "out.json"
    code = (
        "import json, os, sys; e = os.environ; "
        f"json.dump([dict(e), sys.argv[1:]], open('{out}', 'w')); print('PDG_RESULT: '"
        f"+ e['PDG_ITEM_ID'] + ';-1;{out};file/json;0')"
    )
    hip = scene(
        top(
            "make",
            "attributecreate",
            {
                "stringattribs": 2,
                "stringname1": "root",
                "stringvalue1": "$HIP/data/",
                "stringname2": "words",
                "stringvalue2": "two words",
                "intattribs": 1,
                "intname1": "size",
                "intsize1": 2,
                "intvalue1": [64, 32, 0, 0],
            },
        ),
        top(
            "env",
            "environmentedit",
            {
                "environment": 2,
                "varname1": "DATA_ROOT",
                "vartype1": "2",
                "strvarvalue1": "`@root`",
                "varname2": "LEVEL",
                "vartype2": "1",
                "intvarvalue2": 5,
            },
            ["make"],
        ),
        top(
            "run",
            "genericgenerator",
            {"pdg_command": python(code) + ' "`@words`" `@size.1` __PDG_ITEM_NAME__'},
            ["env"],
        ),
        top("all", "waitforall", {}, ["run"], ["display"]),
        scheduler={
            "local_envmulti": 2,
            "local_envname1": "PATH",
            "local_envvalue1": "/first/in/path",
            "local_envname2": "EXTRA",
            "local_envvalue2": "x",
            "local_envunset": "LEVEL",
            "local_usehoudinimaxthreads": "on",
            "local_houdinimaxthreads": 3,
        },
    )
    report = cook(hip)
    assert report["code"] == 0, report["said"]
    environment, arguments = json.loads(out.read_text())
    assert arguments == ["two words", "32", "run_3"]
    assert environment["DATA_ROOT"] == f"{tmp_path}/data/"
    assert "LEVEL" not in environment and environment["EXTRA"] == "x"
    assert environment["PATH"].startswith("/first/in/path" + os.pathsep)
    assert environment["HOUDINI_MAXTHREADS"] == "3"
    assert environment["HIP"] == str(tmp_path) and environment["HIPNAME"] == "shot"
    assert environment["PDG_ITEM_NAME"] == "run_3" and environment["PDG_INDEX4"] == "0000"
    assert environment["PDG_DIR"] == str(tmp_path)
    data = Path(environment["PDG_TEMP"], "data", "run_3.json.gz")
    saved = json.loads(gzip.decompress(data.read_bytes()))["workitem"]
    assert saved["attributes"]["size"]["value"] == [64, 32]
    assert saved["nodeName"] == "run" and saved["schedulerName"] == "localscheduler"
    outputs = {item["node"]: item["outputs"] for item in report["items"]}
    assert [one["path"] for one in outputs["run"]] == [str(out)]
    assert outputs["all"] == outputs["run"]
    assert report["items"][3]["stateName"] == "CookedSuccess"


def test_counts_indices_sequential_and_slots(scene, top, python, cook, tmp_path) -> None:
    log = tmp_path / "order.txt"
    code = f"import os; open('{log}', 'a').write(os.environ['PDG_INDEX'] + ' ')"
    hip = scene(
        top(
            "run",
            "genericgenerator",
            {"itemcount": 4, "sequential": "on", "pdg_command": python(code)},
        )
    )
    report = cook(hip, "--jobs", "4")
    assert report["code"] == 0
    assert log.read_text() == "0 1 2 3 "


def test_priority_expression_orders_items(scene, top, python, cook, tmp_path) -> None:
    log = tmp_path / "order.txt"
    code = f"import os; open('{log}', 'a').write(os.environ['PDG_INDEX'] + ' ')"
    node = top(
        "run",
        "genericgenerator",
        {
            "itemcount": 3,
            "pdg_workitempriority": "1",
            "pdg_workitempriorityexpr": 0,
            "pdg_command": python(code),
        },
        expressions={"pdg_workitempriorityexpr": "@pdg_index"},
    )
    assert cook(scene(node), "--jobs", "1")["code"] == 0
    assert log.read_text() == "2 1 0 "


def _writer(path: str) -> str:
    return f"open(r'{path}', 'a').write('x')"


def test_expected_outputs_cache_force_and_results(scene, top, python, cook, tmp_path) -> None:
    path = tmp_path / "mesh.obj"
    parms = {
        "pdg_command": python(_writer(str(path))),
        "expectedoutputsfrom": "2",
        "expectedoutputfiles": 1,
        "expectedoutputfile1": "$HIP/mesh.obj",
    }
    hip = scene(top("run", "genericgenerator", parms))
    first = cook(hip)
    assert states(first, "run") == ["CookedSuccess"]
    assert first["items"][0]["outputs"] == [{"path": str(path), "tag": "file/geo", "size": 1}]
    second = cook(hip)
    assert states(second, "run") == ["CookedCache"] and path.read_text() == "x"
    assert second["items"][0]["outputs"][0]["path"] == str(path)
    assert states(cook(hip, "--force"), "run") == ["CookedSuccess"]
    assert path.read_text() == "xx"
    assert states(cook(hip, "--set", "run.pdg_cachemode=2"), "run") == ["CookedSuccess"]
    path.unlink()
    read = cook(hip, "--set", "run.pdg_cachemode=1")
    assert read["code"] == 1 and "mesh.obj does not exist" in read["items"][0]["cause"]


def test_new_upstream_files_make_a_cache_stale(scene, top, python, cook, tmp_path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    two.write_text("old")

    def node(name: str, path: Path, inputs: list[str]) -> Any:
        parms = {
            "pdg_command": python(_writer(str(path))),
            "expectedoutputsfrom": "2",
            "expectedoutputfiles": 1,
            "expectedoutputfile1": str(path),
        }
        return top(name, "genericgenerator", parms, inputs)

    hip = scene(node("one", one, []), node("two", two, ["one"]))
    assert states(cook(hip), "two") == ["CookedSuccess"]
    assert states(cook(hip), "two") == ["CookedCache"]
    one.unlink()
    assert states(cook(hip, "--set", "two.pdg_cachemode=3"), "two") == ["CookedCache"]


TELLS = (
    "import json, os; told = dict(id='no-gpu', cause='no GPU', cure='rent one'); "
    "print('PDG_FAILURE: ' + os.environ['PDG_ITEM_ID'] + ';' + json.dumps(told))"
)


def test_failure_report_and_unfinished_output(scene, top, python, cook, tmp_path) -> None:
    path = tmp_path / "mesh.obj"
    code = f"{_writer(str(path))}; {TELLS}; exit(7)"
    hip = scene(
        top(
            "run",
            "genericgenerator",
            {
                "pdg_command": python(code),
                "expectedoutputsfrom": "2",
                "expectedoutputfiles": 1,
                "expectedoutputfile1": str(path),
            },
        ),
        top("after", "genericgenerator", {"pdg_command": python("pass")}, ["run"]),
        top("all", "waitforall", {"pdg_partitionignorefailures": "on"}, ["run"]),
    )
    report = cook(hip, "--all-ends")
    assert report["code"] == 1
    item = report["items"][0]
    assert item["stateName"] == "CookedFail"
    assert "exit code 7" in item["cause"] and "no GPU" in item["cause"]
    failure = item["failure"]
    assert [failure[name] for name in ("id", "cause", "cure")] == ["no-gpu", "no GPU", "rent one"]
    assert "rent one" in report["said"] and item["log"] in report["said"]
    assert not path.exists() and path.with_name("mesh.obj.incomplete").exists()
    assert states(report, "after") == ["Waiting"]
    assert states(report, "all") == ["CookedSuccess"]


@pytest.mark.parametrize(
    ("settings", "code", "state", "runs"),
    [
        ({"local_echandleby": "0"}, 1, "CookedFail", 1),
        ({"local_echandleby": "1"}, 0, "CookedSuccess", 1),
        ({"local_echandleby": "3"}, 0, "CookedSuccess", 1),
        ({"local_echandleby": "2", "local_maximumretries": 2}, 1, "CookedFail", 3),
        ({"local_echandleby": "3", "local_echandleall": "off"}, 1, "CookedFail", 1),
        (
            {"local_echandleby": "3", "local_echandleall": "off", "local_eccustomcode": 9},
            0,
            "CookedSuccess",
            1,
        ),
    ],
)
def test_exit_codes(scene, top, python, cook, tmp_path, settings, code, state, runs) -> None:
    log = tmp_path / "runs"
    command = python(f"{_writer(str(log))}; exit(9)")
    hip = scene(top("run", "genericgenerator", {"pdg_command": command}), scheduler=settings)
    report = cook(hip)
    assert (report["code"], states(report, "run"), len(log.read_text())) == (code, [state], runs)


def test_retry_until_success_counts_failures(scene, top, python, cook, tmp_path) -> None:
    log = tmp_path / "runs"
    command = python(f"f = open('{log}', 'a'); f.write('x'); exit(0 if f.tell() > 2 else 1)")
    settings = {"local_echandleby": "2", "local_addfailcountattr": "on"}
    hip = scene(
        top("run", "genericgenerator", {"pdg_command": command}),
        top(
            "after",
            "genericgenerator",
            {
                "pdg_workitemgeneration": "3",
                "pdg_command": python("import sys; exit(sys.argv[1] != '2')") + " `@failurecount`",
            },
            ["run"],
        ),
        scheduler=settings,
    )
    assert cook(hip)["code"] == 0


def test_timeout(scene, top, python, cook) -> None:
    command = python("import threading; threading.Event().wait()")
    settings = {"local_enabletimeout": "on", "local_maxtime": 0.3}
    hip = scene(top("run", "genericgenerator", {"pdg_command": command}), scheduler=settings)
    failed = cook(hip)
    assert failed["code"] == 1 and "Maximum Run Time" in failed["items"][0]["cause"]
    assert cook(hip, "--set", "localscheduler.local_handletimeout=1")["code"] == 0


def test_delay_builder_shell_and_platform(scene, top, python, cook, tmp_path) -> None:
    out = tmp_path / "arguments"
    program = tmp_path / "show.py"
    program.write_text(f"import sys; open({str(out)!r}, 'w').write(repr(sys.argv[1:]))")
    builder = {
        "usedelay": "2",
        "basecommand": f'"{sys.executable}" "{program}"',
        "extraargs": 4,
        "argumentname1": "--name",
        "valuetype1": "2",
        "customvalue1": "it's $HIP; echo `@pdg_index`",
        "argumentname2": "--flag",
        "valuetype2": "3",
        "argumentname3": "--size",
        "valuetype3": "1",
        "attribname3": "size",
        "collapsearray3": "3",
        "argumentenable4": "off",
    }
    hip = scene(
        top(
            "make",
            "attributecreate",
            {"intattribs": 1, "intname1": "size", "intsize1": 2, "intvalue1": [1, 2, 0, 0]},
        ),
        top("wait", "genericgenerator", {"usedelay": "on", "delay": 0.01}, ["make"]),
        top("build", "genericgenerator", builder, ["wait"]),
        top(
            "shell",
            "genericgenerator",
            {
                "shellcommand": "on",
                "platformcommand": "on",
                "linuxcommand": "true && exit 0 || exit 3",
                "maccommand": "true && exit 0 || exit 3",
                "windowscommand": "ver",
            },
            ["build"],
        ),
    )
    report = cook(hip)
    assert report["code"] == 0
    assert "system shell" in report["said"].lower()
    words = ["--name", f"it's {tmp_path}; echo 0", "--flag", "--size", "1", "--size", "2"]
    assert out.read_text() == repr(words)


def test_no_shell_unless_asked(scene, top, python, cook, tmp_path) -> None:
    target = tmp_path / "owned"
    command = python("import sys; print(sys.argv[1:])") + f" ; touch {target} && touch {target}"
    report = cook(scene(top("run", "genericgenerator", {"pdg_command": command})))
    assert report["code"] == 0 and not target.exists()
    log = Path(report["items"][0]["log"]).read_text()
    assert "[';', 'touch'" in log


def test_missing_program(scene, top, cook) -> None:
    report = cook(scene(top("run", "genericgenerator", {"pdg_command": "/no/such/program x"})))
    assert report["code"] == 1
    assert "Could not find executable '/no/such/program'" in report["items"][0]["cause"]


def test_dynamic_generation_and_schedule_when(scene, top, python, cook, tmp_path) -> None:
    made = tmp_path / "made.txt"
    hip = scene(
        top(
            "make",
            "genericgenerator",
            {
                "itemcount": 2,
                "pdg_command": python(f"print('PDG_RESULT: 1;-1;{made};file;0')"),
                "pdg_useschedulewhen": "on",
                "pdg_schedulewhen": 1,
            },
            expressions={"pdg_schedulewhen": "@pdg_index == 0"},
        ),
        top("each", "genericgenerator", {"pdg_workitemgeneration": "0"}, ["make"]),
        top("auto", "genericgenerator", {"pdg_command": python("pass")}, ["each"]),
        top("all", "waitforall", {"pdg_partitionwhen": "1"}, ["auto"]),
    )
    report = cook(hip)
    assert report["code"] == 0
    assert [len(item["outputs"]) for item in report["items"] if item["node"] == "make"] == [1, 0]
    assert len(states(report, "each")) == len(states(report, "auto")) == 2
    assert states(report, "all") == ["CookedSuccess"]


def test_display_bypass_and_ends(scene, top, cook) -> None:
    hip = scene(
        top("a", "genericgenerator", {}),
        top("b", "genericgenerator", {"itemcount": 5}, ["a"], ["bypass"]),
        top("c", "genericgenerator", {}, ["b"], ["display"]),
        top("d", "genericgenerator", {}, ["a"]),
    )
    report = cook(hip)
    assert [item["node"] for item in report["items"]] == ["a", "c"]
    assert "not cooked" in report["said"] and "d" in report["said"]
    assert [i["node"] for i in cook(hip, "--node", "d")["items"]] == ["a", "d"]
    assert [i["node"] for i in cook(hip, "--all-ends")["items"]] == ["a", "c", "d"]


def test_refusals_name_parameter_and_cure(scene, top, cook) -> None:
    hip = scene(
        top("make", "attributecreate", {"stringattribs": 1, "stringscope1": "1"}),
        top("wait", "waitforall", {"pdg_partitionsplitpartial": "on"}, ["make"]),
        top("odd", "genericgenerator", {"usedelay": "9"}, ["wait"]),
        scheduler={"pdg_waitforfailures": "on"},
    )
    report = cook(hip)
    assert report["code"] == 1 and "items" not in report
    for text in (
        "'stringscope1'",
        "--set make.stringscope1=0",
        "'pdg_partitionsplitpartial'",
        "no entry '9'",
        "--set localscheduler.pdg_waitforfailures=off",
    ):
        assert text in report["said"]


def test_unsupported_node_type(scene, top, cook) -> None:
    hip = scene(top("render", "ropfetch"), top("after", "genericgenerator", {}, ["render"]))
    report = cook(hip)
    assert report["code"] == 1
    assert "/tasks/topnet1/render is of type 'ropfetch'" in report["said"]


def test_python_expression_is_not_run(scene, top, cook, tmp_path) -> None:
    code = f"open('{tmp_path}/owned', 'w')"
    hip = scene(
        top(
            "make",
            "attributecreate",
            {"pyobjectattribs": 1, "pyobjectname1": "o", "pyobjectexpression1": code},
        ),
    )
    report = cook(hip)
    assert report["code"] == 1 and "Python code" in report["said"]
    assert not (tmp_path / "owned").exists()
