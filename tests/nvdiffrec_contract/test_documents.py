"""What is written from the contract is in step with it, and says what the checks do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_contract import configuration, failurefile, failureline, schemas
from nvdiffrec_contract.configuration import EXTENSIONS, FIELDS, effects
from nvdiffrec_contract.errors import ConfigError
from nvdiffrec_contract.failure import Failure

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", sorted(schemas.documents()))
def test_the_documents_are_in_step(name: str) -> None:
    again = "python -m nvdiffrec_contract.schemas docs"
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == schemas.documents()[name], again


def test_every_field_is_explained() -> None:
    for row in (*FIELDS.values(), *EXTENSIONS.values()):
        assert row.help and row.check.allowed and row.check.schema
        row.check(row.default if row.default is not None else None)


def test_what_fields_do_is_told_of_fields_that_there_are() -> None:
    grouped = [name for texts in effects.GROUPS.values() for name in texts]
    assert len(grouped) == len(set(grouped)) and not set(grouped) - {*FIELDS, *EXTENSIONS}
    assert all(text.endswith(".") for texts in effects.GROUPS.values() for text in texts.values())
    page = schemas.fields_page()
    for row in (*FIELDS.values(), *EXTENSIONS.values()):
        if row.name != "config":
            entry = page.split(f"\n### {row.name}\n")[1].split("\n#")[0]
            assert row.check.allowed in entry and f"`{json.dumps(row.default)}`" in entry
            inside = f'inside `"{configuration.SECTION}"`' in entry
            assert inside == (row.name in EXTENSIONS)
    for name, picture in effects.PICTURES.items():
        assert name in grouped and (ROOT / "docs" / picture.path).is_file()


numbers = st.integers(-10, 20000) | st.floats(-5, 5)
values = (
    st.none()
    | st.booleans()
    | numbers
    | st.sampled_from(["black", "logl1", "dmtet", "relative", "auto", "cuda:1", "hull", "a/b"])
    | st.lists(numbers | st.lists(numbers, max_size=2), max_size=4)
)


@given(st.sampled_from([name for name in FIELDS if name != "config"]), values)
def test_what_the_trainer_takes_is_valid_by_the_schema(name: str, value: Any) -> None:
    try:
        configuration.from_mapping({name: value}, "a test")
    except ConfigError:
        return
    jsonschema.validate({name: value}, schemas.of_configuration())


@given(st.sampled_from(sorted(EXTENSIONS)), values)
def test_the_same_of_the_trainers_own_fields(name: str, value: Any) -> None:
    try:
        configuration.from_mapping({"diffrec": {name: value}}, "a test")
    except ConfigError:
        return
    jsonschema.validate({"diffrec": {name: value}}, schemas.of_configuration())


def test_a_failure_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = Failure("diverged", "the loss is NaN", "lower it", retry=True, field="learning_rate")
    path = failurefile.place(tmp_path, {})
    failurefile.write(path, written)
    assert failurefile.read(path) == written
    document = json.loads(path.read_text())
    jsonschema.validate(document, schemas.of_failure())


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": "tops-nvdiffrec-failure", "version": 1, "id": 3}', "{" * 5000],
)
def test_a_damaged_failure_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "failure.json").write_text(text)
    assert failurefile.read(tmp_path / "failure.json") is None
    assert failurefile.read(tmp_path / "absent") is None


@given(st.builds(Failure, st.text(), st.text(), st.text(), retry=st.booleans(), file=st.text()))
def test_a_failure_passes_through_a_line(failure: Failure) -> None:
    line = failureline.text("-12", failure)
    assert line.isascii() and len(line.splitlines()) == 1
    read = failureline.read(line, -12)
    assert read is not None
    assert failureline.document(read) == failureline.document(failure)
    assert failureline.read(line, 12) is None


def test_a_failure_of_any_length_passes_through_a_line() -> None:
    long = Failure("unknown", "\U0001f4a5" * 100_000, "x" * 100_000)
    read = failureline.read(failureline.text("1", long), 1)
    assert read is not None and long.cause.startswith(read.cause) and read.cause


@given(st.text())
def test_any_line_is_read(text: str) -> None:
    assert failureline.read(text, 1) is None
    failureline.read(f"PDG_FAILURE: 1;{text}", 1)
