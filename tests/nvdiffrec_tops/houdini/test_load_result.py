"""A trained scene in ``/obj``, over a ``hou`` that records what is made."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest


def test_mesh_material_and_light(hou: Any, trained: Path) -> None:
    assert hou.load_result.load(trained) == []
    [shader] = hou.networks["/mat"].made
    mesh = f"{trained.as_posix()}/mesh"
    assert shader.type_name == "principledshader::2.0"
    assert shader.values["basecolor_texture"] == f"{mesh}/texture_kd.png"
    assert shader.values["basecolor_textureColorSpace"] == "sRGB"
    for name, channel in (("rough", 2), ("metallic", 3)):
        assert shader.values[f"{name}_texture"] == f"{mesh}/texture_ks.png"
        assert shader.values[f"{name}_monoChannel"] == channel
        assert shader.values[f"{name}_textureColorSpace"] == "linear"
        assert shader.values[name] == shader.values[f"{name}_useTexture"] == 1
    assert shader.values["baseBumpAndNormal_enable"] == 1
    assert shader.values["baseNormal_texture"] == f"{mesh}/texture_n.png"
    geometry, light = hou.networks["/obj"].made
    assert geometry.name() == "nvdiffrec_bob_v2"
    file, material = geometry.made
    assert file.values == {"file": f"{mesh}/mesh.obj"}
    assert material.values == {"shop_materialpath1": shader.path()}
    assert material.wired == [file] and material.displayed and not file.displayed
    assert light.type_name == "envlight" and light.values["env_map"] == f"{mesh}/probe.hdr"
    assert [light.values[one] for one in ("rx", "ry", "rz")] == [0, 180, 0]
    assert "assumption" in light.comment and "set Rotate Y to 0" in light.comment
    assert light.flags == {"comment shown": True}
    assert geometry.selected and light.selected
    assert hou.steps == ["Load nvdiffrec result bob_v2"]


def test_what_this_houdini_lacks_is_named(
    hou: Any, node: Any, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "lacks", ("rough_monoChannel", "env_map"))
    missing = hou.load_result.load(trained)
    assert missing == [
        "principledshader::2.0 lacks the parameter rough_monoChannel (2)",
        f"envlight lacks the parameter env_map ({trained.as_posix()}/mesh/probe.hdr)",
    ]
    [shader] = hou.networks["/mat"].made
    assert shader.values["metallic_monoChannel"] == 3


def test_a_texture_that_is_not_there_is_told_and_not_set(hou: Any, trained: Path) -> None:
    (trained / "mesh" / "texture_n.png").unlink()
    [told] = hou.load_result.load(trained)
    assert told.startswith("no texture: ") and "texture_n.png" in told
    [shader] = hou.networks["/mat"].made
    assert "baseBumpAndNormal_enable" not in shader.values


@pytest.mark.parametrize(
    ("folder", "name"), [("1 bob", "nvdiffrec_1_bob"), ("Ж.ü", "nvdiffrec____")]
)
def test_any_folder_gives_a_nodes_name(
    hou: Any, trained: Path, tmp_path: Path, folder: str, name: str
) -> None:
    trained.rename(tmp_path / folder)
    hou.load_result.load(tmp_path / folder)
    assert hou.networks["/obj"].made[0].name() == name


def test_a_folder_without_a_mesh_is_refused(hou: Any, tmp_path: Path) -> None:
    with pytest.raises(hou.messages.ToolError, match="holds no trained mesh"):
        hou.load_result.load(tmp_path)
    assert hou.networks["/obj"].made == hou.networks["/mat"].made == []


def test_a_scene_without_materials_is_explained(hou: Any, trained: Path) -> None:
    del hou.networks["/mat"]
    with pytest.raises(hou.messages.ToolError, match="no /mat"):
        hou.load_result.load(trained)


def test_the_turned_probe_shows_a_renderer_that_follows_openexr_the_light_as_it_was(
    hou: Any, trained: Path
) -> None:
    """OpenEXR, and so USD's dome light: longitude pi at the left edge, 0 along +Z, 90 along +X."""
    hou.load_result.load(trained)
    _geometry, light = hou.networks["/obj"].made
    turn = math.radians(light.values["ry"])
    height, width = 8, 16
    torch = pytest.importorskip("torch", reason="the trainer's directions need PyTorch")
    from diffrec.shading.light import latlong_directions

    latitude = math.pi / 2 - (torch.arange(height) + 0.5) / height * math.pi
    longitude = math.pi - (torch.arange(width) + 0.5) / width * 2 * math.pi
    latitude, longitude = torch.meshgrid(latitude, longitude, indexing="ij")
    ring = torch.cos(latitude)
    x, y, z = ring * torch.sin(longitude), torch.sin(latitude), ring * torch.cos(longitude)
    turned = torch.stack(
        [math.cos(turn) * x + math.sin(turn) * z, y, -math.sin(turn) * x + math.cos(turn) * z], -1
    )
    assert torch.allclose(turned, latlong_directions(height, width), atol=1e-6)
