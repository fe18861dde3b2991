"""What is made ready in the background is ready, and nothing goes wrong where it is not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from diffrec import side_work
from diffrec.runtime import compilation_ahead
from diffrec.runtime.compilation_ahead import WarmUp


def ran(program: str, **environment: str | Path) -> str:
    """What a program printed that ended well."""
    known = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=known, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache of Numba, for child processes."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    monkeypatch.delenv("NUMBA_DISABLE_JIT", raising=False)
    yield tmp_path / "numba"


# Tells which kernels a program has to compile, and which it takes into use at all.
NOTICED = """
import numba.core.dispatcher as dispatcher
compiled, used = [], []
core, add = dispatcher._FunctionCompiler._compile_core, dispatcher.Dispatcher.add_overload
def noticed(self, *arguments):
    compiled.append(self.py_func.__qualname__)
    return core(self, *arguments)
def added(self, result):
    used.append((self.py_func.__module__, self.py_func.__qualname__, str(result.signature)))
    return add(self, result)
dispatcher._FunctionCompiler._compile_core = noticed
dispatcher.Dispatcher.add_overload = added
"""


@pytest.fixture
def filled(cache: Path) -> Path:
    """Numba's cache with what this machine has compiled already, without the marks that say so.

    Whoever is asked to compile does all of it, in a moment where nothing is new.
    """
    from numba.core.caching import _CacheLocator

    package = Path(compilation_ahead.__file__).parents[1]
    for index in package.rglob("__pycache__/*.nb[ic]"):
        source = str(index.parents[1] / "kernels.py")
        place = cache / _CacheLocator.get_suitable_cache_subpath(source)
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy2(index, place)
    return cache


def test_nobody_waits_for_what_is_not_announced() -> None:
    side_work.wait_for("nothing")
    side_work.done("nothing")
    assert not side_work.anything_pending()


def test_who_waits_goes_on_when_it_is_done() -> None:
    side_work.announce(["it"])
    assert side_work.anything_pending()
    side_work.wait_for("it", timeout=0.001)
    arrived = threading.Event()

    def wait() -> None:
        side_work.wait_for("it")
        arrived.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    side_work.done("it")
    waiting.join(10)
    assert arrived.is_set() and not side_work.anything_pending()


def test_work_beside_gives_its_result_or_its_error() -> None:
    both = threading.Barrier(2, timeout=30)
    found = side_work.beside(both.wait)
    here = both.wait()  # neither goes on without the other
    assert {here, found()} == {0, 1}
    wrong = side_work.beside(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        wrong()


def test_charting_finds_its_kernels_compiled(filled: Path) -> None:
    """Charting of a rough and of a smooth surface uses nothing that the children do not compile."""
    with WarmUp(cores=4) as warm:
        warm.compile_charting()
        assert side_work.anything_pending()
        side_work.wait_for(side_work.CHARTING, 120)
        assert [child.returncode for child in warm._children] == [0, 0]
    assert len(list(filled.glob("diffrec-charting-*.compiled"))) == 1
    program = """
from diffrec.charting.compile_kernels import main
main(["packing", "layout"])
known = set(used)
import torch
from diffrec.charting.charts import chart
from diffrec.geometry.dmtet import DMTetGeometry
geometry = DMTetGeometry(16, 2.0, seed=1)
with torch.no_grad():
    rough = geometry.mesh().with_normals()
    geometry.sdf.copy_(geometry.vertices().norm(dim=1) - 0.6)
    smooth = geometry.mesh().with_normals()
assert chart(rough, 256).charts > 8 and chart(smooth, 512).charts > 1
assert known and not set(used) - known, set(used) - known
print(compiled)
"""
    found = ran(NOTICED + program, NUMBA_CACHE_DIR=filled)
    assert found.splitlines()[-1] == "[]", "whoever comes later finds all in the cache"
    with WarmUp(cores=4) as warm:
        warm.compile_charting()
        assert not side_work.anything_pending(), "what is compiled is not compiled again"
    assert not warm._children


def test_a_child_that_fails_is_no_matter(cache: Path) -> None:
    works = [
        compilation_ahead._Work("what", "diffrec.no_such_module", ("part",), (Path(__file__),))
    ]
    with WarmUp() as warm:
        warm._compile_apart(works)
        side_work.wait_for("what", 60)
        assert not side_work.anything_pending()
    assert warm._children[0].returncode not in (None, 0)
    assert not list(cache.glob("*.compiled"))


@pytest.mark.parametrize("cores", [1, 16])
def test_children_end_with_the_run(
    cache: Path, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, child = threading.Event(), compilation_ahead._child

    def noticed(module: str, parts: tuple[str, ...]) -> subprocess.Popen[bytes]:
        begun.set()
        return child(module, parts)

    monkeypatch.setattr(compilation_ahead, "_child", noticed)
    with WarmUp(cores) as warm:
        warm.compile_charting()
        warm.compile_kernels(torch.device("cpu"))
        assert side_work.anything_pending()
        assert begun.wait(10)
    assert all(child.poll() is not None for child in warm._children)
    assert not any(thread.is_alive() for thread in warm._threads)
    assert not list(cache.glob("*.compiled")) and not side_work.anything_pending()


def test_few_cores_compile_one_thing_after_the_other(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, tuple[str, ...]]] = []

    def child(module: str, parts: tuple[str, ...]) -> subprocess.Popen[bytes]:
        started.append((module.rpartition(".")[2], parts))
        return subprocess.Popen([sys.executable, "-c", ""])

    monkeypatch.setattr(compilation_ahead, "_child", child)
    with WarmUp(cores=2) as warm:
        warm.compile_charting()
        assert not started
        warm.compile_kernels(torch.device("cpu"))
        side_work.wait_for(side_work.CHARTING, 60)
    expected = [
        ("compile_cpu_kernels", ("shading", "field", "textures", "similarity")),
        ("compile_kernels", ("packing", "layout")),
    ]
    assert started == expected
    assert len(list(cache.glob("*.compiled"))) == 2


def test_materials_find_their_kernels_compiled(filled: Path) -> None:
    """Those of the hash grid; of textures it is the same."""
    ran("from diffrec.training.compile_cpu_kernels import main; main(['field'])")
    program = """
from diffrec.training.compile_cpu_kernels import main
main(["field"])
known = set(used)
import torch
from nvdiffrec_contract.configuration import Config
from diffrec.materials import NeuralMaterial
from diffrec.materials.surface import Surface
from diffrec.ops.hashgrid import numba as numba_hashgrid
material = NeuralMaterial(Config(), (-torch.ones(3), torch.ones(3)))
place = torch.rand(100, 3, requires_grad=True)
sample, beside = material.sample_and_albedo(Surface(place * 2 - 1), Surface(place))
torch.autograd.backward(sample.kd.sum() + sample.normal.sum() + beside.mean())
kernels = [numba_hashgrid._forward, numba_hashgrid._backward_table, numba_hashgrid._backward_points]
assert all(sum(one.stats.cache_hits.values()) == 1 for one in kernels), "found compiled"
assert not any(one.stats.cache_misses for one in kernels), "nothing compiled anew"
assert {one.py_func.__module__ for one in kernels} <= {module for module, *_ in known}
assert not set(used) - known, set(used) - known
"""
    ran(NOTICED + program)


def test_a_cache_that_cannot_be_written_is_no_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "numba"))
    with WarmUp(cores=4) as warm:
        warm.compile_charting()
    assert not side_work.anything_pending()


def test_sources_of_another_time_are_compiled_anew(cache: Path, tmp_path: Path) -> None:
    source = tmp_path / "kernels.py"
    source.write_text("one")
    work = compilation_ahead._Work("what", "module", (), (source,))
    before = compilation_ahead._mark(work)
    assert before == compilation_ahead._mark(work)
    source.write_text("other")
    assert compilation_ahead._mark(work) != before


def test_a_machine_without_cuda_is_left_alone() -> None:
    with WarmUp() as warm:
        warm.wake_gpu("cpu")
        assert not warm._threads
        warm.wake_gpu("auto")
        warm.wake_gpu("cuda:1", 0)
        warm._compile_apart([])
    assert not side_work.anything_pending()


def test_every_module_with_kernels_is_compiled_ahead() -> None:
    """Whoever holds a kernel is in the list, wherever it lies and whatever it is called."""
    package = Path(compilation_ahead.__file__).parents[1]
    with_kernels = {
        ".".join(path.relative_to(package.parent).with_suffix("").parts)
        for path in package.rglob("*.py")
        if re.search(r"^@wp\.kernel", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    names = compilation_ahead.warp_files()
    assert len(with_kernels) > 10 and with_kernels <= set(names)
    assert len(set(names)) == len(names)


def test_kernels_are_compiled_once_and_waited_for(tmp_path: Path) -> None:
    """A launch waits for the thread that compiles its file; files without kernels do no harm."""
    program = """
import torch
from diffrec import side_work
from diffrec.ops.warp import start_warp
from diffrec.runtime.compilation_ahead import WarmUp
start_warp()
import warp._src.build as build
built, compiler = [], build.build_cpu
def counting(path, *arguments, **options):
    built.append(str(path))
    return compiler(path, *arguments, **options)
build.build_cpu = counting
with WarmUp() as warm:
    files = ["diffrec.ops.topology.warp", "diffrec.shading.split_sum.warp_normal"]
    warm._compile_warp(files, "cpu")
    from diffrec.ops.topology import warp as kernels
    found = kernels.neighbors(torch.tensor([[0, 1, 2], [2, 1, 3]]))
    assert (found >= 0).sum() == 2, found
    warm._compile_warp(["diffrec.ops.no_such_file"], "cpu")
    side_work.wait_for("diffrec.ops.no_such_file", 60)
assert not side_work.anything_pending()
assert len([path for path in built if "topology" in path]) == 1, built
"""
    ran(program, WARP_CACHE_PATH=tmp_path)


def test_a_run_that_ends_early_ends_well(tmp_path: Path) -> None:
    """Threads that compile do not outlive the run, nor take the process down at its end."""
    program = """
from diffrec import side_work
from diffrec.runtime.compilation_ahead import WarmUp, warp_files
with WarmUp() as warm:
    warm._compile_warp(warp_files(), "cpu")
    warm.compile_charting()
assert not side_work.anything_pending()
assert not any(thread.is_alive() for thread in warm._threads)
print("well")
"""
    found = ran(program, WARP_CACHE_PATH=tmp_path, NUMBA_CACHE_DIR=tmp_path)
    assert found.strip() == "well"
