"""Pictures and whole runs with `raster_backend` "nvdiffrast", beside the own ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import diffrec.training.run as reconstruct_module
from diffrec import cameras
from diffrec.errors import DiffrecError
from diffrec.materials import TextureMaterial
from diffrec.ops.nvdiffrast import NvdiffrastRaster
from diffrec.render import RenderOptions, render
from diffrec.shading.light import EnvironmentLight
from diffrec.shading.models import Lighting
from diffrec.textured_mesh import load_reference_mesh
from diffrec.training.run import Reconstruction, reconstruct
from nvdiffrec_contract.configuration import Config, Extensions
from nvdiffrec_contract.errors import ConfigError

SIZE = (36, 44)


def pictures(sample: Path, raster_backend: str, layers: int, spp: int) -> dict[str, Tensor]:
    """Two views of the sample: picture, albedo, and the gradients of both."""
    reference = load_reference_mesh(sample / "sample.obj", None, torch.device("cpu"))
    noise = torch.rand(3, 32, 32, 3, generator=torch.Generator().manual_seed(1))
    material = TextureMaterial(noise[0], noise[1], noise[2] * 0.2 + torch.tensor([0.0, 0.0, 0.8]))
    material.raster_backend = raster_backend
    positions = reference.mesh.positions.detach().clone().requires_grad_()
    mesh = reference.mesh.with_positions(positions).with_normals().with_tangents()
    light = EnvironmentLight(32)
    light.base.data = torch.rand(light.base.shape, generator=torch.Generator().manual_seed(2))
    camera = torch.stack([cameras.turntable_pose(view, 5) for view in (0, 2)])
    projection = cameras.perspective(cameras.ORBIT_FOVY, SIZE[1] / SIZE[0], 0.1, 100.0)
    rendered = render(
        mesh,
        material,
        Lighting.of(light),
        projection @ camera,
        camera,
        cameras.camera_position(camera),
        SIZE,
        background=torch.full((2, *SIZE, 3), 0.4),
        options=RenderOptions(layers=layers, spp=spp, raster_backend=raster_backend),
        channels=("kd",),
    )
    found = {"image": rendered.image, "kd": rendered.channels["kd"]}
    total = sum((value.square().mean() for value in found.values()), torch.zeros(()))
    inputs = {"positions": positions, "albedo": material.kd, "light": light.base}
    gradients = torch.autograd.grad(total, list(inputs.values()))
    return found | dict(zip(inputs, gradients, strict=True))


@pytest.mark.usefixtures("nvdiffrast_stand_in")
@pytest.mark.parametrize(("layers", "spp"), [(1, 1), (2, 1), (1, 2)])
def test_the_same_pictures_and_gradients(sample: Path, layers: int, spp: int) -> None:
    ours = pictures(sample, "own", layers, spp)
    theirs = pictures(sample, "nvdiffrast", layers, spp)
    assert float(ours["image"][..., 3].detach().mean()) > 0.1
    for name, value in ours.items():
        largest = float(value.detach().abs().max())
        assert largest > 0
        # A pixel in a thousand may see another of two triangles that meet in its centre.
        apart = (theirs[name] - value).abs() / largest
        assert float((apart > 1e-3).float().mean()) < 1e-3, name


def config(sample: Path, **extensions: Any) -> Config:
    return Config(
        ref_mesh=str(sample / "sample.obj"),
        envmap=str(sample / "sky.hdr"),
        iter=3,
        batch=2,
        save_interval=0,
        train_res=(32, 32),
        texture_res=(64, 64),
        dmtet_grid=12,
        learning_rate=(0.03, 0.01),
        background="white",
        diffrec=Extensions(light_res=32, validation_views=2, uv_timeout=0, **extensions),
    )


@pytest.mark.usefixtures("nvdiffrast_stand_in", "read_once")
def test_a_whole_run_goes_through_it(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconstruct_module, "require_packages", lambda *_: None)
    drawn: list[NvdiffrastRaster] = []
    fetched: list[int] = []
    from diffrec.ops import nvdiffrast

    rasterize, fetch = nvdiffrast.rasterize, nvdiffrast.fetch

    def counted_rasterize(*arguments: Any, **options: Any) -> NvdiffrastRaster:
        drawn.append(rasterize(*arguments, **options))
        return drawn[-1]

    def counted_fetch(*arguments: Any) -> Tensor:
        fetched.append(1)
        return fetch(*arguments)

    monkeypatch.setattr(nvdiffrast, "rasterize", counted_rasterize)
    monkeypatch.setattr(nvdiffrast, "fetch", counted_fetch)
    results: dict[str, Reconstruction] = {}
    for backend in ("own", "nvdiffrast"):
        results[backend] = reconstruct(
            config(sample, raster_backend=backend),
            torch.device("cpu"),
            tmp_path / backend,
            lambda line: None,
        )
        if backend == "own":
            assert not drawn and not fetched
    # Four iterations of each pass, two views validated after each, and the contact sheet.
    assert len(drawn) >= 2 * 4 + 2 * 2
    assert len(fetched) >= 2 * 4
    for stage in ("first_pass", "final"):
        ours, theirs = (getattr(result, stage).psnr for result in results.values())
        assert theirs == pytest.approx(ours, abs=0.2)


@pytest.mark.parametrize(
    ("field", "value"), [("raster_backend", "nvdiffrast"), ("field_backend", "tiny-cuda-nn")]
)
def test_a_run_ends_before_any_work_where_it_cannot_go(
    sample: Path, tmp_path: Path, field: str, value: str
) -> None:
    folder = tmp_path / "out"
    with pytest.raises(DiffrecError, match=rf'{field} "{value}" .*set {field} to "own"'):
        reconstruct(
            config(sample, **{field: value}), torch.device("cpu"), folder, lambda line: None
        )
    assert not folder.exists()


@pytest.mark.parametrize("field", ["raster_backend", "field_backend"])
def test_another_name_is_refused(sample: Path, field: str) -> None:
    with pytest.raises(ConfigError, match=rf'"{field}": found "opengl"; allowed: "own", "'):
        config(sample, **{field: "opengl"})
