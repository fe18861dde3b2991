"""What jobs report in a cook without Houdini: lines, and the pdgcmd that stands in for PDG's."""

from __future__ import annotations

import importlib.util
import inspect
import io
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.command import TrainingCommand
from nvdiffrec_tops.job.outputs import result
from topcook import jobsupport, pdg
from topcook.cook import Cook, CookResult, Watcher
from topcook.jobs import loglines
from topcook.network.opening import open_network
from topcook.schedulers.local import LocalScheduler

PDGCMD = "$HHP/pdgjob/pdgcmd.py"
Run = Callable[..., CookResult]


@pytest.fixture
def run() -> Run:
    """Cook a scene; the warnings about the network are put into ``warned``."""

    def cook(hip: Path, warned: list[str] | None = None) -> CookResult:
        network = open_network(hip)
        network.surroundings.warn = (warned if warned is not None else []).append
        scheduler = LocalScheduler(network.scheduler, jobs=1, grace=1.0)
        return Cook(network.context, scheduler, Watcher()).run()

    return cook


def node(top: Any, python: Any, code: str, **parms: Any) -> Any:
    return top("run", "genericgenerator", {"pdg_command": python(code), **parms})


def only(cooked: CookResult, name: str = "run") -> pdg.WorkItem:
    (item,) = (one for one in cooked.graph.workItems() if one.node.name == name)
    return item


# -- whole cooks --------------------------------------------------------------------------------
def test_a_job_reports_through_the_stand_in(scene, top, python, run, tmp_path) -> None:
    code = (
        "import os, sys; sys.path.insert(0, os.environ['PDG_SCRIPTDIR']); import pdgcmd; "
        "pdgcmd.setFloatAttrib('psnr', 30, 0); pdgcmd.setIntAttrib('faces', 12, 0); "
        "pdgcmd.setStringAttrib('words', 'first; one', 0); "
        "pdgcmd.setStringAttrib('words', 'zwei\\n grün', 1); "
        "pdgcmd.setFloatAttribArray('all', [1, 2.5]); pdgcmd.setDictAttrib('table', dict(a=1), 0); "
        "pdgcmd.workItemSetCookPercent(50.0); pdgcmd.workItemSetCustomState('pass 2'); "
        f"pdgcmd.addOutputFile(r'{tmp_path}/a;b.obj', result_data_tag='file/geo', to_stdout=False);"
        f"pdgcmd.addOutputFiles([r'{tmp_path}/c', '__PDG_DIR__/d'], output_file_tag='file/x'); "
        "pdgcmd.warning('it is late')"
    )
    first = node(top, python, code, pdgnodedeps=2, pdgnodedep1=PDGCMD, pdgnodedep2="")
    second = top(
        "after",
        "genericgenerator",
        {"pdg_command": python("") + " `@psnr`", "pdg_workitemgeneration": "3"},
        ["run"],
    )
    cooked = run(scene(first, second, scheduler={"pdg_workingdir": "$HIP"}))
    assert cooked.successful, [item.failure for item in cooked.graph.workItems()]
    item = only(cooked)
    assert item.floatAttribValue("psnr") == 30.0 and item.intAttribValue("faces") == 12
    assert item.stringAttribArray("words") == ["first; one", "zwei\n grün"]
    assert item.floatAttribArray("all") == [1.0, 2.5]
    assert item.dictAttribValue("table") == {"a": 1}
    assert item.cookPercent == 0.5 and item.customState == "pass 2"
    assert [(one.path, one.tag) for one in item.outputFiles] == [
        (f"{tmp_path}/a;b.obj", "file/geo"),
        (f"{tmp_path}/c", "file/x"),
        (f"{tmp_path}/d", "file/x"),
    ]
    assert item.messagesOf(pdg.workItemLogType.Warning) == ["it is late"]
    assert only(cooked, "after").command.endswith(" 30")


def test_nothing_is_said_twice(scene, top, python, run, tmp_path) -> None:
    line = f"PDG_RESULT: 1;-1;{tmp_path}/x;"
    cooked = run(scene(node(top, python, f"print('{line}file;0'); print('{line}file/geo;0')")))
    assert [(one.path, one.tag) for one in only(cooked).outputFiles] == [
        (f"{tmp_path}/x", "file/geo")
    ]


def test_a_retry_begins_anew(scene, top, python, run, tmp_path) -> None:
    count = tmp_path / "count"
    code = (
        f"import sys; f = open(r'{count}', 'a'); f.write('x'); f.close(); n = len(open(r'{count}')"
        ".read()); print('PDG_ATTRIB: 1;try%d;%d' % (n, n)); sys.exit(n < 2)"
    )
    cooked = run(scene(node(top, python, code), scheduler={"local_echandleby": "2"}))
    item = only(cooked)
    assert item.isSuccessful and not item.hasAttrib("try1") and item.intAttribValue("try2") == 2


def test_what_only_houdini_has_is_left_out_and_other_files_are_not(
    scene, top, python, run, tmp_path
) -> None:
    warned: list[str] = []
    hip = scene(node(top, python, "", pdgnodedeps=1, pdgnodedep1="${HHP}/pdgjob/topcook.py"))
    assert run(hip, warned).successful
    (warning,) = (one for one in warned if "topcook.py" in one)
    assert "needs a cook with Houdini" in warning
    for missing in ("$HIP/none.py", "$HIP/pdgjob/pdgcmd.py"):
        hip = scene(node(top, python, "", pdgnodedeps=1, pdgnodedep1=missing))
        with pytest.raises(pdg.CookError, match="does not exist"):
            run(hip)
    hip = scene(node(top, python, "", pdgnodedeps=1, pdgnodedep1="$HHP/../passwd"))
    with pytest.raises(pdg.CookError, match=r"\$HHP is not defined"):
        run(hip)


@pytest.mark.parametrize("text", ["$HHP/pdgjob/__init__.py", "$HHP/pdgjob/../x.py", "x/pdgcmd.py"])
def test_nothing_else_stands_in(text: str) -> None:
    assert jobsupport.stand_in(text) is None


def test_a_failed_training_keeps_its_result_file(scene, top, python, run, tmp_path) -> None:
    made = tmp_path / "out"
    made.mkdir()
    code = (
        f"import sys; [open(r'{made}/' + n, 'w').write('x') for n in ('{result.NAME}', 'mesh.obj')]"
        "; sys.exit(1)"
    )
    files = {
        "expectedoutputsfrom": "2",
        "expectedoutputfiles": 2,
        "expectedoutputfile1": f"{made}/mesh.obj",
        "expectedoutputfile2": f"{made}/{result.NAME}",
    }
    cooked = run(scene(node(top, python, code, **files)))
    assert only(cooked).isUnsuccessful
    assert {path.name for path in made.iterdir()} == {"mesh.obj.incomplete", result.NAME}


def test_a_training_that_may_fail_is_a_warning_of_its_item(scene, top, run, tmp_path) -> None:
    command = TrainingCommand(
        python=sys.executable,
        engine="diffrec",
        config="none.json",
        working_dir=str(tmp_path),
        output=str(tmp_path / "out"),
        on_failure="warn",
    )
    made = top("run", "genericgenerator", {"pdg_command": command.line()})
    item = only(run(scene(made)))
    assert item.isSuccessful
    (warning,) = item.messagesOf(pdg.workItemLogType.Warning)
    assert warning.startswith("the configuration does not exist: ") and "CONFIG_NAME" in warning


# -- the lines ----------------------------------------------------------------------------------
names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,20}", fullmatch=True)
numbers = st.floats(allow_nan=False, allow_infinity=False)
integers = st.integers(-(2**63), 2**63 - 1)
values = st.one_of(
    integers,
    numbers,
    st.text(),
    st.lists(integers, min_size=1),
    st.lists(numbers, min_size=1),
    st.lists(st.text(), min_size=1),
    st.dictionaries(st.text(), integers),
)


@given(names, st.integers(0, 9999), values)
def test_attributes_come_through(name: str, index: int, value: Any) -> None:
    place = f"{name}.{index}" if index else name
    said = loglines.read(f"PDG_ATTRIB: 7;{place};{json.dumps(value)}", 7)
    assert said == loglines.Attribute(name, index, value)
    assert type(said.value) is type(value)


@given(
    st.one_of(
        st.text(),
        st.builds(
            "{}{}: {};{}".format,
            st.sampled_from(["", "[12:00:01.250] ", "x "]),
            st.sampled_from(["PDG_RESULT", "PDG_ATTRIB", "PDG_SET_CUSTOM_STATE", "PDG_WARNING"]),
            st.integers(0, 9) | st.text(max_size=3),
            st.text() | st.builds("{};{}".format, names, st.text() | values.map(json.dumps)),
        ),
    )
)
def test_no_line_does_harm(line: str) -> None:
    said = loglines.read(line, 7)
    if isinstance(said, loglines.Attribute):
        node = pdg.Node(pdg.GraphContext().graph, "run", pdg.nodeType.Processor, None)  # type: ignore[arg-type]
        item = pdg.WorkItemHolder(node, static=True).addWorkItem()
        said.give(item)
        assert item.attribType(said.name) is said.type
        item[said.name].asDict()


@pytest.mark.parametrize(
    "line",
    [
        "PDG_ATTRIB: 8;psnr;30.5",  # another item
        "PDG_ATTRIB: 7;__pdg_commandstring;\"rm\"",
        "PDG_ATTRIB: 7;psnr;NaN",
        "PDG_ATTRIB: 7;psnr;1e999",
        "PDG_ATTRIB: 7;psnr;null",
        "PDG_ATTRIB: 7;psnr;[]",
        "PDG_ATTRIB: 7;psnr;[1, \"a\"]",
        "PDG_ATTRIB: 7;psnr;[[1]]",
        "PDG_ATTRIB: 7;faces;9223372036854775808",
        "PDG_ATTRIB: 7;a b;1",
        "PDG_ATTRIB: 7;a.10000;1",
        "PDG_ATTRIB: 7;psnr",
        "PDG_ATTRIB: 7;psnr;" + "[" * 100_000,
        "the trainer says PDG_ATTRIB: 7;psnr;30.5",
        "PDG_SET_CUSTOM_STATE: 8;-1;pass 1",
        "PDG_WARNING: 7;",
        "PDG_RESULT: 7;-1;;file;0",
    ],
)  # fmt: skip
def test_lines_that_say_nothing(line: str) -> None:
    assert loglines.read(line, 7) is None


def test_lines_of_pdgs_own_module_carry_the_time() -> None:
    assert loglines.read("[12:00:01.250] PDG_RESULT: 7;-1;/a;b;file/geo;42", 7) == (
        loglines.Output("/a;b", "file/geo", 42)
    )
    assert loglines.read("[12:00:01.250] PDG_SET_CUSTOM_STATE: 7;-1;pass 1", 7) == (
        loglines.State("pass 1")
    )
    assert loglines.read("x ALF_PROGRESS 250%", 7) == loglines.Percent(1.0)


# -- the module ---------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def pdgcmd() -> ModuleType:
    path = jobsupport.stand_in(PDGCMD)
    assert path is not None
    specification = importlib.util.spec_from_file_location("stand_in_pdgcmd", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "documented"),
    [
        (
            "addOutputFile",
            "result_data workitem_id server_addr result_data_tag subindex and_success to_stdout "
            "raise_exc duration hash_code batch_size",
        ),
        *(
            (f"set{kind}Attrib", "attr_name attr_value attr_index workitem_id")
            for kind in ("String", "Int", "Float", "File", "Dict")
        ),
        *(
            (f"set{kind}AttribArray", "attr_name attr_value workitem_id")
            for kind in ("String", "Int", "Float")
        ),
        ("workItemSetCookPercent", "cook_percent workitem_id"),
        ("workItemSetCustomState", "custom_state workitem_id"),
        ("workItemAppendLog", "log_data log_type workitem_id"),
        ("warning", "message workitem_id server_addr raise_exc"),
    ],
)
def test_its_signatures_are_the_documented_ones(pdgcmd, name: str, documented: str) -> None:
    parameters = inspect.signature(getattr(pdgcmd, name)).parameters
    assert list(parameters)[: len(documented.split())] == documented.split()
    rest = {"subindex", "server_addr", "raise_exc"}
    assert name == "warning" or rest <= set(parameters)
    if "attr_index" in parameters:
        assert parameters["attr_index"].default is inspect.Parameter.empty


def test_what_it_does_not_have_says_why(pdgcmd) -> None:
    with pytest.raises(AttributeError, match="waitUntilReady needs Houdini"):
        pdgcmd.waitUntilReady(1, 0)


@given(text=st.text(), state=st.text())
def test_whatever_is_written_stays_one_line(pdgcmd, text: str, state: str) -> None:
    out = io.StringIO()
    with redirect_stdout(out):
        pdgcmd.setStringAttrib("words", text, 0, workitem_id=7)
        pdgcmd.workItemSetCustomState(state, workitem_id=7)
        pdgcmd.workItemSetCookPercent(200.0)
    first, second, third = out.getvalue().split("\n")[:-1]
    assert loglines.read(first, 7) == loglines.Attribute("words", 0, text)
    assert isinstance(loglines.read(second, 7), loglines.State)
    assert loglines.read(third, 7) == loglines.Percent(1.0)


def test_it_runs_alone_without_this_package() -> None:
    import subprocess

    path = jobsupport.stand_in(PDGCMD)
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(path), "--success"], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
