"""`scripts/bench ops`: what it draws, how it measures, what it prints."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch.utils import cpp_extension

from diffrec import optional_package

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts" / "benchmarks"


def _script(name: str) -> ModuleType:
    sys.path.insert(0, str(SCRIPTS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(SCRIPTS))


@pytest.mark.parametrize(("asked", "made"), [(12, 12), (1000, 972), (10_000, 10_092)])
def test_the_ball_is_closed_and_faces_outward(asked: int, made: int) -> None:
    positions, triangles, texcoords, texcoord_triangles = _script("bench_ops_scene").rough_ball(
        asked
    )
    assert triangles.shape == texcoord_triangles.shape == (made, 3)
    # Euler's formula for a closed surface without holes: V - E + F = 2 with E = 3 F / 2.
    assert len(positions) == 2 + made // 2
    edges = torch.cat([triangles[:, [i, (i + 1) % 3]] for i in range(3)])
    codes = edges[:, 0] * len(positions) + edges[:, 1]
    opposite = edges[:, 1] * len(positions) + edges[:, 0]
    assert torch.equal(torch.unique(codes), torch.unique(opposite))
    assert len(torch.unique(codes)) == len(codes)
    a, b, c = positions[triangles].unbind(1)
    outward = (torch.linalg.cross(b - a, c - a) * (a + b + c)).sum(1)
    assert bool((outward > 0).all())
    assert bool(((texcoords > 0) & (texcoords < 1)).all())


def test_the_scene_is_seen_by_all_cameras() -> None:
    scene = _script("bench_ops_scene").make_scene(1000, 3, 64, "cpu", texture_size=32)
    ours = _script("bench_ops_diffrec").Diffrec(scene)
    seen = ours.triangles()
    assert seen.shape == (3, 64, 64)
    share = (seen >= 0).float().mean(dim=(1, 2))
    assert bool(((share > 0.3) & (share < 0.8)).all())
    picture = ours.picture()
    assert torch.equal(picture[seen < 0][:, 3] > 0.5, torch.zeros(int((seen < 0).sum())) > 0)
    assert float((picture[..., 3] - (seen >= 0).float()).abs().mean()) < 0.05


def test_the_backends_draw_the_same() -> None:
    scene = _script("bench_ops_scene").make_scene(1000, 1, 48, "cpu", texture_size=32)
    kind = _script("bench_ops_diffrec").Diffrec
    pictures = [kind(scene, backend).picture() for backend in ("numba", "warp")]
    torch.testing.assert_close(pictures[0], pictures[1], atol=1e-4, rtol=1e-4)


def test_every_operation_has_figures_and_a_gradient_for_every_input() -> None:
    bench, operations = _script("bench_ops"), _script("bench_ops_operations").OPERATIONS
    scene = _script("bench_ops_scene").make_scene(300, 1, 32, "cpu", texture_size=16)
    ours = _script("bench_ops_diffrec").Diffrec(scene)
    for operation in operations:
        work = ours.work(operation.name)
        outputs = [value for value in work.forward() if value.requires_grad]
        if work.inputs:
            ones = [torch.rand_like(value) for value in outputs]
            gradients = torch.autograd.grad(outputs, list(work.inputs), ones)
            assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)
            assert all(float(gradient.abs().sum()) > 0 for gradient in gradients), operation.name
    cell = bench.Cell(1, 32, len(scene.triangles))
    meter = bench.Meter(torch.device("cpu"), 0.0, float("inf"))
    bench.measure(cell, {"numba": lambda: ours}, meter)
    assert {key[0] for key in cell.seconds} == {operation.name for operation in operations}
    assert all(seconds > 0 for seconds in cell.seconds.values())
    assert ("texture", "numba", "backward") in cell.seconds


def test_the_meter_begins_nothing_when_the_time_is_up() -> None:
    bench = _script("bench_ops")
    scene = _script("bench_ops_scene").make_scene(300, 1, 32, "cpu", texture_size=16)
    cell = bench.Cell(1, 32, 300)
    meter = bench.Meter(torch.device("cpu"), 0.1, 0.0)
    bench.measure(cell, {"numba": lambda: _script("bench_ops_diffrec").Diffrec(scene)}, meter)
    assert not cell.seconds
    assert cell.coverage > 0


def test_the_tables() -> None:
    bench = _script("bench_ops")
    cell = bench.Cell(4, 512, 10_092, coverage=0.5)
    cell.seconds = {
        ("texture", "diffrec", "forward"): 0.002,
        ("texture", "nvdiffrast", "forward"): 0.003,
        ("texture", "diffrec", "backward"): 0.0001234,
        ("rasterize", "diffrec", "forward"): 1.5,
    }
    cell.remarks = {("texture", "nvdiffrast"): "out of memory"}
    cell.same_triangle, cell.likeness = 0.99999, 51.23
    lines = bench.tables([cell], ["diffrec", "nvdiffrast"]).splitlines()
    assert "| 4 x 512² | 10,092 | 2 ms | 3 ms | 1.50 | 0.123 ms | out of memory | — |" in lines
    assert "| 4 x 512² | 10,092 | 1500 ms | — | — |" in lines
    assert "| 4 x 512² | 10,092 | 50% | 99.999% | 51.2 dB |" in lines
    alone = bench.tables([cell], ["diffrec"])
    assert "nvdiffrast" not in alone
    assert "| 4 x 512² | 10,092 | 2 ms | 0.123 ms |" in alone


def test_a_size_reads_as_it_is_written() -> None:
    bench = _script("bench_ops")
    assert bench.sized("8x1024") == (8, 1024)
    for wrong in ("8", "x64", "8x", "0x64", "-1x2", "axb"):
        with pytest.raises(Exception, match="4x512"):
            bench.sized(wrong)


def test_the_program_on_a_cpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = _script("bench_ops")
    target = tmp_path / "ops.md"
    arguments = ["bench_ops.py", "--device", "cpu", "--sizes", "1x32", "--triangles", "300"]
    arguments += ["--texture", "16", "--seconds", "1", "--backends", "numba"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--output", str(target)])
    assert bench.main() == 0
    text = target.read_text(encoding="utf-8")
    assert capsys.readouterr().out.startswith(text)
    assert "`scripts/bench ops --device cpu --sizes 1x32" in text
    assert "nvdiffrast has none there" in text
    assert "### Rasterize, without gradient" in text
    assert list(tmp_path.iterdir()) == [target]


def test_nvdiffrast_is_given_the_same_and_draws_the_same(nvdiffrast_stand_in: ModuleType) -> None:
    bench, operations = _script("bench_ops"), _script("bench_ops_operations").OPERATIONS
    scene = _script("bench_ops_scene").make_scene(300, 2, 48, "cpu", texture_size=16)
    context = nvdiffrast_stand_in.RasterizeCudaContext()
    theirs = _script("bench_ops_nvdiffrast").Nvdiffrast(scene, nvdiffrast_stand_in, context)
    ours = _script("bench_ops_diffrec").Diffrec(scene)
    assert torch.equal(ours.triangles(), theirs.triangles())
    torch.testing.assert_close(ours.picture(), theirs.picture(), atol=1e-3, rtol=1e-3)
    for operation in operations:
        here, there = ours.work(operation.name), theirs.work(operation.name)
        # `antialias_anew` and `rasterize` have no way back on either side.
        assert len(here.inputs) == len(there.inputs), operation.name
        sizes = [[value.numel() for value in work.inputs] for work in (here, there)]
        if operation.name not in ("interpolate", "texcoords", "texture", "textures"):
            assert sizes[0] == sizes[1], operation.name
    cell = bench.Cell(2, 48, len(scene.triangles))
    meter = bench.Meter(torch.device("cpu"), 0.0, float("inf"))
    bench.measure(cell, {"diffrec": lambda: ours, "nvdiffrast": lambda: theirs}, meter)
    assert not cell.remarks
    assert cell.same_triangle == 1.0
    assert cell.likeness is not None and cell.likeness > 60
    text = bench.tables([cell], ["diffrec", "nvdiffrast"])
    assert "—" not in text
    assert "| 2 x 48² | 300 |" in text


def _not_imported(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """As if nobody had imported these; what a test imports under the names goes with it."""
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]


def test_a_partner_that_is_installed_and_broken_is_left_out_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "nvdiffrast" / "torch"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").write_text(
        "def RasterizeCudaContext(device=None):\n"
        "    raise ModuleNotFoundError(\"No module named 'its_plugin'\")\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    _not_imported(monkeypatch, "nvdiffrast", "nvdiffrast.torch")
    found = _script("bench_ops_nvdiffrast").load_nvdiffrast(torch.device("cpu"))
    assert found == "nvdiffrast is installed and cannot be used: No module named 'its_plugin'"


def test_a_partner_that_builds_itself_finds_what_it_has_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As nvdiffrast before 0.4 does: PyTorch builds the extension, which is then imported."""
    package = tmp_path / "nvdiffrast" / "torch"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").write_text(
        "import importlib, torch.utils.cpp_extension\n"
        "def RasterizeCudaContext(device=None):\n"
        "    torch.utils.cpp_extension.load(name='its_built_plugin', sources=['its.cpp'])\n"
        "    return importlib.import_module('its_built_plugin').made_by\n"
    )

    def build(name: str, sources: list[str]) -> ModuleType:
        built = ModuleType(name)
        built.made_by = sources  # type: ignore[attr-defined]
        return built

    monkeypatch.setattr(cpp_extension, "load", build)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.setattr(
        optional_package,
        "_enter_built_extensions",
        optional_package._enter_built_extensions.__wrapped__,
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    _not_imported(monkeypatch, "nvdiffrast", "nvdiffrast.torch", "its_built_plugin")
    found = _script("bench_ops_nvdiffrast").load_nvdiffrast(torch.device("cpu"))
    assert not isinstance(found, str), found
    assert found[1:] == ("of unknown version", ["its.cpp"])


@pytest.mark.parametrize("named", [True, False])
def test_an_extension_that_was_built_earlier_is_found(
    named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where PyTorch itself says that it puts one."""
    if named:
        monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "named"))
    else:
        monkeypatch.delenv("TORCH_EXTENSIONS_DIR", raising=False)
        monkeypatch.setattr(cpp_extension, "get_default_build_root", lambda: str(tmp_path))
    folder = Path(cpp_extension._get_build_directory("its_plugin", verbose=False))
    assert folder.is_relative_to(tmp_path)
    finder = optional_package._BuiltEarlier()
    assert finder.find_spec("its_plugin", None) is None
    (folder / "its_plugin.so").touch()
    found = finder.find_spec("its_plugin", None)
    assert found is not None and found.origin == str(folder / "its_plugin.so")
    assert finder.find_spec("its_plugin", [str(folder)]) is None  # a part of some package
