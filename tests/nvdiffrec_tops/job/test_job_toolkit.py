"""CUDA_HOME of the trainer: only a folder that has a CUDA compiler."""

from __future__ import annotations

from pathlib import Path

import pytest

from nvdiffrec_tops.job.environment import EnvironmentPolicy, clean_environment
from nvdiffrec_tops.job.toolkit import settled


def environment(folder: Path, *, nvcc: bool = False, conda: bool = False) -> str:
    (folder / "bin").mkdir(parents=True)
    if conda:
        (folder / "conda-meta").mkdir()
    else:
        (folder / "pyvenv.cfg").touch()
    if nvcc:
        (folder / "bin/nvcc").touch()
    return str(folder)


def seen(inherited: dict[str, str], policy: EnvironmentPolicy) -> tuple[dict[str, str], list[str]]:
    """What the trainer sees of the toolkit's variables, and what is noted."""
    wanted, notes = settled(inherited, policy, windows=False)
    made, _report = clean_environment(inherited, wanted, windows=False)
    return {name: made[name] for name in ("CUDA_HOME", "CUDA_PATH") if name in made}, notes


@pytest.mark.parametrize("conda", [False, True])
@pytest.mark.parametrize("name", ["CUDA_HOME", "CUDA_PATH"])
def test_an_environment_without_a_compiler_is_taken_out(
    tmp_path: Path, name: str, conda: bool
) -> None:
    mine, other = (environment(tmp_path / one, conda=conda) for one in ("mine", "other"))
    for folder in (mine, f"{mine}/", other):
        found, [note] = seen({name: folder}, EnvironmentPolicy(mine))
        assert found == {} and note.startswith(f"{name} is {folder}, ")


def test_a_toolkit_and_any_other_folder_stay(tmp_path: Path) -> None:
    toolkit = environment(tmp_path / "env", nvcc=True)
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    for folder in (toolkit, str(runtime), "/nowhere/cuda"):
        assert seen({"CUDA_HOME": folder}, EnvironmentPolicy(str(tmp_path))) == (
            {"CUDA_HOME": folder},
            [],
        )


def test_the_environments_own_compiler_is_set_where_none_is_named(tmp_path: Path) -> None:
    mine = environment(tmp_path / "mine", nvcc=True, conda=True)
    false = environment(tmp_path / "false")
    assert seen({}, EnvironmentPolicy(mine)) == ({"CUDA_HOME": mine}, [])
    assert seen({"CUDA_HOME": ""}, EnvironmentPolicy(mine)) == ({"CUDA_HOME": mine}, [])
    found, notes = seen({"CUDA_HOME": false}, EnvironmentPolicy(mine))
    assert found == {"CUDA_HOME": mine} and len(notes) == 1
    other = environment(tmp_path / "other", nvcc=True)
    assert seen({"CUDA_HOME": other}, EnvironmentPolicy(mine)) == ({"CUDA_HOME": other}, [])


def test_the_settings_have_the_last_word(tmp_path: Path) -> None:
    mine = environment(tmp_path / "mine")
    kept = EnvironmentPolicy(mine, keep=("CUDA_HOME",))
    assert seen({"CUDA_HOME": mine}, kept) == ({"CUDA_HOME": mine}, [])
    given = EnvironmentPolicy(mine, set={"CUDA_HOME": mine})
    assert seen({}, given) == ({"CUDA_HOME": mine}, [])
    (tmp_path / "mine/bin/nvcc").touch()
    assert seen({}, EnvironmentPolicy(mine, unset=("CUDA_HOME",))) == ({}, [])
