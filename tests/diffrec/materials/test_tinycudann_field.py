"""tiny-cuda-nn in place of the own neural material, over its documented interface."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import diffrec.training.run as reconstruct_module
from diffrec.errors import DiffrecError
from diffrec.materials.field import NeuralMaterial
from diffrec.materials.surface import MaterialSample, Surface
from diffrec.materials.tinycudann_field import PACKAGE, TinyCudaNNMaterial, encoding
from diffrec.ops import nvdiffrast
from diffrec.ops.hashgrid import HashGridLayout, hashgrid
from diffrec.training.run import reconstruct
from nvdiffrec_contract.configuration import Config, Extensions

NEEDS = "needs CUDA and the package tinycudann, which is not part of this project"
PRESENT = torch.cuda.is_available() and importlib.util.find_spec("tinycudann") is not None
LAYOUT = HashGridLayout.geometric(levels=4, coarsest=4, finest=32, log2_entries=10)
BOX = (torch.tensor([-1.0, -2.0, -1.0]), torch.tensor([1.0, 2.0, 3.0]))


class StandIn(nn.Module):
    """`tinycudann.NetworkWithInputEncoding`: one vector of parameters, half-precision results."""

    def __init__(
        self,
        n_input_dims: int,
        n_output_dims: int,
        encoding_config: dict[str, Any],
        network_config: dict[str, Any],
        seed: int = 1337,
    ) -> None:
        super().__init__()
        assert n_input_dims == 3 and encoding_config["otype"] == "HashGrid"
        assert network_config["otype"] == "FullyFusedMLP"
        assert network_config["n_neurons"] in (16, 32, 64, 128)
        levels = encoding_config["n_levels"]
        coarsest, growth = encoding_config["base_resolution"], encoding_config["per_level_scale"]
        self.layout = HashGridLayout.geometric(
            levels,
            coarsest,
            round(coarsest * growth ** (levels - 1)),
            encoding_config["log2_hashmap_size"],
            encoding_config["n_features_per_level"],
        )
        width, channels = network_config["n_neurons"], self.layout.channels
        self.shapes = [
            (width, channels),
            *[(width, width)] * (network_config["n_hidden_layers"] - 1),
        ]
        self.shapes.append((n_output_dims, width))
        generator = torch.Generator().manual_seed(seed)
        table = self.layout.new_table(generator=generator).flatten()
        weights = [
            torch.randn(rows * columns, generator=generator) / columns**0.5
            for rows, columns in self.shapes
        ]
        self.params = nn.Parameter(torch.cat([*weights, table]))

    def forward(self, x: Tensor) -> Tensor:
        assert x.dtype == torch.float32 and bool(((x >= 0) & (x <= 1)).all())
        sizes = [rows * columns for rows, columns in self.shapes]
        sizes.append(self.layout.entries * self.layout.features)
        *weights, table = torch.split(self.params, sizes)
        value = hashgrid(x, table.reshape(-1, self.layout.features), self.layout)
        for weight, shape in zip(weights, self.shapes, strict=True):
            last = shape is self.shapes[-1]
            value = value @ weight.reshape(shape).t()
            value = value if last else value.relu()
        return value.half()


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The stand-in on the CPU, tiny-cuda-nn itself on CUDA."""
    if request.param == "cpu":
        module = ModuleType("tinycudann")
        module.NetworkWithInputEncoding = StandIn  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "tinycudann", module)
    elif not PRESENT:
        pytest.skip(NEEDS)
    return str(request.param)


def test_the_first_pass_of_a_run_trains_it(
    device: str,
    sample: Path,
    tmp_path: Path,
    read_once: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconstruct_module, "require_packages", lambda *_: None)
    made: list[TinyCudaNNMaterial] = []
    real = TinyCudaNNMaterial.sample

    def seen(self: TinyCudaNNMaterial, surface: Surface) -> MaterialSample:
        made.append(self)
        return real(self, surface)

    monkeypatch.setattr(TinyCudaNNMaterial, "sample", seen)
    config = Config(
        ref_mesh=str(sample / "sample.obj"),
        envmap=str(sample / "sky.hdr"),
        iter=3,
        batch=2,
        save_interval=0,
        train_res=(32, 32),
        texture_res=(64, 64),
        dmtet_grid=12,
        diffrec=Extensions(
            light_res=32,
            validation_views=1,
            uv_timeout=0,
            hashgrid_size_log2=10,
            field_backend="tiny-cuda-nn",
        ),
    )
    result = reconstruct(config, torch.device(device), tmp_path / "out", lambda line: None)
    assert result.first_pass is not None and result.final is not None
    assert made  # by baking, and by the validation of the first pass
    assert all(parameter.grad is not None for parameter in made[-1].parameters())


def points(count: int, device: str) -> Surface:
    generator = torch.Generator().manual_seed(5)
    low, high = BOX
    inside = low + (high - low) * torch.rand(count, 3, generator=generator)
    return Surface(inside.to(device).requires_grad_())


def test_values_are_within_the_range_and_float32(device: str) -> None:
    class Limits:
        kd_min, kd_max = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
        ks_min, ks_max = (0.0, 0.25, 0.0), (0.5, 0.75, 1.0)
        nrm_min, nrm_max = (-1.0, -0.5, 0.0), (1.0, 1.0, 1.0)

    material = TinyCudaNNMaterial(Limits, BOX, layout=LAYOUT, seed=1).to(device)
    found = material.sample(points(300, device))
    for value, name in ((found.kd, "kd"), (found.ks, "ks"), (found.normal, "nrm")):
        assert value.shape == (300, 3) and value.dtype == torch.float32
        low, high = (torch.tensor(getattr(Limits, f"{name}_{end}")) for end in ("min", "max"))
        assert bool(((value.cpu() >= low) & (value.cpu() <= high)).all())
    torch.testing.assert_close(found.normal[0].cpu(), torch.tensor([0.0, 0.25, 0.5]))
    outside = Surface(points(300, device).position + 100)
    assert bool(torch.isfinite(material.albedo(outside)).all())


def test_it_answers_as_the_own_material_does(device: str) -> None:
    theirs = TinyCudaNNMaterial(None, BOX, layout=LAYOUT, seed=1).to(device)
    ours = NeuralMaterial(None, BOX, layout=LAYOUT, seed=1).to(device)
    one, other = points(200, device), Surface(points(130, device).position * 0.5)
    sample, beside = theirs.sample_and_albedo(one, other)
    own, own_beside = ours.sample_and_albedo(one, other)
    assert (sample.kd.shape, beside.shape) == (own.kd.shape, own_beside.shape)
    torch.testing.assert_close(sample.normal, own.normal)
    torch.testing.assert_close(sample.kd, theirs.albedo(one), atol=2e-3, rtol=0)
    torch.testing.assert_close(beside, theirs.albedo(other), atol=2e-3, rtol=0)
    assert theirs.sample(Surface(torch.zeros(0, 3, device=device))).ks.shape == (0, 3)


def test_it_learns(device: str) -> None:
    """A colour that changes along an axis, to within a few per cent."""
    material = TinyCudaNNMaterial(None, BOX, layout=LAYOUT, seed=1).to(device)
    surface = Surface(points(2000, device).position.detach())
    along = (surface.position[:, :1] + 1) * 0.5
    wanted = torch.cat([along, 1 - along, 0.5 + 0 * along], dim=1)
    parameters = list(material.parameters())
    assert parameters and all(p.device.type == device for p in parameters)
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    for _ in range(80):
        optimizer.zero_grad()
        error = (material.albedo(surface) - wanted).abs().mean()
        torch.autograd.backward(error)
        optimizer.step()
    assert float(error.detach()) < 0.05


def test_gradients_reach_the_positions(device: str) -> None:
    material = TinyCudaNNMaterial(None, BOX, layout=LAYOUT, seed=1).to(device)
    surface = points(100, device)
    (gradient,) = torch.autograd.grad(material.sample(surface).kd.sum(), [surface.position])
    assert gradient.shape == (100, 3) and bool(torch.isfinite(gradient).all())


def test_the_grid_is_the_papers() -> None:
    found = encoding(HashGridLayout.geometric())
    assert found["n_levels"] == 16 and found["base_resolution"] == 16
    assert found["log2_hashmap_size"] == 19 and found["n_features_per_level"] == 2
    assert found["per_level_scale"] == pytest.approx(256 ** (1 / 15))
    with pytest.raises(ValueError, match="one factor"):
        encoding(HashGridLayout((4, 9, 10)))


@pytest.mark.usefixtures("device")
def test_a_flat_box_is_refused() -> None:
    with pytest.raises(ValueError, match="positive size"):
        TinyCudaNNMaterial(None, (torch.zeros(3), torch.tensor([1.0, 0.0, 1.0])))


@pytest.mark.parametrize("package", [PACKAGE, nvdiffrast.PACKAGE], ids=lambda p: p.name)
def test_what_an_artist_reads_where_it_cannot_run(
    package: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DiffrecError) as on_cpu:
        package.require("cpu")
    assert f'{package.field} "{package.name}" works on an NVIDIA GPU' in str(on_cpu.value)
    assert f'set {package.field} to "own"' in str(on_cpu.value)
    root = package.module.split(".")[0]
    monkeypatch.setitem(sys.modules, root, None)
    monkeypatch.setitem(sys.modules, package.module, None)
    with pytest.raises(DiffrecError) as missing:
        package.require("cuda")
    text = str(missing.value)
    assert "not installed" in text and "pip install" in text and "\n" not in text

    def broken(name: str) -> None:
        raise OSError("libcudart.so.12: cannot open shared object file")

    monkeypatch.setattr("diffrec.optional_package.import_module", broken)
    with pytest.raises(DiffrecError, match=r"does not load with PyTorch .*libcudart"):
        package.require("cuda")


def test_the_licence_is_named_before_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nvdiffrast", None)
    with pytest.raises(DiffrecError, match="non-commercial use only"):
        nvdiffrast.PACKAGE.require("cuda")
