"""Scenes that Houdini saved: every byte comes back, and every described member is understood."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from houfiles import dialogscript, load
from houfiles.containers import cpio, indexdata
from houfiles.members import channels, definition, options, parms, texts
from houfiles.scene import Scene


def _text(decode: Callable[..., object], encode: Callable[..., str]) -> Callable[[bytes], bytes]:
    return lambda data: encode(decode(data.decode("utf-8"))).encode("utf-8")


BY_KIND: dict[str, Callable[[bytes], bytes]] = {
    "init": _text(definition.decode_init, definition.encode_init),
    "def": _text(definition.decode, definition.encode),
    "postitinit": _text(definition.decode_init, definition.encode_init),
    "postitdef": _text(definition.decode_note, definition.encode_note),
    "parm": _text(parms.decode, parms.encode),
    "chn": _text(channels.decode, channels.encode),
    "userdata": lambda data: options.encode(options.decode(data)),
    "datablocks": lambda data: options.encode_blocks(options.decode_blocks(data)),
    "order": _text(texts.decode_order, texts.encode_order),
    "net": _text(texts.decode_net, texts.encode_net),
}
BY_NAME: dict[str, Callable[[bytes], bytes]] = {
    ".variables": _text(texts.decode_variables, texts.encode_variables),
    ".OPdummydefs": lambda data: indexdata.encode_library(indexdata.decode_library(data)),
}
# Members whose content means nothing to this project; kept as they are.
RAW = {
    ".OPfallbacks",
    ".selectedworkitem",
    ".start",
    ".aliases",
    ".takeconfig",
    ".hou.session",
    ".OPlibraries",
    ".OPpreferences",
    "expression.func",
    ".scenefilevisualizers",
    ".application",
    ".takes",
    ".styles",
    ".contextoptions",
    ".cwd",
}


def test_container_gives_every_byte_back(real: list[Path]) -> None:
    for path in real:
        data = path.read_bytes()
        assert load(path).to_bytes() == data
        assert cpio.encode(cpio.decode(data)) == data


def test_every_described_member_is_decoded_and_encoded_identically(real: list[Path]) -> None:
    counts: dict[str, int] = {}
    for path in real:
        for name, data in load(path).members.items():
            kind = name.rpartition(".")[2]
            again = BY_NAME.get(name) or (BY_KIND.get(kind) if name not in RAW else None)
            if again is None:
                assert name in RAW
                continue
            assert again(data) == data, name
            counts[kind] = counts.get(kind, 0) + 1
    for name in BY_NAME:
        assert counts[name.rpartition(".")[2]] == len(real)
    assert counts.keys() >= BY_KIND.keys()
    assert counts["def"] == counts["parm"] == counts["userdata"] > 150


def test_this_package_writes_what_houdini_writes(real: list[Path]) -> None:
    """No member of these scenes needs its own text kept."""
    for path in real:
        for name, data in load(path).members.items():
            kind = name.rpartition(".")[2]
            if kind in ("def", "parm"):
                decode = definition.decode if kind == "def" else parms.decode
                assert not decode(data.decode()).source, name
            elif kind == "chn":
                assert not any(one.source for one in channels.decode(data.decode())), name


def _original(real: list[Path]) -> Scene:
    return load(next(one for one in real if "nvdiffrec" in one.name))


def test_the_original_network(real: list[Path]) -> None:
    scene = _original(real)
    top = scene.node("/tasks/topnet1")
    assert [one.name for one in top.children] == [
        "localscheduler",
        "waitforall1",
        "shell_tokens",
        "train_genericgenerator1",
        "environmentedit",
    ]
    assert top.type == "topnet" and top.complete and not top.matches_definition
    assert top.parms["topscheduler"].values[0].text == "localscheduler"
    train = scene.node("/tasks/topnet1/train_genericgenerator1")
    assert train.type == "genericgenerator"
    assert train.parms["pdg_command"].values[0].text == (
        '"`@MINICONDA_ENV`bin/python3" "`@WORKING_DIR``@SCRIPT_NAME`" '
        '--config "`@WORKING_DIR``@CONFIG_NAME`"'
    )
    wire = train.inputs[0]
    assert (wire.input_index, wire.source, wire.source_output) == (0, "environmentedit", 0)
    assert train.source(wire) is scene.node("/tasks/topnet1/environmentedit")
    assert [one.name for one in top.children if one.flags["display"]] == ["waitforall1"]
    tokens = scene.node("/tasks/topnet1/shell_tokens")
    names = [tokens.parms[f"stringname{number}"].values[0].text for number in range(1, 5)]
    assert names == ["MINICONDA_ENV", "WORKING_DIR", "SCRIPT_NAME", "CONFIG_NAME"]
    assert tokens.user_data == {"___Version___": "2"}
    assert tokens.position == (-0.254691, 2.84541)
    assert top.notes[0].text.startswith("Use NVIDIA nvdiffrec\n")
    assert '"MINICONDA_ENV"' in top.notes[0].text
    assert scene.variables["_HIP_SAVEVERSION"] == "20.5.445"
    assert [one.name for one in scene.roots] == [
        *("vex", "mat", "obj", "out", "ch", "shop", "img", "stage", "tasks"),
    ]


def test_interfaces_in_the_original_scene(real: list[Path]) -> None:
    """Every parameter that the scene saves is in the interface of its node's type."""
    scene = _original(real)
    checked = 0
    for node in scene.node("/tasks/topnet1").children:
        interface = scene.interface(node.type)
        assert interface is not None and interface.name == node.type
        for name, parm in node.parms.items():
            template = interface.find(name)
            assert template is not None, f"{node.path}: {name}"
            if hasattr(template, "accepts"):
                assert all(template.accepts(value.text) for value in parm.values)
                checked += 1
    assert checked > 150
    assert scene.interface("nothing") is None


def test_every_stock_interface_is_read(shared: Path) -> None:
    for path in sorted((shared / "data/stock_dialogscripts").glob("*.ds")):
        text = path.read_text(encoding="utf-8")
        found = dialogscript.decode(text)
        assert found.name == path.name.split("__")[0]
        assert len(found.parms) == text.count(" parm {")
        assert len({one.name for one in found.parms}) == len(found.parms)
        for one in found.parms:
            assert one.type and (one.type == "ramp_flt" or len(one.default) == one.size), one
            if one.type == "ordinal":
                assert one.menu and (one.menu.items or one.menu.script), one
