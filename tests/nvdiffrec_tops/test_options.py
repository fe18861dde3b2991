"""Whatever offers an option of a training offers what the table allows."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_contract import schemas
from nvdiffrec_contract.options import MOST_RETRIES, OPTIONS
from nvdiffrec_tops.command import TrainingCommand
from nvdiffrec_tops.job import commandline, jobfile
from nvdiffrec_tops.job.jobfile import JobFile, JobFileError
from nvdiffrec_tops.training import TrainingSettings

ROOT = Path(__file__).resolve().parents[2]
MINIMAL = {"engine": "diffrec", "config": {}, "output": "/o"}


def defaults(kind: Any) -> dict[str, Any]:
    return {
        one.name: one.default if one.default is not dataclasses.MISSING else one.default_factory
        for one in dataclasses.fields(kind)
    }


def test_a_job_file_has_these_fields_and_defaults() -> None:
    assert set(OPTIONS) == {one.name for one in dataclasses.fields(JobFile)}
    job = JobFile(**MINIMAL).document()
    for name, option in OPTIONS.items():
        if not option.required and name != "environment":
            assert job[name] == option.default, name


def test_the_command_line_and_the_cook_have_the_same_defaults() -> None:
    words = ["--engine=diffrec", "--config=c.json", "--output=/o"]
    asked = commandline.parse(words)[0].document()
    for name, option in OPTIONS.items():
        assert option.flag.startswith("--") and option.help
        if not option.required and name != "environment":
            assert asked[name] == option.default, name
    for kind in (TrainingCommand, TrainingSettings):
        given = defaults(kind)
        for name in ("device", "on_failure", "on_out_of_memory", "timeout", "seed"):
            assert given[name] == OPTIONS[name].default, (kind, name)


JSON = (
    st.none() | st.booleans() | st.integers(-2, 2**63) | st.floats(-1, 200)
    | st.sampled_from(["auto", "cpu", "fail", "warn", "halve_batch", "diffrec", "", "a"])
    | st.lists(st.sampled_from(["a", "", 3]), max_size=2) | st.just({}) | st.just({"iter": 5})
)  # fmt: skip


@given(st.sampled_from(sorted(set(OPTIONS) - {"environment"})), JSON)
def test_what_a_job_takes_is_valid_by_the_schema(name: str, value: Any) -> None:
    document = {"format": jobfile.FORMAT, "version": jobfile.VERSION, **MINIMAL, name: value}
    try:
        jobfile.from_document(document)
    except JobFileError as error:
        assert f'"{name}" must be' in str(error)
        return
    jsonschema.validate(document, schemas.of_job())


def test_what_a_job_writes_of_itself_is_valid_by_the_schema() -> None:
    document = json.loads(json.dumps(JobFile(**MINIMAL, inputs=("/a",), seed=3).document()))
    jsonschema.validate(document, schemas.of_job())


def _parm(dialog: str, name: str) -> str:
    found = re.search(rf'^(\s*)parm \{{\n\s*name    "{name}"\n(.*?)^\1\}}', dialog, re.M | re.S)
    assert found, name
    return found[2]


@pytest.mark.parametrize("asset", ["train", "static"])
def test_the_assets_offer_what_the_table_allows(asset: str) -> None:
    folder = ROOT / "otls" / f"kartaverse.nvdiffrec_{asset}.1.0.hda"
    [path] = folder.rglob("DialogScript")
    dialog = path.read_text(encoding="utf-8")
    for name, parm in (("device", "device"), ("on_failure", "onfailure")):
        text = _parm(dialog, parm)
        menu = text[text.index("menu {") :]
        tokens = re.findall(r'^\s*"(\w+)"\s+"', menu, re.M)
        assert tuple(tokens) == OPTIONS[name].choices
        default = re.search(r'default \{ "(\w+)" \}', text)
        assert default is not None
        chosen = tokens[int(default[1])] if default[1].isdecimal() else default[1]
        assert chosen == OPTIONS[name].default
    assert f'default {{ "{OPTIONS["retries"].default}" }}' in _parm(dialog, "retries")
    least, most = re.findall(r"range\s+\{ (\d+)! (\d+)", _parm(dialog, "retries"))[0]
    assert int(least) == 0 and int(most) <= MOST_RETRIES
    [help_card] = folder.rglob("Help") if list(folder.rglob("Help")) else folder.rglob("*.txt")
    words = help_card.read_text(encoding="utf-8")
    for parm in ("device", "retries", "onfailure", "halvebatch", "timeout", "seed"):
        assert f"#id: {parm}" in words, parm
