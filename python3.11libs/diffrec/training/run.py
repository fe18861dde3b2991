"""The whole method: two passes with charting and baking between them, and every output."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from diffrec import imagefiles
from diffrec.asset.finished import write_finished
from diffrec.cleaning.clean import loosened, plain
from diffrec.data.load import load_views
from diffrec.data.views import ImageViews, Views
from diffrec.export.result import write_result
from diffrec.geometry.mesh import Mesh
from diffrec.geometry.vertices import VertexGeometry
from diffrec.materials import Material, TextureMaterial, tinycudann_field
from diffrec.materials.bake import bake
from diffrec.measure import contact_sheet
from diffrec.measure.metrics_table import MetricsTable
from diffrec.measure.validation import Pictures, ValidationResult, validate, write_progress
from diffrec.ops import nvdiffrast
from diffrec.preview.writer import Preview
from diffrec.progress import OnProgress, Progress
from diffrec.runtime import gpu_memory
from diffrec.runtime.memory_in_use import memory_in_use
from diffrec.runtime.ranks import ALONE, Ranks
from diffrec.runtime.signals import Interrupted, StopRequest
from diffrec.scene import Geometry, Scene
from diffrec.shading.light import EnvironmentLight
from diffrec.training import beginnings, between
from diffrec.training.checkpoint import UnusableCheckpoint
from diffrec.training.held_out import with_cameras_refined
from diffrec.training.log import picture_line
from diffrec.training.loop import train_pass
from diffrec.training.passes import Pass, TexturePass, TopologyPass
from diffrec.training.resumption import TextureStart
from diffrec.training.session import Session
from diffrec.training.shadows import PassShadows
from diffrec.view_corrections import ViewCorrections
from nvdiffrec_contract import layout
from nvdiffrec_contract.configuration import Config
from nvdiffrec_contract.errors import UserError
from nvdiffrec_contract.shadows import shadows_of

Log = Callable[[str], None]

WORSE = 1.0  # dB of PSNR that a pass over textures may lose without a word


@dataclass(frozen=True)
class Reconstruction:
    """What a run ended with."""

    folder: Path
    first_pass: ValidationResult | None
    final: ValidationResult | None
    faces: int


def reconstruct(
    config: Config,
    device: torch.device,
    folder: Path,
    log: Log,
    *,
    restart: bool = False,
    stop: StopRequest | None = None,
    ranks: Ranks = ALONE,
    on_progress: OnProgress | None = None,
) -> Reconstruction:
    """Recover mesh, material and light; everything is written below `folder`.

    A run that was ended before its end goes on from the checkpoint in `folder`, unless `restart`.
    `stop`: where requests to end come from. `ranks`: the processes that share the work; the first
    of them alone writes, and has the figures of the result. `on_progress`: called with every line
    of the log about an iteration.
    Raises what the readers raise for bad input (all with a sentence for the artist),
    `diffrec.geometry.dmtet.EmptyMeshError` when the surface vanishes, `DivergedError` when a pass
    never gets going, and `Interrupted` when asked to end, with the state saved.
    """
    require_packages(config, device)
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    ranks.check(config.batch)
    session = Session(config, folder, log, stop or StopRequest(), ranks)
    try:
        if not restart and session.resume():
            try:
                return _reconstruct(config, device, folder, log, session, ranks, on_progress)
            except UnusableCheckpoint as problem:
                session.resumption.ignore(problem)
        return _reconstruct(config, device, folder, log, session, ranks, on_progress)
    except UserError:
        for one in made:  # a run that is refused leaves no folder
            with contextlib.suppress(OSError):
                one.rmdir()
        raise
    except Interrupted:
        session.interrupted()
        raise


def _reconstruct(
    config: Config,
    device: torch.device,
    folder: Path,
    log: Log,
    session: Session,
    ranks: Ranks,
    on_progress: OnProgress | None,
) -> Reconstruction:
    torch.manual_seed(config.diffrec.seed)
    training, held_out = load_views(config, device, log)
    if device.type == "cuda" and isinstance(training, ImageViews):
        stored = torch.cuda.memory_allocated(device)
        gpu_memory.foresee(config, device, log, processes=ranks.count, photographs=stored)
    light = beginnings.first_light(config, device)
    table = None
    if ranks.leads:
        table = MetricsTable(folder, config.iter, log, lambda: memory_in_use(device))
        table.begin(resumed=session.resumption.pending)
    run = _Run(
        config, device, folder, training, held_out, light, log, session, table, ranks, on_progress
    )
    try:
        return _passes(run)
    finally:
        if run.preview is not None:
            run.preview.close()


def _passes(run: _Run) -> Reconstruction:
    start = run.session.resumption.textures(run.device)
    first = None
    if start is not None:
        mesh, material, first = run.resumed(start)
    elif run.config.base_mesh is None:
        mesh, material, first = run.first_pass()
    else:
        mesh, material = beginnings.from_base_mesh(run.config, run.device, run.ranks, run.log)
    result = run.second_pass(mesh, material, first)
    run.session.finished()
    return result


def require_packages(config: Config, device: torch.device) -> None:
    """Raise DiffrecError unless what the configuration asks for instead of our own is there."""
    if config.diffrec.raster_backend != "own":
        nvdiffrast.PACKAGE.require(device)
    if config.diffrec.field_backend != "own":
        tinycudann_field.PACKAGE.require(device)


@dataclass
class _Run:
    config: Config
    device: torch.device
    folder: Path
    training: Views
    held_out: Views | None
    light: EnvironmentLight
    log: Log
    session: Session
    table: MetricsTable | None
    ranks: Ranks
    on_progress: OnProgress | None

    def __post_init__(self) -> None:
        corrections = ViewCorrections.wanted(self.config, self.training)
        self._corrections = None if corrections is None else corrections.to(self.device)
        self.preview = Preview(self.config, self.folder, self.log) if self.ranks.leads else None
        if self.preview is not None:
            self.preview.begin(self.training, self.held_out)

    def _scene(self, geometry: Geometry, material: Material) -> Scene:
        return Scene(
            geometry,
            material,
            self.light,
            self.config.diffrec.shading,
            corrections=self._corrections,
        )

    def first_pass(self) -> tuple[Mesh, TextureMaterial, ValidationResult | None]:
        """Topology, neural material and light; then UVs and baked textures."""
        config = self.config
        geometry = beginnings.first_geometry(config, self.device, self.training, self.log)
        material = beginnings.first_material(config, geometry, self.device, self.training)
        scene = self._scene(geometry, material)
        self._train(TopologyPass(config, geometry, material), scene)

        def outcome() -> tuple[Mesh, tuple[Tensor, Tensor, Tensor], ValidationResult | None]:
            with torch.no_grad():
                surface = geometry.mesh().with_normals().detach()
            surface = between.without_shards(config, surface, self.training, self.log)
            # Where the GPU validates, the processor charts meanwhile.
            on_gpu = self.device.type == "cuda"
            charting = between.charted(config, surface, beside=on_gpu)
            validation = self._validate(scene, "dmtet_validate")
            mesh = between.told(charting(), self.log)
            self.log(
                f"Base mesh has {mesh.triangles.shape[0]} triangles and "
                f"{mesh.positions.shape[0]} vertices."
            )
            return mesh, bake(material, mesh, config.texture_res), validation

        mesh, (kd, ks, normal), validation = self.ranks.of_first(outcome)
        mesh = mesh.to(self.device)
        textures = TextureMaterial(kd, ks, normal, config).to(self.device)
        if self.ranks.leads:
            write_result(self.folder / "dmtet_mesh", mesh, textures, self.light, self.log)
        return mesh, textures, validation

    def resumed(self, start: TextureStart) -> tuple[Mesh, TextureMaterial, ValidationResult | None]:
        """The starting point of a run that goes on in its pass over textures."""
        kd, ks, normal = (torch.zeros(*size, 3) for size in start.textures)
        material = TextureMaterial(kd, ks, normal, self.config).to(self.device)
        first = None if start.first is None else ValidationResult(*start.first)
        return start.mesh, material, first

    def second_pass(
        self, mesh: Mesh, material: TextureMaterial, first: ValidationResult | None
    ) -> Reconstruction:
        """Vertex positions and textures on the fixed topology."""
        config = self.config
        sizes = tuple(
            (texture.shape[0], texture.shape[1])
            for texture in (material.kd, material.ks, material.normal)
        )
        figures = None if first is None else (first.mse, first.psnr)
        self.session.start_of_textures(TextureStart(mesh, sizes, figures))
        material.raster_backend = config.diffrec.raster_backend
        geometry = VertexGeometry(mesh, laplace=config.laplace, locked=config.lock_pos)
        geometry = geometry.to(self.device)
        shadows = None
        kind = shadows_of(config, isinstance(self.training, ImageViews))
        if kind != "off":
            shadows = PassShadows(config, mesh, geometry, material, bounced=kind == "bounced")
        scene = self._scene(geometry, material)
        scene.shadows = shadows
        self._train(TexturePass(config, mesh, geometry, material, shadows), scene)
        if not self.ranks.leads:
            return Reconstruction(self.folder, first, None, mesh.triangles.shape[0])
        self._loosen(geometry)
        ambient = None if shadows is None else shadows.end()
        if self.preview is not None:
            self.preview.end(scene)
        with imagefiles.PictureWriter() as writer:
            validation = self._validate(scene, "validate", writer)
            refines = self._corrections is not None and self._corrections.motion.requires_grad
            if refines and validation is not None and isinstance(self.held_out, ImageViews):
                with_cameras_refined(config, scene, self.held_out, self.log)
            if first is not None and validation is not None:
                lost = first.psnr - validation.psnr
                if lost > WORSE:
                    self.log(
                        f"Warning: the second pass lost {lost:.1f} dB; a lower learning_rate of "
                        "the second pass may keep what the first one found"
                    )
            with torch.no_grad():
                final = geometry.mesh().detach()
            folder = self.folder / "mesh"
            write_result(folder, final, material, self.light, self.log, writer, ambient)
            self._contact_sheet(scene, writer)
        views, held_out = (
            one if isinstance(one, ImageViews) else None for one in (self.training, self.held_out)
        )
        light, log = self.light, self.log
        write_finished(config, self.folder, final, material, light, log, views, held_out, ambient)
        return Reconstruction(self.folder, first, validation, final.triangles.shape[0])

    def _loosen(self, geometry: VertexGeometry) -> None:
        """Mend what the second pass has tangled, and say what its mesh is like."""
        from diffrec.measure.mesh_faults import measure_mesh  # Numba takes a moment to load

        with torch.no_grad():
            mesh = geometry.mesh().detach()
            # What passes through itself in a mesh that was given may be meant.
            own = self.config.base_mesh is None and not self.config.lock_pos
            if own and self.config.diffrec.untangle:
                geometry.positions.copy_(loosened(mesh, self.log))
                mesh = mesh.with_positions(geometry.positions.detach())
        self.log(f"Mesh: {measure_mesh(*plain(mesh))}")

    def _train(self, current: Pass, scene: Scene) -> None:
        shown = self.held_out or self.training

        def picture(number: int) -> None:
            if not self.ranks.leads:
                return
            path = self.folder / f"{current.picture}_{number:06d}.png"
            psnr = write_progress(path, self.config, scene, shown)
            self.log(picture_line(path.name, psnr))
            if self.table is not None and psnr is not None:
                self.table.pictured(psnr)

        train_pass(
            self.config,
            current,
            scene,
            self.training,
            log=self.log,
            picture=picture,
            session=self.session,
            on_progress=self._told_progress,
            ranks=self.ranks,
            preview=self.preview,
        )

    def _told_progress(self, progress: Progress) -> None:
        if self.table is not None:
            self.table.add(progress)
        if self.on_progress is not None:
            self.on_progress(progress)

    def _validate(
        self, scene: Scene, name: str, writer: imagefiles.PictureWriter | None = None
    ) -> ValidationResult | None:
        if not self.config.validate or self.held_out is None:
            return None
        found = validate(self.config, scene, self.held_out, self.folder / name, self.log, writer)
        if self.table is not None:
            self.table.validated(found.psnr)
        return found

    def _contact_sheet(self, scene: Scene, writer: imagefiles.PictureWriter) -> None:
        views = self.held_out or self.training
        pictures = Pictures(self.config, scene)
        count = min(4, len(views))
        rows = [
            pictures.view(views.batch([i * len(views) // count]), every_channel=True)
            for i in range(count)
        ]
        path = self.folder / layout.CONTACT_SHEET
        contact_sheet.write(path, rows, pictures.probe((256, 512)), writer)
