#!/usr/bin/env python3
"""Draw the digital assets' parameter panes and fill the tables of docs/nodes.

python scripts/picture_parameters.py            write docs/pictures/*.png and the tables
python scripts/picture_parameters.py --tables   write the tables alone
python scripts/picture_parameters.py --check    say whether all is up to date (exit code 1: no)

Drawing needs two packages that the toolkit itself does not use:

    pip install weasyprint pypdfium2 Pillow

WeasyPrint needs Pango (Debian: libpangoft2-1.0-0 libpango-1.0-0) and draws with the font DejaVu
Sans (fonts-dejavu-core). --check and --tables need none of them: each picture carries the digest
of the page that it was drawn from.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import io
import os
import re
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python3.11libs"))

from houfiles import HouFileError, parameterpage  # noqa: E402
from houfiles.dialogscript import Folder, Interface, ParmTemplate, decode  # noqa: E402
from houfiles.libraries import sections  # noqa: E402
from nvdiffrec_tops.assets.resultassets import RESULTS  # noqa: E402
from nvdiffrec_tops.assets.shipped import ASSETS, Asset  # noqa: E402

BEGIN, END = "<!-- parameters -->", "<!-- end of parameters -->"
_ENTRY = re.compile(r"^ *\S.*:\n +#id: (\S+)\n +(\S.*)\n", re.MULTILINE)
_DIGEST = b"Source-SHA256"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SCALE = 2.0
_COLOURS = 96


@dataclass(frozen=True)
class Node:
    """An asset as the artist meets it; ``help`` is its help card's text for each parameter."""

    name: str
    interface: Interface
    page: str
    help: dict[str, str]

    @property
    def picture(self) -> Path:
        return ROOT / "docs" / "pictures" / f"{self.name}.png"

    @property
    def document(self) -> Path:
        return ROOT / "docs" / "nodes" / f"{self.name}.md"

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.page.encode()).hexdigest()


def read(asset: Asset) -> Node:
    """Raises HouFileError or OSError."""
    folder = ROOT / "otls" / asset.library / sections.mangle(asset.section)
    text = (folder / "DialogScript").read_text(encoding="utf-8")
    card = (folder / "Help").read_text(encoding="utf-8")
    interface = decode(text)
    page = parameterpage.page(interface, parameterpage.joined(text))
    context = "" if asset.table == "Top" else f"_{asset.table.lower()}"
    return Node(asset.name + context, interface, page, dict(_ENTRY.findall(card)))


# -- tables -----------------------------------------------------------------------------------
def table(node: Node) -> str:
    """The parameters in Markdown: one table above the tabs and one for each."""
    folders = {one.name: one for one in node.interface.folders}
    lines: list[str] = []
    tab: str | None = None
    told: set[str] = set()
    for parm in node.interface.parms:
        if parm.invisible:
            continue
        now = parm.folders[0] if parm.folders else ""
        if now != tab:
            title = [f"### {folders[now].label}", ""] if now else []
            lines += [*([""] if lines else []), *title, "| parameter | name | default | |"]
            lines.append("|---|---|---|---|")
            tab = now
        multiparm = folders.get(parm.multiparm or "")
        if multiparm is not None and multiparm.name not in told:
            told.add(multiparm.name)
            lines.append(_row(node, multiparm, str(multiparm.default)))
        lines.append(_row(node, parm, _default(parm)))
    return "\n".join(lines)


def _row(node: Node, parm: ParmTemplate | Folder, default: str) -> str:
    label = ("&nbsp;&nbsp;" if parm.multiparm else "") + _cell(parm.label)
    cells = (label, f"`{parm.name}`", _cell(default), _cell(node.help[parm.name]))
    return f"| {' | '.join(cells)} |"


def _default(parm: ParmTemplate) -> str:
    value = parm.default[0] if parm.default else ""
    if parm.type == "button":
        return ""
    if parm.type == "toggle":
        return "on" if value in ("1", "on") else "off"
    if parm.menu is not None and parm.menu.items:
        return parameterpage.menu_label(parm)
    return f"`{value}`" if value else ""


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("<", "&lt;")


def filled(document: str, node: Node) -> str:
    """The document with its table renewed. Raises ValueError without the two markers."""
    before, begin, rest = document.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{node.document} lacks the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{table(node)}\n\n{END}{after}"


# -- pictures ---------------------------------------------------------------------------------
def drawn(node: Node) -> bytes:
    """The pane as a PNG, cropped. Raises ImportError or OSError where the packages are missing."""
    # By name, so that type checking does not need what only drawing needs.
    weasyprint, pypdfium2, image, chops, png = (
        importlib.import_module(name)
        for name in ("weasyprint", "pypdfium2", "PIL.Image", "PIL.ImageChops", "PIL.PngImagePlugin")
    )
    document = pypdfium2.PdfDocument(weasyprint.HTML(string=node.page).write_pdf())
    if len(document) != 1:
        raise ValueError(f"{node.name}: the pane does not fit on the page of parameterpage")
    picture = document[0].render(scale=_SCALE).to_pil().convert("RGB")
    paper = image.new("RGB", picture.size, "white")
    picture = picture.crop(chops.difference(picture, paper).getbbox())
    picture = picture.quantize(_COLOURS, dither=image.Dither.NONE)
    note = png.PngInfo()
    note.add_text(_DIGEST.decode(), node.digest)
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True, pnginfo=note)
    return stream.getvalue()


def digest_in(picture: bytes) -> str:
    """The digest that a picture carries; empty where it has none."""
    at = len(_SIGNATURE)
    while picture.startswith(_SIGNATURE) and at + 8 <= len(picture):
        size, kind = struct.unpack(">I4s", picture[at : at + 8])
        key, _zero, value = picture[at + 8 : at + 8 + size].partition(b"\0")
        if kind == b"tEXt" and key == _DIGEST:
            return value.decode("latin-1")
        at += 12 + size
    return ""


def write(path: Path, data: bytes) -> None:
    """Put a file into place whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(data)
    os.replace(partial, path)
    print(f"wrote {path.relative_to(ROOT)} ({len(data)} bytes)")


def check(node: Node) -> bool:
    """Say of the document and the picture whether they are up to date."""
    good = True
    text = node.document.read_text(encoding="utf-8") if node.document.is_file() else ""
    picture = node.picture.read_bytes() if node.picture.is_file() else b""
    for path, same in (
        (node.document, bool(text) and filled(text, node) == text),
        (node.picture, digest_in(picture) == node.digest),
    ):
        good = good and same
        print(f"{path.relative_to(ROOT)} is {'up to date' if same else 'NOT up to date'}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="write nothing")
    choice.add_argument("--tables", action="store_true", help="leave the pictures alone")
    arguments = parser.parse_args()
    try:
        nodes = [read(asset) for asset in (*ASSETS.values(), *RESULTS.values())]
        if arguments.check:
            good = [check(node) for node in nodes]
            return 0 if all(good) else 1
        for node in nodes:
            if not arguments.tables:
                write(node.picture, drawn(node))
            if node.document.is_file():
                text = node.document.read_text(encoding="utf-8")
                write(node.document, filled(text, node).encode())
    except ImportError as error:
        print(
            f"error: drawing needs a package that is missing ({error.name}); install them with: "
            "pip install weasyprint pypdfium2 Pillow",
            file=sys.stderr,
        )
        return 1
    except (HouFileError, OSError, ValueError, KeyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
