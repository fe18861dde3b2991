"""The two passes of a training: what each optimises, with which terms, weights and rates."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from diffrec import losses
from diffrec.geometry.dmtet import DMTetGeometry
from diffrec.geometry.flexicubes import FlexiCubesGeometry
from diffrec.geometry.mesh import Mesh
from diffrec.geometry.vertices import VertexGeometry
from diffrec.losses.variation import TextureVariation
from diffrec.materials import Material, NeuralMaterial, TextureMaterial
from diffrec.ops.fixedlengths import Sizes
from diffrec.ops.topology import EdgeTopology, edge_topology
from diffrec.training.shadows import PassShadows
from nvdiffrec_contract.configuration import Config

FLEXICUBES_BETAS = (0.7, 0.9)
WARM_UP_ITERATIONS = 100  # of the pass over textures
FIRST_SHARE = 0.02  # of the material's learning rate, where that rises


class Pass(Protocol):
    """One of the passes.

    Attributes:
        index: counts the passes that run, from 0.
        picture: the stem of its progress pictures.
        train_light: whether the light learns.
        warm_up: iterations until the learning rate is reached.
        final_rate: the share to which the learning rates fall by the end.
        betas: Adam's, for the shape.
        topology: the edges of a mesh whose triangles never change.
        most: the longest lists of its mesh; None where the geometry takes no `FixedLengths` and
            has to wait for CUDA.
    """

    index: int
    picture: str
    train_light: bool
    warm_up: int
    final_rate: float
    betas: tuple[float, float]
    topology: EdgeTopology | None
    most: Sizes | None

    def begin(self, progress: float) -> None:
        """Called before every iteration, for progress in [0, 1]."""

    def material_share(self, progress: float) -> float:
        """The share of its learning rate that the material has, for progress in [0, 1]."""

    def weight(self, progress: float) -> float:
        """The weight of the shape term, for progress in [0, 1]."""

    def shape_term(self, weight: Tensor) -> Tensor:
        """What regularises the shape, times its weight; a scalar."""

    def texture_term(self) -> Tensor | None:
        """What regularises the textures, a scalar; None for nothing."""

    def damage(self) -> Tensor | None:
        """What has become of a mesh whose triangles stay, see `VertexGeometry`; None elsewhere."""


class TopologyPass:
    """The first pass: the surface of a field, a neural material, the light."""

    picture = "img_dmtet_pass1"
    warm_up = 0
    final_rate = 1.0
    topology: EdgeTopology | None = None

    def __init__(
        self, config: Config, geometry: DMTetGeometry | FlexiCubesGeometry, material: Material
    ) -> None:
        self.index = 0
        self.train_light = config.learn_light
        flexicubes = isinstance(geometry, FlexiCubesGeometry)
        self.betas = FLEXICUBES_BETAS if flexicubes else (0.9, 0.999)
        self.most = geometry.most() if isinstance(geometry, DMTetGeometry) else None
        self._geometry = geometry
        self._material = material
        self._warm_up = config.diffrec.material_warm_up

    def begin(self, progress: float) -> None:
        """Let the finer levels of the material come in."""
        if isinstance(self._material, NeuralMaterial):
            self._material.begin(progress)

    def material_share(self, progress: float) -> float:
        """It rises, so that the colours do not take what light and shape are still to explain."""
        if not self._warm_up:
            return 1.0
        return min(1.0, FIRST_SHARE + progress / self._warm_up)

    def weight(self, progress: float) -> float:
        """The geometry's own."""
        return self._geometry.weight(progress)

    def shape_term(self, weight: Tensor) -> Tensor:
        """The geometry's own."""
        return self._geometry.regulariser(weight)

    def texture_term(self) -> Tensor | None:
        """There are no textures yet."""
        return None

    def damage(self) -> Tensor | None:
        """The triangles change all the time."""
        return None


class TexturePass:
    """The second pass: vertices and textures on a fixed topology, the light."""

    picture = "img_mesh_pass"
    warm_up = WARM_UP_ITERATIONS
    betas = (0.9, 0.999)

    def __init__(
        self,
        config: Config,
        mesh: Mesh,
        geometry: VertexGeometry,
        material: TextureMaterial,
        shadows: PassShadows | None = None,
    ) -> None:
        """`mesh`: what the geometry starts from. `shadows`: of the scene that is trained."""
        self.index = 0 if config.base_mesh else 1
        self.train_light = config.learn_light and not config.lock_light
        self.final_rate = config.diffrec.final_rate
        self.topology: EdgeTopology | None = edge_topology(mesh.triangles)
        self.most: Sizes | None = Sizes(0)
        self._geometry = geometry
        self._scale = config.laplace_scale
        self._shadows, self._iterations = shadows, config.iter
        self._material = material
        self._flat = config.diffrec.normal_flat
        self._variation = None
        if config.diffrec.texture_tv:
            self._variation = TextureVariation(material, mesh, config.diffrec.texture_tv)

    def begin(self, progress: float) -> None:
        """Let the shadows follow the mesh."""
        if self._shadows is not None:
            self._shadows.begin(round(progress * self._iterations))

    def material_share(self, progress: float) -> float:
        """All of it: light and shape are there."""
        return 1.0

    def weight(self, progress: float) -> float:
        """It falls to nothing."""
        return self._scale * (1.0 - progress)

    def shape_term(self, weight: Tensor) -> Tensor:
        """Smoothness of the mesh, or of its change."""
        return self._geometry.regulariser() * weight

    def texture_term(self) -> Tensor | None:
        """Total variation inside charts and the normal map's tilt, where they are asked for."""
        terms = [] if self._variation is None else [self._variation()]
        if self._flat:
            terms.append(losses.tilt(self._material.normal) * self._flat)
        return sum(terms[1:], terms[0]) if terms else None

    def damage(self) -> Tensor | None:
        """How far the mesh is from where it started."""
        return self._geometry.damage()
