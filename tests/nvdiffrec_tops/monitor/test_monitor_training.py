"""What is told of one training: its state, its log, its figures, what was asked for."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_contract.configuration import Config
from nvdiffrec_tops.monitor import curves, logreading, settings, views
from nvdiffrec_tops.monitor.training import Training
from nvdiffrec_tops.monitor.watching import Folder, NothingToShow, watched

from .folders import HEADER, finished, png, result, table

ITERATION = (
    "iter={:5d}, img_loss=0.050000, reg_loss=0.010000, lr=0.01000, time=100.0 ms, rem=20.00 s"
)


def of(folder: Path) -> Training:
    [found] = Folder(folder).trainings()
    return found


def running(folder: Path, lines: list[str]) -> Path:
    """An output folder in which this very process trains; the trainer's own output folder."""
    made = folder / ".run-1" / "out" / "1"
    made.mkdir(parents=True)
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": 0}
    (folder / ".job.lock").write_text(json.dumps(owner))
    (folder / "job.log").write_text("\n".join(lines) + "\n")
    return made


def test_a_training_that_runs_tells_how_far_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "cape"
    result(folder)  # of the training before
    flags = ["Config / Flags:", "---------", "iter 400", "base_mesh None", "---------"]
    made = running(folder, [*flags, ITERATION.format(0), ITERATION.format(200)])
    (made / "metrics.csv").write_text(table(20, passes=1))
    found = of(tmp_path).detail()
    assert (found["state"], found["pass"], found["iterations"]) == ("running", 1, 400)
    assert 20 < found["percent"] < 60
    # What is left of this pass, and the other one.
    assert 20 < found["remaining"] < 80
    assert len(found["curves"]["epoch"]) == 20


def test_the_pass_of_a_long_log_comes_from_the_table(tmp_path: Path) -> None:
    folder = tmp_path / "cape"
    filler = ["a line that says nothing of it, and that is long enough to fill a log"] * 40_000
    flags = ["Config / Flags:", "---------", "iter 190", "base_mesh None", "---------"]
    made = running(folder, [*flags, ITERATION.format(0), *filler, ITERATION.format(90)])
    (made / "metrics.csv").write_text(table(30))
    found = of(tmp_path).summary()
    assert found["pass"] == 2
    assert found["percent"] > 64


def test_a_killed_job_is_not_shown_as_running(tmp_path: Path) -> None:
    folder = tmp_path / "cape"
    running(folder, ["Job: diffrec"])
    gone = {"pid": 2**22 - 1, "host": socket.gethostname(), "since": 0}
    (folder / ".job.lock").write_text(json.dumps(gone))
    assert of(tmp_path).summary()["state"] == "stopped"


@pytest.mark.parametrize(("id", "state"), [("stopped", "stopped"), ("empty-mesh", "failed")])
def test_a_failure_is_told_with_its_cure(tmp_path: Path, id: str, state: str) -> None:
    failure = {"id": id, "cause": "there is no surface", "cure": "raise mesh_scale", "exit_code": 1}
    result(tmp_path / "cape", status="failed", failure=failure)
    found = of(tmp_path).summary()
    assert (found["state"], found["cause"], found["cure"]) == (
        state,
        "there is no surface",
        "raise mesh_scale",
    )


def test_the_newest_mesh_is_the_running_trainers(tmp_path: Path) -> None:
    folder = finished(tmp_path / "cape")
    assert of(tmp_path).summary()["mesh"]["key"] == "mesh/mesh.obj"
    made = running(folder, ["Job: diffrec"])
    (made / "preview").mkdir()
    (made / "preview" / "mesh.glb").write_bytes(b"glTF")
    assert of(tmp_path).summary()["mesh"]["key"] == "run/preview/mesh.glb"
    first = of(tmp_path).summary()["mesh"]["revision"]
    (made / "preview" / "mesh.glb").write_bytes(b"glTF2")
    assert of(tmp_path).summary()["mesh"]["revision"] != first


def test_progress_pictures_are_shown_from_the_first_one(tmp_path: Path) -> None:
    made = running(tmp_path / "cape", ["Job: diffrec"])
    (made / "img_dmtet_pass1_000000.png").write_bytes(png())
    one = of(tmp_path)
    assert one.detail()["groups"] == [{"name": "progress", "label": "Progress", "count": 1}]
    [view] = views.page(one.files(), "run/", "progress", 0)["views"]
    assert view["files"]["strip"]["key"] == "run/img_dmtet_pass1_000000.png"


def test_warnings_stand_with_their_cures_once() -> None:
    lines = (
        "Warning: pass 2 lost 3 dB",
        "iter=    0, and so on",
        "Warning: pass 2 lost 3 dB",
        "Data: 3 masks are empty (mask them again)",
        "Job: warning: the surface vanished",
        "Cure: raise mesh_scale",
        "Job: note: Python is old",
        "Cure: of nothing that was said just before? it is",
    )
    found = logreading.warnings(logreading.Log(tail=lines))
    assert [(one.text, one.cure) for one in found] == [
        ("pass 2 lost 3 dB", ""),
        ("3 masks are empty", "mask them again"),
        ("the surface vanished", "raise mesh_scale"),
        ("Python is old", "of nothing that was said just before? it is"),
    ]


@given(st.binary(max_size=400))
def test_any_log_and_any_table_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "job.log").write_bytes(data)
    (folder / "metrics.csv").write_bytes(f"{HEADER}\n".encode() + data)
    (folder / "result.json").write_bytes(data)
    (folder / ".job.lock").write_bytes(data)
    (folder / "preview").mkdir()
    (folder / "preview" / "scene.json").write_bytes(data)
    found = of(folder).detail()
    json.dumps(found, allow_nan=False)
    assert of(folder).scene() == {} or data


def test_a_long_table_keeps_its_ends_and_what_is_rare(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(table(20_000))
    found = curves.read(str(tmp_path), "metrics.csv").columns
    assert len(found["epoch"]) < 1100
    assert (found["epoch"][0], found["epoch"][-1]) == (0, 199_990)
    assert [one for one in found["psnr"] if one is not None] == [21.0, 22.0]


def test_fields_that_differ_are_told_by_either_source(tmp_path: Path) -> None:
    config = Config(iter=300, ref_mesh="/home/someone/project/cape.obj", isosurface="flexicubes")
    by_listing = settings.asked([], config.listing().splitlines())
    (tmp_path / "preview").mkdir()
    scene = {"configuration": config.to_json()}
    (tmp_path / "preview" / "scene.json").write_text(json.dumps(scene))
    scene["configuration"]["diffrec"]["asset_name"] = "cape_1"  # a job names it by its folder
    by_file = settings.asked([str(tmp_path)], [])
    assert by_listing == by_file
    assert by_file == {
        "iter": "300",
        "ref_mesh": "project/cape.obj",
        "isosurface": "flexicubes",
    }
    assert settings.described("iter")[0] == "5000"
    assert settings.described("diffrec.dssim")[0] == "0.2"
    assert settings.described("no.such") == ("", "")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["views", "box", "world_from_camera", "fovy", "aspect", "name", "photograph"]
                ),
                inner,
                max_size=7,
            )
        ),
    )
)
def test_any_scene_file_gives_cameras_that_are_whole(document: object) -> None:
    found = views.cameras(document)
    for view in found.get("views", []):
        assert len(view["matrix"]) == 16
        assert view["photograph"] is None or view["photograph"].startswith(
            "data:image/jpeg;base64,"
        )


def test_what_can_be_watched(tmp_path: Path) -> None:
    for name in ("b/item_10", "b/item_9", "a"):
        finished(tmp_path / name)
    (tmp_path / "nothing").mkdir()
    found = watched(str(tmp_path))
    assert [one.name for one in found.trainings()] == ["a", "b/item_9", "b/item_10"]
    keys = {one.name: one.key for one in found.trainings()}
    finished(tmp_path / "0_new")
    again = {one.name: one.key for one in found.trainings()}
    assert {**keys, "0_new": again["0_new"]} == again
    [alone] = watched(str(tmp_path / "a" / "result.json")).trainings()
    assert alone.name == "a"
    with pytest.raises(NothingToShow, match="name the output folder"):
        watched(str(tmp_path / "missing"))
