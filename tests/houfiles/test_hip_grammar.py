"""Scenes over the whole grammar: each opens, is understood, and comes back byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from houfiles import HouFileError, load, loads
from houfiles.containers import cpio, textscene
from houfiles.members import channels, definition, parms
from houfiles.members.definition import Wire
from houfiles.members.parms import Expression

from . import grammar
from .grammar import NETWORK, Generated

MANY = settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@MANY
@given(grammar.scenes())
def test_every_scene_opens_and_comes_back(made: Generated) -> None:
    scene = loads(made.data)
    assert scene.to_bytes() == made.data
    network = scene.network(f"/{NETWORK}")
    assert [one.name for one in network.children] == ["localscheduler", *made.nodes]
    for before, name in zip((None, *made.nodes), made.nodes, strict=False):
        node = scene.node(f"/{NETWORK}/{name}")
        assert [one.source for one in node.inputs] == ([before] if before else [])
        assert node.parms["stringvalue1"].values[0].text == made.values[name]
        assert node.flags["display"]
        assert node.user_data == {"___Version___": "2"}
        if index := node.parms.get("indexvalue"):
            assert index.values[0].text == "4"
            assert index.values[0].expression in (None, Expression("2 + 2"))
    for note in network.notes:
        assert note.definition.size == ("3", "4")
    for name, data in scene.members.items():
        if name.startswith(NETWORK) and name.endswith((".def", ".parm", ".chn", ".postitdef")):
            again = _again(name, data.decode())
            assert again == data.decode(), name


def _again(name: str, text: str) -> str:
    """A member decoded and encoded."""
    if name.endswith(".def"):
        return definition.encode(definition.decode(text))
    if name.endswith(".postitdef"):
        return definition.encode_note(definition.decode_note(text))
    if name.endswith(".chn"):
        return channels.encode(channels.decode(text))
    return parms.encode(parms.decode(text))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(grammar.scenes(), st.data())
def test_a_damaged_scene_is_refused_properly(made: Generated, data: st.DataObject) -> None:
    whole = bytearray(made.data)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(whole) - 1))
        match data.draw(st.sampled_from(["change", "cut", "insert"])):
            case "change":
                whole[at] = data.draw(st.integers(0, 255))
            case "cut":
                del whole[at : at + data.draw(st.integers(1, 30))]
            case _:
                whole[at:at] = data.draw(st.binary(min_size=1, max_size=8))
    try:
        scene = loads(bytes(whole), "shot.hip")
        assert scene.to_bytes() == bytes(whole)
        for network in scene.networks():
            network.check()
    except HouFileError as error:
        assert str(error).startswith("shot.hip: ") and str(error).isprintable()


def test_the_cases_open_and_come_back(shared: Path) -> None:
    found = sorted((shared / "cases").glob("hip-*/*.hip"))
    assert len(found) >= 4
    for path in [*found, *sorted((shared / "data").rglob("*.hip"))]:
        scene = load(path)
        assert scene.to_bytes() == path.read_bytes()
        for network in scene.networks():
            network.check()


def test_a_wire_through_dots_leads_to_its_node(shared: Path) -> None:
    scene = load(shared / "cases/hip-network-dot/scene.hip")
    assert scene.node(f"/{NETWORK}/waitforall1").inputs == [Wire(0, "train")]


CHANNELS = """{
    channel tx {
      lefttype = extend
      righttype = extend
      flags = 0
      segment { options = {\t autoslope  ai ao }

\t length = 2.5 value = 0 1 accel = 0.5 0.5 expr = bezier() }
      segment { length = 0 value = 1 0 expr = bezier() }
    }
    channel ty {
      lefttype = extend
      righttype = extend
      flags = 0
      segment { length = 0 value = 1 0 expr = bezier() }
    }
  }
"""


def test_keyframes() -> None:
    found = channels.decode(CHANNELS)
    assert channels.encode(found) == CHANNELS
    assert [one.is_constant for one in found] == [False, True]
    assert found[0].segments[0][0].values == (("autoslope", False), ("ai", False), ("ao", False))
    assert channels.encode(found[1:]) == "{\n" + CHANNELS[CHANNELS.index("    channel ty") :]


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("flags =", {}),
        ("flags =  ", {}),
        ("flags =  lock hard display on", {"lock": True, "display": True}),
        (
            "flags =  display off outputforview 4294967295",
            {"display": False, "outputforview": True},
        ),
    ],
)
def test_flags_of_other_states(text: str, flags: dict[str, bool]) -> None:
    found = definition.decode(f"{text}\nend\n")
    assert definition.encode(found) == f"{text}\nend\n"
    assert {name: state is not False for name, state in (found.flags or {}).items()} == flags


def test_old_notes_and_comments() -> None:
    note = "text Chapters/Sections\nposition 0 0\nflags =\nend\n"
    found = definition.decode_note(note)
    assert found.text == "Chapters/Sections" and not found.flags
    assert definition.encode_note(found) == note
    assert definition.decode("comment word\nend\n").comment == "word"


def test_dots_in_a_circle() -> None:
    members = [
        (f"{NETWORK}.init", b"type = topnet\nmatchesdef = 0\n"),
        (f"{NETWORK}/a.def", b"inputs\n{\n0 \t(__dot1) 0 1\n}\nend\n"),
        (f"{NETWORK}/__dot1.networkdotinit", b'{"input":"(__dot2) 0 1"}'),
        (f"{NETWORK}/__dot2.networkdotinit", b'{"input":"(__dot1) 0 1"}'),
    ]
    with pytest.raises(HouFileError, match="circle"):
        loads(grammar.packed(members, as_text=False)).network(f"/{NETWORK}")


def test_a_scene_saved_as_text(shipped: bytes) -> None:
    """The same members in the other container."""
    archive = cpio.decode(shipped)
    data = textscene.encode(textscene.TextArchive(archive.members))
    scene = loads(data)
    assert scene.to_bytes() == data and list(scene.members) == list(loads(shipped).members)
    network = scene.network(f"/{NETWORK}")
    tokens = network.children[-1]
    assert tokens.user_data == loads(shipped).node(tokens.path).user_data
    assert scene.to_bytes().startswith(b"MIME-Version: 1.0\n")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"\n", b"\r\n", "not a scene that Houdini saved|not a Houdini scene"),
        (b"text/plain\n\n", b"text/plain\n", "a part is damaged"),
        (b'filename="tasks.net"', b'filename="../tasks.net"', "leaves its folder"),
        (b"BOUNDARY--\n", b"BOUNDARY", "cut off"),
    ],
)
def test_a_damaged_text_is_refused(shipped: bytes, old: bytes, new: bytes, message: str) -> None:
    data = textscene.encode(textscene.TextArchive(cpio.decode(shipped).members))
    assert old in data
    with pytest.raises(HouFileError, match=message):
        loads(data.replace(old, new))
