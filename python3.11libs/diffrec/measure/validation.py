"""Pictures and figures of what was recovered: validation views, progress pictures."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from diffrec import imagefiles
from diffrec.colour import linear_to_srgb, tone_mapped
from diffrec.data.views import ViewBatch, Views
from diffrec.measure import contact_sheet, metrics
from diffrec.measure.quality import Quality
from diffrec.render import render
from diffrec.scene import Scene, render_options
from diffrec.shading.light import EnvironmentLight
from diffrec.shading.models import Lighting
from nvdiffrec_contract.configuration import Config


@dataclass(frozen=True)
class ViewPictures:
    """One view, ready to look at: every picture [H, W, 3], sRGB in [0, 1]."""

    result: Tensor
    reference: Tensor | None
    channels: dict[str, Tensor]  # kd, ks, normal, latlong, relight


class Pictures:
    """Renders views of a scene, as it is now, with the display columns of the configuration."""

    def __init__(self, config: Config, scene: Scene) -> None:
        self._config = config
        self._scene = scene
        # The same for every view.
        with torch.no_grad():
            mesh = scene.geometry.mesh()
            self._mesh = mesh if mesh.normals is not None else mesh.with_normals()
            self._light = scene.lighting()

    def view(self, batch: ViewBatch, *, every_channel: bool = False) -> ViewPictures:
        """Pictures of a batch of one view; all material channels when asked for."""
        config = self._config
        resolution = self._resolution(batch)
        device = batch.camera_position.device
        background = background_of(config.background, resolution, batch.image, device)
        wanted = {str(entry["bsdf"]) for entry in config.display or [] if "bsdf" in entry}
        if every_channel:
            wanted |= {"kd", "ks", "normal"}
        with torch.no_grad():

            def rendered_with(lit_by: Lighting, channels: list[str]) -> dict[str, Tensor]:
                result = render(
                    self._mesh,
                    self._scene.material,
                    lit_by,
                    batch.clip_from_world,
                    batch.camera_from_world,
                    batch.camera_position,
                    resolution,
                    background=background,
                    options=render_options(config),
                    channels=channels,
                )
                return {"color": result.image, **result.channels}

            shown = rendered_with(self._light, sorted(wanted))
            channels: dict[str, Tensor] = {}
            if "kd" in wanted:
                channels["kd"] = linear_to_srgb(shown["kd"][0, ..., :3]).clamp(0, 1)
            if "ks" in wanted:
                channels["ks"] = shown["ks"][0, ..., :3].clamp(0, 1)
            if "normal" in wanted:
                normal = shown["normal"][0]
                channels["normal"] = ((normal[..., :3] + normal[..., 3:]) * 0.5).clamp(0, 1)
            for entry in config.display or []:
                if entry.get("latlong"):
                    channels["latlong"] = self.probe(resolution)
                elif "relight" in entry:
                    device = self._scene.light.base.device
                    other = _light_from(
                        str(entry["relight"]), config.diffrec.light_res, device, self._scene.shading
                    )
                    relit = rendered_with(other, [])["color"]
                    channels["relight"] = linear_to_srgb(relit[0, ..., :3]).clamp(0, 1)
        reference = None
        if batch.image is not None:
            image = batch.image[0]
            composite = image[..., :3] + (1 - image[..., 3:]) * background[0]
            reference = linear_to_srgb(composite).clamp(0, 1)
        result = linear_to_srgb(shown["color"][0, ..., :3]).clamp(0, 1)
        return ViewPictures(result, reference, channels)

    def probe(self, resolution: tuple[int, int]) -> Tensor:
        """The light as a latitude-longitude picture, tone-mapped, fitted into the resolution."""
        with torch.no_grad():
            return tone_mapped(self._scene.light.to_latlong(resolution))

    def _resolution(self, batch: ViewBatch) -> tuple[int, int]:
        if batch.image is not None:
            return batch.image.shape[1], batch.image.shape[2]
        return self._config.display_res[0], self._config.display_res[1]


@functools.lru_cache(maxsize=8)
def _light_from(path: str, resolution: int, device: torch.device, shading: str) -> Lighting:
    """The environment of a display column, read and filtered once for all pictures of a run."""
    panorama = imagefiles.read_hdr(Path(path)).to(device)
    light = EnvironmentLight.from_latlong(panorama, resolution=resolution)
    with torch.no_grad():
        return Lighting.of(light, shading)


def background_of(
    kind: str, resolution: tuple[int, int], image: Tensor | None, device: torch.device
) -> Tensor:
    """The validation background [1, H, W, 3], linear RGB: white, black, checker or reference."""
    if kind == "reference" and image is not None:
        return image[..., :3].detach().to(device)
    return _plain_background(kind, resolution, device)


@functools.lru_cache(maxsize=2)
def _plain_background(kind: str, resolution: tuple[int, int], device: torch.device) -> Tensor:
    """One that is the same for every view."""
    height, width = resolution
    if kind == "white":
        return torch.ones(1, height, width, 3, device=device)
    if kind == "checker":
        rows = torch.arange(height, device=device)[:, None] // 8
        columns = torch.arange(width, device=device)[None] // 8
        board = torch.where((rows + columns) % 2 == 0, 0.75, 0.25)
        return board[None, ..., None].expand(1, height, width, 3).contiguous()
    return torch.zeros(1, height, width, 3, device=device)


@dataclass(frozen=True)
class ValidationResult:
    """Mean squared error and PSNR in dB over the validation views, sRGB, whole frame."""

    mse: float
    psnr: float


def validate(
    config: Config,
    scene: Scene,
    views: Views,
    folder: Path,
    log: Callable[[str], None],
    writer: imagefiles.PictureWriter | None = None,
) -> ValidationResult:
    """Render every validation view; pictures and metrics.txt go to `folder`.

    `writer`: where the pictures are written beside other work; without one all is written when
    this returns.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = Pictures(config, scene)
    log("Running validation")
    errors: list[Tensor] = []
    quality = Quality()
    with imagefiles.own_or(writer) as writing:
        for index in range(len(views)):
            view = pictures.view(views.batch([index]))
            if view.reference is None:
                raise ValueError("validation views need pictures")
            errors.append(metrics.mse(view.result, view.reference))
            quality.add(f"{index:06d}", view.result, view.reference)
            shown = {"opt": view.result, "ref": view.reference, **view.channels}
            for name, picture in shown.items():
                writing.write_png(folder / f"val_{index:06d}_{name}.png", picture)
    rows = [
        metrics.ViewMetrics(f"{index:06d}", mse, metrics.psnr_of_mse(mse))
        for index, mse in enumerate(torch.stack(errors).tolist())
    ]
    metrics.write_metrics(folder / "metrics.txt", rows)
    result = ValidationResult(*metrics.averages(rows))
    log("MSE,      PSNR")
    log(f"{result.mse:1.8f}, {result.psnr:2.3f}")
    if line := quality.write(folder):
        log(line)
    return result


PROGRESS_VIEWS = 3


def write_progress(path: Path, config: Config, scene: Scene, views: Views) -> float | None:
    """Write a progress picture: a few views, the same in each, with their names.

    Columns are those of a contact sheet: reference, result, one for each display entry. Returns
    the PSNR of the result over these views, in dB; None where they have no reference.
    """
    pictures = Pictures(config, scene)
    count = min(PROGRESS_VIEWS, len(views))
    rows = [pictures.view(views.batch([i * len(views) // count])) for i in range(count)]
    contact_sheet.write(path, rows)
    errors = [metrics.mse(row.result, row.reference) for row in rows if row.reference is not None]
    if not errors:
        return None
    return metrics.psnr_of_mse(float(torch.stack(errors).mean()))
