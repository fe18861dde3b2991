"""Names and links at the places of outputs: the item tells, the rest of the cook goes on."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nvdiffrec_contract.files import is_link
from nvdiffrec_tops.cli import main
from topcook import pdg
from topcook.jobs.outputs import INCOMPLETE, Snapshot

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")

PROGRAM = """
import os, sys
path, code = sys.argv[1:]
try:
    open(path, 'w').write('half')
except OSError:
    pass
sys.exit(int(code))
"""


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize(
    "name",
    ["n" * 250, "n" * 255, "n" * 300, "é" * 127, "d/" * 3000 + "x", "gone/x", "a\tb", "~", "-x"],
)
def test_a_name_ends_its_item_alone(scene, top, tmp_path, capsys, name, code) -> None:
    script = tmp_path / "job.py"
    script.write_text(PROGRAM)
    path = f"{tmp_path}/{name}"
    odd = {
        "pdg_command": f'"{sys.executable}" -S "{script}" "{path}" {code}',
        "expectedoutputsfrom": "2",
        "expectedoutputfiles": 1,
        "expectedoutputfile1": path,
    }
    good = {"pdg_command": f'"{sys.executable}" -S -c "print(1)"'}
    hip = scene(
        top("odd", "genericgenerator", odd),
        top("good", "genericgenerator", good),
        top("all", "merge", {}, ["odd", "good"], flags=("display",)),
    )
    assert main(["cook", str(hip), "--json"]) == code
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err + captured.out
    states = {one["node"]: one["stateName"] for one in json.loads(captured.out)["items"]}
    assert states["good"] == "CookedSuccess"
    assert states["odd"] == ("CookedFail" if code else "CookedSuccess")


STANDS = ("nothing", "file", "folder", "link", "dangling", "link to a folder")


def stand(path: Path, kind: str, victim: Path) -> None:
    if kind == "file":
        path.write_text("before")
    elif kind == "folder":
        path.mkdir()
        (path / "in").write_text("x")
    elif kind == "link":
        path.symlink_to(victim / "kept")
    elif kind == "dangling":
        path.symlink_to(victim / "new")
    elif kind == "link to a folder":
        path.symlink_to(victim, target_is_directory=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    name=st.sampled_from(["a.obj", "n" * 248, "é" * 127]),
    after=st.sampled_from(STANDS),
    beside=st.sampled_from(STANDS),
    stopped=st.booleans(),
    locked=st.booleans(),
)
def test_what_is_unfinished_is_cleared_without_following_links(
    tmp_path_factory: Any, name: str, after: str, beside: str, stopped: bool, locked: bool
) -> None:
    root = tmp_path_factory.mktemp("odd")
    victim, out = root / "victim", root / "out"
    victim.mkdir()
    out.mkdir()
    (victim / "kept").write_text("mine")
    path = out / name
    snapshot = Snapshot.of([pdg.File(str(path))])
    stand(path, after, victim)
    if len(os.fsencode(name + INCOMPLETE)) < 256:
        stand(path.with_name(name + INCOMPLETE), beside, victim)
    told = snapshot.discard() if stopped else snapshot.set_aside()
    assert os.listdir(victim) == ["kept"] and (victim / "kept").read_text() == "mine"
    assert all(isinstance(one, str) for one in told)
    if after not in ("nothing", "dangling"):
        assert not os.path.lexists(path)
    if not stopped and after == "file":
        [kept] = [one for one in out.iterdir() if one.name.endswith(INCOMPLETE)]
        assert kept.read_text() == "before"
    assert snapshot.touched() == []


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_what_cannot_be_removed_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    snapshot = Snapshot.of([pdg.File(str(folder / "a"))])
    (folder / "a").write_text("half")
    folder.chmod(0o500)
    try:
        for told in (snapshot.discard(), snapshot.set_aside()):
            assert len(told) == 1 and "is unfinished and could be neither removed" in told[0]
    finally:
        folder.chmod(0o700)


@pytest.mark.parametrize("name", ["data", "logs", "logs/run_1.log", "data/run_1.json.gz"])
def test_nothing_in_the_temp_folder_is_written_through_a_link(
    scene, top, tmp_path, capsys, name
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "kept").write_text("mine")
    temp = tmp_path / "temp"
    (temp / name).parent.mkdir(parents=True)
    (temp / name).symlink_to(victim / "kept" if "." in name else victim)
    node = top("run", "genericgenerator", {"pdg_command": f'"{sys.executable}" -S -c "print(1)"'})
    code = main(["cook", str(scene(node)), "--json"])
    captured = capsys.readouterr()
    assert os.listdir(victim) == ["kept"] and (victim / "kept").read_text() == "mine"
    assert "Traceback" not in captured.err
    if "." in name:  # the link makes way
        assert code == 0 and not is_link(temp / name)
    else:
        assert code == 1 and str(temp / name) in captured.out + captured.err
