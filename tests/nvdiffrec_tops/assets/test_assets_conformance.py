"""The shipped digital assets: strict form, and agreement with the code that reads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from houfiles import dialogscript
from houfiles.build import build
from houfiles.describe import NodeDescription, SceneDescription, Token, Value
from houfiles.dialogscript import ParmTemplate
from houfiles.libraries import sections
from houfiles.libraries.expanded import ExpandedDefinition, encode_expanded, read_expanded
from houfiles.node import Node
from nvdiffrec_tops.assets import linkedparms
from nvdiffrec_tops.assets.shipped import ASSETS, Asset
from nvdiffrec_tops.houdini.parameters import AssetParameters
from topcook.network.opening import open_network
from topcook.nodes import pythonprocessor
from topcook.planning import generate_all

ROOT = Path(__file__).resolve().parents[3]
EVERY = pytest.mark.parametrize("asset", ASSETS.values(), ids=ASSETS)
# Stock `output` has no public dialog; these parameters are named in the format's description.
OUTPUT_PARMS = {"outputidx", "pdg_workitemlabel", "pdg_workitemlabelexpr"}
# What a parameter of each type may be read as.
READERS = {
    "toggle": {"toggle", "integer"},
    "integer": {"integer"},
    "float": {"number"},
    "ordinal": {"string", "integer"},
    "string": {"string"},
    "file": {"string"},
    "directory": {"string"},
    "oppath": {"string"},
}


def _folder(asset: Asset) -> Path:
    return ROOT / "otls" / asset.library


def _definition(asset: Asset) -> ExpandedDefinition:
    return read_expanded(_folder(asset)).definition(asset.type)


@EVERY
def test_the_folder_is_what_a_reader_gives_back(asset: Asset) -> None:
    folder = _folder(asset)
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert encode_expanded(read_expanded(folder)) == files
    assert not any(b"\r" in data for data in files.values())


@EVERY
def test_names_agree_everywhere(asset: Asset) -> None:
    library = read_expanded(_folder(asset))
    [record] = library.records
    [definition] = library.definitions
    assert record.name == asset.type == _init_type(definition)
    assert definition.section == f"kartaverse::Top/{asset.name}::1.0"
    assert record.path == f"oplib:/{definition.section}?{definition.section}"
    assert record.icon == f"opdef:/{definition.section}?IconSVG"
    assert (record.table, record.is_subnet, record.is_python) == ("Top", True, False)
    assert (record.is_dummy, record.extra, record.outputs) == (False, "", 1)
    assert (_folder(asset) / sections.mangle(definition.section)).is_dir()
    assert definition.interface.name == asset.type
    assert definition.interface.label == record.label == asset.label
    script = definition.text("CreateScript")
    assert f"Creation script for {asset.type} operator" in script
    assert f"# Node $arg1 ({definition.section})" in script


def _init_type(definition: ExpandedDefinition) -> str:
    members = dict(definition.members or ())
    return members["hdaroot.init"].decode().splitlines()[0].removeprefix("type = ")


@EVERY
def test_wires_and_ids_resolve(asset: Asset) -> None:
    contents = _definition(asset).contents
    nodes = {child.name: child for child in contents.children}
    assert [child.type for child in contents.children] == ["pythonprocessor", "output"]
    assert contents.complete
    for node in nodes.values():
        where = node.definition
        ids = [one.id for one in (*(where.outputs or ()), *(where.named_inputs or ()))]
        assert len(set(ids)) == len(ids) and where.connector_next_id == max(ids) + 1
        for named, wire in zip(where.named_inputs or (), where.inputs or (), strict=True):
            assert (named.source, wire.source_output) == (wire.source, 0)
            if wire.source == "(0)":
                assert named.source_id is None
            else:
                outputs = {one.id for one in nodes[wire.source].definition.outputs or ()}
                assert named.source_id in outputs
    assert [wire.source for wire in nodes["output0"].inputs] == ["pythonprocessor1"]
    assert [wire.source for wire in nodes["pythonprocessor1"].inputs] == ["(0)"]


@EVERY
def test_inner_parameters_are_those_of_the_stock_nodes(asset: Asset, shared: Path) -> None:
    script = shared / "data/stock_dialogscripts/pythonprocessor__19.5.538.ds"
    stock = dialogscript.decode(script.read_text(encoding="utf-8"))
    interface = _definition(asset).interface
    for node in _definition(asset).contents.children:
        for name, parm in node.parms.items():
            if node.type == "output":
                assert name in OUTPUT_PARMS
                continue
            if name in linkedparms.TAB_SETS:
                # A tab set of its interface below, not a parameter of its type.
                assert node.spare_interface is not None
                assert f'"{name}"' in node.spare_interface
                continue
            template = stock.find(name) or interface.find(name)
            assert template is not None, f"{node.name}: {name}"
            driven = any(value.expression is not None for value in parm.values)
            if isinstance(template, ParmTemplate) and not driven:
                assert all(template.accepts(value.text) for value in parm.values)


@EVERY
def test_inner_expressions_lead_to_parameters_of_the_asset(asset: Asset) -> None:
    definition = _definition(asset)
    expressions = [
        value.expression.text
        for node in definition.contents.children
        for parm in node.parms.values()
        for value in parm.values
        if value.expression is not None
    ]
    assert expressions
    for text in expressions:
        found = re.fullmatch(r'ch(?:s|sop)?\("\.\./(\w+)"\)', text)
        assert found is not None and definition.interface.find(found[1]) is not None


@EVERY
def test_the_processor_follows_every_parameter(asset: Asset) -> None:
    """A change of any of them is a change of the node that makes the work items."""
    definition = _definition(asset)
    processor = definition.contents.children[0]
    interface = definition.interface
    expected: dict[str, str] = {}
    for parm in interface.parms:
        if parm.type not in ("button", "separator", "label") and parm.multiparm is None:
            function = "chs" if parm.type in ("string", "directory", "file") else "ch"
            expected[parm.name] = f'{function}("../{parm.name}")'
    for folder in interface.folders:
        if folder.kind in dialogscript.MULTIPARMS:
            expected[folder.name] = f'ch("../{folder.name}")'
    expected |= asset.driven
    found = {
        name: value.expression.text
        for name, parm in processor.parms.items()
        for value in parm.values
        if value.expression is not None
    }
    assert found == expected
    entries = [parm.name for parm in interface.parms if parm.multiparm is not None]
    assert list(processor.entry_links) == [(name, f"../{name}") for name in entries]
    assert processor.parms["alwaysregenerate"].values[0].text == "on"
    spare = dialogscript.decode("{\n" + (processor.spare_interface or "") + "\n}")
    for name in {*expected, *entries} - set(asset.driven):
        assert spare.find(name) is not None, name
        # Houdini since 19.5 has four parameters that the table may not know.
        assert pythonprocessor.PARAMETERS.find(name) is None
        assert name not in ("usesdynamicbatching", "usestatefilter", "statefilter", "clearfailures")


@EVERY
def test_every_parameter_is_explained_and_conditions_name_others(asset: Asset) -> None:
    interface = _definition(asset).interface
    text = _definition(asset).text("Help")
    for parm in interface.parms:
        if parm.type in ("separator", "label"):
            continue
        assert parm.label and f"#id: {parm.name}\n" in text, parm.name
        for condition in (parm.disable_when, parm.hide_when):
            for name in re.findall(r"(?:\{|\})?\s*([\w#]+) (?:==|!=|<|>|<=|>=) ", condition):
                assert interface.find(name) is not None, f"{parm.name}: {condition}"


@EVERY
def test_callbacks_exist(asset: Asset) -> None:
    source = (ROOT / "python3.11libs/nvdiffrec_tops/houdini/callbacks.py").read_text()
    for parm in _definition(asset).interface.parms:
        script = parm.tags.get("script_callback", "")
        if parm.type == "button":
            assert script
        script += parm.menu.script if parm.menu is not None else ""
        for name in re.findall(r"callbacks\.(\w+)\(", script):
            assert re.search(rf"^def {name}\(", source, re.MULTILINE), name


# -- what the processors read -----------------------------------------------------------------
@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str, str]]:
    """(asset, parameter, how) of everything that processors read while the fixture lasts."""
    found: set[tuple[str, str, str]] = set()

    def recorded(how: str, read: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: AssetParameters, name: str, *rest: Any) -> Any:
            kind = self.node._parameters.path.rsplit("/", 1)[-1]  # type: ignore[attr-defined]
            found.add((kind, re.sub(r"\d+$", "#", name), how))
            return read(self, name, *rest)

        return call

    for how in ("string", "integer", "number", "toggle", "instances"):
        monkeypatch.setattr(AssetParameters, how, recorded(how, getattr(AssetParameters, how)))
    return found


def _variants(folder: Path) -> Iterator[dict[str, dict[str, Value]]]:
    """Settings that between them make the processors read everything."""
    scene: dict[str, Value] = {
        "miniconda_env": str(folder),
        "working_dir": str(folder),
        "config_name": "a.json",
        "output_dir": str(folder / "out"),
        "overrides": 1,
        "overridename1": "iter",
        "overridevalue1": "5",
    }
    listed: dict[str, Value] = {"variables": 1, "varname1": "A", "varvalue1": "b"}
    limits: dict[str, Value] = {"useseed": True, "usetimeout": True, "usepriority": True}
    turn: dict[str, Value] = {"sequential": True, "gpumode": Token("turn"), "gpus": "0 1"}
    photographs: dict[str, Value] = {
        "photographs": str(folder),
        "dataset_dir": str(folder / "set"),
        "miniconda_env": str(folder),
        "usepriority": True,
    }
    for source in ("attribute", "prefix", "known"):
        yield {
            "nvdiffrec_capture": photographs,
            "nvdiffrec_attributes": scene,
            "nvdiffrec_environment": {
                **listed,
                "source": Token(source),
                "prefix": str(folder),
                "known": str(folder),
            },
            "nvdiffrec_train": {**limits, **turn},
            "nvdiffrec_static": {**scene, **listed, **limits, **turn},
        }


def _generate(settings: dict[str, dict[str, Value]], folder: Path) -> None:
    def node(name: str, inputs: tuple[str, ...] = ()) -> NodeDescription:
        return NodeDescription(
            name, ASSETS[name].type, settings[name], inputs, locked=True, version=""
        )

    chain = (
        "nvdiffrec_capture",
        "nvdiffrec_attributes",
        "nvdiffrec_environment",
        "nvdiffrec_train",
    )
    nodes = [node(name, chain[index - 1 : index]) for index, name in enumerate(chain)]
    nodes.append(node("nvdiffrec_static"))
    top = NodeDescription("topnet1", "topnet", {}, children=tuple(nodes), is_network=True)
    path = folder / "all.hip"
    path.write_bytes(build(SceneDescription("all", (top,))))
    network = open_network(path, all_ends=True)
    generate_all(network, lambda _message: None)


def test_processors_and_interfaces_agree(reads: set[tuple[str, str, str]], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.4\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").touch(mode=0o755)
    for settings in _variants(tmp_path):
        _generate(settings, tmp_path)
    for asset in ASSETS.values():
        definition = _definition(asset)
        mine = {(name, how) for kind, name, how in reads if kind == asset.name}
        for name, how in mine:
            template = definition.interface.find(name.replace("#", "1"))
            assert template is not None, f"{asset.name} reads {name}, which it does not have"
            if isinstance(template, ParmTemplate):
                assert how in READERS[template.type], f"{asset.name}: {name} as {how}"
            else:
                assert template.kind in dialogscript.MULTIPARMS and how in ("instances", "integer")
        read = {name for name, _how in mine} | _driven(definition.contents)
        for parm in definition.interface.parms:
            if parm.type not in ("button", "separator", "label"):
                assert parm.name in read, f"nobody reads {parm.name} of {asset.name}"


def _driven(contents: Node) -> set[str]:
    """Parameters of the asset that the nodes inside it follow."""
    texts = [
        value.expression.text
        for node in contents.children
        for parm in node.parms.values()
        for value in parm.values
        if value.expression is not None
    ]
    return {name for text in texts for name in re.findall(r'"\.\./(\w+)"', text)}
