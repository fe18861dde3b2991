"""A large OBJ is read in blocks, and by another process, and is what it is line by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from diffrec.reference import elsewhere, obj
from diffrec.reference.errors import ObjError
from diffrec.reference.lines import blocks, lines
from diffrec.reference.obj import read_obj

SOUND = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvn 0 0 1\nf 1/1/1 2/1/1 3/1/1\n"


@given(
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xff\xfe"]),
    st.lists(st.sampled_from([b"v 1 2 3", b"f 1", b"\n", b"\r\n", b"\r", b"\\", b" ", b"\n\n"])),
    st.sampled_from([0, 1, 9, 1 << 18]),
)
@example(b"", [b"v 1 2 3", b"\r\n", b"f 1", b"\\", b"\r\n", b"f 1"], 9)
@example(b"", [b"f 1", b"\n", b"f 1", b"\\"], 3)
def test_blocks_hold_the_lines_and_their_numbers(
    tmp_path_factory: pytest.TempPathFactory, mark: bytes, parts: list[bytes], size: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "blocks.obj"
    path.write_bytes(mark + b"".join(parts))
    found = []
    for number, block in blocks(path, size):
        assert block.endswith(b"\n")
        found += enumerate(block[:-1].split(b"\n"), number)
    assert found == list(lines(path))


def test_what_another_process_has_read_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "LARGE", 0)
    path = tmp_path / 'a "mesh" of $HOME.obj'
    path.write_text(SOUND)
    expected = read_obj(path)
    obj.remember(None)
    wait = elsewhere.begin(path)
    with monkeypatch.context() as patch:
        patch.setattr(obj, "_parsed", None)
        wait()
        assert read_obj(path) == expected
    # What has changed since is.
    elsewhere.begin(path)()
    path.write_text(SOUND + "f 1/1/1 3/1/1 2/1/1\n")
    assert read_obj(path).faces == 2


def test_what_is_wrong_with_a_file_is_said_by_who_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "LARGE", 0)
    path = tmp_path / "wrong.obj"
    path.write_text(SOUND + "f 1/1/1 2/x/1 3/1/1\n")
    elsewhere.begin(path)()
    with pytest.raises(ObjError, match="line 7"):
        read_obj(path)
    elsewhere.begin(tmp_path / "missing.obj")()
    with pytest.raises(ObjError, match="cannot read the mesh"):
        read_obj(tmp_path / "missing.obj")
