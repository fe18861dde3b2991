"""``read_result``: a result file as a typed object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_contract import layout
from nvdiffrec_contract.failure import Failure
from nvdiffrec_tops import ResultProblem, read_result
from nvdiffrec_tops.job.outputs import result as resultfile
from nvdiffrec_tops.results import _result


def written(folder: Path, **changed: Any) -> dict[str, Any]:
    for name in ("mesh/mesh.obj", layout.CONTACT_SHEET):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"12345")
    document = {
        "format": resultfile.FORMAT, "version": resultfile.VERSION, "status": "done",
        "engine": "diffrec", "seconds": 12.5, "metrics": {"psnr": 24.5, "faces": 1200},
        "notes": ["a note"], "versions": {"torch": "2"}, "failure": None, "previous": None,
        "outputs": resultfile.describe(
            str(folder), ["mesh/mesh.obj", layout.CONTACT_SHEET], layout.tag
        ),
        **changed,
    }  # fmt: skip
    (folder / layout.RESULT).write_text(json.dumps(document))
    return document


def test_a_result_that_is_done(tmp_path) -> None:
    document = written(tmp_path)
    result = read_result(tmp_path)
    assert result.done and result.failure is None and result.previous is None
    assert (result.engine, result.seconds, result.psnr, result.faces) == (
        "diffrec", 12.5, 24.5, 1200,
    )  # fmt: skip
    assert result.mesh == tmp_path / "mesh" / "mesh.obj"
    assert result.contact_sheet == tmp_path / layout.CONTACT_SHEET
    assert result.output("mesh/probe.hdr") is None
    assert [(one.tag, one.size) for one in result.outputs] == [
        ("file/geo/obj", 5), ("file/image/png", 5),
    ]  # fmt: skip
    assert result.outputs[0].sha256 == document["outputs"][0]["sha256"]
    assert result.notes == ("a note",) and result.versions == {"torch": "2"}
    assert result.document == document


def test_a_failure_names_its_cure_and_what_still_stands(tmp_path) -> None:
    failure = Failure("diverged", "the loss is no number", "lower the learning rate")
    before = written(tmp_path)
    written(tmp_path, status="failed", failure=failure.document(), previous=before, outputs=[])
    result = read_result(str(tmp_path))
    assert not result.done and result.mesh is None and result.outputs == ()
    assert result.failure == failure
    assert result.previous is not None and result.previous.mesh is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "no job has ended there"), ("{", "damaged"), ('{"format": "other"}', "damaged")],
)
def test_a_folder_without_a_result_is_told(tmp_path, text, said) -> None:
    if text is not None:
        (tmp_path / layout.RESULT).write_text(text)
    with pytest.raises(ResultProblem, match=said):
        read_result(tmp_path)
    with pytest.raises(ResultProblem, match="does not exist"):
        read_result(tmp_path / "none")


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
NAMES = ["status", "engine", "seconds", "metrics", "outputs", "notes", "versions", "failure"]


@given(st.dictionaries(st.sampled_from([*NAMES, "previous"]), ANY))
def test_whatever_stands_in_a_result_file_it_reads_as_one(document) -> None:
    result = _result(Path("/out"), document)
    assert result.status in ("done", "failed")
    assert all(path.path.is_relative_to("/out") for path in result.outputs)
