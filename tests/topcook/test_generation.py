"""When nodes make their items: Generate When, and what Automatic makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.cook.command import generate_all
from topcook import pdg
from topcook.cook import Cook, CookResult, Watcher
from topcook.network.opening import open_network
from topcook.parameters.references import references
from topcook.schedulers.local import LocalScheduler

Run = Callable[[Path], CookResult]


@pytest.fixture
def run() -> Run:
    def cook(hip: Path) -> CookResult:
        network = open_network(hip)
        scheduler = LocalScheduler(network.scheduler, jobs=2, grace=1.0)
        return Cook(network.context, scheduler, Watcher()).run()

    return cook


def _after(top: Any, value: str, **parms: Any) -> Any:
    """A node with an attribute ``seen`` whose value is an expression."""
    make = {"stringattribs": 1, "stringname1": "seen", "stringvalue1": value, **parms}
    return top("after", "attributecreate", make, ["run"])


def _only(result: CookResult, name: str = "after") -> pdg.WorkItem:
    assert result.successful, result.errors
    (item,) = [one for one in result.graph.workItems() if one.node.name == name]
    return item


def _reports(python: Any) -> str:
    code = "import os; print('PDG_ATTRIB: ' + os.environ['PDG_ITEM_ID'] + ';psnr;31.5')"
    command: str = python(code)
    return command


@pytest.mark.parametrize(
    "value", ["`@psnr`", "`pdgattrib('psnr', 0)`", '`ifs(haspdgattrib("psnr"), @psnr, 0)`']
)
def test_automatic_waits_for_an_attribute_that_a_job_reports(
    scene, top, python, run, value
) -> None:
    train = top("run", "genericgenerator", {"pdg_command": _reports(python)})
    item = _only(run(scene(train, _after(top, value))))
    assert item.stringAttribValue("seen") == "31.5" and not item.isStatic


def test_numbers_and_channels_are_looked_at_too(scene, top, python, run) -> None:
    train = top("run", "genericgenerator", {"pdg_command": _reports(python)})
    made = top(
        "after",
        "attributecreate",
        {"floatattribs": 1, "floatname1": "seen", "floatsize1": 1, "floatvalue1": [0, 0, 0, 0]},
        ["run"],
        (),
        {"floatvalue1": "@psnr * 2"},
    )
    item = _only(run(scene(train, made)))
    assert item.floatAttribValue("seen") == 63.0 and not item.isStatic


@pytest.mark.parametrize("value", ["plain @psnr", "`@pdg_index`", "`@given`", "`'a@b'`"])
def test_automatic_stays_static_where_nothing_is_missing(scene, top, python, run, value) -> None:
    give = {"stringattribs": 1, "stringname1": "given", "stringvalue1": "here"}
    path = scene(
        top("make", "attributecreate", give),
        top("run", "genericgenerator", {"pdg_command": _reports(python)}, ["make"]),
        _after(top, value),
    )
    made = generate_all(open_network(path), lambda _message: None)
    assert {one.node.name: one.isStatic for one in made} == {
        "make": True,
        "run": True,
        "after": True,
    }


def test_automatic_is_static_below_items_that_do_not_run(scene, top, run) -> None:
    """As in a recorded scene: a name that no item has is empty there, and the item static."""
    path = scene(top("run", "attributecreate"), _after(top, "<`@nowhere`>"))
    item = _only(run(path))
    assert item.stringAttribValue("seen") == "<>" and item.isStatic


def test_a_stated_choice_is_kept(scene, top, python, run) -> None:
    train = top("run", "genericgenerator", {"pdg_command": _reports(python)})
    item = _only(run(scene(train, _after(top, "`@psnr`", pdg_workitemgeneration="1"))))
    assert item.stringAttribValue("seen") == "" and item.isStatic


@pytest.mark.parametrize(("expected", "static"), [(1, True), (0, False)])
def test_input_files_are_expected_or_waited_for(
    scene, top, python, run, tmp_path, expected, static
) -> None:
    out = tmp_path / "mesh.obj"
    code = f"open('{out}', 'w').write('o'); print('PDG_RESULT: 1;-1;{out};file/geo;0')"
    parms: dict[str, Any] = {"pdg_command": python(code)}
    if expected:
        parms |= {
            "expectedoutputsfrom": "2",
            "expectedoutputfiles": 1,
            "expectedoutputfile1": str(out),
        }
    item = _only(run(scene(top("run", "genericgenerator", parms), _after(top, "`@pdg_input`"))))
    assert (item.stringAttribValue("seen"), item.isStatic) == (str(out), static)


def test_what_follows_a_waiting_node_waits_too(scene, top, python, run) -> None:
    train = top("run", "genericgenerator", {"pdg_command": _reports(python), "itemcount": 3})
    path = scene(
        train,
        _after(top, "`@psnr`"),
        top("all", "waitforall", {"pdg_partitionmergeoperation1": "4"}, ["after"]),
    )
    item = _only(run(path), "all")
    assert item["seen"].values == ["31.5"] * 3 and item["psnr"].values == [31.5] * 3


def test_a_partition_has_what_its_items_report(scene, top, python, run) -> None:
    train = top("run", "genericgenerator", {"pdg_command": _reports(python), "itemcount": 2})
    all_ = top("all", "waitforall", {"pdg_partitionmergeoperation1": "4"}, ["run"])
    item = _only(run(scene(train, all_)), "all")
    assert item["psnr"].values == [31.5, 31.5] and item["partitionsize"].values == [2]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("@size.x + @pdg_index", {"size", "pdg_index"}),
        ("pdgattrib('a', 0) + pdgattribs(\"b\", 1)", {"a", "b"}),
        ("haspdgattrib('c') && pdgattribvals('d') != ''", {"c", "d"}),
        ("pdginput(0, 'file', 1)", {"pdg_input"}),
        ("ch('../a/at') * 2 + strlen('x@y')", set()),
        ("?? @a ;; (pdgattrib", {"a"}),
    ],
)
def test_references(text: str, names: set[str]) -> None:
    assert references(text) == names


@given(st.text(max_size=60))
def test_references_of_any_text(text: str) -> None:
    assert all(name and name in text for name in references(text) - {"pdg_input"})
