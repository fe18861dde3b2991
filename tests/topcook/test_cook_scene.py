"""``cook_scene``: a cook from Python, its progress, and what it returns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nvdiffrec_tops import CookProblem, CookProgress, cook_scene

WRITES = {
    "pdg_command": f"\"{sys.executable}\" -c \"open(r'`@word`.txt', 'w').write('x' * 3)\"",
    "expectedoutputsfrom": "2",
    "expectedoutputfiles": 1,
    "expectedoutputfile1": "`@word`.txt",
    "itemcount": 1,
}


@pytest.fixture
def two_items(scene, top, tmp_path) -> Path:
    """An item that writes a file named by an attribute, and one that follows it."""
    word = {"stringattribs": 1, "stringname1": "word", "stringvalue1": str(tmp_path / "first")}
    return scene(
        top("make", "attributecreate", word),
        top("write", "genericgenerator", WRITES, ["make"]),
        top("all", "waitforall", {}, ["write"], ["display"]),
    )


def test_items_states_and_outputs(two_items, tmp_path) -> None:
    cooked = cook_scene(two_items)
    assert cooked.successful and not cooked.stopped and not cooked.errors
    assert set(cooked.states.values()) == {"CookedSuccess"}
    (item,) = cooked.of("write")
    assert item.attributes["word"] == [str(tmp_path / "first")]
    (file,) = item.outputs
    assert (file.path, file.size) == (tmp_path / "first.txt", 3)
    assert [one.path for one in cooked.outputs] == [file.path]
    assert item.training() is None and item.result_folder is None
    assert [one["name"] for one in cooked.report["items"]] == [one.name for one in cooked.items]


def test_an_override_reaches_one_cook_only(two_items, tmp_path) -> None:
    second = {"make.stringvalue1": tmp_path / "second"}
    cooked = cook_scene(two_items, overrides=second, nodes=["write"])
    assert (tmp_path / "second.txt").is_file() and not (tmp_path / "first.txt").exists()
    assert cooked.of("all") == ()
    assert cook_scene(two_items, overrides=second).of("write")[0].state == "CookedCache"
    assert cook_scene(two_items, overrides=second, force=True).of("write")[0].state == (
        "CookedSuccess"
    )


def test_progress_ends_with_every_item(scene, top, python) -> None:
    lines = python("print('ALF_PROGRESS 25%', flush=True); print('ALF_PROGRESS 75%', flush=True)")
    told: list[CookProgress] = []
    hip = scene(top("run", "genericgenerator", {"pdg_command": lines, "itemcount": 2}))
    assert cook_scene(hip, jobs=1, on_progress=told.append).successful
    percents = [one.percent for one in told if one.state == "Cooking"]
    assert {25.0, 75.0} <= set(percents) and max(percents) <= 100
    assert (told[-1].ended, told[-1].total, told[-1].percent) == (2, 2, 100.0)
    assert [one.ended for one in told] == sorted(one.ended for one in told)


def test_a_failed_item_says_why(scene, top, python) -> None:
    hip = scene(
        top("run", "genericgenerator", {"pdg_command": python("raise SystemExit(3)")}),
        top("after", "genericgenerator", {"pdg_command": python("pass")}, ["run"]),
    )
    cooked = cook_scene(hip)
    assert not cooked.successful
    assert {one.state for one in cooked.of("run")} == {"CookedFail"}
    assert "exit code 3" in cooked.of("run")[0].cause
    assert all("waits for" in one.cause for one in cooked.of("after"))


def test_an_exception_in_the_callback_stops_the_cook(scene, top, tmp_path) -> None:
    """It leaves the function when the job, which would run for ever, has ended."""
    endless = f'"{sys.executable}" -c "import threading; threading.Event().wait()"'
    hip = scene(top("run", "genericgenerator", {"pdg_command": endless, "itemcount": 1}))

    def refuse(_progress: CookProgress) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        cook_scene(hip, on_progress=refuse)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"no_dot": 1}, "NODE.PARAMETER"),
        ({"nobody.parm": 1}, "has no node 'nobody'"),
        ({"make.nothing": 1}, "has no parameter 'nothing'"),
        ({"write.itemcount": "many"}, "itemcount"),
    ],
)
def test_an_override_that_cannot_be_is_told(two_items, tmp_path, overrides, said) -> None:
    with pytest.raises(CookProblem, match=said):
        cook_scene(two_items, overrides=overrides)
    assert not (tmp_path / "first.txt").exists()


def test_a_scene_that_is_no_scene_is_told(tmp_path) -> None:
    with pytest.raises(CookProblem, match="does not exist"):
        cook_scene(tmp_path / "none.hip")
    (tmp_path / "text.hip").write_text("a letter")
    with pytest.raises(CookProblem, match=r"text\.hip"):
        cook_scene(tmp_path / "text.hip")


def test_importing_the_package_loads_no_cook(root) -> None:
    """Houdini imports the package when it starts."""
    code = "import sys, nvdiffrec_tops; print([m for m in sys.modules if 'nvdiffrec_tops.' in m])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(root / "python3.11libs")},
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
    names = "import nvdiffrec_tops as t; assert all(getattr(t, name) for name in t.__all__)"
    subprocess.run([sys.executable, "-c", names], check=True)
