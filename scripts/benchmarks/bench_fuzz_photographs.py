"""What a preparation reads and what an export reads, for the fuzzing of readers."""

from __future__ import annotations

import io
import json
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import bench_fuzz_damage as damage
from bench_fuzz_reader import Reader, each
from bench_fuzz_trainer import MTL, OBJ


class Photographs(Reader):
    """A photograph with EXIF, as a camera writes it; the ending need not be that of its format."""

    name = "photographs (EXIF)"
    files = tuple(f"photo{ending}" for ending in (".jpg", ".png", ".tif", ".webp", ".dng", ".heic"))
    FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "MPO")

    def __init__(self) -> None:
        import numpy as np
        from PIL import Image

        import diffrec.prepare.pictures  # noqa: F401 - a case's time is not that of its imports
        from nvdiffrec_contract.errors import UserError

        self.errors = (UserError,)
        self.sound: list[bytes] = []
        pixels = (np.arange(24 * 32 * 3) % 251).reshape(24, 32, 3).astype(np.uint8)
        said = Image.Exif()
        said[0x0112], said[0x010F], said[0x0110] = 6, "Maker", "Model"
        inner = said.get_ifd(0x8769)
        inner[0x920A], inner[0xA405] = 35.0, 50
        for kind in self.FORMATS:
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, kind, exif=said)
            self.sound.append(stream.getvalue())

    @cached_property
    def bomb(self) -> bytes:
        """Of more pixels than are read."""
        return damage.bomb_png(20_000)

    def write(self, folder: Path, chance: Random) -> None:
        if chance.random() < 0.02:
            data = self.bomb
        else:
            data = chance.choice(self.sound)
            head = chance.choice((len(data), 300))  # most of EXIF stands at the beginning
            data = damage.bytes_of(data[:head], chance) + data[head:]
        (folder / chance.choice(self.files)).write_bytes(data)

    def read(self, folder: Path) -> None:
        from diffrec.prepare import pictures
        from diffrec.prepare.errors import SourceError

        (path,) = folder.iterdir()
        if not path.is_file():  # such names are passed over
            raise SourceError(f"{path.name} is no photograph")
        pixels, said = pictures.read(path)
        assert pixels.ndim == 3 and pixels.shape[2] in (3, 4)
        assert said.orientation in range(1, 9) and "\0" not in said.camera
        focal = said.focal(32, 24)
        assert focal is None or focal > 0


class Preparations(Reader):
    """The records that a preparation leaves of its steps and masks, and takes up again."""

    name = "preparation records"
    files = ("work/photographs.json", "work/masks.json")

    def __init__(self) -> None:
        from diffrec.prepare.frames import Frame
        from nvdiffrec_contract.errors import UserError

        self.errors = (UserError, OSError)  # the command says both in a sentence
        self.frame = Frame("a", "a.jpg", (8, 8), 0, None, False, 0.5)

    def write(self, folder: Path, chance: Random) -> None:
        import cv2
        import numpy as np

        from diffrec.prepare import masks
        from diffrec.prepare.steps import Steps

        (folder / "work").mkdir()
        (folder / "made").write_text("x")
        Steps(folder / "work", lambda _line: None).take(
            "photographs", {"a": 1}, lambda _: [folder / "made"]
        )
        path = masks.path_of(folder, self.frame.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((8, 8), 255, np.uint8))
        digest = masks._digest(masks.grey(path))
        listed: Any = {"of": "x", "masks": {"a": {"how": "made", "digest": digest}}}
        stamp = folder / self.files[0]
        stamp.write_bytes(damage.json_of(json.loads(stamp.read_text()), chance))
        (folder / self.files[1]).write_bytes(damage.json_of(listed, chance))

    def read(self, folder: Path) -> None:
        from diffrec.prepare import masks
        from diffrec.prepare.steps import Steps

        Steps(folder / "work", lambda _line: None).take(
            "photographs", {"a": 1}, lambda _: [folder / "made"]
        )
        masks._kept(folder, folder / self.files[1], [self.frame], "x")


class Exports(Reader):
    """A result that is exported for other programs."""

    name = "results to export"
    files = ("mesh.obj", "mesh.mtl", "texture_kd.png", "probe.hdr")

    def __init__(self) -> None:
        import cv2
        import numpy as np

        import diffrec.asset.source  # noqa: F401 - a case's time is not that of its imports
        from nvdiffrec_contract.errors import UserError

        self.errors = (UserError,)
        done, self.png = cv2.imencode(".png", np.full((8, 8, 3), 100, np.uint8))
        lit, self.sky = cv2.imencode(".hdr", np.full((8, 16, 3), 1.0, np.float32))
        assert done and lit

    def write(self, folder: Path, chance: Random) -> None:
        from diffrec.export import probe, textures

        sound = {
            "mesh.obj": OBJ.encode(),
            "mesh.mtl": MTL.encode(),
            **{name: self.png.tobytes() for name in textures.FILES},
            probe.FILES[0]: self.sky.tobytes(),
        }
        which = chance.choice(list(sound))
        for name, data in sound.items():
            if name == "mesh.obj" == which and chance.random() < 0.6:
                data = damage.lines_of(OBJ, chance).encode("utf-8", "surrogatepass")
            elif name == which and name.endswith(".png") and chance.random() < 0.5:
                data = damage.png_of(data, chance)
            elif name == which:
                data = damage.bytes_of(data, chance)
            (folder / name).write_bytes(data)

    def read(self, folder: Path) -> None:
        from diffrec.asset.source import read_source

        each(lambda: read_source(folder), errors=self.errors, enough=1)
