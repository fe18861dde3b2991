"""Digests and the result file."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.job import result


def done(folder, **changed):
    (folder / "mesh.obj").write_text("mesh")
    outputs = result.describe(str(folder), ["mesh.obj"], lambda _: "file")
    return {
        "format": result.FORMAT, "version": result.VERSION, "status": "done", "digest": "d",
        "outputs": outputs, **changed,
    }  # fmt: skip


def test_up_to_date_means_the_same_digest_and_unchanged_files(tmp_path):
    output = str(tmp_path)
    document = done(tmp_path)
    assert result.up_to_date(output, document, "d")
    assert not result.up_to_date(output, document, "e")
    assert not result.up_to_date(output, None, "d")
    assert not result.up_to_date(output, {**document, "outputs": []}, "d")
    failed = {"status": "failed", "previous": document}
    assert result.up_to_date(output, failed, "d")
    assert not result.up_to_date(output, {"status": "failed", "previous": None}, "d")
    (tmp_path / "mesh.obj").write_text("mush")
    assert not result.up_to_date(output, document, "d")
    (tmp_path / "mesh.obj").unlink()
    assert not result.up_to_date(output, document, "d")


def test_a_manifest_never_leaves_its_folder():
    paths = ["../x", "/etc/passwd", "a/../../x", "", "a//b", "good/file"]
    document = {"status": "done", "outputs": [{"path": path, "sha256": "0"} for path in paths]}
    assert set(result.manifest(document)) == {"good/file"}
    assert result.manifest({"status": "done", "outputs": [1, None, {"path": 5}]}) == {}


def test_unreadable_result_files_count_as_none(tmp_path):
    for text in ("", "{", "[]", '{"format": "other"}', '{"format": "%s", "version": 99}'):
        (tmp_path / "result.json").write_text(text.replace("%s", result.FORMAT))
        assert result.read(str(tmp_path)) is None
    assert result.read(str(tmp_path / "none")) is None


def test_a_mesh_counts_with_its_materials_and_textures(tmp_path):
    (tmp_path / "m.obj").write_text("mtllib m n.mtl\nv 0 0 0\n")
    (tmp_path / "m n.mtl").write_text("newmtl a\nmap_Kd kd.png\n  bump none.png\n")
    (tmp_path / "kd.png").write_bytes(b"1")
    path = str(tmp_path / "m.obj")
    digests = [result.input_digest(path)]
    (tmp_path / "kd.png").write_bytes(b"2")
    digests.append(result.input_digest(path))
    (tmp_path / "m n.mtl").write_text("newmtl a\n")
    digests.append(result.input_digest(path))
    (tmp_path / "m.obj").write_text("v 0 0 0\n")
    digests.append(result.input_digest(path))
    assert len(set(digests)) == 4


def test_a_folder_of_photographs_counts_by_names_sizes_and_times(tmp_path):
    (tmp_path / "images").mkdir()
    picture = tmp_path / "images/0.png"
    table = tmp_path / "transforms_train.json"
    picture.write_bytes(b"1")
    table.write_text("{}")
    os.utime(picture, (1000, 1000))
    first = result.input_digest(str(tmp_path))
    os.utime(table, (5, 5))
    assert result.input_digest(str(tmp_path)) == first
    os.utime(picture, (2000, 2000))
    second = result.input_digest(str(tmp_path))
    table.write_text("[]")
    third = result.input_digest(str(tmp_path))
    picture.rename(tmp_path / "images/1.png")
    assert len({first, second, third, result.input_digest(str(tmp_path))}) == 4


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans())))
def test_a_digest_does_not_depend_on_the_order_of_names(value):
    assert result.digest_of(value) == result.digest_of(dict(reversed(value.items())))
