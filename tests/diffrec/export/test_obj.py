from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from diffrec import textured_mesh
from diffrec.charting.charts import chart
from diffrec.errors import DiffrecError
from diffrec.export.obj import ObjError, write_obj
from diffrec.geometry.dmtet import DMTetGeometry
from diffrec.geometry.mesh import Mesh
from diffrec.reference.materials import Material, Picture

Loaded = tuple[Mesh, Material, tuple[str, ...]]


def load_obj(path: Path, mtl: Path | None = None) -> Loaded:
    """The mesh, the material of its first triangle, and what was passed over."""
    found = textured_mesh.load_obj(path, mtl)
    return found.mesh, found.slots[int(found.of_triangle[0])].material, found.warnings


def path_of(picture: Picture | None) -> Path | None:
    return None if picture is None else picture.path


SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


def write(folder: Path, text: str, name: str = "mesh.obj") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def charted_sphere() -> Mesh:
    geometry = DMTetGeometry(12)
    with torch.no_grad():
        geometry.sdf.copy_(geometry.grid_vertices.norm(dim=1) - 0.7)
    return chart(geometry.mesh().detach().with_normals(), 256, timeout=0).mesh


def test_round_trip_keeps_every_bit(tmp_path: Path) -> None:
    mesh = charted_sphere()
    write_obj(tmp_path / "mesh.obj", mesh)
    found, material, _ = load_obj(tmp_path / "mesh.obj")
    assert torch.equal(found.positions, mesh.positions)
    assert torch.equal(found.triangles, mesh.triangles)
    for name in ("texcoord_triangles", "normal_triangles"):
        assert torch.equal(getattr(found, name), getattr(mesh, name))
    assert found.texcoords is not None
    assert torch.allclose(found.texcoords, mesh.texcoords, atol=1e-7, rtol=0)
    assert found.normals is not None
    assert torch.allclose(found.normals, mesh.normals, atol=1e-6, rtol=0)
    assert material.name == "defaultMat"
    assert path_of(material.map_kd) == tmp_path / "texture_kd.png"
    assert path_of(material.map_ks) == tmp_path / "texture_ks.png"
    assert path_of(material.bump) == tmp_path / "texture_n.png"
    assert sorted(os.listdir(tmp_path)) == ["mesh.mtl", "mesh.obj"]


def test_log_reads_like_the_original(tmp_path: Path) -> None:
    mesh, lines = charted_sphere(), []
    write_obj(tmp_path / "mesh.obj", mesh, log=lines.append)
    assert mesh.texcoords is not None
    count = len(mesh.positions)
    assert lines == [
        f"Writing mesh:  {tmp_path / 'mesh.obj'}",
        f"    writing {count} vertices",
        f"    writing {len(mesh.texcoords)} texcoords",
        f"    writing {count} normals",
        f"    writing {len(mesh.triangles)} faces",
        f"Writing material:  {tmp_path / 'mesh.mtl'}",
        "Done exporting mesh",
    ]


def test_other_software_reads_it(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    mesh = charted_sphere()
    write_obj(tmp_path / "mesh.obj", mesh)
    found = trimesh.load(tmp_path / "mesh.obj", force="mesh", process=False, maintain_order=True)
    assert len(found.faces) == len(mesh.triangles)
    assert found.volume == pytest.approx(4.18879 * 0.7**3, rel=0.1)
    assert (found.face_normals * found.triangles_center).sum(1).min() > 0


def test_texture_origin_is_flipped_once(tmp_path: Path) -> None:
    path = write(tmp_path, SQUARE + "vt 0 0\nvt 1 0\nvt 1 0.75\nf 1/1 2/2 3/3\n")
    mesh, _, _ = load_obj(path)
    assert mesh.texcoords is not None
    assert torch.equal(mesh.texcoords, torch.tensor([[0.0, 1.0], [1.0, 1.0], [1.0, 0.25]]))
    assert mesh.normals is None
    write_obj(tmp_path / "out.obj", mesh)
    text = (tmp_path / "out.obj").read_text()
    assert "vt 1 0.75\n" in text
    assert "f 1/1 2/2 3/3\n" in text


@pytest.mark.parametrize(
    ("face", "triangles"),
    [
        ("f 1 2 3 4", [[0, 1, 2], [0, 2, 3]]),
        ("f -4 -3 -2", [[0, 1, 2]]),
        ("f 1 1 2 3", [[0, 1, 2]]),
        ("f 1 2 \\\n3", [[0, 1, 2]]),
    ],
)
def test_faces_of_all_sorts(tmp_path: Path, face: str, triangles: list[list[int]]) -> None:
    mesh, _, _ = load_obj(write(tmp_path, SQUARE + face + "\n"))
    assert mesh.triangles.tolist() == triangles
    assert mesh.texcoords is None


def test_normals_without_texcoords(tmp_path: Path) -> None:
    path = write(tmp_path, SQUARE + "vn 0 0 2\nf 1//1 2//1 3//1\n")
    mesh, _, _ = load_obj(path)
    assert mesh.normals is not None
    assert torch.equal(mesh.normals, torch.tensor([[0.0, 0.0, 1.0]]))
    write_obj(tmp_path / "out.obj", mesh)
    assert "f 1//1 2//1 3//1\n" in (tmp_path / "out.obj").read_text()


def test_partial_attributes_are_left_out_with_a_word(tmp_path: Path) -> None:
    path = write(tmp_path, SQUARE + "vn 0 0 1\nf 1//1 2//1 3//1\nf 1 3 4\n")
    mesh, _, warnings = load_obj(path)
    assert mesh.normals is None
    assert "only some faces have normals" in warnings[0]


def test_material_constants_and_pictures(tmp_path: Path) -> None:
    write(
        tmp_path,
        "newmtl other\nKd 1 0 0\nnewmtl wool\nbsdf pbr\nKd 0.1 0.2 0.3\nKs 0 0.25 0\n"
        "map_Kd -s 1 1 1 my colour.png\nbump -bm 0.5 bumps\\n.png\n",
        "m.mtl",
    )
    path = write(tmp_path, "mtllib m.mtl\n" + SQUARE + "vt 0 0\nusemtl wool\nf 1/1 2/1 3/1\n")
    _, material, warnings = load_obj(path)
    assert material.name == "wool"
    assert material.kd == (0.1, 0.2, 0.3)
    assert material.ks == (0.0, 0.25, 0.0)
    assert path_of(material.map_kd) == tmp_path / "my colour.png"
    assert path_of(material.bump) == tmp_path / "bumps" / "n.png"
    assert material.map_ks is None
    assert warnings == ()


def test_override_replaces_the_material(tmp_path: Path) -> None:
    override = write(tmp_path, "newmtl gold\nKd 1 0.8 0\n", "gold.mtl")
    path = write(tmp_path, "mtllib gone.mtl\n" + SQUARE + "usemtl wool\nf 1 2 3\n")
    assert load_obj(path, override)[1].name == "gold"
    _, plain, warnings = load_obj(path)
    assert plain.name == "defaultMat"
    assert "gone.mtl" in warnings[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no triangle"),
        ("v 0 0\n", "line 1: 3 numbers expected"),
        ("v a b c\n", "line 1: 3 numbers expected"),
        (SQUARE + "f 1 2\n", "line 5: a face needs at least three corners"),
        (SQUARE + "f 1 2 9\n", "uses position 9 and there are 4"),
        (SQUARE + "f 1 2 -9\n", "line 5: index -9 is out of range"),
        (SQUARE + "f 1 2 0\n", "line 5: index 0 is out of range"),
        (SQUARE + "f 1 2 99999999999999999999999\n", "out of range"),
        (SQUARE + "f 1/1 2/1 3/1\n", "uses texcoord 1 and there are 0"),
        (SQUARE + "f 1/x 2 3\n", "position/texcoord/normal"),
        (SQUARE + "v nan 0 0\nf 1 2 3\n", "v statement 5 holds a number that is not finite"),
        (SQUARE + "f 1 1 1\n", "no triangle"),
    ],
)
def test_broken_files_name_the_place(tmp_path: Path, text: str, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ObjError) as caught:
        load_obj(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_missing_and_unwritable_files(tmp_path: Path) -> None:
    with pytest.raises(ObjError, match="cannot read the mesh"):
        load_obj(tmp_path / "none.obj")
    with pytest.raises(ObjError, match="cannot write the mesh"):
        write_obj(tmp_path / "no" / "mesh.obj", charted_sphere())


WORDS = st.one_of(
    st.sampled_from(["v", "vt", "vn", "f", "usemtl", "mtllib", "\n", "#", "1/1/1", "\\\n", "nan"]),
    st.floats(width=32).map(str),
    st.integers(-6, 6).map(str),
    st.integers().map(str),
    st.text(max_size=5),
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(WORDS, max_size=40).map(" ".join))
@example(SQUARE + "mtllib \0\nf 1 2 3")
@example(SQUARE + "mtllib .\nf 1 2 3")
@example(SQUARE + "v 1e300 0 0\nf 1 2 3")
@example(SQUARE + "f 1 2 " + "9" * 5000)
@example(SQUARE + "mtllib " + "x" * 400 + "\nf 1 2 3")
def test_any_text_gives_a_mesh_or_one_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mesh.obj"
    path.write_bytes((SQUARE + text).encode("utf-8", errors="surrogatepass"))
    try:
        mesh, _, _ = load_obj(path)
    except DiffrecError as error:
        assert str(error)
        return
    assert torch.isfinite(mesh.positions).all()
    assert mesh.triangles.max() < len(mesh.positions)
    assert mesh.triangles.min() >= 0
    if mesh.texcoords is not None:
        assert mesh.texcoord_triangles is not None
        assert mesh.texcoord_triangles.max() < len(mesh.texcoords)
    if mesh.normals is not None:
        assert torch.isfinite(mesh.normals).all()


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.one_of(st.sampled_from(["newmtl", "Kd", "Ks", "map_Kd", "-s", "\n"]), WORDS)))
def test_any_library_gives_a_material_or_one_clear_error(tmp_path: Path, words: list[str]) -> None:
    library = tmp_path / "m.mtl"
    library.write_bytes(("newmtl a\n" + " ".join(words)).encode("utf-8", errors="surrogatepass"))
    try:
        path = write(tmp_path, SQUARE + "vt 0 0\nusemtl a\nf 1/1 2/1 3/1\n")
        material = load_obj(path, library)[1]
    except DiffrecError as error:
        assert str(tmp_path) in str(error)
        return
    assert len(material.kd) == len(material.ks) == 3


def test_the_reference_mesh_reads(shared: Path) -> None:
    mesh, material, _ = load_obj(shared / "data" / "bob" / "bob_tri.obj")
    assert len(mesh.triangles) == 10_688
    assert mesh.texcoords is not None
    assert mesh.normals is not None
    assert material.ks == (0.0, 0.25, 0.0)
    assert material.map_kd is not None
    assert material.map_kd.found
