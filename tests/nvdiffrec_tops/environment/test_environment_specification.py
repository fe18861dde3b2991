"""Environment files: what is read, what is refused, and the two that are shipped."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.environment import EnvironmentProblem
from nvdiffrec_tops.environment.specification import (
    parse_specification,
    read_specification,
    shipped,
)
from nvdiffrec_tops.job import engines

SOURCE = "/shows/env.yml"


def test_a_file_is_read():
    text = """
name: nv
channels: [conda-forge, nodefaults, ./local]
prefix: /ignored
dependencies:
  - python=3.11
  - conda-forge::ninja
  - cuda-version >=12.8,<13
  - pip:
      - --extra-index-url https://example.org/simple
      - torch>=2.4
      - thing @ git+https://example.org/thing.git
      - git+https://example.org/other.git@v1
variables: {A: 1, B: x}
"""
    found = parse_specification(text, SOURCE)
    assert found.name == "nv" and found.channels == ("conda-forge", "/shows/local")
    assert found.conda == ("python=3.11", "conda-forge::ninja", "cuda-version >=12.8,<13", "pip")
    assert found.pip_options == ("--extra-index-url https://example.org/simple",)
    assert found.pip_sources == found.pip[2:]
    assert dict(found.variables) == {"A": "1", "B": "x"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dependencies: [python", "no YAML"),
        ("- a", "the whole"),
        ("dependancies: [python]", "'dependancies'"),
        ("dependencies: []", "dependencies"),
        ("dependencies: [numpy]", "does not name python"),
        ("dependencies: [python, 3]", "3"),
        ("dependencies: [python, {conda: [x]}]", "conda"),
        ("dependencies: [python, '--yes']", "--yes"),
        ("dependencies: [python, {pip: ['--target /']}]", "--target /"),
        ("dependencies: [python, {pip: ['-r /etc/x']}]", "-r /etc/x"),
        ('dependencies: [python, {pip: ["x\\n--target /"]}]', "--target"),
        ("dependencies: [python]\nchannels: conda-forge", "channels"),
        ("dependencies: [python]\nname: ../../etc", "../../etc"),
        ("dependencies: [python]\nvariables: {'A=B': 1}", "A=B"),
        ("dependencies: [python]\nvariables: {A: [1]}", "variable A"),
        ("!!python/object/apply:os.system [ls]", "no YAML"),
        ("a: &a [*a]", "aliases"),
    ],
)
def test_what_is_not_understood_is_named(text, told):
    with pytest.raises(EnvironmentProblem) as caught:
        parse_specification(text, SOURCE)
    assert told in str(caught.value) and SOURCE in str(caught.value) and caught.value.cure


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(EnvironmentProblem, match=r"absent\.yml"):
        read_specification(tmp_path / "absent.yml")


@pytest.mark.parametrize("engine", engines.names())
def test_what_is_shipped_is_understood_by_the_solver(engine):
    rattler = pytest.importorskip("rattler", reason="py-rattler is not installed")
    found = read_specification(shipped(engine))
    assert found.name == engine and found.channels == ("conda-forge",)
    names = {rattler.MatchSpec(text).name.normalized for text in found.conda}
    assert {"python", "pip"} <= names
    assert ("cuda-nvcc" in names) == (engine == "nvdiffrec")


def test_diffrecs_file_asks_for_what_the_project_declares(root):
    """One truth: pip install of the project, and the environment file."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = project["optional-dependencies"]["diffrec"]
    assert sorted(read_specification(shipped("diffrec")).pip) == sorted(declared)


def test_the_versions_for_nvdiffrec_are_those_that_were_measured_together():
    """One PyTorch, pip's, against which both extensions are built; docs/environments.md has it."""
    found = read_specification(shipped("nvdiffrec"))
    assert {"torch==2.11.0", "torchvision==0.26.0", "numpy>=2,<3"} <= set(found.pip)
    assert not [item for item in found.conda if re.match(r"pytorch|tiny-cuda-nn|numpy", item)]
    assert {"cuda-version=13.0", "cuda-nvcc", "setuptools<81"} <= set(found.conda)
    assert found.pip_sources == (
        "git+https://github.com/NVlabs/nvdiffrast.git@v0.4.0",
        "git+https://github.com/NVlabs/tiny-cuda-nn.git@v2.0#subdirectory=bindings/torch",
    )
    assert not found.warnings


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(leaves, inner, max_size=3)
)
settings = st.fixed_dictionaries(
    {"dependencies": st.just(["python"]) | trees},
    optional={"name": trees, "channels": trees, "variables": trees, "prefix": trees},
)


@given(st.one_of(settings.map(yaml.safe_dump), trees.map(yaml.safe_dump), st.text(max_size=60)))
def test_no_text_gives_a_traceback(text):
    try:
        found = parse_specification(text, SOURCE)
    except EnvironmentProblem as problem:
        assert SOURCE in str(problem) and problem.cure
    else:
        for item in (*found.conda, *found.pip, *found.channels):
            assert "\n" not in item and item
        assert "/" not in found.name and found.name not in (".", "..")
