"""The shadows of a training's second pass: when their table is made, and what it is made of."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from diffrec.geometry.mesh import Mesh
from diffrec.geometry.vertices import VertexGeometry
from diffrec.materials import TextureMaterial
from diffrec.shading.light import EnvironmentLight
from diffrec.shading.models import Lighting
from diffrec.shading.shadowed import Shadows
from diffrec.shading.visibility import VisibilityTable
from nvdiffrec_contract.configuration import Config

TIMES = 5  # that the table is made during the pass, beside the one of its end
BOUNCES = 2


class PassShadows:
    """Shadows of a mesh whose triangles stay while its vertices move.

    The table is made from positions that are a part of the pass's state: so one that goes on from
    a checkpoint, or goes back, finds the table that it had.

    `positions`: [V, 3], of the present table; changed in place.
    """

    def __init__(
        self,
        config: Config,
        mesh: Mesh,
        geometry: VertexGeometry,
        material: TextureMaterial,
        *,
        bounced: bool = True,
    ) -> None:
        """`mesh`: what the geometry starts from, with texture coordinates. `bounced`: whether its
        parts light one another."""
        self.positions = geometry.positions.detach().clone()
        self._geometry = geometry
        self._material = material
        self._interval = max(1, -(-config.iter // TIMES))
        self._bounces = BOUNCES if bounced else 0
        self._table = VisibilityTable(mesh, config.texture_res)
        self._made = False
        self._last = -1
        self._texels = self._table.texels_in(material.kd.shape[:2])
        with torch.no_grad():  # what is known is not learned
            material.ks[..., 0] = 0
            material.clamp_()

    def begin(self, number: int) -> None:
        """Called before iteration `number`: make the table where it is time for that."""
        due = number % self._interval == 0
        moved = due and not torch.equal(self.positions, self._geometry.positions)
        if moved:
            self.positions.copy_(self._geometry.positions.detach())
        if moved or number != self._last + 1 or not self._made:
            self._make()
        self._last = number

    def end(self) -> Tensor:
        """The pass is over: a table of the final mesh, for the shadows that are shown then.

        Returns its ambient occlusion [H, W, 1], 1 where the whole sky is seen.
        """
        self.positions.copy_(self._geometry.positions.detach())
        self._make()
        return self._table.open_sky(self._material.ks.shape[:2])[:, :, None]

    def over(self, light: EnvironmentLight, ready: Lighting) -> Lighting:
        """The light that is `ready`, with shadows and what the present material sends on."""
        if not self._made:
            self._make()
        table = self._table
        vectors = table.vectors(light)
        if self._bounces:
            albedo = self._material.kd.detach().reshape(-1, 3)[self._texels]
            sent = table.sent_on(vectors.detach(), albedo, self._bounces)
            vectors = vectors + table.normal[:, :, None] * sent[:, None]
        return replace(ready, shadows=Shadows(table, vectors))

    def _make(self) -> None:
        self._table.make(self.positions)
        self._made = True
