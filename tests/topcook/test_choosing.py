"""Which network of a scene is cooked, and what in it never stops a cook."""

from __future__ import annotations

from pathlib import Path

import pytest

from houfiles.build import build
from houfiles.containers import cpio
from houfiles.describe import AssetDescription, NodeDescription, SceneDescription, Token
from topcook import pdg
from topcook.network.opening import Network, open_network
from topcook.network.wiring import NetworkError
from topcook.nodes import TYPES

OURS = "kartaverse::nvdiffrec_attributes::1.0"


def _network(name: str, *nodes: NodeDescription, type_name: str = "topnet") -> NodeDescription:
    local = NodeDescription("localscheduler", "localscheduler")
    top = {"topscheduler": "localscheduler"}
    return NodeDescription(name, type_name, top, children=(local, *nodes), is_network=True)


def _node(name: str = "a", *flags: str, type_name: str = "genericgenerator") -> NodeDescription:
    return NodeDescription(name, type_name, flags=flags)


def _write(path: Path, *networks: NodeDescription, **changed: bytes) -> Path:
    """A scene with these networks in /tasks, and members with other content."""
    archive = cpio.decode(build(SceneDescription("shot", networks)))
    members = [
        cpio.Member(one.name, changed.get(one.name.replace("/", "__"), one.data), one.header)
        for one in archive.members
    ]
    path.write_bytes(cpio.encode(cpio.Archive(tuple(members), archive.trailer)))
    return path


EMPTY = _network("empty")
CHOICES = {
    "only a scheduler in the others": ([EMPTY, _network("b", _node())], "b"),
    "of the other type": ([_network("b", _node(), type_name="topnetmgr"), EMPTY], "b"),
    "the display flag on a node": (
        [_network("b", _node("a", "display")), _network("c", _node())],
        "b",
    ),
    "the only one with nodes of this toolkit": (
        [
            _network("b", _node("a", "display")),
            _network("c", _node("a", "display", type_name=OURS)),
        ],
        "c",
    ),
    "the display flag of the network": (
        [
            _network("b", _node()),
            NodeDescription(
                "c", "topnet", children=(_node(),), is_network=True, flags=("display",)
            ),
        ],
        "c",
    ),
}


@pytest.mark.parametrize("case", CHOICES)
def test_the_network_is_chosen(tmp_path: Path, case: str) -> None:
    networks, chosen = CHOICES[case]
    network = open_network(_write(tmp_path / "shot.hip", *networks))
    assert network.path == f"/tasks/{chosen}"
    others = [one.name for one in networks if one.name not in (chosen, "empty")]
    assert [name for name in others if f"/tasks/{name}" in " ".join(network.notes)] == others


def test_otherwise_the_choice_is_the_artists(tmp_path: Path) -> None:
    hip = _write(tmp_path / "shot.hip", EMPTY, _network("b", _node()), _network("c", _node()))
    with pytest.raises(NetworkError, match=r"2 TOP networks.*: --top /tasks/b, --top /tasks/c$"):
        open_network(hip)
    assert open_network(hip, top="/tasks/c/").path == "/tasks/c"
    with pytest.raises(NetworkError, match="no such TOP network; it has /tasks/empty, /tasks/b"):
        open_network(hip, top="/tasks/d")
    with pytest.raises(NetworkError, match=r"have no nodes to cook \(/tasks/empty\)"):
        open_network(_write(tmp_path / "none.hip", EMPTY))


def test_what_stands_elsewhere_never_stops_a_cook(tmp_path: Path) -> None:
    bad = b"\xff{ not what it should be"
    hip = _write(
        tmp_path / "shot.hip",
        _network("b", _node()),
        _network("c", _node("a", "display")),
        **{
            **dict.fromkeys(("obj.def", "obj.parm", "stage.datablocks", "out.userdata"), bad),
            **dict.fromkeys((".variables", ".takes", ".start", ".OPlibraries"), bad),
            **dict.fromkeys(("tasks__b.def", "tasks__b.parm", "tasks__b__a.def"), bad),
            **dict.fromkeys(("tasks__b__a.init", "tasks__b__a.parm", "tasks__b.order"), bad),
        },
    )
    assert open_network(hip, top="/tasks/c").path == "/tasks/c"
    with pytest.raises(Exception, match="member 'tasks/b"):
        open_network(hip, top="/tasks/b")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("shot.hiplc", b"HouLC\x1a0123", r"a scene of Houdini Indie \(\.hiplc\)"),
        ("shot.hipnc", b"HouNC\x1a0123", "non-commercial"),
        ("shot.hip", b"HouNC\x1a0123", "non-commercial.*whatever its name says"),
        ("my shot.hiplc", b"something else", "by its name"),
    ],
)
def test_scenes_of_other_licences_name_the_way(
    tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    hip = tmp_path / name
    hip.write_bytes(data)
    with pytest.raises(NetworkError, match=said) as caught:
        open_network(hip)
    assert "hython scripts/batch_cook.py " in str(caught.value)
    assert ("'" in str(caught.value).rsplit("batch_cook.py", 1)[1]) is (" " in name)


INTERFACE = """# Dialog script for genericgenerator automatically generated

{
    name\tgenericgenerator
    script\tgenericgenerator
    label\t"Generic Generator"

    parm {
        name    "later"
        label   "Later"
        type    ordinal
        default { "1" }
        menu {
            "off" "Off"
            "on" "On"
        }
    }
    parm {
        name    "gap"
        label   "Gap"
        type    separator
        default { "" }
    }
}
"""


def _with(tmp_path: Path, parms: dict[str, object], *, known: bool) -> Path:
    node = NodeDescription("a", "genericgenerator", parms)  # type: ignore[arg-type]
    asset = AssetDescription("genericgenerator", "Generic Generator", "otls/x.hda", INTERFACE)
    scene = SceneDescription("shot", (_network("b", node),), assets=(asset,) if known else ())
    hip = tmp_path / "shot.hip"
    hip.write_bytes(build(scene))
    return hip


def _opened(hip: Path, *, allow: bool = False) -> Network:
    return open_network(hip, allow_unknown=allow)


def test_parameters_of_other_versions(tmp_path: Path) -> None:
    """At the default of the scene's own interface: nothing. Changed: refused. Else: a warning."""
    assert _opened(_with(tmp_path, {"later": Token("on"), "gap": ()}, known=True)).notes == []
    changed = _with(tmp_path, {"later": Token("off")}, known=True)
    with pytest.raises(NetworkError, match=r"'later' is set to 'off'.*--allow-unknown-parms"):
        _opened(changed)
    assert _opened(changed, allow=True).notes == []
    for known in (True, False):
        notes = _opened(_with(tmp_path, {"newer": "x", "gap2": ()}, known=known)).notes
        assert len(notes) == 1 and "newer = 'x'" in notes[0] and "gap2" not in notes[0]


def test_parameters_that_houdini_saves_for_every_node(tmp_path: Path) -> None:
    assert _opened(_with(tmp_path, {"input1": ""}, known=False)).notes == []
    farm = TYPES["hqueuescheduler"].table
    for name in (
        *("hfspathuniversal", "useuniversalhfs", "hfs_linux_path", "hfs_macosx_path", "pythonbin"),
        *("submitjob", "submitjobname", "submitjobwhenfinished", "submitjobcpus", "mqaddr"),
        *("pdg_tickperiod", "pdg_maxitems", "tractor_debug", "select_clients", "loadpathmap"),
        *("createremotegraph", "remotegraphname", "usedatalayerport", "mqrelayport"),
    ):
        assert farm.find(name) is not None, name
    processor = TYPES["pythonprocessor"].table
    for name in ("usesdynamicbatching", "usestatefilter", "statefilter", "clearfailures"):
        assert processor.find(name) is not None, name


def test_keyframes_in_the_network(scene, top) -> None:
    """One value in all keyframes is that value; values that change are refused by name."""
    hip = scene(
        top("a", "genericgenerator", {"itemcount": 3}, expressions={"itemcount": "bezier()"})
    )
    data = hip.read_bytes()
    network = open_network(hip)
    with pytest.raises(pdg.CookError, match=r"itemcount.*keyframes.*--set a\.itemcount=VALUE"):
        network.context.graph.nodes()[0].parameters.integer("itemcount")
    archive = cpio.decode(data)
    still = b"segment { options = { ai ao }\n\n\t length = 0 value = 3 0 expr = bezier() }"
    members = []
    for one in archive.members:
        text = one.data
        if one.name.endswith("/a.chn"):
            text = text.replace(b'segment { length = 0 expr = "bezier()" }', still)
        members.append(cpio.Member(one.name, text, one.header))
    hip.write_bytes(cpio.encode(cpio.Archive(tuple(members), archive.trailer)))
    parameters = open_network(hip).context.graph.nodes()[0].parameters
    assert parameters.integer("itemcount") == 3
