"""The toolkit's digital assets: what is generated around the texts that people write.

An asset's DialogScript, Help and icon are written by hand in ``otls``; the frame around them
(index, lists, creation script, network, tool) is made here from a short description, so that names
and wires cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from houfiles import build, dialogscript
from houfiles.containers.indexdata import Record, section_name
from houfiles.containers.mime import Members
from houfiles.describe import Token, Value
from houfiles.dialogscript import Interface
from houfiles.errors import text_of
from houfiles.libraries.expanded import CONTENTS, ExpandedDefinition, ExpandedLibrary
from houfiles.members import channels, definition, options, texts
from houfiles.members.definition import Definition, Init, NamedInput, NamedOutput, Stat, Wire
from houfiles.members.optionstext import encode_text
from houfiles.members.parms import Expression

from . import linkedparms

NAMESPACE = "kartaverse"
VERSION = "1.0"
SAVED = 1764547200
"""The time that the files carry, in Unix seconds: fixed, so that building is repeatable."""

_AUTHOR = "artist@tops-nvdiffrec"
_CODE = "from nvdiffrec_tops.houdini import processors; processors"
_GENERATE = "on_generate(self, item_holder, upstream_items, generation_type)"
_DEPENDENCIES = "on_add_internal_dependencies(self, dependency_holder, internal_items, is_static)"
_MODULE = "from nvdiffrec_tops.houdini import callbacks\n"
_MONITORED = f"{_MODULE}from nvdiffrec_tops.houdini.training_monitor import ml_description\n"

WRITTEN = ("DialogScript", "Help", "IconSVG")
"""The sections that people write."""


@dataclass(frozen=True)
class Asset:
    """What distinguishes one asset.

    ``snippets``: parameters of the processor inside to Python code; ``parms``: its other
    parameters; ``driven``: those that follow one of the asset's own, with the expression;
    ``module``: its Python module; ``table``: the kind of network that it lives in.
    """

    name: str
    label: str
    min_inputs: int
    snippets: Mapping[str, str]
    parms: Mapping[str, Value] = field(default_factory=dict)
    driven: Mapping[str, str] = field(default_factory=dict)
    max_inputs: int = 1
    module: str = _MODULE
    table: str = "Top"

    @property
    def type(self) -> str:
        return f"{NAMESPACE}::{self.name}::{VERSION}"

    @property
    def library(self) -> str:
        """The folder below ``otls``."""
        context = "" if self.table == "Top" else f"{self.table.lower()}_"
        return f"{NAMESPACE}.{context}{self.name}.{VERSION}.hda"

    @property
    def section(self) -> str:
        return section_name(Record(self.type, self.label, "", "", table=self.table))

    @property
    def icon(self) -> str:
        return f"opdef:/{self.section}?IconSVG"


_WHEN = {"pdg_workitemgeneration": 'ch("../pdg_workitemgeneration")'}
_REPORTING: Mapping[str, Value] = {
    # The job tells PDG its percentage, files and figures through this module of Houdini's.
    "pdgnodedeps": 1,
    "pdgnodedep1": "$HHP/pdgjob/pdgcmd.py",
}
_SCHEDULED = {**_WHEN, "topscheduler": 'chsop("../topscheduler")'}

ASSETS: Mapping[str, Asset] = {
    one.name: one
    for one in (
        Asset(
            "nvdiffrec_capture",
            "nvdiffrec Capture",
            0,
            {"generate": f"{_CODE}.capture.{_GENERATE}"},
            _REPORTING,
            _SCHEDULED,
        ),
        Asset(
            "nvdiffrec_attributes",
            "nvdiffrec Attributes",
            0,
            {"generate": f"{_CODE}.attributes.{_GENERATE}"},
            driven=_WHEN,
        ),
        Asset(
            "nvdiffrec_environment",
            "nvdiffrec Environment",
            1,
            {
                "generate": f"{_CODE}.environment.{_GENERATE}",
                "cooktask": f"{_CODE}.environment.on_cook_task(self, work_item)",
            },
            driven=_WHEN,
        ),
        Asset(
            "nvdiffrec_train",
            "nvdiffrec Train",
            1,
            {
                "generate": f"{_CODE}.train.{_GENERATE}",
                "addinternaldependencies": f"{_CODE}.train.{_DEPENDENCIES}",
            },
            _REPORTING,
            _SCHEDULED,
            module=_MONITORED,
        ),
        Asset(
            "nvdiffrec_static",
            "nvdiffrec Static Scene",
            0,
            {
                "generate": f"{_CODE}.static.{_GENERATE}",
                "addinternaldependencies": f"{_CODE}.static.{_DEPENDENCIES}",
            },
            _REPORTING,
            _SCHEDULED,
            module=_MONITORED,
        ),
    )
}
"""The shipped assets by name."""


def library(asset: Asset, written: Mapping[str, bytes]) -> ExpandedLibrary:
    """The whole library of an asset; ``written`` are the sections that people write."""
    interface = dialogscript.decode(text_of(written["DialogScript"]))
    return framed(asset, written, contents(asset, interface))


def framed(asset: Asset, written: Mapping[str, bytes], network: Members) -> ExpandedLibrary:
    """The library of an asset around its ``network``."""
    record = Record(
        name=asset.type,
        label=asset.label,
        path=f"oplib:/{asset.section}?{asset.section}",
        icon=asset.icon,
        min_inputs=asset.min_inputs,
        max_inputs=asset.max_inputs,
        table=asset.table,
        modified=SAVED,
        is_subnet=True,
    )
    files = {
        "DialogScript": written["DialogScript"],
        "CreateScript": _create_script(asset).encode(),
        "InternalFileOptions": encode_text({"nodeconntype": False, "nodeparmtype": False}).encode(),
        "TypePropertiesOptions": _TYPE_PROPERTIES.encode(),
        "Help": written["Help"],
        "Tools.shelf": _TOOL.format(
            context=asset.table.upper(), module=asset.table.lower()
        ).encode(),
        "PythonModule": asset.module.encode(),
        "IconSVG": written["IconSVG"],
        "ExtraFileOptions": encode_text(_script_options("PythonModule")).encode(),
    }
    order = tuple(files)
    order = (*order[:3], CONTENTS, *order[3:])
    made = ExpandedDefinition(asset.section, order, files, network)
    return ExpandedLibrary((record,), (made,))


def _script_options(section: str) -> dict[str, options.OptionValue]:
    return {
        f"{section}/Cursor": (1, 1),
        f"{section}/IsExpr": False,
        f"{section}/IsPython": True,
        f"{section}/IsScript": True,
        f"{section}/Source": "",
    }


def _create_script(asset: Asset) -> str:
    return (
        f"# Automatically generated script\n\\set noalias = 1\n#\n#  Creation script for "
        f"{asset.type} operator\n#\n\n"
        'if ( "$arg1" == "" ) then\n    echo This script is intended as a creation script\n'
        "    exit\nendif\n\n# Node $arg1 ("
        f"{NAMESPACE}::{asset.table}/{asset.name}::{VERSION})\n"
        "opexprlanguage -s hscript $arg1\nopuserdata -n '___Version___' -v '' $arg1\n"
    )


_TYPE_PROPERTIES = "".join(
    f"{key} := {value};\n"
    for key, value in {
        "CheckExternal": 1,
        "ContentsCompressionType": 1,
        "ForbidOutsideParms": 1,
        "GzipContents": 1,
        "LockContents": 1,
        "MakeDefault": 1,
        "ParmsFromVfl": 0,
        "PrefixDroppedParmLabel": 0,
        "PrefixDroppedParmName": 0,
        "SaveCachedCode": 0,
        "SaveIcon": 1,
        "SaveSpareParms": 0,
        "UnlockOnCreate": 0,
        "UseDSParms": 1,
    }.items()
)

_TOOL = """<?xml version="1.0" encoding="UTF-8"?>
<shelfDocument>
  <!-- This file contains definitions of shelves, toolbars, and tools.
 It should not be hand-edited when it is being used by the application.
 Note, that two definitions of the same element are not allowed in
 a single file. -->

  <tool name="$HDA_DEFAULT_TOOL" label="$HDA_LABEL" icon="$HDA_ICON">
    <toolMenuContext name="viewer">
      <contextNetType>{context}</contextNetType>
    </toolMenuContext>
    <toolMenuContext name="network">
      <contextOpType>$HDA_TABLE_AND_NAME</contextOpType>
    </toolMenuContext>
    <toolSubmenu>nvdiffrec</toolSubmenu>
    <script scriptType="python"><![CDATA[import {module}toolutils

{module}toolutils.genericTool(kwargs, '$HDA_NAME')]]></script>
  </tool>
</shelfDocument>
"""


# -- the network ------------------------------------------------------------------------------
def contents(asset: Asset, interface: Interface) -> Members:
    """The network: a Python Processor between the asset's first input and its output.

    The processor follows every parameter of ``interface``, the asset's own: PDG notices only a
    change of the node that makes the work items. *Always Regenerate* is on as well, should a
    change of the asset not reach that node: it costs a generation of work items for each cook.
    """
    linked = linkedparms.linked(interface, asset.driven)
    processor, output = "hdaroot/pythonprocessor1", "hdaroot/output0"
    values: dict[str, Value] = {
        "pdg_workitemgeneration": 2,
        **asset.snippets,
        "alwaysregenerate": True,
        **{name: "" for name in asset.driven if name != "pdg_workitemgeneration"},
        # The items' labels are given by the code.
        "pdg_workitemlabel": Token("3"),
        **asset.parms,
        **{one.name: linkedparms.default(one) for one in linked},
        **{name: (0,) * tabs for name, tabs in linkedparms.TAB_SETS.items()},
    }
    follows = {**asset.driven, **{one.name: linkedparms.expression(one) for one in linked}}
    driven = [channels.driven(name, Expression(text)) for name, text in follows.items()]
    links = linkedparms.entry_links(interface, linked)
    spare = linkedparms.spare_interface(interface, linked)
    dot = texts.InputDot(0, ("0", "6"), '2 0 __NO_OWNER_NETWORK_BOX__ "FROMOUTPUT"')
    found: list[tuple[str, bytes]] = [
        ("node_type", b"Top\n"),
        ("hdaroot.init", definition.encode_init(Init(asset.type)).encode()),
        ("hdaroot.def", definition.encode(placed(0, 0)).encode()),
        ("hdaroot.userdata", no_version()),
        ("hdaroot.inp", texts.encode_dots([dot]).encode()),
        (f"{processor}.init", definition.encode_init(Init("pythonprocessor")).encode()),
        (f"{processor}.def", definition.encode(wired("(0)", None, True)).encode()),
        *([(f"{processor}.multiparm", texts.encode_links(links).encode())] if links else []),
        (f"{processor}.spareparmdef", spare.encode()),
        (f"{processor}.chn", channels.encode(driven).encode()),
        (f"{processor}.parm", build.parm_member(values, set(follows))),
        (f"{processor}.userdata", no_version()),
        (f"{output}.init", definition.encode_init(Init("output")).encode()),
        (f"{output}.def", definition.encode(wired("pythonprocessor1", 1, False)).encode()),
        (f"{output}.parm", build.parm_member({"outputidx": 0})),
        (f"{output}.userdata", no_version()),
        ("hdaroot.order", texts.encode_order(["pythonprocessor1", "output0"]).encode()),
        ("hdaroot.net", texts.encode_net(1).encode()),
    ]
    return tuple(found)


def no_version() -> bytes:
    """The user data of a node that has no version."""
    return options.encode({"___Version___": ""})


def placed(x: float, y: float) -> Definition:
    """Where a node lies; nothing is wired to it."""
    on = ("colordefault", "exposed")
    return Definition(
        position=(f"{x:g}", f"{y:g}"),
        flags={name: name in on for name in definition.FLAGS},
        stat=Stat(SAVED, SAVED, _AUTHOR),
        color=("0.8", "0.8", "0.8"),
        comment="",
        connector_next_id=0,
        outputs=(),
        named_inputs=(),
        inputs=(),
        delete_script="",
        expression_language="hscript",
    )


def wired(source: str | None, source_id: int | None, has_output: bool) -> Definition:
    """The working node (with an output) above, the asset's output below; input 0 has the id 0.

    Without a ``source`` there is no input, and the output has that id.
    """
    inputs = () if source is None else (source,)
    place = placed(0, 3 if has_output else 0)
    flags = dict(place.flags or {})
    if not has_output:
        flags |= {"display": True, "render": True}
    return Definition(
        position=place.position,
        flags=flags,
        stat=place.stat,
        color=place.color,
        comment="",
        connector_next_id=len(inputs) + has_output,
        outputs=(NamedOutput(len(inputs), "output1"),) if has_output else (),
        named_inputs=tuple(NamedInput(0, one, source_id, "input1") for one in inputs),
        inputs=tuple(Wire(0, one) for one in inputs),
        delete_script="",
        expression_language="hscript",
    )
