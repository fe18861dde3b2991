"""Every option of the configuration, in whole runs of a few iterations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from diffrec import cli
from diffrec.errors import DiffrecError
from diffrec.geometry.dmtet import DMTetGeometry
from diffrec.measure.metrics import read_metrics
from diffrec.training.run import Reconstruction, reconstruct
from nvdiffrec_contract.configuration import Config, Extensions
from nvdiffrec_contract.errors import UserError

pytestmark = pytest.mark.usefixtures("read_once")

Run = Callable[..., tuple[Reconstruction, list[str]]]
OWN = Extensions(asset=(), light_res=16, validation_views=2, uv_timeout=0, hashgrid_size_log2=10)
DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


@pytest.fixture
def run(sample: Path, tmp_path: Path) -> Run:
    def reconstructed(device: str = "cpu", **changes: Any) -> tuple[Reconstruction, list[str]]:
        config = Config(
            ref_mesh=str(sample / "sample.obj"),
            envmap=str(sample / "sky.hdr"),
            iter=2,
            batch=2,
            save_interval=2,
            train_res=(32, 32),
            texture_res=(64, 64),
            dmtet_grid=12,
            learning_rate=(0.03, 0.01),
            background="white",
            diffrec=OWN,
        )
        lines: list[str] = []
        config = dataclasses.replace(config, **changes)
        folder = tmp_path / "out"
        return reconstruct(config, torch.device(device), folder, lines.append), lines

    return reconstructed


def named(changes: dict[str, Any]) -> dict[str, Any]:
    """The changes that are not those of `OWN`, the diffrec block's fields by their names."""
    changes = dict(changes)
    own = dataclasses.asdict(changes.pop("diffrec", OWN))
    return changes | {k: v for k, v in own.items() if v != getattr(OWN, k)}


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


RESULT = ("mesh.obj", "mesh.mtl", "texture_kd.png", "texture_ks.png", "texture_n.png", "probe.hdr")


def test_a_run_leaves_what_nvdiffrec_leaves(run: Run) -> None:
    result, lines = run(display=({"bsdf": "kd"}, {"latlong": True}))
    expected = {f"{folder}/{name}" for folder in ("mesh", "dmtet_mesh") for name in RESULT}
    expected |= {f"img_{stem}_{n:06d}.png" for stem in ("dmtet_pass1", "mesh_pass") for n in (0, 1)}
    for folder in ("validate", "dmtet_validate"):
        expected |= {f"{folder}/metrics.txt", f"{folder}/quality.json"}
        for view in range(2):
            for column in ("opt", "ref", "kd", "latlong"):
                expected.add(f"{folder}/val_{view:06d}_{column}.png")
    expected |= {"preview/mesh.glb", "preview/scene.json"}
    assert names(result.folder) == expected | {"contact_sheet.png", "metrics.csv"}
    rows, (mse, psnr) = read_metrics(result.folder / "validate" / "metrics.txt")
    assert result.final is not None
    assert psnr == pytest.approx(result.final.psnr, abs=1e-3)
    assert mse == pytest.approx(np.mean([row.mse for row in rows]), abs=1e-6)
    # Two views below each other: the reference, the result and one column per display entry.
    sheet = cv2.imread(str(result.folder / "img_mesh_pass_000001.png"))
    assert sheet.shape == (22 + 2 * (256 + 6), 6 + 3 * (256 + 6), 3)
    assert cv2.imread(str(result.folder / "mesh" / "texture_kd.png")).shape == (64, 64, 3)
    assert [line for line in lines if line.startswith("iter=    0")][1:]
    assert lines[-1] == "Done exporting mesh"


def test_the_same_seed_gives_the_same_picture_and_a_locked_light_stays(run: Run) -> None:
    first, _ = run(lock_light=True)
    picture = (first.folder / "validate" / "val_000001_opt.png").read_bytes()
    again, _ = run(lock_light=True)
    assert (again.folder / "validate" / "val_000001_opt.png").read_bytes() == picture
    probes = [(again.folder / f / "probe.hdr").read_bytes() for f in ("mesh", "dmtet_mesh")]
    assert probes[0] == probes[1], "the probe of the first pass"


# Several in one run: each is independent of those beside it.
OPTIONS: list[dict[str, Any]] = [
    {"isosurface": "flexicubes", "dmtet_grid": 8, "loss": "logl2", "background": "black"},
    {"camera_space_light": True, "loss": "mse", "background": "checker"},
    {"layers": 2, "loss": "smape", "background": "reference", "min_roughness": 0.3},
    {"spp": 2, "loss": "relmse", "laplace": "absolute"},
    {"custom_mip": True, "diffrec": dataclasses.replace(OWN, dssim=0.2, light_tv=0.01)},
    {"learn_light": False, "display_res": (24, 40)},
    {"diffrec": dataclasses.replace(OWN, texture_tv=0.01, coarse_to_fine=0.5)},
    {"diffrec": dataclasses.replace(OWN, shadows="bounced"), "ks_max": (0.5, 1, 1)},
]


@pytest.mark.parametrize(
    "changes", OPTIONS, ids=lambda changes: "-".join(f"{k}={v}" for k, v in named(changes).items())
)
@pytest.mark.parametrize("device", DEVICES)
def test_options_run_to_a_result(run: Run, device: str, changes: dict[str, Any]) -> None:
    # On a GPU long enough for iterations that are recorded.
    result, lines = run(device, iter=2 if device == "cpu" else 24, **changes)
    assert result.final is not None
    assert not any("not recorded" in line or "Warning" in line for line in lines)
    assert np.isfinite(result.final.psnr)
    assert {f"mesh/{name}" for name in RESULT} <= names(result.folder)


@pytest.mark.parametrize("device", DEVICES)
def test_a_known_shape_is_kept_when_it_is_locked(run: Run, device: str, sample: Path) -> None:
    known = {"base_mesh": str(sample / "sample.obj"), "lock_pos": True, "random_textures": True}
    result, lines = run(device, iter=2 if device == "cpu" else 24, **known)
    assert result.first_pass is None
    assert not (result.folder / "dmtet_mesh").exists()

    def positions(path: Path) -> np.ndarray:
        rows = [line.split()[1:4] for line in path.read_text().splitlines() if line[:2] == "v "]
        return np.array(rows, dtype=np.float64)

    kept = positions(result.folder / "mesh" / "mesh.obj")
    assert np.allclose(kept, positions(sample / "sample.obj"), atol=1e-5)
    assert sum(line.startswith("iter=    0") for line in lines) == 1


@pytest.mark.parametrize("device", DEVICES)
def test_relighting_shows_another_environment(run: Run, device: str, sample: Path) -> None:
    dark = np.full((16, 32, 3), 0.01, np.float32)
    cv2.imwrite(str(sample / "dark.hdr"), dark)
    result, _ = run(device, display=({"relight": str(sample / "dark.hdr")},), background="black")
    views = result.folder / "validate"
    relit = cv2.imread(str(views / "val_000000_relight.png"))
    lit = cv2.imread(str(views / "val_000000_opt.png"))
    assert lit.max() > 100
    assert relit.mean() < 0.5 * lit.mean()


def test_missing_pictures_are_named(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.obj"):
        run(ref_mesh=str(tmp_path / "nothing.obj"))
    with pytest.raises(UserError, match=r"nosky\.hdr"):
        run(envmap=str(tmp_path / "nosky.hdr"))


def test_a_vanished_surface_says_what_to_check(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Vanished(DMTetGeometry):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.sdf.data.fill_(1.0)

    monkeypatch.setattr("diffrec.training.beginnings.DMTetGeometry", Vanished)
    with pytest.raises(DiffrecError, match=r"empty training triangle mesh.*mesh_scale"):
        run()


def test_the_command_line_reports_mistakes_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.json").write_text('{"iterr": 3}')
    assert cli.main(["--config", "bad.json"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: bad.json")
    assert '"iter"' in error
    Path("empty.json").write_text('{"ref_mesh": "nowhere", "iter": 1}')
    assert cli.main(["--config", "empty.json"]) == 1
    assert "nowhere" in capsys.readouterr().err
