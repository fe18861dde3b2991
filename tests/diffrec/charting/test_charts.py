from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diffrec.charting import xatlas_layout as xatlaslayout
from diffrec.charting.charts import Charted, chart
from diffrec.charting.parts import mesh_parts
from diffrec.charting.quality import ChartQuality, measure_charts
from diffrec.geometry.dmtet import DMTetGeometry
from diffrec.geometry.mesh import EmptyMeshError, Mesh

TEXELS = 512


def surface(field: Callable[[Tensor], Tensor] | None, resolution: int = 24) -> Mesh:
    geometry = DMTetGeometry(resolution)
    if field is not None:
        with torch.no_grad():
            geometry.sdf.copy_(field(geometry.grid_vertices))
    return geometry.mesh().detach()


def coverage(charted: Charted, texels: int = TEXELS) -> np.ndarray:
    """How many triangles cover each texel centre (strictly inside), [texels, texels]."""
    mesh = charted.mesh
    assert mesh.texcoords is not None
    assert mesh.texcoord_triangles is not None
    corners = mesh.texcoords.double().numpy()[mesh.texcoord_triangles.numpy()] * texels
    count = np.zeros((texels, texels), dtype=int)
    for a, b, c in corners:
        low = np.floor(np.minimum(np.minimum(a, b), c)).astype(int)
        high = np.ceil(np.maximum(np.maximum(a, b), c)).astype(int)
        x, y = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
        side = [
            (q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0])
            for p, q in ((a, b), (b, c), (c, a))
        ]
        inside = np.all([s < -1e-3 for s in side], axis=0) | np.all(
            [s > 1e-3 for s in side], axis=0
        )
        count[low[1] : high[1], low[0] : high[0]] += inside
    return count


def assert_valid(charted: Charted, original: Mesh) -> None:
    mesh = charted.mesh
    assert mesh.texcoords is not None
    assert mesh.texcoord_triangles is not None
    assert torch.equal(mesh.triangles, original.triangles)
    assert torch.equal(mesh.positions, original.positions)
    assert mesh.texcoord_triangles.shape == original.triangles.shape
    assert mesh.texcoords.min() >= 0
    assert mesh.texcoords.max() <= 1
    # A texture coordinate belongs to one position.
    pairs = torch.stack([mesh.texcoord_triangles.reshape(-1), mesh.triangles.reshape(-1)], 1)
    assert len(torch.unique(pairs, dim=0)) == len(torch.unique(pairs[:, 0]))
    assert (coverage(charted) > 1).sum() == 0
    # Not mirrored: counter-clockwise with v upward, that is clockwise with v downward.
    a, b, c = (mesh.texcoords[mesh.texcoord_triangles[:, k]].double() for k in range(3))
    turn = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    assert (turn > 1e-12).sum() == 0


def test_xatlas_charts_a_torus(torus: Callable[[Tensor], Tensor]) -> None:
    mesh = surface(torus)
    charted = chart(mesh, TEXELS, method="xatlas", timeout=60)
    assert charted.method == "xatlas", charted.note
    assert charted.note is None
    assert charted.charts > 1
    assert_valid(charted, mesh)
    assert (coverage(charted) > 0).mean() > 0.4


def test_projection_charts_a_torus(torus: Callable[[Tensor], Tensor]) -> None:
    mesh = surface(torus)
    charted = chart(mesh, (TEXELS, TEXELS))
    assert charted.method == "projection"
    assert charted.charts < 20
    assert_valid(charted, mesh)
    assert (coverage(charted) > 0).mean() > 0.5


def test_projection_charts_noise_without_overlap() -> None:
    mesh = surface(None, 12)
    charted = chart(mesh, TEXELS)
    assert_valid(charted, mesh)


def test_projection_parts_what_lies_over_itself() -> None:
    """A spiral staircase of upward faces is connected and covers itself when projected."""
    turns = torch.arange(0, 81) * (2 * torch.pi / 20)
    inner = torch.stack([turns.cos() * 0.3, turns * 0.1, -turns.sin() * 0.3], 1)
    outer = torch.stack([turns.cos(), turns * 0.1, -turns.sin()], 1)
    positions = torch.stack([inner, outer], 1).reshape(-1, 3)
    k = torch.arange(0, 160, 2)
    triangles = torch.cat([torch.stack([k, k + 1, k + 3], 1), torch.stack([k, k + 3, k + 2], 1)])
    mesh = Mesh(positions, triangles)
    charted = chart(mesh, TEXELS)
    assert charted.charts >= 4
    assert_valid(charted, mesh)


def test_more_charts_than_texels_still_end() -> None:
    random = torch.Generator().manual_seed(0)
    positions = torch.rand(3000, 3, generator=random)
    mesh = Mesh(positions, torch.arange(3000).reshape(-1, 3))
    charted = chart(mesh, 16)
    assert charted.mesh.texcoords is not None
    assert torch.isfinite(charted.mesh.texcoords).all()
    assert (coverage(charted, 4096) > 1).sum() == 0


def test_triangles_without_area_keep_their_place(torus: Callable[[Tensor], Tensor]) -> None:
    mesh = surface(torus, 16)
    flat = torch.tensor([[0, 0, 1], [2, 2, 2]])
    mesh = Mesh(mesh.positions, torch.cat([mesh.triangles, flat]))
    for method in ("projection", "xatlas"):
        charted = chart(mesh, TEXELS, method=method)
        assert charted.degenerate == 2
        assert torch.equal(charted.mesh.triangles, mesh.triangles)
        assert charted.mesh.texcoords is not None
        assert torch.isfinite(charted.mesh.texcoords).all()


def test_time_limit_ends_the_child(tmp_path: Path, torus: Callable[[Tensor], Tensor]) -> None:
    pid_file = tmp_path / "pid"
    script = tmp_path / "hang.py"
    script.write_text(
        "import os, sys, time\nopen(sys.argv[1], 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    )
    start = time.monotonic()
    charted = chart(
        surface(torus, 12),
        TEXELS,
        method="xatlas",
        timeout=2,
        command=[sys.executable, str(script), str(pid_file)],
    )
    assert time.monotonic() - start < 30
    assert charted.method == "projection"
    assert charted.note is not None
    assert "longer than 2 s" in charted.note
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("import os; os.abort()", "code -6"),
        ("raise RuntimeError('no luck')", "no luck"),
        ("pass", "left no result"),
        ("import sys; open(sys.argv[-1], 'w').write('rubbish')", "left no result"),
        (
            "import sys, numpy as np; np.savez(sys.argv[-1], texcoords=np.full((3, 2), np.nan), "
            "triangles=np.load(sys.argv[-2])['triangles'] * 0, charts=1)",
            "not finite",
        ),
        (
            "import sys, numpy as np; np.savez(sys.argv[-1], texcoords=np.zeros((3, 2)), "
            "triangles=np.zeros((1, 3), int), charts=1)",
            "another mesh",
        ),
    ],
)
def test_a_child_that_fails_is_replaced(
    body: str, reason: str, torus: Callable[[Tensor], Tensor]
) -> None:
    mesh = surface(torus, 12)
    charted = chart(mesh, TEXELS, method="xatlas", timeout=30, command=[sys.executable, "-c", body])
    assert charted.method == "projection"
    assert charted.note is not None
    assert reason in charted.note
    assert_valid(charted, mesh)


def test_a_child_that_cannot_start_is_replaced(torus: Callable[[Tensor], Tensor]) -> None:
    charted = chart(surface(torus, 12), TEXELS, method="xatlas", command=["/nonexistent/python"])
    assert charted.note is not None
    assert "could not be started" in charted.note


def rough(resolution: int = 40) -> Mesh:
    """A bumpy, noisy ball."""
    geometry = DMTetGeometry(resolution)
    points = geometry.grid_vertices
    noise = torch.randn(len(points), generator=torch.Generator().manual_seed(0))
    bumps = torch.sin(12 * points + torch.tensor([0.0, 1.0, 2.0])).prod(dim=1)
    with torch.no_grad():
        geometry.sdf.copy_(points.norm(dim=1) - 0.7 + 0.1 * bumps + noise * 0.5 / resolution)
    return geometry.mesh().detach()


def measured(mesh: Mesh, texels: int = 1024) -> ChartQuality:
    assert mesh.texcoords is not None
    assert mesh.texcoord_triangles is not None
    return measure_charts(
        mesh.positions.double().numpy(),
        mesh.triangles.numpy(),
        mesh.texcoords.double().numpy(),
        mesh.texcoord_triangles.numpy(),
        texels,
    )


def whole_xatlas(mesh: Mesh, texels: int = 1024) -> Mesh:
    """As xatlas itself charts and packs the mesh."""
    xatlas = pytest.importorskip("xatlas")
    atlas, packing, charting = xatlas.Atlas(), xatlas.PackOptions(), xatlas.ChartOptions()
    packing.resolution, packing.padding, packing.bilinear = texels, 2, True
    packing.rotate_charts, charting.fix_winding = False, True
    atlas.add_mesh(mesh.positions.numpy(), mesh.triangles.numpy().astype(np.uint32))
    atlas.generate(charting, packing)
    _, indices, uv = atlas[0]
    texcoords = torch.from_numpy(np.stack([uv[:, 0], 1 - uv[:, 1]], 1))
    return Mesh(
        mesh.positions, mesh.triangles, texcoords, torch.from_numpy(indices.astype(np.int64))
    )


def test_charts_are_no_worse_than_those_of_xatlas(torus: Callable[[Tensor], Tensor]) -> None:
    for mesh, most in ((rough(56), 0.5), (surface(torus, 48), 1.0)):
        theirs, ours = measured(whole_xatlas(mesh)), measured(chart(mesh, 1024).mesh)
        assert ours.charts <= most * theirs.charts
        assert ours.seams <= theirs.seams
        # A little more stretch than the best is little; none of it may be lost or mirrored.
        assert ours.stretch <= max(theirs.stretch, 1.02)
        assert ours.stretch_99 <= max(theirs.stretch_99, 1.2)
        assert ours.coverage >= theirs.coverage
        assert ours.gap >= 2
        assert (ours.overlapping, ours.flipped, ours.lost) == (0, 0, 0)


@pytest.mark.parametrize("method", ["projection", "xatlas"])
def test_the_number_of_cores_makes_no_difference(
    method: Literal["projection", "xatlas"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xatlaslayout, "_PART", 1200)
    mesh = rough(32)
    found = []
    for cores in (1, numba.config.NUMBA_NUM_THREADS):
        before = numba.get_num_threads()
        numba.set_num_threads(cores)
        try:
            found.append(chart(mesh, TEXELS, method=method, workers=cores).mesh)
        finally:
            numba.set_num_threads(before)
    assert found[0].texcoords is not None
    assert found[0].texcoord_triangles is not None
    assert found[1].texcoords is not None
    assert found[1].texcoord_triangles is not None
    assert torch.equal(found[0].texcoords, found[1].texcoords)
    assert torch.equal(found[0].texcoord_triangles, found[1].texcoord_triangles)


def test_a_part_that_fails_is_projected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(xatlaslayout, "_PART", 1200)
    script = tmp_path / "second_fails.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom diffrec.charting import xatlas_process\n"
        "assert not sys.argv[1].endswith('1_in.npz'), 'no luck'\n"
        "xatlas_process.main(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    mesh = rough(32)
    charted = chart(mesh, TEXELS, method="xatlas", command=[sys.executable, str(script)])
    assert charted.method == "xatlas"
    assert charted.note is not None
    assert "1 of 4 parts charted by projection" in charted.note
    assert "no luck" in charted.note
    assert_valid(charted, mesh)


def test_xatlas_without_time_is_the_projection() -> None:
    charted = chart(rough(16), TEXELS, method="xatlas", timeout=0)
    assert charted.method == "projection"
    assert charted.note == "the time limit is 0"


def test_parts_are_whole_and_small() -> None:
    mesh = rough(32)
    positions, triangles = mesh.positions.double().numpy(), mesh.triangles.numpy()
    parts = mesh_parts(positions, triangles, 500)
    assert max(map(len, parts)) <= 500
    assert min(map(len, parts)) >= 250
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(triangles)))
    assert all((np.diff(part) > 0).all() for part in parts)


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(3, 40))
def test_any_triangles_get_valid_coordinates(seed: int, count: int, points: int) -> None:
    """Soups in which triangles share corners and sides, lie over one another or have no area."""
    random = torch.Generator().manual_seed(seed)
    positions = torch.rand(points, 3, generator=random)
    positions[::5] = positions[0].clone()
    triangles = torch.randint(0, points, (count, 3), generator=random)
    charted = chart(Mesh(positions, triangles), 128).mesh
    assert charted.texcoords is not None
    assert torch.isfinite(charted.texcoords).all()
    assert charted.texcoords.min() >= 0
    assert charted.texcoords.max() <= 1
    quality = measured(charted, 128)
    assert (quality.overlapping, quality.flipped) == (0, 0)


def test_positions_that_are_no_numbers_do_no_harm() -> None:
    mesh = rough(16)
    positions = mesh.positions.clone()
    positions[3], positions[70] = float("nan"), float("inf")
    charted = chart(Mesh(positions, mesh.triangles), TEXELS).mesh
    assert charted.texcoords is not None
    assert torch.isfinite(charted.texcoords).all()


def test_no_triangles_is_an_error() -> None:
    with pytest.raises(EmptyMeshError):
        chart(Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64)), TEXELS)
