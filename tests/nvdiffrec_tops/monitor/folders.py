"""Output folders as jobs leave them, without a training."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

HEADER = "epoch,pass,iteration,image_loss,regularizer_loss,learning_rate,psnr"


def png(shade: int = 128, edge: int = 4) -> bytes:
    """A grey picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", edge, edge, 8, 0, 0, 0, 0)
    rows = (b"\0" + bytes([shade]) * edge) * edge
    packed = zlib.compress(rows)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


def table(rows: int, *, passes: int = 2) -> str:
    """A table of figures: so many rows, ten iterations apart."""
    each = max(1, rows // passes)
    lines = [HEADER]
    for row in range(rows):
        number, at = min(row // each, passes - 1) + 1, row % each * 10
        last = row % each == each - 1
        psnr = f"{20 + number:.3f}" if last else "nan"
        lines.append(f"{row * 10},{number},{at},{1 / (row + 1):.6f},0.010000,0.01000,{psnr}")
    return "\n".join(lines) + "\n"


def result(folder: Path, **changes: Any) -> dict[str, Any]:
    """The result file of a finished training, written into the folder."""
    document: dict[str, Any] = {
        "format": "tops-nvdiffrec-result",
        "version": 1,
        "status": "done",
        "engine": "diffrec",
        "job": {},
        "digest": None,
        "settings": None,
        "config_sha256": None,
        "inputs": [],
        "started": "2026-01-02T03:04:05Z",
        "ended": "2026-01-02T03:14:05Z",
        "seconds": 600.0,
        "metrics": {"psnr": 27.5, "psnr_pass1": 26.25, "faces": 1200},
        "versions": {"toolkit": "1"},
        "host": "render01",
        "environment": {},
        "notes": [],
        "log": "job.log",
        "outputs": [],
        "failure": None,
        "previous": None,
        **changes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(document), encoding="utf-8")
    return document


def finished(folder: Path, views: int = 2, **changes: Any) -> Path:
    """An output folder of a finished training, with pictures, a table, a log and a mesh."""
    result(folder, **changes)
    (folder / "metrics.csv").write_text(table(20))
    (folder / "job.log").write_text("Job: diffrec\nWarning: the mask of 3 views is empty\n")
    (folder / "contact_sheet.png").write_bytes(png())
    (folder / "validate").mkdir(exist_ok=True)
    rows = ["ID, MSE, PSNR"]
    for number in range(views):
        for channel, shade in (("opt", 90), ("ref", 160)):
            (folder / "validate" / f"val_{number:06d}_{channel}.png").write_bytes(png(shade))
        rows.append(f"{number:06d}, 0.00100000, {30 + number:.3f}")
    (folder / "validate" / "metrics.txt").write_text("\n".join(rows) + "\n")
    mesh = folder / "mesh"
    mesh.mkdir(exist_ok=True)
    (mesh / "mesh.obj").write_text(
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nvn 0 0 1\nf 1/1/1 2/2/1 3/3/1\n"
    )
    for name in ("kd", "ks", "n"):
        (mesh / f"texture_{name}.png").write_bytes(png())
    return folder
