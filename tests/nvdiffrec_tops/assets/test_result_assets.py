"""The assets for Solaris and SOPs: their form, and agreement with the code that reads them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from houfiles.libraries import hda, sections
from houfiles.libraries.expanded import ExpandedDefinition, encode_expanded, read_expanded
from nvdiffrec_tops.assets.resultassets import INNER, RESULTS
from nvdiffrec_tops.assets.shipped import Asset

EVERY = pytest.mark.parametrize("asset", RESULTS.values(), ids=RESULTS)


def folder_of(root: Path, asset: Asset) -> Path:
    return root / "otls" / asset.library


def definition_of(root: Path, asset: Asset) -> ExpandedDefinition:
    return read_expanded(folder_of(root, asset)).definition(asset.type)


@EVERY
def test_the_folder_is_what_a_reader_gives_back(root: Path, asset: Asset) -> None:
    folder = folder_of(root, asset)
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    library = read_expanded(folder)
    assert encode_expanded(library) == files
    assert not any(b"\r" in data for data in files.values())
    assert encode_expanded(hda.expand(hda.collapse(library))) == files


@EVERY
def test_names_and_tables_agree_everywhere(root: Path, asset: Asset) -> None:
    [record] = read_expanded(folder_of(root, asset)).records
    definition = definition_of(root, asset)
    assert record.name == asset.type == "kartaverse::nvdiffrec_result::1.0"
    assert definition.section == f"kartaverse::{asset.table}/nvdiffrec_result::1.0"
    assert (record.table, record.is_subnet, record.is_python) == (asset.table, True, False)
    assert record.path == f"oplib:/{definition.section}?{definition.section}"
    assert record.icon == f"opdef:/{definition.section}?IconSVG"
    assert (folder_of(root, asset) / sections.mangle(definition.section)).is_dir()
    assert definition.interface.label == record.label == asset.label
    members = dict(definition.members or ())
    assert members["node_type"].decode() == f"{asset.table}\n"
    assert f"# Node $arg1 ({definition.section})" in definition.text("CreateScript")
    tool, context = definition.text("Tools.shelf"), asset.table.lower()
    assert f"<contextNetType>{asset.table.upper()}</contextNetType>" in tool
    assert f"{context}toolutils.genericTool(kwargs, '$HDA_NAME')" in tool


@EVERY
def test_one_python_node_feeds_the_output(root: Path, asset: Asset) -> None:
    script, output = definition_of(root, asset).contents.children
    assert (script.name, script.type) == ("python1", INNER[asset.table])
    assert output.type == "output" and [one.source for one in output.inputs] == ["python1"]
    [named] = output.definition.named_inputs or ()
    assert named.source_id in {one.id for one in script.definition.outputs or ()}
    for node in (script, output):
        ids = [
            one.id
            for one in (*(node.definition.outputs or ()), *(node.definition.named_inputs or ()))
        ]
        assert len(set(ids)) == len(ids) and node.definition.connector_next_id == max(ids) + 1
    assert bool(script.inputs) == bool(asset.max_inputs)
    [code] = [value.text for value in script.parms["python"].values]
    assert re.fullmatch(
        r"from nvdiffrec_tops\.houdini import result_nodes; result_nodes\.\w+\(hou\.pwd\(\)\)", code
    )


@EVERY
def test_every_parameter_is_read_explained_and_reloads(root: Path, asset: Asset) -> None:
    definition = definition_of(root, asset)
    source = (root / "python3.11libs/nvdiffrec_tops/houdini/result_nodes.py").read_text()
    card = definition.text("Help")
    names = [parm.name for parm in definition.interface.parms]
    assert len(names) == len(set(names))
    told = dict(re.findall(r"#id: (\w+)\n    (.+)\n", card))
    assert list(told) == names
    for parm in definition.interface.parms:
        assert f'"{parm.name}"' in source or parm.name == "reload", parm.name
        assert parm.tags["script_callback"] == "hou.phm().result_nodes.reload(kwargs)"
        assert parm.tags["script_callback_language"] == "python"
        assert parm.label and parm.accepts(parm.default[0])
        for name in re.findall(r"(\w+) ==", parm.disable_when):
            assert name in names
    assert re.search(r"^def reload\(", source, re.MULTILINE)
    assert f"#context: {asset.table.lower()}\n" in card
    for name in ("result", "lod"):
        assert name in names
