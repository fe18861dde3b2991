"""What happens to the surface between the passes: it is cleaned, evened and charted."""

from __future__ import annotations

from collections.abc import Callable

from diffrec import side_work
from diffrec.charting.charts import Charted
from diffrec.charting.charts import chart as charts_of
from diffrec.cleaning.clean import evened
from diffrec.cleaning.support import supported
from diffrec.data.views import Views
from diffrec.geometry.mesh import Mesh
from nvdiffrec_contract.configuration import Config

Log = Callable[[str], None]


def without_shards(config: Config, surface: Mesh, training: Views, log: Log) -> Mesh:
    """The surface without the components that no photograph supports; each is told."""
    if not config.diffrec.remove_unsupported:
        return surface
    found = supported(surface, training)
    for line in found.lines():
        log(line)
    return found.mesh


def charted(config: Config, surface: Mesh, *, beside: bool) -> Callable[[], Charted]:
    """The surface with even triangles and texture coordinates, when it is asked for.

    `beside`: it is made on another thread meanwhile.
    """

    def made() -> Charted:
        return chart(config, evened(surface) if config.diffrec.remesh else surface)

    return side_work.beside(made) if beside else made


def chart(config: Config, mesh: Mesh) -> Charted:
    """The mesh with texture coordinates, by the method that the configuration names."""
    own = config.diffrec
    return charts_of(mesh, config.texture_res, method=own.uv_method, timeout=own.uv_timeout)


def told(charted: Charted, log: Log) -> Mesh:
    """The charted mesh, and a line about its charts."""
    note = f" ({charted.note})" if charted.note else ""
    log(
        f"Texture coordinates: {charted.method}, {charted.charts} charts in "
        f"{charted.seconds:.1f} s{note}"
    )
    return charted.mesh
