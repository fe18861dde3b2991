"""Opens the file of a scene, and says what a file is that is none."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .containers import cpio, textscene
from .errors import MAX_FILE_BYTES, HouFileError, LicensedScene, shown
from .scene import Scene

_LICENSED = (
    (b"HouLC", "Houdini Indie", ".hiplc"),
    (b"HouNC", "the non-commercial Houdini", ".hipnc"),
)
_FOREIGN = (
    (b"INDX", "it is a digital asset library, not a scene"),
    (b"\x1f\x8b", "it is compressed with gzip; unpack it first"),
    (b"PK", "it is a zip archive, not a scene"),
)


def load(path: str | os.PathLike[str]) -> Scene:
    """Read a ``.hip`` file. Raises HouFileError: one sentence with the file and the member."""
    name = os.fspath(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise HouFileError(f"{shown(name, 300)}: it is not a file")
        with open(path, "rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise HouFileError(f"{shown(name, 300)}: it cannot be read ({reason})") from None
    return loads(data, Path(name).name)


def loads(data: bytes, source: str = "the scene") -> Scene:
    """Read a scene from bytes; ``source`` names it in messages.

    Raises:
        LicensedScene: a scene of Houdini Indie or of the non-commercial Houdini.
        HouFileError: anything else that is no scene, or a damaged one.
    """
    label = shown(source, 300)
    if not data:
        raise HouFileError(f"{label}: the file is empty")
    for magic, problem in _FOREIGN:
        if data.startswith(magic):
            raise HouFileError(f"{label}: {problem}")
    text = data.startswith(textscene.MAGIC)
    if not text and not data.startswith(cpio.MAGIC[: len(data)]):
        raise _not_a_scene(data, label)
    try:
        archive = textscene.decode(data) if text else cpio.decode(data, repeats=True)
    except HouFileError as error:
        raise HouFileError(f"{label}: {error}") from None
    return Scene(archive, label)


def _not_a_scene(data: bytes, label: str) -> HouFileError:
    """What a file is that is no ``.hip``, by its content and by its name."""
    for magic, licence, ending in _LICENSED:
        if data.startswith(magic):
            named = "" if label.lower().endswith(ending) else ", whatever its name says"
            return LicensedScene(
                f"{label}: it is a scene of {licence} ({ending}{named}), which only Houdini reads"
            )
    if data.startswith(b"Hou"):
        return LicensedScene(
            f"{label}: it is a scene of another Houdini licence than .hip, which only Houdini reads"
        )
    for _magic, licence, ending in _LICENSED:
        if label.lower().endswith(ending):
            return LicensedScene(
                f"{label}: by its name it is a scene of {licence} ({ending}), which only "
                "Houdini reads; it does not begin like one"
            )
    return HouFileError(f"{label}: it is not a Houdini scene")
