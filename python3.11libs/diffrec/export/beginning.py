"""What of a result is read while PyTorch, which takes seconds, is still being loaded."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffrec.pictures import decoding
from diffrec.reference import elsewhere
from nvdiffrec_contract import layout

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Beginning:
    """A result whose mesh is being read, by a process of its own where it is large.

    Args:
        result: its output folder, or the folder of a mesh.

    Attributes:
        folder: where its mesh lies; None where there is none.
    """

    def __init__(self, result: Path) -> None:
        places = (result / layout.FINAL, result)
        self.folder = next((one for one in places if (one / "mesh.obj").is_file()), None)
        self._mesh: Callable[[], None] = _nothing
        self._decoded: dict[Path, Future[NDArray[Any]]] = {}
        if self.folder is not None:
            self._mesh = elsewhere.begin(self.folder / "mesh.obj")

    def decode_pictures(self) -> None:
        """Begin with its pictures too, on a thread each."""
        if self.folder is not None:
            paths = [self.folder / name for name in layout.MESH_FILES if name.endswith(".png")]
            # Not daemons: the end of the process waits for them, also where it is an error's.
            pool = ThreadPoolExecutor()
            self._decoded = {
                path: pool.submit(decoding.read, path) for path in paths if path.is_file()
            }
            pool.shutdown(wait=False)

    def wait_for_mesh(self) -> None:
        """Return when reading the mesh takes no time any more."""
        self._mesh()
        self._mesh = _nothing

    def pixels(self, path: Path) -> NDArray[Any]:
        """Those of a picture, once: in place of `decoding.read`, and with its errors."""
        begun = self._decoded.pop(path, None)
        return decoding.read(path) if begun is None else begun.result()


def _nothing() -> None:
    return
