from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from topcook import pdg
from topcook.jobs.environment import Folders, JobSettings, job_command, job_environment
from topcook.nodes import TYPES
from topcook.nodes.localscheduler import PARAMETERS
from topcook.parameters.evaluation import NodeParameters, Surroundings, TypedValue


def _parameters(table: Any, path: str, values: dict[str, str]) -> NodeParameters:
    typed = {name: [TypedValue(text)] for name, text in values.items()}
    return NodeParameters(table, path, typed, Surroundings({"HIP": "/shots", "HIPNAME": "a"}))


class Case:
    """An item, its scheduler and its folders; the temp folder has a space in its name."""

    def __init__(self, folder: Path, scheduler: dict[str, str], node: dict[str, str]) -> None:
        context = pdg.GraphContext()
        table = TYPES["genericgenerator"].table
        own = _parameters(table, "/tasks/topnet1/run", node)
        self.node = pdg.Node(context.graph, "run", pdg.nodeType.Processor, own)
        self.item = pdg.WorkItemHolder(self.node, static=True).addWorkItem()
        self.scheduler = _parameters(PARAMETERS, "/tasks/topnet1/localscheduler", scheduler)
        self.folders = Folders(folder / "work dir", folder / "temp dir")

    def environment(self, **base: str) -> dict[str, str]:
        return job_environment(
            self.item,
            self.scheduler,
            JobSettings(self.scheduler, self.item),
            self.folders,
            base,
            self.scheduler.surroundings.variables,
        )

    def command(self, text: str, **environment: str) -> list[str] | str:
        self.item.setCommand(text)
        return job_command(self.item, self.scheduler, self.folders, environment)


@pytest.fixture
def case(tmp_path: Path) -> Any:
    def make(scheduler: dict[str, str] | None = None, node: dict[str, str] | None = None) -> Case:
        return Case(tmp_path, scheduler or {}, node or {})

    return make


def test_later_steps_win_and_path_is_prepended(case: Any, tmp_path: Path) -> None:
    file = tmp_path / "studio.env"
    file.write_text("# studio\n\nexport LICENCE='a b'\nPATH=/from/file\nITEM=file\n")
    one = case(
        {
            "local_env_file": str(file),
            "local_envmulti": "2",
            "local_envname1": "PATH",
            "local_envvalue1": "/x__PDG_PATHSEP__/y",
            "local_envname2": "PDG_INDEX",
            "local_envvalue2": "overridden",
            "local_envunset": "GONE PYTHONHOME",
        }
    )
    for name in ("ITEM", "PATH", "PDG_ITEM_ID", "PYTHONHOME"):
        one.item.addEnvironmentVar(name, "item")
    found = one.environment(PATH="/base", GONE="1", HIP="/wrong", KEPT="1")
    separator = os.pathsep
    assert found["PATH"] == separator.join(["/x", "/y", "/from/file", "item"])
    assert found["ITEM"] == "file" and found["LICENCE"] == "a b"
    assert found["PDG_ITEM_ID"] == "1" and found["PDG_INDEX"] == "overridden"
    assert found["HIP"] == found["ORIGINAL_HIP"] == "/shots"
    assert "GONE" not in found and "PYTHONHOME" not in found and found["KEPT"] == "1"


def test_a_node_overrides_scheduler_parameters(case: Any) -> None:
    one = case(
        {
            "local_envunset": "A",
            "local_envmulti": "1",
            "local_envname1": "X",
            "local_envvalue1": "s",
        },
        {
            "local_envunset": "B",
            "local_envmulti": "1",
            "local_envname1": "X",
            "local_envvalue1": "n",
        },
    )
    found = one.environment(A="1", B="1")
    assert found["A"] == "1" and "B" not in found and found["X"] == "n"


@pytest.mark.parametrize("text", ["no equals sign", "=value"])
def test_bad_environment_files(case: Any, tmp_path: Path, text: str) -> None:
    file = tmp_path / "studio.env"
    file.write_text(text)
    with pytest.raises(pdg.CookError, match=r"studio\.env, line 1"):
        case({"local_env_file": str(file)}).environment()
    with pytest.raises(pdg.CookError, match="cannot be read"):
        case({"local_env_file": str(tmp_path / "none")}).environment()


def test_tokens_and_variables_stay_one_word(case: Any, tmp_path: Path) -> None:
    one = case()
    words = one.command(
        '__PDG_PYTHON__ "__PDG_TEMP__/x" __PDG_DIR__ __PDG_ITEM_NAME__ $WORDS ${WORDS}y $NONE',
        WORDS="two words; rm",
    )
    assert words == [
        sys.executable,
        f"{tmp_path}/temp dir/x",
        f"{tmp_path}/work dir",
        "run_1",
        "two words; rm",
        "two words; rmy",
        "$NONE",
    ]


def test_hython_and_python_can_be_chosen(case: Any) -> None:
    one = case({"hythonbin": "1", "hythonbincustomuniversal": sys.executable})
    assert one.command("__PDG_HYTHON__ -c x")[0] == os.path.abspath(sys.executable)
    with pytest.raises(pdg.CookError, match="Could not find executable '/no/python'"):
        one.command("__PDG_PYTHON__", PDG_PYTHON="/no/python")


def test_unreadable_commands(case: Any) -> None:
    with pytest.raises(pdg.CookError, match="cannot be split into words"):
        case().command('"open')
    with pytest.raises(pdg.CookError, match="in no folder of PATH"):
        case().command("no-such-program", PATH="/nowhere")


def test_shell_commands_stay_one_text(case: Any, tmp_path: Path) -> None:
    one = case()
    one.item.setShouldRunInShell(True)
    assert one.command("echo $X > __PDG_ITEM_ID__", X="1") == "echo $X > 1"
