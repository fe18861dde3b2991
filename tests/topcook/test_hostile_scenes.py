"""Whatever stands in a parameter: work items, or one clear error; nothing is run or evaluated."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nvdiffrec_tops.cook.command import generate_all
from nvdiffrec_tops.cook.options import Override
from topcook import pdg
from topcook.network.opening import open_network

from .conftest import TopNode, write_scene

PARMS = [
    "make.stringvalue1",
    "make.stringname1",
    "make.dictvalue1",
    "make.pyobjectexpression1",
    "make.indexvalue",
    "env.strvarvalue1",
    "env.varname1",
    "env.vartype1",
    "env.environment",
    "run.pdg_command",
    "run.expectedoutputfile1",
    "run.pdg_workitemlabelexpr",
    "run.pdg_workitemgeneration",
    "all.pdg_partitionsplitattrib",
    "all.pdg_partitionmergepattern1",
    "localscheduler.tempdircustom",
    "localscheduler.pdg_workingdir",
    "localscheduler.maxprocs",
    "topnet1.topscheduler",
]
SIGNS = [
    "`",
    "@",
    "$",
    "${",
    "}",
    "(",
    ")",
    "'",
    '"',
    "\\",
    "\0",
    "-",
    "..",
    "/",
    "{",
    "[",
    ";",
    "&&",
    " ",
]
WORDS = ["@pdg_index", "@s", "__import__", "$HIP", "1e999", "é", "\n", "9" * 30, "%s"]
PIECES = st.sampled_from([*SIGNS, *WORDS])


@pytest.fixture(scope="module")
def hip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    make = {
        "useindex": "on",
        "stringattribs": 1,
        "stringname1": "s",
        "dictattribs": 1,
        "dictname1": "d",
        "pyobjectattribs": 1,
        "pyobjectname1": "o",
    }
    run = {"expectedoutputsfrom": "2", "expectedoutputfiles": 1, "pdg_workitemlabel": "2"}
    split = {"pdg_partitionsplit": "on", "pdg_partitionsplitmissing": "2"}
    nodes = [
        TopNode("make", "attributecreate", make),
        TopNode("env", "environmentedit", {"environment": 1, "vartype1": "2"}, ["make"]),
        TopNode("run", "genericgenerator", run, ["env"]),
        TopNode("all", "waitforall", split, ["run"]),
    ]
    folder = tmp_path_factory.mktemp("hostile")
    scheduler = {"maxprocsmenu": "1", "tempdirmenu": "2"}
    return write_scene(folder / "shot.hip", nodes, scheduler)


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(PARMS), text=st.lists(PIECES, max_size=6).map("".join))
def test_any_text_in_any_parameter(hip: Path, name: str, text: str) -> None:
    before = set(hip.parent.iterdir())
    try:
        network = open_network(hip, overrides=[Override.parse(f"{name}={text}")])
        items = generate_all(network, lambda _message: None)
        assert all(item.state is pdg.workItemState.Uncooked for item in items)
    except pdg.CookError as error:
        assert str(error) and "Error:" not in str(error)
    assert set(hip.parent.iterdir()) == before
