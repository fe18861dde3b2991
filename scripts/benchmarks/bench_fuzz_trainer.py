"""What the trainer reads, for the fuzzing of readers."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import bench_fuzz_damage as damage
from bench_fuzz_reader import Reader, each


class Pictures(Reader):
    name, files = "pictures", ("picture",)
    ENDINGS = (".png", ".jpg", ".tif", ".hdr", ".bmp", ".webp")

    def __init__(self) -> None:
        import cv2
        import numpy as np

        import diffrec.data.photographs
        import diffrec.imagefiles  # noqa: F401 - a case's time is not that of its imports
        from nvdiffrec_contract.errors import UserError

        self.errors = (UserError,)
        self.sound: list[bytes] = []
        for ending in self.ENDINGS:
            kind = np.float32 if ending == ".hdr" else np.uint8
            for channels in (1, 3, 4):
                if ending in (".jpg", ".hdr") and channels == 4:
                    continue
                pixels = (np.arange(12 * 16 * channels) % 251).reshape(12, 16, channels)
                done, data = cv2.imencode(ending, pixels.astype(kind))
                assert done
                self.sound.append(data.tobytes())
        _, deep = cv2.imencode(".png", np.full((12, 16, 3), 9000, np.uint16))
        self.pngs = [one for one in (*self.sound, deep.tobytes()) if one.startswith(b"\x89PNG")]

    @cached_property
    def bombs(self) -> list[bytes]:
        """Of more pixels than are read."""
        return [damage.bomb_png(side) for side in (8_200, 12_000, 20_000)]

    def write(self, folder: Path, chance: Random) -> None:
        kind = chance.random()
        if kind < 0.02:
            data = chance.choice(self.bombs)
        elif kind < 0.2:
            data = damage.png_of(chance.choice(self.pngs), chance)
        else:
            data = damage.bytes_of(chance.choice(self.sound), chance)
        (folder / "picture").write_bytes(data)

    def read(self, folder: Path) -> None:
        from diffrec import imagefiles
        from diffrec.data.photographs import read_photograph

        path = folder / "picture"
        each(
            lambda: imagefiles.read_srgb(path),
            lambda: imagefiles.read_hdr(path),
            lambda: read_photograph(path, None, None),
            errors=self.errors,
            enough=1,
        )


class DataSet(Reader):
    """A folder or file that a configuration's `ref_mesh` names."""

    source = "."

    def __init__(self) -> None:
        import diffrec.data.load
        import diffrec.data.rendered
        import diffrec.textured_mesh  # noqa: F401 - a case's time is not that of its imports
        from nvdiffrec_contract.errors import UserError

        self.errors = (UserError,)

    def read(self, folder: Path) -> None:
        import torch

        from diffrec import data
        from diffrec.data.load import load_views
        from nvdiffrec_contract.configuration import Config

        source = (folder / self.source).resolve()
        config = Config(ref_mesh=str(source), train_res=(8, 8))

        def views() -> None:
            training, validation = load_views(config, torch.device("cpu"), lambda _line: None)
            for one in (training, validation):
                if one is not None:
                    one.batch([0])

        each(lambda: data.describe(source), views, errors=self.errors, enough=2)


def _pictures(folder: Path, count: int) -> None:
    import cv2
    import numpy as np

    folder.mkdir()
    for number in range(count):
        pixels = np.full((16, 16, 4), 40 * number % 256, np.uint8)
        cv2.imwrite(str(folder / f"{number:03d}.png"), pixels)


def _orbit(count: int) -> Any:
    """Cameras around the origin, camera-to-world [count, 4, 4] as OpenGL has them."""
    import numpy as np

    poses = []
    for angle in np.arange(count) * (2 * np.pi / count):
        c, s = np.cos(angle), np.sin(angle)
        poses.append([[c, 0, s, 3 * s], [0, 1, 0, 0], [-s, 0, c, 3 * c], [0, 0, 0, 1]])
    return np.array(poses)


class Poses(DataSet):
    name, files = "poses_bounds.npy", ("poses_bounds.npy",)

    def write(self, folder: Path, chance: Random) -> None:
        import numpy as np

        for name in ("images", "masks"):
            _pictures(folder / name, 4)
        gl = _orbit(4)
        axes = np.stack([-gl[:, :3, 1], gl[:, :3, 0], gl[:, :3, 2], gl[:, :3, 3]], axis=2)
        lens = np.broadcast_to(np.array([16.0, 16.0, 20.0]), (4, 3))[..., None]
        rows = np.concatenate([axes, lens], axis=2).reshape(4, 15)
        rows = np.concatenate([rows, np.tile([1.0, 6.0], (4, 1))], axis=1)
        kind = chance.random()
        with np.errstate(all="ignore"):
            for _ in range(chance.randint(0, 4)):
                at = chance.randrange(4), chance.randrange(17)
                rows[at] = float(min(chance.choice(damage.NUMBERS), 1e308))
            if kind < 0.2:
                types = ["f2", "f4", "i4", "i8", "u1", "c16", "U8", "O", "?", "f8"]
                rows = rows.astype(chance.choice(types), copy=False)
        if 0.2 < kind < 0.4:
            shapes = [(1, 68), (68,), (2, 2, 17), (0, 17), (4, 17, 1), (34, 2), ()]
            rows = np.resize(rows, chance.choice(shapes))
        np.save(folder / "poses_bounds.npy", rows, allow_pickle=True)
        if kind > 0.5:
            path = folder / "poses_bounds.npy"
            path.write_bytes(damage.bytes_of(path.read_bytes(), chance))


class Transforms(DataSet):
    name, files = "transforms.json", ("transforms_train.json",)

    def write(self, folder: Path, chance: Random) -> None:
        _pictures(folder / "train", 4)
        frames = [
            {"file_path": f"./train/{number:03d}", "transform_matrix": pose.tolist()}
            for number, pose in enumerate(_orbit(4))
        ]
        document: dict[str, Any] = {"camera_angle_x": 0.7, "frames": frames}
        name = "transforms_train.json"
        if chance.random() < 0.4:
            name = "transforms.json"
            document |= {"fl_x": 20.0, "fl_y": 20.0, "cx": 8.0, "cy": 8.0, "w": 16, "h": 16}
            document |= {"camera_model": "OPENCV", "k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0}
            for frame in frames:
                frame["file_path"] += ".png"
        if chance.random() < 0.3:  # whose size is read without decoding it
            picture = folder / "train" / "001.png"
            png = picture.read_bytes()
            picture.write_bytes(chance.choice((damage.png_of, damage.bytes_of))(png, chance))
            (folder / name).write_text(json.dumps(document))
        else:
            (folder / name).write_bytes(damage.json_of(document, chance))


OBJ = """# a tetrahedron
mtllib mesh.mtl
o thing
v 0 0 0
v 1 0 0
v 0 1 0
v 0 0 1
vt 0 0
vt 1 0
vt 0 1
vn 0 0 1
usemtl skin
f 1/1/1 3/3/1 2/2/1
f 1/1 2/2 4/3
f 2/1 3/2 4/3
f -4/1 -1/2 -2/3
"""
MTL = """newmtl skin
Kd 0.8 0.7 0.6
Ks 0.0 0.5 0.0
map_Kd kd.png
map_Ks ks.png
bump n.png
newmtl other
Kd 1 1 1
"""


class Meshes(DataSet):
    name, files, source = "OBJ and MTL", ("mesh.obj", "mesh.mtl", "kd.png"), "mesh.obj"

    def write(self, folder: Path, chance: Random) -> None:
        import cv2
        import numpy as np

        for name in ("kd", "ks", "n"):
            cv2.imwrite(str(folder / f"{name}.png"), np.full((8, 8, 3), 100, np.uint8))
        which = chance.choice(("mesh.obj", "mesh.mtl"))
        for name, text in (("mesh.obj", OBJ), ("mesh.mtl", MTL)):
            data = text.encode()
            if name == which and chance.random() < 0.6:
                data = damage.lines_of(text, chance).encode("utf-8", "surrogatepass")
            elif name == which:
                data = damage.bytes_of(data, chance)
            (folder / name).write_bytes(data)

    def read(self, folder: Path) -> None:
        import torch

        from diffrec import data
        from diffrec.textured_mesh import load_reference_mesh

        path = folder / "mesh.obj"
        each(
            lambda: data.describe(path),
            lambda: load_reference_mesh(path, None, torch.device("cpu")),
            errors=self.errors,
            enough=2,
        )


class Checkpoints(Reader):
    name, files = "checkpoints", ("checkpoint.pt",)

    def __init__(self) -> None:
        import torch
        from torch import nn

        from diffrec.data.views import shuffled_indices
        from diffrec.training.adam import Adam
        from diffrec.training.checkpoint import LoopState, UnusableCheckpoint
        from nvdiffrec_contract.configuration import Config

        self.errors, self.config = (UnusableCheckpoint,), Config()
        trained = [nn.Parameter(torch.rand(3, 2)) for _ in range(3)]
        self.state = LoopState(
            pass_number=1,
            tensors={
                "geometry": [trained[0].detach()],
                "material": [trained[1].detach()],
                "light": [trained[2].detach()],
            },
            optimizers=[Adam(trained, 0.1, lambda _iteration: 1.0)],
            order=shuffled_indices(7, 3, torch.Generator()),
            generators={"noise": torch.Generator()},
        )

    def write(self, folder: Path, chance: Random) -> None:
        import hashlib

        from diffrec.training import checkpoint

        document: Any = {
            **checkpoint.captured(self.state), "iteration": 3, "seconds": 1.5, "start": None,
        }  # fmt: skip
        if chance.random() < 0.5:
            for _ in range(chance.randint(1, 3)):
                holder, key = document, chance.choice(list(document))
                while isinstance(holder[key], dict | list) and holder[key]:
                    if chance.random() < 0.3:
                        break
                    holder = holder[key]
                    key = chance.choice(
                        list(holder if isinstance(holder, dict) else range(len(holder)))
                    )
                holder[key] = damage.value(chance)
        path = folder / "checkpoint.pt"
        try:
            checkpoint.write(path, self.config, document)
        except (ValueError, RecursionError, UnicodeError):  # such a document none can write
            path.write_bytes(b"")
        data = path.read_bytes()
        if chance.random() < 0.5:
            end = data.rfind(b"\n", 0, 200) + 1
            body = damage.bytes_of(data[end:], chance)
            digest = hashlib.sha256(body).hexdigest().encode()
            data = data[: end - 65] + digest + b"\n" + body
            if chance.random() < 0.2:
                data = damage.bytes_of(data, chance)
        path.write_bytes(data)

    def read(self, folder: Path) -> None:
        from diffrec.training import checkpoint

        document = checkpoint.read(folder / "checkpoint.pt", self.config)
        if document is not None:
            checkpoint.restore(self.state, document)
