"""Job files: what is accepted, what is refused and how."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_contract import options
from nvdiffrec_tops.job import engines, jobfile
from nvdiffrec_tops.job.environment import EnvironmentPolicy
from nvdiffrec_tops.job.jobfile import JobFile, JobFileError, from_document, parse_json

LEAST = {
    "format": "tops-nvdiffrec-job", "version": 1,
    "engine": "diffrec", "config": "c.json", "output": "o",
}  # fmt: skip


def test_the_least_job_file():
    job = from_document(LEAST)
    assert job == JobFile(engine="diffrec", config="c.json", output="o")
    assert job.retries == 1 and job.timeout is None and job.device == "auto"


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
variables = st.text("ABCxyz_0", min_size=1)
jobs = st.builds(
    JobFile,
    engine=st.sampled_from(engines.names()),
    output=texts,
    config=st.one_of(texts, st.dictionaries(texts, st.integers() | texts)),
    python=st.none() | texts,
    working_dir=st.none() | texts,
    script=st.none() | texts,
    overrides=st.dictionaries(texts, st.integers() | st.lists(st.integers()) | texts),
    device=st.sampled_from(options.DEVICES),
    seed=st.none() | st.integers(0, 2**63 - 1),
    environment=st.builds(
        EnvironmentPolicy,
        prefix=st.none() | texts,
        kind=st.sampled_from([None, "conda", "venv"]),
        set=st.dictionaries(variables, texts),
        unset=st.lists(variables).map(tuple),
        keep=st.lists(variables).map(tuple),
    ),
    retries=st.integers(0, 100),
    timeout=st.none() | st.floats(0.1, 1e9),
    inputs=st.lists(texts).map(tuple),
)


@given(jobs)
def test_what_is_written_is_read_back(job):
    text = json.dumps(job.document()).encode()
    assert from_document(parse_json(text, "it")) == job


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([*from_document(LEAST).document()]), anything)
def test_any_value_in_any_field_is_accepted_or_refused_with_a_sentence(name, value):
    try:
        job = from_document({**LEAST, name: value})
    except JobFileError as error:
        assert str(error) and error.failure.cure
    else:
        assert isinstance(job, JobFile)


@given(st.binary(max_size=60))
def test_any_bytes_are_json_or_refused(data):
    try:
        parse_json(data, "the file")
    except JobFileError as error:
        assert str(error).startswith("the file: ")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"enigne": 1}, 'did you mean "engine"?'),
        ({"environment": {"unsett": []}}, 'did you mean "unset"?'),
        ({"engine": "difrec"}, 'did you mean "diffrec"?'),
        ({"device": "gpu"}, "auto, cpu, cuda"),
        ({"version": 2}, '"version" is 2'),
        ({"version": True}, '"version" is true'),
        ({"format": "x"}, '"format" must be'),
        ({"retries": -1}, '"retries" must be a whole number'),
        ({"retries": True}, '"retries" must be a whole number'),
        ({"timeout": float("nan")}, '"timeout" must be'),
        ({"seed": 1.5}, '"seed" must be'),
        ({"output": ""}, '"output" must be'),
        ({"output": "a\0b"}, '"output" must be'),
        ({"environment": {"set": {"A": 1}}}, '"environment.set.A" must be a text'),
        ({"environment": {"unset": ["A=B"]}}, "names of variables"),
        ({"inputs": "x"}, '"inputs" must be a list'),
    ],
)
def test_refusals(change, said):
    with pytest.raises(JobFileError) as caught:
        from_document({**LEAST, **change})
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["engine", "config", "output"])
def test_missing_fields(name):
    document = {key: value for key, value in LEAST.items() if key != name}
    with pytest.raises(JobFileError, match=f'"{name}" is missing'):
        from_document(document)


def test_names_given_twice_are_refused():
    with pytest.raises(JobFileError, match='field "a" stands twice'):
        parse_json(b'{"a": 1, "a": 2}', "the file")


def test_relative_paths_are_read_from_the_job_files_folder(tmp_path):
    path = tmp_path / "job.json"
    path.write_text(json.dumps({**LEAST, "working_dir": "w", "inputs": ["i"], "python": "python3"}))
    (tmp_path / "c.json").write_text("{}")
    job = jobfile.load(str(path))
    assert job.output == str(tmp_path / "o") and job.working_dir == str(tmp_path / "w")
    assert job.inputs == (str(tmp_path / "i"),) and job.config == str(tmp_path / "c.json")
    assert job.python == "python3"
    (tmp_path / "c.json").unlink()
    assert jobfile.load(str(path)).config == "c.json"


def test_a_refusal_names_the_file(tmp_path):
    path = tmp_path / "job.json"
    path.write_text("{")
    with pytest.raises(JobFileError, match=r"job\.json: line 1, column 2: not JSON"):
        jobfile.load(str(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes that have a name")
def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.symlink("/dev/zero", tmp_path / "device")
    for name in ("pipe", "device"):
        with pytest.raises(JobFileError, match="cannot be read"):
            jobfile.load(str(tmp_path / name))
