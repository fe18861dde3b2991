"""Materials as other programs write them: each kind, as a mesh that is read by the trainer."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffrec.data import describe
from diffrec.errors import DiffrecError
from diffrec.materials import TextureMaterial
from diffrec.materials.several import SeveralMaterials
from diffrec.materials.surface import Surface
from diffrec.reference.mtl import read_mtl
from diffrec.textured_mesh import ReferenceMesh, load_reference_mesh

CPU = torch.device("cpu")
RED, GREY = (0, 0, 255), (128, 128, 128)
TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\n"
FACE = "f 1/1 2/2 3/3\n"
IN_FOLDERS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def picture(path: Path, colour: tuple[int, ...], size: int = 4) -> Path:
    """A picture of one colour, blue first as OpenCV has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((size, size, len(colour)), colour, np.uint8))
    return path


def read(folder: Path, material: str, obj: str = "", encoding: str = "utf-8") -> ReferenceMesh:
    """A triangle with a material `m`, or with `obj` in place of its face."""
    (folder / "a.mtl").write_text(f"newmtl m\n{material}\n", encoding=encoding)
    text = f"mtllib a.mtl\n{TRIANGLE}{obj or 'usemtl m' + chr(10) + FACE}"
    (folder / "a.obj").write_text(text, encoding=encoding)
    return load_reference_mesh(folder / "a.obj", None, CPU)


def texture(found: ReferenceMesh) -> TextureMaterial:
    assert isinstance(found.material, TextureMaterial)
    return found.material


def is_red(found: ReferenceMesh) -> bool:
    kd = texture(found).kd[0, 0].tolist()
    return bool(kd == pytest.approx([1.0, 0.0, 0.0], abs=1e-5))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    picture(tmp_path / "Gemälde.png", RED)
    assert is_red(read(tmp_path, "map_Kd Gemälde.png", encoding=encoding))


@pytest.mark.parametrize(
    ("said", "file"),
    [
        ("a.png", "a.png"),
        ("-s 2 2 a.png", "a.png"),
        ("-s 2 a.png", "a.png"),
        ("-o 0.5 -s 1 1 1 -mm 0 1 a.png", "a.png"),
        ("-bm 1 -clamp on -blendu off a.png", "a.png"),
        ("-s 1 1 1 2 3.png", "2 3.png"),
        ("-s\t1 1\ta b.png", "a b.png"),
        ("-s 2 1 0.png", "1 0.png"),
        ("A.PNG", "a.png"),
        ("Maps/A.png", "maps/a.PNG"),
        ("maps\\a.png", "maps/a.png"),
        (r"C:\Users\artist\maps\a.png", "maps/a.png"),
        (r"C:\Users\artist\maps\a.png", "a.png"),
        (r"\\server\share\a.png", "a.png"),
        ("/home/other/a.png", "a.png"),
        ("../textures/a.png", "a.png"),
        ("a#1.png", "a#1.png"),
        ("a #1.png", "a #1.png"),
        ("a.png # the colour", "a.png"),
        ('"my colour.png"', "my colour.png"),
        ("-100.png", "-100.png"),
        ("12", "12.png"),
    ],
)
def test_names_of_pictures(tmp_path: Path, said: str, file: str) -> None:
    path = picture(tmp_path / file, RED)
    if said == "12":
        path.rename(tmp_path / "12")
    assert is_red(read(tmp_path, f"map_Kd {said}"))


@IN_FOLDERS
@given(
    st.lists(
        st.sampled_from(
            ["-s 2", "-s 1 1", "-s 1 1 1", "-o 0 0", "-t 0", "-mm 0 1", "-bm 0.5", "-clamp on"]
        ),
        unique_by=lambda one: one.split()[0],
    ),
    st.from_regex(r"[a-z0-9#][a-z0-9# ]{0,8}[a-z0-9]\.png", fullmatch=True),
)
def test_options_never_eat_a_name(tmp_path: Path, options: list[str], name: str) -> None:
    picture(tmp_path / name, RED)
    assert is_red(read(tmp_path, f"map_Kd {' '.join([*options, name])}"))


def test_a_picture_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DiffrecError, match=r"gone\.png, which is not there"):
        read(tmp_path, "map_Kd gone.png")
    found = describe(tmp_path / "a.obj").told("diffrec", "material")
    assert [one.severity for one in found] == ["error"]


def test_libraries(tmp_path: Path) -> None:
    (tmp_path / "one.mtl").write_text("newmtl other\nKd 0 1 0\n")
    (tmp_path / "my two.mtl").write_text("newmtl m\nKd 1 0 0\n")
    obj = f"{TRIANGLE}usemtl m\n{FACE}"
    for lines in (
        "mtllib one.mtl\nmtllib my two.mtl\n",
        "mtllib one.mtl my two.mtl\n",
        "mtllib my two.mtl one.mtl # both\n",
        "mtllib gone.mtl MY TWO.MTL\n",
        r"mtllib C:\scans\my two.mtl" + "\n",
    ):
        (tmp_path / "a.obj").write_text(lines + obj)
        found = load_reference_mesh(tmp_path / "a.obj", None, CPU)
        assert texture(found).kd[0, 0].tolist() == [1, 0, 0], lines
        assert ("gone" in lines) == bool(found.warnings)


def test_a_material_of_another_writing(tmp_path: Path) -> None:
    for name in ("m # a comment", "M"):
        assert is_red(read(tmp_path, "Kd 1 0 0", f"usemtl {name}\n{FACE}"))
    found = read(tmp_path, "Kd 1 0 0", f"usemtl x\n{FACE}usemtl m\n{FACE}")
    assert any("no material 'x'" in one for one in found.warnings)


@pytest.mark.parametrize(
    ("material", "ks", "warned"),
    [
        ("Ks 0 0.3 1", (0, 0.3, 1), ""),
        ("Ks 1 0.3 1", (0, 0.3, 1), "occlusion 1"),
        ("bsdf pbr\nNs 10\nKs 0 0.3 1", (0, 0.3, 1), ""),
        ("Ns 250\nillum 2\nKs 0.5 0.5 0.5", (0, 0.5, 0), "specular colour"),
        ("Ns 1000\nKs 0 0 0", (0, 0.08, 0), ""),
        ("illum 1\nNs 0", (0, 1, 0), ""),
        ("Pr 0.9\nPm 1", (0, 0.9, 1), ""),
        ("Ns 10\nillum 2\nKs 1 1 1\nPr 0.2", (0, 0.2, 0), ""),
        ("map_Pr grey.png\nPm 0.25", (0, 128 / 255, 0.25), ""),
        ("map_Pm grey.png", (0, 0.5, 128 / 255), ""),
        ("map_Pr orm.png\nmap_Pm orm.png", (0, 200 / 255, 50 / 255), ""),
        ("map_Pr -imfchan b orm.png", (0, 50 / 255, 0), ""),
        ("map_Ks orm.png", (0, 200 / 255, 50 / 255), "red channel"),
        ("illum 2\nmap_Ks orm.png", (0, 200 / 255, 50 / 255), "is read as roughness"),
        ("illum 2\nNs 250\nmap_Ks grey.png", (0, 0.5, 0), "specular map"),
        ("bsdf pbr\nmap_Ks grey.png", (0, 128 / 255, 128 / 255), "red channel"),
        ("d 0.5\nKe 1 1 1\nmap_d grey.png", (0, 0.5, 0), "transparency"),
    ],
)
def test_roughness_and_metalness(
    tmp_path: Path, material: str, ks: tuple[float, ...], warned: str
) -> None:
    picture(tmp_path / "grey.png", GREY)
    picture(tmp_path / "orm.png", (50, 200, 255))
    found = read(tmp_path, material)
    assert texture(found).ks.mean((0, 1)).tolist() == pytest.approx(ks, abs=1e-6)
    assert any(warned in one for one in found.warnings) if warned else not found.warnings
    told = [one.cause for one in describe(tmp_path / "a.obj").told("diffrec", "material")]
    assert told == list(found.warnings)


@pytest.mark.parametrize("keyword", ["norm", "bump", "map_Bump"])
def test_normal_maps_and_height_maps(tmp_path: Path, keyword: str) -> None:
    picture(tmp_path / "n.png", (228, 128, 206))  # (0.61, 0, 0.79)
    picture(tmp_path / "height.png", (60, 60, 60))
    picture(tmp_path / "photo.png", (30, 90, 200))
    found = read(tmp_path, f"{keyword} n.png")
    assert texture(found).normal[0, 0].tolist() == pytest.approx([0.616, 0, 0.788], abs=0.01)
    assert not found.warnings
    for name, said in (("height.png", "height map"), ("photo.png", "no tangent-space normal map")):
        found = read(tmp_path, f"{keyword} -bm 0.2 {name}")
        assert texture(found).normal[0, 0].tolist() == [0, 0, 1]
        assert said in found.warnings[0]


def kd_at(found: ReferenceMesh, triangle: int) -> list[float]:
    """The albedo in the middle of a triangle."""
    mesh = found.mesh
    assert mesh.texcoords is not None and mesh.texcoord_triangles is not None
    uv = mesh.texcoords[mesh.texcoord_triangles[triangle]].mean(0, keepdim=True)
    surface = Surface(torch.zeros(1, 3), uv, None, torch.tensor([triangle]))
    kd: list[float] = found.material.sample(surface).kd[0].tolist()
    return kd


def test_several_materials_each_on_its_own_faces(tmp_path: Path) -> None:
    picture(tmp_path / "red.png", RED, 8)
    material = "map_Kd red.png\nnewmtl blue\nKd 0 0 1\nnewmtl unused\nmap_Kd gone.png"
    obj = f"usemtl m\n{FACE}f 1 2 3\nusemtl blue\n{FACE}{FACE}"
    found = read(tmp_path, material, obj)
    assert isinstance(found.material, SeveralMaterials)
    assert kd_at(found, 0) == pytest.approx([1, 0, 0], abs=1e-4)
    assert kd_at(found, 1) == pytest.approx([1, 0, 0], abs=1e-4)
    assert kd_at(found, 2) == pytest.approx([0, 0, 1], abs=1e-4)
    assert "1 triangles have no texture coordinates" in found.warnings[0]
    assert found.mesh.tangents is not None and torch.isfinite(found.mesh.tangents).all()


@pytest.mark.parametrize("shift", [0.0, 3.0, -7.0, 1e5])
@pytest.mark.parametrize(("options", "u"), [("", 0.25), ("-s 2 1 1", 0.125), ("-o 0.5", 0.75)])
def test_textures_repeat(tmp_path: Path, options: str, u: float, shift: float) -> None:
    """The left half is black, the right one red; the whole triangle lies at one point of it."""
    half = np.zeros((64, 64, 3), np.uint8)
    half[:, 32:] = RED
    cv2.imwrite(str(tmp_path / "half.png"), half)
    for place, colour in ((u, 0.0), (u + (0.25 if "-s" in options else 0.5), 1.0)):
        moved = f"vt {place + shift} 0.5\n" * 3
        found = read(tmp_path, f"map_Kd {options} half.png", f"usemtl m\n{moved}f 1/4 2/5 3/6\n")
        assert kd_at(found, 0)[0] == pytest.approx(colour, abs=1e-3)


def test_pipes_and_devices_are_not_opened(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no named pipes here")
    for name in ("pipe.png", "pipe.mtl", "pipe.obj"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(DiffrecError, match="not there"):
        read(tmp_path, "map_Kd pipe.png")
    (tmp_path / "b.obj").write_text(f"mtllib pipe.mtl\n{TRIANGLE}usemtl m\n{FACE}")
    assert "missing" in load_reference_mesh(tmp_path / "b.obj", None, CPU).warnings[0]
    with pytest.raises(DiffrecError, match="a pipe or a device"):
        load_reference_mesh(tmp_path / "b.obj", tmp_path / "pipe.mtl", CPU)
    with pytest.raises(DiffrecError, match="a pipe or a device"):
        load_reference_mesh(tmp_path / "pipe.obj", None, CPU)
    assert "a pipe or a device" in describe(tmp_path / "pipe.obj").problems[0].cause


@pytest.mark.parametrize("name", ["a.glb", "a.gltf", "a.usdz", "a.fbx"])
def test_scenes_of_other_kinds_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"glTF")
    (problem,) = describe(tmp_path / name).problems
    assert "is not read as a reference mesh" in problem.cause and ".obj" in problem.cure


WORDS = st.one_of(
    st.sampled_from(
        ["newmtl", "Kd", "Ks", "Ns", "illum", "map_Kd", "map_Ks", "norm", "bump", "-s", "-o", "-mm",
         "-bm", "-imfchan", "\n", "#", "\\\n", "Pr", "map_Pr", "bsdf pbr", "1", "a.png", "\t"]
    ),
    st.floats(width=32).map(str),
    st.text(max_size=5),
)  # fmt: skip


@settings(max_examples=150, deadline=None, parent=IN_FOLDERS)
@given(st.lists(WORDS, max_size=40).map(" ".join), st.booleans())
def test_any_library_is_read_or_refused_in_a_sentence(
    tmp_path: Path, text: str, marked: bool
) -> None:
    data = text.encode("utf-8", "surrogatepass")
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "a.mtl").write_bytes((b"\xef\xbb\xbf" if marked else b"") + b"newmtl m\n" + data)
    (tmp_path / "a.obj").write_text(f"mtllib a.mtl\n{TRIANGLE}usemtl m\n{FACE}")
    try:
        assert "m" in read_mtl(tmp_path / "a.mtl")
        load_reference_mesh(tmp_path / "a.obj", None, CPU)
    except DiffrecError as error:
        assert str(tmp_path) in str(error) or "a.png" in str(error)
    for problem in describe(tmp_path / "a.obj").problems:
        assert problem.about == "material"


@pytest.mark.parametrize("name", ["a.<UDIM>.png", "a.%(UDIM)d.png", "a.%04d.png", "a.$F4.png"])
def test_several_pictures_under_one_name_are_named(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "a.1001.png", RED)
    with pytest.raises(DiffrecError, match="bake them to one"):
        read(tmp_path, f"map_Kd {name}")
    (problem,) = describe(tmp_path / "a.obj").problems
    assert problem.severity == "error" and "bake them to one" in problem.cure


@pytest.mark.parametrize("material", ["Kd 1 1 1", "map_Kd a.png"])
def test_colours_of_vertices_are_told_where_nothing_else_has_a_picture(tmp_path, material) -> None:
    picture(tmp_path / "a.png", RED)
    (tmp_path / "a.mtl").write_text(f"newmtl m\n{material}\n")
    coloured = TRIANGLE.replace("0 0 0\n", "0 0 0 1 0 0\n", 1)
    (tmp_path / "a.obj").write_text(f"mtllib a.mtl\n{coloured}usemtl m\n{FACE}")
    warnings = load_reference_mesh(tmp_path / "a.obj", None, CPU).warnings
    assert any("colours of vertices" in one for one in warnings) == ("png" not in material)


def test_decimal_commas_are_named(tmp_path: Path) -> None:
    with pytest.raises(DiffrecError, match="decimal points"):
        read(tmp_path, "Kd 0,8 0,1 0,1")
    (tmp_path / "b.obj").write_text("v 0,0 0,0 1,0\n")
    with pytest.raises(DiffrecError, match="decimal point"):
        load_reference_mesh(tmp_path / "b.obj", None, CPU)
