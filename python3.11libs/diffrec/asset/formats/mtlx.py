"""The material alone, as a MaterialX document with a standard surface."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from diffrec.asset.asset import Asset
from diffrec.asset.texturefiles import is_linear
from diffrec.asset.udim.numbers import FIRST, TOKEN, tiles_of
from nvdiffrec_contract.files import replace_file

LABEL = "{name}.mtlx"
PACKAGE = None
BESIDE = True
UDIM = True
LINEAR = False

# Input of the surface: the texture, and the type of its picture. Only colours have a space:
# MaterialX converts nothing else.
INPUTS: dict[str, tuple[str, str]] = {
    "base_color": ("albedo", "color3"),
    "specular_roughness": ("roughness", "float"),
    "metalness": ("metalness", "float"),
    "normal": ("normal", "vector3"),
}


def space_of(file: str) -> str:
    """The colour space of a picture of colours, by its name."""
    return "lin_rec709" if is_linear(file) else "srgb_texture"


def export(asset: Asset) -> list[str]:
    """NAME.mtlx: a nodegraph of pictures, a standard surface, and the material NAME."""
    document = ElementTree.Element("materialx", version="1.38", colorspace="lin_rec709")
    graph = ElementTree.SubElement(document, "nodegraph", name=f"NG_{asset.name}")
    shader = {"name": f"SR_{asset.name}", "type": "surfaceshader"}
    surface = ElementTree.SubElement(document, "standard_surface", shader)
    _input(surface, "base", "float", value="1")
    if TOKEN in asset.textures["albedo"]:
        _udim_set(document, asset)
    for name, (texture, kind) in INPUTS.items():
        image = ElementTree.SubElement(graph, "image", name=texture, type=kind)
        file = asset.textures[texture]
        named = {"colorspace": space_of(file)} if kind == "color3" else {}
        _input(image, "file", "filename", value=file, **named)
        last = texture
        if texture == "normal":
            last = "normal_map"
            node = ElementTree.SubElement(graph, "normalmap", name=last, type=kind)
            _input(node, "in", kind, nodename=texture)
        output = f"{texture}_out"
        ElementTree.SubElement(graph, "output", name=output, type=kind, nodename=last)
        _input(surface, name, kind, nodegraph=f"NG_{asset.name}", output=output)
    material = ElementTree.SubElement(document, "surfacematerial", name=asset.name, type="material")
    _input(material, "surfaceshader", "surfaceshader", nodename=f"SR_{asset.name}")
    # Outputs stand behind the nodes of a graph.
    graph[:] = sorted(graph, key=lambda node: node.tag == "output")
    ElementTree.indent(document)
    text = ElementTree.tostring(document, "utf-8", xml_declaration=True)
    replace_file(asset.folder / f"{asset.name}.mtlx", text + b"\n")
    return [f"{asset.name}.mtlx"]


def _udim_set(document: ElementTree.Element, asset: Asset) -> None:
    """Which tiles there are: renderers that load all of them at once ask for it."""
    about = {"name": f"GI_{asset.name}", "geom": "/"}
    info = ElementTree.SubElement(document, "geominfo", about)
    numbers = ", ".join(str(FIRST + one) for one in np.unique(tiles_of(asset.mesh)).tolist())
    said = {"name": "udimset", "type": "stringarray", "value": numbers}
    ElementTree.SubElement(info, "geomprop", said)


def _input(node: ElementTree.Element, name: str, kind: str, **rest: str) -> None:
    ElementTree.SubElement(node, "input", {"name": name, "type": kind, **rest})
