"""Buttons and menus of the assets, over a ``hou`` that records what is said."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from houfiles import HouFileError
from nvdiffrec_contract import layout
from nvdiffrec_tops import doctor, environment, presets
from nvdiffrec_tops.attributes import AttributesError
from nvdiffrec_tops.doctor import Finding
from nvdiffrec_tops.environment import EnvironmentProblem


def _finding(severity: str, title: str, cure: str = "") -> Finding:
    return Finding("id", severity, title, "seen", cure, False)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the doctor was asked to examine; it finds nothing."""
    questions: list[dict[str, Any]] = []

    def examine(**settings: Any) -> list[Finding]:
        questions.append(settings)
        return []

    monkeypatch.setattr(doctor, "examine", examine)
    return questions


def test_check_environment_shows_the_worst_first(
    hou: Any, node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def examine(**settings: Any) -> list[Finding]:
        asked.update(settings)
        return [
            _finding("ok", "Interpreter"),
            _finding("warning", "Driver", "update it"),
            _finding("error", "CUDA", "pip install torch"),
        ]

    monkeypatch.setattr(doctor, "examine", examine)
    one = node("kartaverse::nvdiffrec_attributes::1.0", "a")
    one.values = {"miniconda_env": "/envs/x", "working_dir": "/w/", "config_name": "c.json"}
    hou.callbacks.check_environment({"node": one})
    assert (asked["environment"], asked["working_dir"], asked["config"]) == (
        "/envs/x",
        "/w/",
        "c.json",
    )
    [(severity, text, details)] = hou.said
    assert severity == "error" and text == "/envs/x: 2 findings to look at."
    assert details.splitlines()[:2] == ["Wrong: CUDA. seen", "    pip install torch"]
    assert details.splitlines()[-1] == "Good: Interpreter. seen"


def test_without_windows_findings_are_printed(
    hou: Any, node: Any, asked: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    hou.isUIAvailable = lambda: False
    one = node("kartaverse::nvdiffrec_static::1.0", "s")
    one.values = {"miniconda_env": "/envs/x"}
    hou.callbacks.check_environment({"node": one})
    assert hou.said == [] and capsys.readouterr().out == "/envs/x: All is well.\n"


def test_check_environment_reads_the_work_items_upstream(
    hou: Any, node: Any, item: Any, asked: list[dict[str, Any]]
) -> None:
    above = node("attributecreate", "above")
    above.items = [item(MINICONDA_ENV="/envs/y/", ENGINE="nvdiffrec")]
    one = node("kartaverse::nvdiffrec_environment::1.0", "e")
    one.values, one.wired = {"source": "attribute"}, [above]
    hou.callbacks.check_environment({"node": one})
    assert asked[0]["environment"] == "/envs/y/" and asked[0]["engine"] == "nvdiffrec"
    one.values = {"source": "prefix", "prefix": "/envs/z"}
    hou.callbacks.check_environment({"node": one})
    assert asked[1]["environment"] == "/envs/z"


def test_nodes_wired_in_a_circle_are_no_endless_search(hou: Any, node: Any) -> None:
    first, second = node("a", "a"), node("b", "b")
    first.wired, second.wired = [second], [first, None]
    hou.callbacks.check_environment({"node": first})
    assert "there is no environment to check" in hou.said[0][1]


def test_an_unknown_environment_is_a_sentence_with_its_cure(hou: Any, node: Any) -> None:
    one = node("kartaverse::nvdiffrec_environment::1.0", "e")
    one.values = {"source": "known", "known": "no such environment"}
    hou.callbacks.check_environment({"node": one})
    [(severity, text, _details)] = hou.said
    assert severity == "error" and "no such environment" in text


def test_an_expression_that_fails_is_a_message(
    hou: Any, node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = node("kartaverse::nvdiffrec_static::1.0", "s")
    one.values = {"miniconda_env": "`@nothing`"}

    def fails() -> str:
        raise hou.OperationFailed("there is no attribute 'nothing'")

    parm = one.parm("miniconda_env")
    monkeypatch.setattr(type(parm), "evalAsString", lambda _self: fails())
    hou.callbacks.check_environment({"node": one})
    assert hou.said == [("error", "there is no attribute 'nothing'", "")]


def test_open_result(hou: Any, node: Any, item: Any, tmp_path: Path) -> None:
    one = node("kartaverse::nvdiffrec_train::1.0", "t")
    one.items = [item(OUTPUT_DIR=str(tmp_path))]
    for name in ("mesh", "result.json", ".run-1"):
        (tmp_path / name).mkdir()
    hou.callbacks.open_result({"node": one})
    (tmp_path / "result.json").rmdir()
    hou.callbacks.open_result({"node": one})
    # What is selected lies in the folder, so the folder itself is opened.
    assert hou.browsed == [str(tmp_path / "result.json"), str(tmp_path / "mesh")]
    (tmp_path / "mesh").rmdir()
    for folder in (tmp_path, tmp_path / "none"):
        one.items = [item(OUTPUT_DIR=str(folder))]
        hou.callbacks.open_result({"node": one})
        assert "there are no results" in hou.said.pop()[1]
    one.items = []
    hou.callbacks.open_result({"node": one})
    assert "cook it first" in hou.said[0][1]


def test_menus_are_pairs_and_never_raise(hou: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    menu = hou.callbacks.preset_menu()
    assert menu[:2] == ["", "None"] and menu[2::2] == list(presets.names())
    assert all(isinstance(one, str) for one in menu) and len(menu) % 2 == 0
    environments = hou.callbacks.environment_menu()
    assert environments[::2] == [one.name or one.prefix for one in environment.known()]

    def broken() -> Any:
        raise RuntimeError

    monkeypatch.setattr(environment, "known", broken)
    monkeypatch.setattr(presets, "names", broken)
    # What was found is kept for a while, and is the caller's to change.
    environments.append("changed")
    assert hou.callbacks.environment_menu() == environments[:-1]
    clock = hou.callbacks.time.monotonic() + 2 * hou.callbacks._MENU_SECONDS
    monkeypatch.setattr(hou.callbacks.time, "monotonic", lambda: clock)
    assert hou.callbacks.environment_menu() == []
    assert hou.callbacks.preset_menu() == ["", "None"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (HouFileError("a.hip: it is cut off."), "a.hip: it is cut off"),
        (AttributesError("Configuration: choose one"), "Configuration: choose one"),
    ],
)
def test_mistakes_are_told(hou: Any, error: Exception, text: str) -> None:
    @hou.messages.told  # type: ignore[untyped-decorator]
    def tool() -> None:
        raise error

    tool()
    assert text in hou.said[0][1] and hou.said[0][0] == "error"


def test_a_cure_is_told_once(hou: Any) -> None:
    problem = EnvironmentProblem("/envs/x is no environment", "Choose another.")
    assert hou.messages.sentence(problem) == "/envs/x is no environment. Choose another."


def test_a_fault_of_the_toolkit_is_not_hidden(hou: Any) -> None:
    @hou.messages.told  # type: ignore[untyped-decorator]
    def tool() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tool()
    assert hou.said == []


def test_an_older_python_is_told_which_houdini_is_needed(root: Path) -> None:
    code = (
        "import sys; sys.version_info = (3, 10, 6, 'final', 0); "
        f"sys.path.insert(0, {str(root / 'python3.11libs')!r}); import nvdiffrec_tops.houdini"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "nvdiffrec needs Houdini 20.5 or newer, with Python 3.11 or newer" in done.stderr


def test_files_of_a_training_have_viewers_and_a_studios_own_stay(root: Path) -> None:
    """PDG calls the module in ``pdg/types`` of the package's folder."""
    tags = runpy.run_path(str(root / "pdg/types/nvdiffrec_tags.py"))
    chosen = {"file/image/png": "studioview"}

    class Registry:
        def isViewable(self, tag: str) -> bool:
            return tag in chosen

        def addTagViewer(self, tag: str, viewer: str) -> None:
            chosen[tag] = viewer

    tags["registerTypes"](Registry())
    assert chosen["file/image/png"] == "studioview"
    made = {tag for _path, tag in layout.meshes({})}
    shown = {tag for tag in made if tag.startswith(("file/image/", "file/geo/"))}
    assert shown <= set(chosen) and chosen["file/geo/obj"] == "gplay"
    package = json.loads((root / "package.json").read_text())
    assert package["hpath"] == "$TOPS_NVDIFFREC"
