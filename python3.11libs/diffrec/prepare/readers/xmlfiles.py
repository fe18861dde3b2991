"""XML out of files that anyone may have written: no entities, no document types, bounded."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from xml.parsers import expat

from diffrec.prepare.readers.project import ProjectError, content

MOST_BYTES = 256 << 20
MOST_ELEMENTS = 4_000_000
DEEPEST = 64


def read(path: Path, most_bytes: int = MOST_BYTES) -> ElementTree.Element:
    """The root of a file; names without their namespaces.

    Raises:
        ProjectError: it cannot be read, is no XML, or declares entities.
    """
    return parsed(content(path, most_bytes), str(path))


def parsed(data: bytes, source: str) -> ElementTree.Element:
    """The root of XML in bytes; ``source`` names them in messages.

    Raises:
        ProjectError: it is no XML, declares a document type or entities, or is nested too deeply.
    """
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    depth = count = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > DEEPEST or count > MOST_ELEMENTS:
            raise ProjectError(f"{source} is nested too deeply, or has too many elements")
        builder.start(_bare(tag), {_bare(name): value for name, value in attributes.items()})

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_bare(tag))

    def refuse(*_declared: object) -> None:
        raise ProjectError(
            f"{source} declares a document type or entities, which no export of cameras does"
        )

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise ProjectError(f"{source} is no XML that can be read: {error}") from None
    return builder.close()


def _bare(name: str) -> str:
    return name.rpartition("}")[2]
