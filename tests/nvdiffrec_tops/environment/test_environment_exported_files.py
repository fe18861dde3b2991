"""Environment files as conda exports them and people share them, and files that mean harm."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.environment import EnvironmentProblem
from nvdiffrec_tops.environment.specification import (
    Specification,
    parse_specification,
    read_specification,
)

SOURCE = "/shows/env.yml"
names = st.from_regex(r"[a-z_][a-z0-9_-]{0,8}[a-z0-9]", fullmatch=True)
versions = st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2}){0,2}", fullmatch=True)
builds = st.from_regex(r"(py39)?h[0-9a-f]{7}_[0-9]|main|conda_forge", fullmatch=True)


@given(st.lists(st.tuples(names, versions, builds), min_size=1, max_size=8, unique_by=lambda x: x))
def test_what_conda_exports_is_usable(packages: list[tuple[str, str, str]]) -> None:
    lines = "".join(f"  - {name}={version}={build}\n" for name, version, build in packages)
    found = parse_specification(
        f"name: x\nchannels:\n  - pytorch\n  - defaults\ndependencies:\n  - python=3.11\n{lines}"
        "prefix: C:\\Users\\me\\envs\\x\n",
        SOURCE,
    )
    assert found.channels == ("pytorch", "conda-forge")
    assert found.conda[1:] == tuple(f"{name}={version}" for name, version, _ in packages)
    told = " ".join(found.warnings)
    assert "defaults" in told and "conda-forge" in told and "build strings" in told
    # Builds of another channel's packages are found there: they stay.
    kept = parse_specification(f"dependencies:\n  - python=3.11\n{lines}", SOURCE)
    assert kept.conda[1:] == tuple("=".join(one) for one in packages) and not kept.warnings


@pytest.mark.parametrize(
    "channel", ["defaults", "main", "pkgs/r", "https://repo.anaconda.com/pkgs/main", "anaconda"]
)
def test_every_name_of_anacondas_channels(channel: str) -> None:
    text = f"channels: ['{channel}', conda-forge]\ndependencies: [python]"
    found = parse_specification(text, SOURCE)
    assert found.channels == ("conda-forge",) and channel in found.warnings[0]


def test_an_empty_part_for_pip_is_no_mistake() -> None:
    found = parse_specification("channels:\ndependencies: [python, {pip: null}]", SOURCE)
    assert found.conda == ("python",) and found.pip == () and found.channels == ("conda-forge",)


@given(st.dictionaries(st.from_regex(r"x[a-z]{2,9}", fullmatch=True), st.integers(), min_size=1))
def test_settings_that_conda_does_not_know_are_passed_over(unknown: dict[str, int]) -> None:
    lines = "".join(f"{key}: {value}\n" for key, value in unknown.items())
    found = parse_specification(f"dependencies: [python]\n{lines}", SOURCE)
    assert found.conda == ("python",)
    assert len(found.warnings) == 1 and next(iter(unknown)) in found.warnings[0]


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder with a requirements file that names another, a project and a wheel."""
    folder = tmp_path / "a show"
    (folder / "my lib").mkdir(parents=True)
    (folder / "wheels").mkdir()
    (folder / "thing-1-py3-none-any.whl").write_bytes(b"")
    (folder / "requirements.txt").write_text(
        "# what we need\nnumpy>=2  # arrays\n-r more/extra.txt\n-f wheels\ntorch \\\n  >=2.4\n\n"
    )
    (folder / "more").mkdir()
    (folder / "more" / "extra.txt").write_text("scipy\n-e ../my lib\n")
    return folder


def listed(folder: Path, *entries: str) -> Specification:
    lines = "".join(f"    - {entry}\n" for entry in entries)
    (folder / "env.yml").write_text(f"dependencies:\n  - python\n  - pip:\n{lines}")
    return read_specification(folder / "env.yml")


def test_requirements_are_read_from_files_beside_the_file(
    beside: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    library = (beside / "my lib").as_uri()
    found = listed(beside, "-r requirements.txt", "rich")
    assert found.pip == (
        "numpy>=2",
        "scipy",
        f"--editable {library}",
        f"--find-links {(beside / 'wheels').as_uri()}",
        "torch    >=2.4",
        "rich",
    )
    assert found.pip_options == (f"--find-links {(beside / 'wheels').as_uri()}",)
    assert "%20" in library and found.pip_sources == ()


def test_local_paths_start_from_the_file(beside: Path) -> None:
    found = listed(
        beside,
        "./my lib",
        "-e ./my lib",
        "thing-1-py3-none-any.whl",
        "./my lib[fast]",
        "thing @ file:my lib",
        "-e git+https://example.org/x.git#egg=x",
    )
    library = (beside / "my lib").as_uri()
    assert found.pip == (
        library,
        f"--editable {library}",
        (beside / "thing-1-py3-none-any.whl").as_uri(),
        f"{beside / 'my lib'}[fast]",
        f"thing @ {library}",
        "-e git+https://example.org/x.git#egg=x",
    )
    assert found.pip_sources == found.pip[-1:]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("-r absent.txt", "absent.txt"),
        ("-r .", "cannot be read"),
        ("./absent", "not there"),
        ("-e ./absent", "not there"),
        ("-r circle.txt", "being read already"),
        ("-r harm.txt", "--target /"),
        ("-c requirements.txt", "constraints"),
    ],
)
def test_what_is_wrong_in_them_is_named(beside: Path, entry: str, told: str) -> None:
    (beside / "circle.txt").write_text("-r circle.txt\n")
    (beside / "harm.txt").write_text("--target /\n")
    with pytest.raises(EnvironmentProblem) as caught:
        listed(beside, entry)
    assert told in str(caught.value) and str(beside / "env.yml") in str(caught.value)


def laughs(depth: int, width: int, shape: str) -> str:
    """A text of a few hundred bytes that stands for ``width ** depth`` values."""
    lines = [f"x0: &x0 {'{a: 1}' if shape == 'merge' else '[a]'}"]
    for level in range(1, depth):
        inner = ", ".join([f"*x{level - 1}"] * width)
        body = f"{{<<: [{inner}]}}" if shape == "merge" else f"[{inner}]"
        lines.append(f"x{level}: &x{level} {body}")
    return "\n".join(lines)


@given(
    st.integers(8, 20),
    st.integers(8, 12),
    st.sampled_from(["list", "merge"]),
    st.sampled_from(["name", "channels", "dependencies", "variables", "prefix", "other"]),
)
def test_a_bomb_is_refused_at_once_and_shown_short(
    depth: int, width: int, shape: str, key: str
) -> None:
    text = f"{laughs(depth, width, shape)}\n{key}: *x{depth - 1}\n"
    started = time.monotonic()
    with pytest.raises(EnvironmentProblem) as caught:
        parse_specification(text, SOURCE)
    assert time.monotonic() - started < 2
    assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)


@given(st.integers(2, 400), st.sampled_from(["name", "channels", "dependencies", "variables"]))
def test_sexagesimal_numbers_and_long_ones_are_one_sentence(parts: int, key: str) -> None:
    for number in (":".join(["59"] * parts), "9" * (parts * 12), f"0x{'f' * parts}"):
        value = {"variables": f"{{A: {number}}}", "name": number}.get(key, f"[{number}]")
        try:
            found = parse_specification(f"dependencies: [python]\n{key}: {value}\n", SOURCE)
        except EnvironmentProblem as problem:
            assert len(str(problem)) < 400 and "\n" not in str(problem)
        else:
            assert key in ("name", "variables") and len(number) <= 100
            assert dict(found.variables) == ({"A": number} if key == "variables" else {})


def test_numbers_stay_as_they_are_written() -> None:
    text = "dependencies: [python]\nvariables: {A: 1.10, B: 12:30, C: 2026-11-01, D: 0x1F}\n"
    found = parse_specification(text, SOURCE)
    assert dict(found.variables) == {"A": "1.10", "B": "12:30", "C": "2026-11-01", "D": "0x1F"}


def test_the_cases(shared: Path) -> None:
    """Each case of the collection, by what its README calls right."""
    cases = shared / "cases"
    if not cases.is_dir():
        pytest.skip("no ../shared/cases beside the project")
    exported = read_specification(cases / "env-channel-defaults" / "environment.yml")
    assert exported.channels == ("pytorch", "conda-forge") and exported.warnings
    assert exported.conda == ("_libgcc_mutex=0.1", "python=3.9.12", "pip=21.2.4")
    assert read_specification(cases / "env-pip-requirements-file/environment.yml").pip == ("numpy",)
    passed = read_specification(cases / "env-unknown-key" / "environment.yml")
    assert "postinstall" in passed.warnings[0]
    for name in ("laughs", "sexagesimal"):
        with pytest.raises(EnvironmentProblem) as caught:
            read_specification(cases / f"hostile-yaml-{name}" / "environment.yml")
        assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)


def test_what_pip_builds_with_is_constrained(tmp_path: Path) -> None:
    """An older setuptools for older packages; a choice of the user's own comes first."""
    from nvdiffrec_tops.environment import create, describe

    asked: list[dict[str, str]] = []

    class Told(create.Progress):
        pass

    def pip(_environment: object, _list: object, _options: object, environ: dict[str, str],
            _told: object, _lock: object) -> None:  # fmt: skip
        asked.append(environ)

    environment = describe(sys.prefix)
    wanted = parse_specification("dependencies: [python, {pip: [numpy]}]", SOURCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(create, "_pip", pip)
        constraints = create.BUILD_CONSTRAINTS
        patch.setattr(create, "BUILD_CONSTRAINTS", "/without-a-space/constraints.txt")
        for more in ({}, {"PIP_BUILD_CONSTRAINT": "/mine.txt"}):
            environ = {"PATH": "/usr/bin", **more}
            create._pip_part(wanted, environment, Told(), environ, None)  # type: ignore[arg-type]
    assert [one["PIP_BUILD_CONSTRAINT"] for one in asked] == [
        "/without-a-space/constraints.txt",
        "/mine.txt",
    ]
    assert "setuptools<" in Path(constraints).read_text(encoding="utf-8")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8"])
def test_files_as_shells_write_them(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "env.yml"
    path.write_bytes(
        "name: é1\r\ndependencies:\r\n- python=3.9\r\n".replace("é", "e").encode(encoding)
    )
    assert read_specification(path).conda == ("python=3.9",)


def test_packages_from_folders_of_another_machine_come_from_the_index(beside: Path) -> None:
    here = (beside / "thing-1-py3-none-any.whl").as_uri()
    gone = ("certifi @ file:///croot/certifi_1671/work", "PyYAML@ file:///C:/ci/pyyaml_1635/work")
    found = listed(beside, *gone, f"thing @ {here}")
    assert found.pip == ("certifi", "PyYAML", f"thing @ {here}")
    assert len(found.warnings) == 1 and "certifi, PyYAML" in found.warnings[0]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("# platform: linux-64\n@EXPLICIT\nhttps://x/python-3.9-0.conda\n", "conda env export"),
        ("torch==1.12.0\nnumpy==1.22\n", "-r env.yml"),
        ("torch[extra]>=1.12.0", "-r env.yml"),
    ],
)
def test_lists_of_another_kind_are_named(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "env.yml").write_text(text)
    with pytest.raises(EnvironmentProblem) as caught:
        read_specification(tmp_path / "env.yml")
    assert "it is no environment file" in str(caught.value) and word in caught.value.cure
