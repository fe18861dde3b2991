"""The parameters of the shipped assets: what the processors rely on, and what the artist reads."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from houfiles.dialogscript import (
    GROUPS,
    MULTIPARMS,
    Interface,
    Line,
    ParmTemplate,
    decode,
    read_lines,
)
from houfiles.libraries import sections
from nvdiffrec_contract.configuration import Config, Extensions
from nvdiffrec_contract.preparation import MATCHING, RANGES, Preparation
from nvdiffrec_tops import attributes
from nvdiffrec_tops.assets.shipped import ASSETS
from nvdiffrec_tops.job import engines
from nvdiffrec_tops.job.outputs import prepared
from nvdiffrec_tops.job.outputs.result import FIGURES

Row = tuple[str, str, str]

WHEN: list[Row] = [("pdg_workitemgeneration", "ordinal", "2")]
SCENE: list[Row] = [
    ("engine", "string", "diffrec"),
    ("miniconda_env", "directory", "$TOPS_NVDIFFREC/.venv/"),
    ("working_dir", "directory", "$TOPS_NVDIFFREC/sample/"),
    ("script_name", "string", "train.py"),
    ("config_name", "file", "sample.json"),
    ("output_dir", "directory", "$HIP/out/sample"),
    ("output_layout", "ordinal", "0"),
]
CHECK: list[Row] = [
    ("createenvironment", "button", "0"),
    ("checkenvironment", "button", "0"),
]
OVERRIDES: list[Row] = [
    ("preset", "string", ""),
    ("overrides", "multiparm", "0"),
    ("overrideenable#", "toggle", "1"),
    ("overridename#", "string", ""),
    ("overridevalue#", "string", ""),
]
VARIABLES: list[Row] = [
    ("variables", "multiparm", "0"),
    ("varenable#", "toggle", "1"),
    ("varname#", "string", ""),
    ("varvalue#", "string", ""),
]
ENVIRONMENT: list[Row] = [
    ("source", "ordinal", "0"),
    ("prefix", "directory", ""),
    ("known", "string", ""),
    *CHECK,
    ("checkwhencooking", "toggle", "0"),
    ("export", "ordinal", "0"),
    ("reset", "toggle", "0"),
    ("describe", "toggle", "0"),
]
TRAINING: list[Row] = [
    ("useseed", "toggle", "0"),
    ("seed", "integer", "0"),
    ("force", "toggle", "0"),
    ("declareoutputs", "toggle", "1"),
    ("openresult", "button", "0"),
]
SCHEDULED: list[Row] = [
    ("topscheduler", "oppath", ""),
    ("usepriority", "toggle", "0"),
    ("priority", "integer", "0"),
]
MACHINE: list[Row] = [
    ("device", "string", "auto"),
    ("gpumode", "ordinal", "0"),
    ("gpus", "string", ""),
    ("sequential", "toggle", "0"),
    ("retries", "integer", "1"),
    ("halvebatch", "toggle", "0"),
    ("usetimeout", "toggle", "0"),
    ("timeout", "float", "120"),
    ("onfailure", "ordinal", "0"),
    *SCHEDULED,
]
JOBS: list[Row] = [
    ("local_single", "toggle", "1"),
    ("local_is_CPU_number_set", "toggle", "0"),
    ("local_CPUs_to_use", "integer", "1"),
    ("hqueue_priority", "integer", "5"),
    ("hqueue_assign_to", "ordinal", "0"),
    ("hqueue_clients", "string", ""),
    ("hqueue_client_groups", "string", ""),
    ("hqueue_tags", "string", "single"),
    ("hqueue_is_CPU_number_set", "toggle", "0"),
    ("hqueue_CPUs_to_use", "integer", "1"),
    ("hqueue_description", "string", ""),
    ("hqueue_inheritlocalenv", "toggle", "0"),
    ("hqueue_envunset", "string", "PYTHONHOME PYTHONPATH"),
]
"""Parameters of the schedulers, by their own names."""
CAPTURE: list[Row] = [
    ("photographs", "file", "$TOPS_NVDIFFREC/examples/photographs"),
    ("dataset_dir", "directory", "$HIP/captures/photographs"),
    ("output_dir", "directory", ""),
    ("output_layout", "ordinal", "0"),
    ("miniconda_env", "directory", "$TOPS_NVDIFFREC/.venv/"),
    *CHECK,
    ("openreport", "button", "0"),
    ("most", "integer", "300"),
    ("longest", "integer", "1600"),
    ("train_size", "integer", "800"),
    ("matching", "string", "auto"),
    ("photographs_dir", "directory", ""),
    ("masks", "directory", ""),
    ("mask_model", "file", ""),
    ("marker", "float", "0"),
    ("height", "float", "0"),
    ("threads", "integer", "0"),
]
PARAMETERS: dict[str, list[Row]] = {
    "nvdiffrec_capture": WHEN + CAPTURE + SCHEDULED + JOBS,
    "nvdiffrec_attributes": WHEN + SCENE + OVERRIDES,
    "nvdiffrec_environment": WHEN + ENVIRONMENT + VARIABLES,
    "nvdiffrec_train": [
        *WHEN,
        ("engine", "string", ""),
        ("output_dir", "directory", "$HIP/out"),
        *TRAINING,
        *MACHINE,
        *JOBS,
    ],
    "nvdiffrec_static": [
        *(WHEN + SCENE + CHECK + OVERRIDES + TRAINING + VARIABLES),
        *(MACHINE + JOBS),
    ],
}
TOKENS = {
    "pdg_workitemgeneration": ["1", "3", "0", "2"],
    "engine": ["diffrec", "nvdiffrec"],
    "output_layout": ["auto", "always", "never"],
    "source": ["attribute", "prefix", "known", "active"],
    "export": ["job", "item", "original"],
    "device": ["auto", "cpu", "cuda"],
    "gpumode": ["any", "these", "turn", "free"],
    "onfailure": ["fail", "warn"],
    "matching": list(MATCHING),
    "hqueue_assign_to": ["0", "1", "2"],
}
TAGS = {
    output.tag
    for name in engines.names()
    for output in engines.engine(name).outputs({"validate": True})
}
SCENE_ATTRIBUTES = (
    attributes.ENVIRONMENT,
    attributes.WORKING_DIR,
    attributes.SCRIPT,
    attributes.CONFIG,
    attributes.ENGINE,
    attributes.OUTPUT,
    attributes.OVERRIDES,
)
CALLBACKS = {
    "createenvironment": "hou.phm().callbacks.create_environment(kwargs)",
    "checkenvironment": "hou.phm().callbacks.check_environment(kwargs)",
    "openreport": "hou.phm().callbacks.open_report(kwargs)",
    "openresult": "hou.phm().callbacks.open_result(kwargs)",
}
MENUS = {
    "preset": ("menu", "return hou.phm().callbacks.preset_menu()"),
    "known": ("menureplace", "return hou.phm().callbacks.environment_menu()"),
}
ORDER = [
    *("name", "label", "type", "nolabel", "joinnext", "default", "help"),
    *("disablewhen", "hidewhen", "menu", "menureplace", "range", "parmtag"),
]
"""The statements of a parameter in the order in which Houdini writes them, as far as used here."""
MULTIPARM_ORDER = ["name", "label", "default", "parm"]
TYPES = {"ordinal", "string", "directory", "file", "toggle", "integer", "float", "button", "oppath"}
CONDITION = re.compile(r"\{ (\w+#?) (?:==|!=) (\w+) \}(?: (?=\{)|$)")

NAMES = pytest.mark.parametrize("name", sorted(ASSETS))


def section(root: Path, name: str, which: str) -> str:
    asset = ASSETS[name]
    path = root / "otls" / asset.library / sections.mangle(asset.section) / which
    return path.read_text(encoding="ascii")


def interface(root: Path, name: str) -> Interface:
    return decode(section(root, name, "DialogScript"))


def statements(block: list[Line]) -> list[Line]:
    """Every parameter and multiparm at any depth, in order."""
    found: list[Line] = []
    for line in block:
        if line.block is not None and line.key in (*GROUPS, *MULTIPARMS, "parm"):
            if line.key not in GROUPS:
                found.append(line)
            if line.key != "parm":
                found += statements(line.block)
    return found


def parameters(root: Path, name: str) -> list[Line]:
    (frame,) = (one.block for one in read_lines(section(root, name, "DialogScript")) if one.block)
    return statements(frame)


def value(line: Line, key: str) -> str:
    """The one value of a statement, or the only word in its block."""
    (one,) = (one for one in line.block or [] if one.key == key)
    if one.block is None:
        return one.value
    ((word, _quoted),) = (word for inner in one.block for word in inner.words)
    return word


@NAMES
def test_names_types_and_defaults(root: Path, name: str) -> None:
    found = []
    for line in parameters(root, name):
        kind = value(line, "type") if line.key == "parm" else line.key
        found.append((value(line, "name"), kind, value(line, "default")))
    assert found == PARAMETERS[name]
    assert len({one for one, _kind, _default in found}) == len(found)
    assert {kind for _name, kind, _default in found} <= TYPES | {"multiparm"}


@NAMES
def test_statements_stand_in_houdinis_order(root: Path, name: str) -> None:
    text = section(root, name, "DialogScript")
    assert text.startswith(f"# Dialog script for {ASSETS[name].type} automatically generated\n\n{{")
    for line in parameters(root, name):
        assert line.block is not None
        keys = [one.key for one in line.block]
        order = ORDER if line.key == "parm" else MULTIPARM_ORDER
        assert set(keys) <= set(order), (value(line, "name"), keys)
        assert keys == sorted(keys, key=order.index), value(line, "name")
        for one in line.block:
            if one.key in ("name", "label", "help", "disablewhen", "hidewhen"):
                assert len(one.words) == 2 and one.words[1][1], "values are quoted"
            if one.key == "default" and line.key == "parm":
                assert all(quoted for inner in one.block or [] for _word, quoted in inner.words)


@NAMES
def test_every_parameter_says_what_it_is(root: Path, name: str) -> None:
    asset = ASSETS[name]
    found = interface(root, name)
    assert (found.name, found.label) == (asset.type, asset.label)
    for line in parameters(root, name):
        label = value(line, "label")
        assert label and label == label.strip() and not label.endswith((".", ":"))
        if line.key == "parm":
            text = value(line, "help")
            assert text.endswith(".") and text == " ".join(text.split())
            assert 15 <= len(text) <= 320, f"{label}: {len(text)} letters"
    assert all(folder.label for folder in found.folders)


@NAMES
def test_menus_conditions_and_buttons(root: Path, name: str) -> None:
    found = interface(root, name)
    names = {parm.name: parm for parm in found.parms}
    for parm in found.parms:
        tokens = [token for token, _label in parm.menu.items] if parm.menu else []
        if parm.name in TOKENS:
            extra = [""] if (name, parm.name) == ("nvdiffrec_train", "engine") else []
            assert tokens == extra + TOKENS[parm.name]
        if parm.name in MENUS:
            assert parm.menu is not None and parm.menu.language == "python"
            assert (parm.menu.kind, parm.menu.script) == MENUS[parm.name]
        if parm.type == "button":
            assert parm.tags["script_callback"] == CALLBACKS[parm.name]
            assert parm.tags["script_callback_language"] == "python"
        assert parm.accepts(parm.default[0])
        for condition in (parm.disable_when, parm.hide_when):
            terms = CONDITION.findall(condition)
            assert "".join(CONDITION.sub("", condition)) == ""
            for other, word in terms:
                assert other in names and names[other].multiparm == parm.multiparm
                if names[other].menu is not None:
                    assert word in TOKENS[other]
                else:
                    assert names[other].type == "toggle" and word in ("0", "1")
    assert names["pdg_workitemgeneration"].menu is not None
    assert names["pdg_workitemgeneration"].menu.use_token_value


@NAMES
def test_a_toggle_without_a_label_stands_before_what_it_turns_on(root: Path, name: str) -> None:
    lines = parameters(root, name)
    for line, after in zip(lines, [*lines[1:], None], strict=True):
        keys = [one.key for one in line.block or []]
        assert ("nolabel" in keys) == ("joinnext" in keys)
        if "nolabel" in keys:
            assert after is not None and value(line, "type") == "toggle"
            assert value(after, "disablewhen") == f"{{ {value(line, 'name')} == 0 }}"


@NAMES
def test_tabs_form_one_set(root: Path, name: str) -> None:
    tabs = [one.name for one in interface(root, name).folders if one.kind == "group"]
    assert tabs == ["folder0", *(f"folder0_{number}" for number in range(1, len(tabs)))]


@NAMES
def test_the_help_card_tells_the_same(root: Path, name: str) -> None:
    """Tooltip and help card agree; the card marks names as code, which a tooltip cannot."""
    card = section(root, name, "Help")
    entries = re.findall(r"^( *)(\S.*):\n +#id: (\S+)\n +(\S.*)\n", card, re.MULTILINE)
    told = {one: (label, text.replace("`", "")) for _pad, label, one, text in entries}
    assert list(told) == [row[0] for row in PARAMETERS[name]]
    for line in parameters(root, name):
        label, text = told[value(line, "name")]
        assert label == value(line, "label")
        assert line.key == "multiparm" or text == value(line, "help")
    assert card.startswith(f"= {ASSETS[name].label} =\n\n#type: node\n#context: top\n")
    assert f"#internal: {ASSETS[name].type}\n" in card and '"""' in card
    # Brackets outside of code would be links.
    links = re.findall(r"\[([^\]]*)\]", re.sub(r"`[^`]*`", "", card))
    assert all("Node:top/" in one for one in links)
    related = re.findall(r"^\* \[(.+)\]$", card.partition("\n@related\n")[2], re.MULTILINE)
    others = {f"Node:top/kartaverse--{one}-1.0" for one in ASSETS if one != name}
    assert others < set(related)


@NAMES
def test_the_help_card_lists_attributes_and_outputs(root: Path, name: str) -> None:
    card = section(root, name, "Help")
    before_parameters = card[: card.index("@parameters")]
    told = dict(re.findall(r"^== (.+) ==\n((?:.+\n)+)", before_parameters, re.M))
    assert set(told) >= {"Attributes", "Output files"}
    tags = set(re.findall(r"`(file/[a-z/]+)`", told["Output files"]))
    trains = name in ("nvdiffrec_train", "nvdiffrec_static")
    captured = {one.tag for one in prepared.OUTPUTS} if name == "nvdiffrec_capture" else set()
    assert tags == (TAGS if trains else captured)
    if trains:
        while_it_cooks = ("progress_picture", "progress_psnr")
        for attribute in (*FIGURES, *while_it_cooks):
            assert f"`{attribute}`" in before_parameters
            assert f"`{attribute}`" in (root / f"docs/nodes/{name}.md").read_text("utf-8")
    if name in ("nvdiffrec_attributes", "nvdiffrec_static"):
        for attribute in SCENE_ATTRIBUTES:
            assert f"`{attribute}`" in before_parameters


@pytest.mark.parametrize("name", ["nvdiffrec_attributes", "nvdiffrec_static"])
def test_fields_offered_for_overrides_are_fields_of_the_configuration(
    root: Path, name: str
) -> None:
    known = {one.name for one in dataclasses.fields(Config)}
    known |= {f"diffrec.{one.name}" for one in dataclasses.fields(Extensions)}
    field = interface(root, name).find("overridename#")
    assert isinstance(field, ParmTemplate) and field.menu is not None
    offered = [token for token, _label in field.menu.items]
    assert len(offered) == len(set(offered)) and set(offered) <= known
    labels = [label for _token, label in field.menu.items]
    assert len(labels) == len(set(labels))


@NAMES
def test_the_icon_is_plain_svg(root: Path, name: str) -> None:
    from xml.etree import ElementTree

    icon = ElementTree.fromstring(section(root, name, "IconSVG"))
    assert icon.tag == "{http://www.w3.org/2000/svg}svg"
    assert (icon.get("width"), icon.get("viewBox")) == ("64", "0 0 64 64")
    tags = {one.tag.rpartition("}")[2] for one in icon.iter()}
    assert tags <= {"svg", "rect", "circle", "path"}


def test_a_capture_offers_what_a_preparation_takes(root: Path) -> None:
    """Every field of a preparation has a parameter, with its default and its range."""
    found = {parm.name: parm for parm in interface(root, "nvdiffrec_capture").parms}
    other = {
        "source": "photographs",
        "out": "dataset_dir",
        "photographs": "photographs_dir",
    }
    for field in dataclasses.fields(Preparation):
        parm = found[other.get(field.name, field.name)]
        if field.default is not dataclasses.MISSING:
            none = "0" if parm.name in ("marker", "height") else ""
            default = none if field.default is None else str(field.default)
            assert parm.default[0] == default, field.name
    for line in parameters(root, "nvdiffrec_capture"):
        name = value(line, "name")
        if name in RANGES and name != "threads":
            (limits,) = (one for one in line.block or [] if one.key == "range")
            words = [word for inner in limits.block or [] for word, _quoted in inner.words]
            assert words == [f"{bound}!" for bound in RANGES[name]]
