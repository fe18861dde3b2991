"""The nodes that bring a result into Solaris and SOPs, over a ``hou`` with the documented calls.

The stage is a real one of usd-core; geometry is recorded.
"""

from __future__ import annotations

import importlib
import os
import shutil
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the asset is written by the trainer")
pytest.importorskip("pxr")
import numpy as np  # noqa: E402
from pxr import Usd, UsdGeom, UsdLux, UsdShade  # noqa: E402

import diffrec.asset.write  # noqa: E402
from diffrec import cameras  # noqa: E402
from diffrec.asset import usdcameras  # noqa: E402
from diffrec.asset.source import source_of  # noqa: E402
from diffrec.asset.upright import Standing  # noqa: E402
from diffrec.data.views import ImageViews, View, projection  # noqa: E402
from diffrec.geometry.mesh import Mesh  # noqa: E402
from diffrec.preview import model  # noqa: E402
from nvdiffrec_contract.dataset import Camera  # noqa: E402

DEFAULTS: dict[str, Any] = {
    **{"lod": "", "material": "asset", "light": 1, "materialpath": ""},
    **{"live": 0, "cameras": 0, "cameraspath": "/cameras"},
}


def sheet() -> Any:
    """Two curved sheets that meet at their outline, each with a chart of its own."""
    count = 9
    v, u = torch.meshgrid(torch.arange(count) / 8, torch.arange(count) / 8, indexing="ij")
    hill = 0.3 * (u * (1 - u) * v * (1 - v)) * 16
    points = torch.cat(
        [torch.stack([u, side * hill, v], -1).reshape(-1, 3) for side in (1.0, -1.0)]
    )
    corner = (torch.arange(8)[:, None] * count + torch.arange(8)).reshape(-1)
    quads = [[corner, corner + count, corner + count + 1], [corner, corner + count + 1, corner + 1]]
    top = torch.cat([torch.stack(one, 1) for one in quads])
    triangles = torch.cat([top, top.flip(1) + count * count])
    flat = torch.stack([u, v], -1).reshape(-1, 2)
    half = torch.tensor([0.45, 0.9])
    uv = torch.cat([flat * half + 0.05, flat * half + torch.tensor([0.52, 0.05])])
    mesh = Mesh(points, triangles, uv, triangles)
    colour = torch.full((8, 8, 3), 0.5)
    normal = torch.tensor([0.0, 0.0, 1.0]).expand(8, 8, 3)
    return source_of(mesh, colour, colour, normal, torch.ones(4, 8, 3))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a training with an asset in it."""
    folder: Path = tmp_path_factory.mktemp("results") / "bob v2"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diffrec.asset.write, "pictures", lambda *_: [])
        diffrec.asset.write.write_asset(
            sheet(), folder / "asset", "bob_v2", ("usd", "glb"), print, lods=(0.5,)
        )
    return folder


@pytest.fixture
def nodes(hou: Any) -> Any:
    """The module under test, with its own ``hou``."""
    hou.NodeError = type("NodeError", (hou.Error,), {})
    hou.attribType = SimpleNamespace(Vertex="vertex", Prim="prim")
    hou.Geometry, hou.Matrix4 = Geometry, tuple
    hou.isUIAvailable = lambda: False
    return hou.result_nodes


class Geometry:
    """``hou.Geometry``: what is made."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.points: list[Any] = []
        self.polygons: list[Any] = []
        self.packed: list[Any] = []
        self.attributes: dict[str, Any] = {}
        self.kinds: dict[str, str] = {}

    def createPoints(self, positions: Any) -> None:
        self.points += positions

    def createPolygons(self, corners: Any, is_closed: bool = True) -> None:
        self.polygons += corners

    def createPacked(self, kind: str) -> Any:
        assert kind == "PackedGeometry"
        made = SimpleNamespace()
        made.setEmbeddedGeometry = lambda geometry: setattr(made, "embedded", geometry)
        made.setTransform = lambda matrix: setattr(made, "transform", matrix)
        self.packed.append(made)
        return made

    def addAttrib(self, kind: str, name: str, default: Any) -> None:
        self.kinds[name] = kind

    def setVertexFloatAttribValuesFromString(self, name: str, values: bytes) -> None:
        assert self.kinds[name] == "vertex"
        self.attributes[name] = np.frombuffer(values, np.float32).reshape(-1, 3)

    def setPrimStringAttribValues(self, name: str, values: list[str]) -> None:
        assert self.kinds[name] == "prim"
        self.attributes[name] = values


class Script:
    """The Python node inside the asset."""

    def __init__(self, result: Path, **values: Any) -> None:
        self.values = {"result": str(result), **DEFAULTS, **values}
        self.stage, self.made = Usd.Stage.CreateInMemory(), Geometry()
        self.cooked = 0

    def parent(self) -> Any:
        def parm(name: str) -> Any:
            if name not in self.values:
                return None
            value = self.values[name]
            return SimpleNamespace(
                evalAsString=lambda: str(value), evalAsInt=lambda: int(value or 0)
            )

        return SimpleNamespace(
            parm=parm,
            path=lambda: "/obj/geo1/result",
            node=lambda name: self if name == "python1" else None,
        )

    def editableStage(self) -> Any:
        return self.stage

    def geometry(self) -> Geometry:
        return self.made

    def cook(self, force: bool) -> None:
        assert force
        self.cooked += 1


def staged(nodes: Any, result: Path, **values: Any) -> Any:
    script = Script(result, primpath="/world/bob", lightpath="/lights/bob", **values)
    nodes.cook_stage(script)
    return script.stage


def test_the_component_its_material_and_its_light_are_in_the_stage(
    nodes: Any, result: Path
) -> None:
    stage = staged(nodes, result)
    prim = stage.GetPrimAtPath("/world/bob")
    assert Usd.ModelAPI(prim).GetKind() == "component"
    mesh = UsdGeom.Mesh(stage.GetPrimAtPath("/world/bob/geo/bob_v2"))
    assert len(mesh.GetFaceVertexCountsAttr().Get()) == 256
    material, _ = UsdShade.MaterialBindingAPI(mesh).ComputeBoundMaterial()
    assert material.GetPath() == "/world/bob/mtl/bob_v2"
    dome = UsdLux.DomeLight(stage.GetPrimAtPath("/lights/bob"))
    assert Path(dome.GetTextureFileAttr().Get().resolvedPath).is_file()
    assert dome.ComputeLocalToWorldTransform(0).TransformDir((0, 0, 1))[2] == pytest.approx(-1)


def test_level_binding_and_light_are_chosen(nodes: Any, result: Path) -> None:
    stage = staged(nodes, result, lod="LOD1", material="none", light=0)
    mesh = UsdGeom.Mesh(stage.GetPrimAtPath("/world/bob/geo/bob_v2"))
    assert len(mesh.GetFaceVertexCountsAttr().Get()) < 200
    material, _ = UsdShade.MaterialBindingAPI(mesh).ComputeBoundMaterial()
    assert not material
    assert not stage.GetPrimAtPath("/lights/bob")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"lod": "LOD7"}, "there are: LOD0, LOD1"),
        ({"primpath": "no path"}, "'no path' is no place"),
        ({"primpath": "/"}, "no place"),
        ({"lightpath": "../light"}, "no place"),
        ({"result": "/no such folder"}, "nvdiffrec-tops export RESULT --formats usd"),
    ],
)
def test_what_cannot_be_staged_is_told_in_a_sentence(
    nodes: Any, hou: Any, result: Path, values: dict[str, Any], told: str
) -> None:
    script = Script(result, primpath="/a", lightpath="/l")
    script.values |= values
    with pytest.raises(hou.NodeError, match=told.replace("'", ".")):
        nodes.cook_stage(script)


def test_the_geometry_has_what_shading_needs(nodes: Any, result: Path) -> None:
    script = Script(result, lod=0, materialpath="/mat/bob")
    nodes.cook_geometry(script)
    made, source = script.made, sheet()
    # Joined across seams: the two sheets meet at their outline.
    assert len(made.points) == 2 * 81 - 32 and len(made.polygons) == 256
    points, corners = np.array(made.points), np.array(made.polygons)
    normal, tangent = made.attributes["N"], made.attributes["tangentu"]
    across = made.attributes["tangentv"]
    # Clockwise from outside, as Houdini's own polygons: the cross product points inward.
    side = points[corners]
    inward = np.cross(side[:, 1] - side[:, 0], side[:, 2] - side[:, 0])
    assert ((inward * normal.reshape(-1, 3, 3).sum(1)).sum(1) < 0).all()
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-5)
    # Along growing u and v; v is upward.
    uv = made.attributes["uv"]
    assert (uv[:, 2] == 0).all()
    expected = source.mesh.texcoords.numpy() * [1, -1] + [0, 1]
    np.testing.assert_allclose(
        np.unique(np.round(uv[:, :2].astype(float), 4), axis=0),
        np.unique(np.round(expected.astype(float), 4), axis=0),
        atol=2e-4,
    )
    flat = uv.reshape(-1, 3, 3)[..., :2]
    step, edge = flat[:, 1:] - flat[:, :1], side[:, 1:] - side[:, :1]
    solved = np.linalg.solve(step, edge)
    assert ((solved[:, 0] * tangent.reshape(-1, 3, 3).mean(1)).sum(1) > 0).all()
    assert ((solved[:, 1] * across.reshape(-1, 3, 3).mean(1)).sum(1) > 0).all()
    assert made.attributes["shop_materialpath"] == ["/mat/bob"] * 256
    # A cook leaves nothing of the one before.
    script.values |= {"lod": 1, "materialpath": ""}
    nodes.cook_geometry(script)
    assert 0 < len(made.polygons) <= 128 and "shop_materialpath" not in made.attributes


def test_a_level_that_is_not_there_is_told(nodes: Any, hou: Any, result: Path) -> None:
    with pytest.raises(hou.NodeError, match=r"no level of detail 5.*--lods"):
        nodes.cook_geometry(Script(result, lod=5))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_damaged_file_is_told_in_a_sentence(
    nodes: Any, hou: Any, result: Path, tmp_path: Path, data: st.DataObject
) -> None:
    whole = bytearray((result / "asset" / "bob_v2.glb").read_bytes())
    json_end = 20 + struct.unpack_from("<I", whole, 12)[0]
    if data.draw(st.booleans()):
        del whole[data.draw(st.integers(0, len(whole) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            whole[data.draw(st.integers(0, json_end))] = data.draw(st.integers(0, 255))
    (tmp_path / "asset").mkdir(exist_ok=True)
    (tmp_path / "asset" / "bob.glb").write_bytes(whole)
    script = Script(tmp_path, lod=0)
    try:
        nodes.cook_geometry(script)
    except hou.NodeError as error:
        assert "bob.glb cannot be read" in str(error)


def test_the_asset_is_told_from_its_levels_and_from_others(
    nodes: Any, hou: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "asset"
    folder.mkdir()
    (folder / "hero_lod2.glb").touch()
    files = hou.result_files
    assert files.mesh(tmp_path, 0).name == "hero_lod2.glb"
    (folder / "hero_lod2_lod1.glb").touch()
    assert files.mesh(tmp_path, 0).name == "hero_lod2.glb"
    assert files.mesh(tmp_path, 1).name == "hero_lod2_lod1.glb"
    (folder / "other.glb").touch()
    with pytest.raises(hou.messages.ToolError, match=r"several assets .*hero_lod2.glb, other.glb"):
        files.mesh(tmp_path, 0)


def test_reload_cooks_again(nodes: Any, result: Path) -> None:
    script = Script(result)
    nodes.reload({"node": script.parent()})
    assert script.cooked == 1


# -- cameras --------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def photographed(result: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same result with the layer of two photographs' cameras."""
    folder: Path = tmp_path_factory.mktemp("photographed") / "bob"
    shutil.copytree(result, folder)
    lens = projection(Camera(((1.0, 0.0, 0.0, 0.0),) * 3, (90, 60), (30, 20), (40, 60)), 0.1, 9)
    views = [
        View(name, cameras.turntable_pose(number), lens, lambda: torch.zeros(4, 6, 4), path)
        for number, (name, path) in enumerate([("a", folder / "a.png"), ("b", None)])
    ]
    seen = ImageViews(views, "cpu", pre_load=False)
    usdcameras.write(seen, folder / "asset", "bob_v2", Standing())
    return folder


def test_a_stage_has_the_cameras_where_they_are_asked_for(
    nodes: Any, hou: Any, result: Path, photographed: Path
) -> None:
    stage = staged(nodes, photographed, cameras=1, cameraspath="/cameras/bob")
    camera = UsdGeom.Camera(stage.GetPrimAtPath("/cameras/bob/a"))
    assert camera.GetHorizontalApertureAttr().Get() == 36
    assert not staged(nodes, photographed).GetPrimAtPath("/cameras")
    with pytest.raises(hou.NodeError, match=r"no layer of cameras.*--cameras"):
        staged(nodes, result, cameras=1)


def test_packed_cameras_stand_where_the_photographs_were_taken(
    nodes: Any, hou: Any, photographed: Path
) -> None:
    script = Script(photographed, lod=0, cameras=1, materialpath="/mat/bob")
    nodes.cook_geometry(script)
    first, second = script.made.packed
    for number, one in enumerate((first, second)):
        pose = torch.linalg.inv(cameras.turntable_pose(number).double())
        # hou's matrices act on rows.
        np.testing.assert_allclose(np.reshape(one.transform, (4, 4)).T, pose, atol=1e-6)
        tip, *corners = np.array(one.embedded.points)
        assert (tip == 0).all() and (np.array(corners)[:, 2] < 0).all()
        width, height = np.ptp(corners, axis=0)[:2]
        # 60 pixels of a focal length of 90, 40 of one of 60.
        assert width / -corners[0][2] == pytest.approx(60 / 90, rel=1e-5)
        assert height / -corners[0][2] == pytest.approx(40 / 60, rel=1e-5)
    count = len(script.made.polygons)
    assert script.made.attributes["name"] == [""] * count + ["a", "b"]
    assert script.made.attributes["photograph"][-2:] == [(photographed / "a.png").as_posix(), ""]
    assert script.made.attributes["shop_materialpath"] == ["/mat/bob"] * count + [""] * 2
    (photographed / "asset" / "bob_v2_cameras.usda").write_text("no layer")
    with pytest.raises(hou.NodeError, match="cannot be read"):
        nodes.cook_geometry(script)


# -- live -----------------------------------------------------------------------------------------
def preview_of(mesh: Any, in_first_pass: bool) -> bytes:
    """What a training that runs shows of itself."""
    mesh = mesh if mesh.normals is not None else mesh.with_normals()
    mesh = mesh if mesh.tangents is not None else mesh.with_tangents()
    grey = torch.full((8, 8, 3), 0.5)
    colours = (mesh.positions.clamp(0, 1), torch.full_like(mesh.positions, 0.5))
    taken = model.Taken(
        mesh,
        None if in_first_pass else (grey, grey, grey),
        colours if in_first_pass else None,
        torch.ones(4, 8, 3),
    )
    return bytes(model.glb(taken, model.Corners()))


@pytest.mark.parametrize("place", ["preview", ".run-20260101-000000-abcdef/out/x/preview"])
@pytest.mark.parametrize("in_first_pass", [True, False])
def test_live_shows_the_training_that_runs_and_then_its_asset(
    nodes: Any, result: Path, tmp_path: Path, place: str, in_first_pass: bool
) -> None:
    folder = tmp_path / "bob"
    shutil.copytree(result, folder)
    mesh = sheet().mesh
    script = Script(folder, lod=0, live=1)
    nodes.cook_geometry(script)
    whole = script.made.attributes["uv"]
    (folder / place).mkdir(parents=True)
    path = folder / place / "mesh.glb"
    path.write_bytes(preview_of(mesh, in_first_pass))
    later = (folder / "asset" / "bob_v2.glb").stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))
    nodes.cook_geometry(script)
    made = script.made
    assert len(made.polygons) == len(mesh.triangles) and len(made.points) == 2 * 81 - 32
    np.testing.assert_allclose(np.linalg.norm(made.attributes["N"], axis=1), 1, atol=1e-3)
    if in_first_pass:
        assert set(made.attributes) == {"N", "Cd"}
        at_corners = np.array(made.points)[np.array(made.polygons).reshape(-1)]
        np.testing.assert_allclose(made.attributes["Cd"], at_corners.clip(0, 1), atol=1e-4)
    else:
        assert set(made.attributes) == {"N", "uv", "tangentu", "tangentv"}
        np.testing.assert_allclose(
            np.unique(made.attributes["uv"].round(4), axis=0),
            np.unique(whole.round(4), axis=0),
            atol=2e-4,
        )
    # Without Live it is the finished asset, and with it too once that is the newer one.
    script.values["live"] = 0
    nodes.cook_geometry(script)
    assert "tangentu" in script.made.attributes and "Cd" not in script.made.attributes
    os.utime(folder / "asset" / "bob_v2.glb", ns=(later + 1, later + 1))
    script.values["live"] = 1
    nodes.cook_geometry(script)
    assert "Cd" not in script.made.attributes


def test_a_live_node_cooks_when_there_is_more_and_only_then(
    nodes: Any, hou: Any, result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = hou.live_results
    looking: list[Any] = []
    monkeypatch.setattr(live, "_SECONDS", 0.0)
    monkeypatch.setattr(hou.ui, "addEventLoopCallback", looking.append, raising=False)
    monkeypatch.setattr(hou.ui, "removeEventLoopCallback", looking.remove, raising=False)
    (tmp_path / "preview").mkdir()
    path = tmp_path / "preview" / "mesh.glb"
    path.write_bytes(b"1")
    script = Script(tmp_path, live=1)
    asset = script.parent()
    monkeypatch.setattr(hou, "node", {asset.path(): asset}.get)
    monkeypatch.setattr(hou, "isUIAvailable", lambda: False, raising=False)
    live.watch(asset)
    assert not looking  # nobody would call it
    monkeypatch.setattr(hou, "isUIAvailable", lambda: True)
    live.watch(asset)
    live.watch(asset)
    [look] = looking
    look()
    assert script.cooked == 0
    path.write_bytes(b"22")
    look()
    look()
    assert script.cooked == 1
    path.unlink()  # a job that starts again takes it away for a while
    look()
    script.values["live"] = 0
    look()
    assert not looking
    script.values["live"] = 1
    live.watch(asset)
    monkeypatch.setattr(hou, "node", lambda _path: None)
    looking[0]()
    assert not looking and not live.watches


# -- Load Result ----------------------------------------------------------------------------------
@pytest.mark.parametrize(("button", "made_in"), [(0, "/obj"), (1, "/stage"), (2, None)])
def test_load_result_asks_for_the_place(
    hou: Any, node: Any, result: Path, monkeypatch: pytest.MonkeyPatch, button: int, made_in: Any
) -> None:
    hou.networks["/stage"] = node("", "stage")
    monkeypatch.setattr(hou.shelf, "_folders_of", lambda _nodes: [str(result)])
    (result / "mesh").mkdir(exist_ok=True)
    (result / "mesh" / "mesh.obj").touch()
    asked: list[Any] = []

    def display(text: str, **more: Any) -> int:
        asked.append(more.get("buttons") or text)
        return button

    monkeypatch.setattr(hou.ui, "displayMessage", display)
    hou.shelf.load_results({})
    assert asked[0] == ("/obj", "Solaris", "Cancel")
    assert made_in == "/obj" or len(asked) == 1
    for network in ("/obj", "/stage"):
        assert bool(hou.networks[network].made) == (network == made_in)
    if made_in == "/stage":
        [loaded] = hou.networks["/stage"].made
        assert loaded.type_name == hou.load_result.RESULT and loaded.displayed
        assert loaded.values == {"result": result.as_posix()}
        assert hou.steps == ["nvdiffrec Load Result"]


# -- the turntable --------------------------------------------------------------------------------
def test_a_camera_goes_around_once_and_sees_all(hou: Any, result: Path, tmp_path: Path) -> None:
    turntable = importlib.import_module("nvdiffrec_tops.houdini.turntable")
    assert (
        turntable.main([str(result), "--out", str(tmp_path), "--frames", "8", "--stage-only"]) == 0
    )
    stage = Usd.Stage.Open(str(tmp_path / turntable.STAGE))
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (1, 8)
    assert stage.GetPrimAtPath("/lights/dome").IsA(UsdLux.DomeLight)
    mesh = UsdGeom.Mesh(stage.GetPrimAtPath("/asset/geo/bob_v2"))
    points = np.array(mesh.GetPointsAttr().Get(), float)
    camera = UsdGeom.Camera(stage.GetPrimAtPath(turntable.CAMERA))
    eyes = []
    for frame in range(1, 9):
        seen = camera.GetCamera(frame)
        view = np.array(seen.frustum.ComputeViewMatrix())
        clip = np.c_[points, np.ones(len(points))] @ view
        clip = clip @ np.array(seen.frustum.ComputeProjectionMatrix())
        assert (np.abs(clip[:, :2] / clip[:, 3:]) < 1).all() and (clip[:, 3] > 0).all()
        eyes.append(np.array(seen.frustum.position))
    eyes = np.array(eyes)
    np.testing.assert_allclose(eyes.mean(0)[[0, 2]], [0.5, 0.5], atol=1e-6)
    assert (eyes[:, 1] > 0).all() and np.ptp(eyes[:, 0]) > 1


def test_what_husk_is_told(
    hou: Any, result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    turntable = importlib.import_module("nvdiffrec_tops.houdini.turntable")
    monkeypatch.delenv("HFS", raising=False)
    assert turntable.main([str(result), "--out", str(tmp_path / "a b")]) == 1
    assert "start this script with hython" in capsys.readouterr().err
    monkeypatch.setenv("HFS", str(tmp_path))
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / ("husk.exe" if turntable.os.name == "nt" else "husk")
    program.touch()
    told: list[Any] = []

    def run(command: list[str]) -> Any:
        told.append(command)
        return SimpleNamespace(returncode=3)

    monkeypatch.setattr(turntable.subprocess, "run", run)
    assert turntable.main([str(result), "--out", str(tmp_path / "a b"), "--frames", "5"]) == 3
    [command] = told
    assert command[0] == str(program) and command[-1] == str(tmp_path / "a b" / turntable.STAGE)
    assert command[command.index("--frame-count") + 1] == "5"
    assert command[command.index("--output") + 1].endswith("turntable.$F4.exr")
    assert turntable.main([str(tmp_path / "none")]) == 1
    assert "--formats usd" in capsys.readouterr().err
