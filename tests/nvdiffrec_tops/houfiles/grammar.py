"""Scenes over the whole grammar that Houdini writes, for property tests.

One TOP network is well-formed; what stands outside it may hold anything.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from hypothesis import strategies as st

from nvdiffrec_tops.houfiles import cpio, options, textscene
from nvdiffrec_tops.houfiles.quoting import escape, needs_quotes, quote
from nvdiffrec_tops.houfiles.textscene import TextArchive, TextMember

NETWORK = "tasks/topnet1"
# Chosen texts, since drawing letters takes most of the time of a thousand scenes.
WORD = st.sampled_from(["a", "b_2", "Chapters", "shot", "value", "end_", "inputs1", "_x"])
TEXT = st.sampled_from(
    [
        *("", "x", 'say "hi"', "\\", "two words", "{ }", "{", "}", ")", "(", "[", "[ x", "]"),
        *('`chs("../a")`', "end", "inputs", "flags =  lock off", "$HIP/x y", "#", "\t", "é"),
        *("it's", "a = b", "set -g A = 'b'", "C:\\a\\b.exe", '"', '\\"', "0", "-1", "on", "()"),
    ]
)
LINES = st.lists(TEXT, min_size=1, max_size=3).map("\n".join)
NUMBER = st.integers(-99, 99).map(str) | st.sampled_from(["0.5", "1e-07", "-2.25", "1e+06"])
BYTES = (b"\0", b"\xff" * 9, b"end\n", b"{", b"{\nversion 0.8\n", b"9\nx\n", b"INDX", b"sopflags")
STATE = st.sampled_from(["on", "off", "hard", "soft", "0", "4294967295"])


def spelled(text: str) -> str:
    """A word as Houdini writes it."""
    return quote(text) if needs_quotes(text) else escape(text)


@st.composite
def flags(draw: st.DrawFn) -> str:
    found = draw(st.dictionaries(WORD, STATE, max_size=3))
    line = " ".join(f"{name} {state}" for name, state in found.items())
    return (
        draw(st.sampled_from(["flags =", "flags = ", "flags =  "])) + (" " if line else "") + line
    )


@st.composite
def channel(draw: st.DrawFn, name: str, expression: str) -> str:
    """A channel: an expression, or keyframes whose segments may carry options."""
    lines = [f"    channel {name} {{", "      lefttype = extend", "      righttype = extend"]
    if draw(st.booleans()):
        lines.append(f"      default = {draw(NUMBER)}")
    lines.append("      flags = 0")
    if expression:
        language = draw(st.sampled_from(["", " language = hscript"]))
        lines.append(f"      segment {{ length = 0 expr = {spelled(expression)}{language} }}")
    else:
        for _ in range(draw(st.integers(1, 3))):
            words = " ".join(draw(st.lists(st.sampled_from(["autoslope", "ai", "ao"]), max_size=3)))
            blank = draw(st.sampled_from([f"options = {{\t {words} }}\n\n\t ", ""]))
            extra = draw(st.sampled_from(["", "slope = 0 0 ", "accel = 0.5 0.5 "]))
            shape = draw(st.sampled_from(["bezier()", "linear()", "constant()"]))
            lines.append(
                f"      segment {{ {blank}length = {draw(NUMBER)} value = 4 4 {extra}"
                f"expr = {shape} }}"
            )
    return "\n".join([*lines, "    }"])


@st.composite
def definition(draw: st.DrawFn, wires: str, named: str, shown: bool = False) -> str:
    comment = draw(LINES.map(quote) | st.just('""') | WORD)
    state = f"flags =  lock off display {'on' if shown else 'off'} bypass off"
    extra = draw(st.sampled_from(["", " outputforview 4294967295", " debug off", " lowdetail on"]))
    before = draw(
        st.sampled_from(["", "sopflags sopflags = \n", "unknown line of a new version\n"])
    )
    return (
        f"{before}comment {comment}\nposition {draw(NUMBER)} {draw(NUMBER)}\nconnectornextid 9\n"
        f'{state}{extra}\noutputsNamed3\n{{\n0 "output1"\n}}\ninputsNamed3\n{{\n{named}}}\n'
        f"inputs\n{{\n{wires}}}\nstat\n{{\n  create 1\n  modify 2\n  author a@b c\n"
        f'  access 0777\n}}\ncolor UT_Color RGB 0.8 0.8 0.8 \ndelscript ""\n'
        "exprlanguage hscript\nend\n"
    )


@st.composite
def note(draw: st.DrawFn) -> str:
    """A sticky note, also as 12.5 to 15.5 wrote them: words without quotes, empty flags."""
    text = draw(LINES.map(quote) | WORD)
    return (
        f"text {text}\nposition {draw(NUMBER)} {draw(NUMBER)}\nsize 3 4\n{draw(flags())}\n"
        "stat\n{\n  create 1\n  modify 2\n  author a@b\n  access 0777\n}\n"
        "color UT_Color RGB 1 0.969 0.522 \nend\n"
    )


@st.composite
def parms(draw: st.DrawFn, known: dict[str, str]) -> str:
    """Known parameters with what else Houdini may write beside them."""
    lines = [f"{name}\t[ 0\tlocks=0 ]\t(\t{value}\t)" for name, value in known.items()]
    if draw(st.booleans()):
        lines.append("sepparm\t[ 0\tlocks=0 ]\t(\t)")
    if draw(st.booleans()):
        lines.append(draw(st.sampled_from(["sepparm5", "labelparm\t[ 0\tlocks=0 ]"])))
    for number in range(draw(st.integers(0, 2))):
        state = draw(st.sampled_from(["0\tlocks=0", "8\tlocks=3\tautoscope=0\tautosel=4294967295"]))
        lines.append(f"later{number}\t[ {state} ]\t(\t{spelled(draw(LINES))}\t)")
    return "\n".join(["{", "version 0.8", *lines, "}", ""])


@dataclass
class Generated:
    """A scene: its bytes, the names of its nodes in wired order, and a parameter of each."""

    data: bytes
    nodes: tuple[str, ...]
    values: dict[str, str]


@st.composite
def variables(draw: st.DrawFn) -> str:
    found = draw(st.lists(st.tuples(st.sampled_from("gl"), WORD, LINES), max_size=3))
    lines = "".join(f"set -{kind} V{name} = '{text}'\n" for kind, name, text in found)
    return "set -g HIP = '/elsewhere'\n" + lines + "set -g _HIP_SAVEVERSION = '20.5.445'\n"


@st.composite
def elsewhere(draw: st.DrawFn) -> list[tuple[str, bytes]]:
    """Members outside the network: of any content, also damaged and twice there."""
    kinds = ("init", "def", "parm", "chn", "userdata", "order", "net", "inp", "postitdef")
    places = st.sampled_from(["obj/geo1", "obj/geo1/box1", "out/mantra1", "stage/lop1", "obj"])
    names = st.builds("{}.{}".format, places, st.sampled_from([*kinds, "networkdotinit", "other"]))
    names |= st.sampled_from([".OPlibraries", ".OPfallbacks", ".OPdummydefs", ".takes", ".start2"])
    good = st.sampled_from(
        [b"", b"type = geo\nmatchesdef = 0\n", b"type = topnet\nmatchesdef = 0\n", b"1\n"]
    )
    return draw(st.lists(st.tuples(names, good | st.sampled_from(BYTES)), max_size=6))


@st.composite
def scene(draw: st.DrawFn) -> Generated:
    """A scene with a chain of nodes in one TOP network, wired directly or through dots."""
    type_name = draw(st.sampled_from(["topnet", "topnetmgr"]))
    count = draw(st.integers(1, 3))
    names = tuple(f"n{number}" for number in range(count))
    members: list[tuple[str, bytes]] = [
        (".start", b"tcur 0\nfps 24\n"),
        (".variables", draw(variables()).encode()),
        *draw(elsewhere()),
        ("tasks.def", draw(definition("", "")).encode()),
        (f"{NETWORK}.init", f"type = {type_name}\nmatchesdef = 0\n".encode()),
        (f"{NETWORK}.def", draw(definition("", "")).encode()),
        (f"{NETWORK}.parm", draw(parms({"topscheduler": "localscheduler"})).encode()),
    ]
    if draw(st.booleans()):
        members.append((f"{NETWORK}/__stickynote1.postitinit", b"type = postitnote\n"))
        members.append((f"{NETWORK}/__stickynote1.postitdef", draw(note()).encode()))
    members.append((f"{NETWORK}/localscheduler.init", b"type = localscheduler\nmatchesdef = 0\n"))
    members.append((f"{NETWORK}/localscheduler.def", draw(definition("", "")).encode()))
    values: dict[str, str] = {}
    for number, name in enumerate(names):
        wires, named = "", ""
        if number:
            source, dots = names[number - 1], draw(st.integers(0, 2))
            for dot in range(dots):
                given = {"version": 1, "posx": 1.5, "color": "FROMOUTPUT", "input": f"{source} 0 1"}
                source = f"(__dot{number}{dot})"
                members.append(
                    (
                        f"{NETWORK}/__dot{number}{dot}.networkdotinit",
                        json.dumps(given, indent="\t").encode() + b"\n",
                    )
                )
            wires = f"0 \t{source} 0 1\n" + draw(st.sampled_from(["", '1 \t"" 0 1\n']))
            identity = '""' if dots else "0"
            named = f'1 \t{source} {identity} 1 "input1"\n'
        base = f"{NETWORK}/{name}"
        text = draw(WORD)
        values[name] = text
        known = {
            "stringattribs": "1",
            "stringname1": "s",
            "stringvalue1": spelled(text),
            "usecondition": '"off"',
        }
        driven: list[str] = []
        if draw(st.booleans()):
            known["indexvalue"] = "[ indexvalue\t4 ] "
            driven.append(draw(channel("indexvalue", draw(st.sampled_from(["", "2 + 2"])))))
        members += [
            (f"{base}.init", b"type = attributecreate\nmatchesdef = 0\n"),
            (f"{base}.def", draw(definition(wires, named, number == count - 1)).encode()),
            (f"{base}.parm", draw(parms(known)).encode()),
            (f"{base}.userdata", options.encode({"___Version___": "2"})),
        ]
        if driven:
            members.insert(-2, (f"{base}.chn", "\n".join(["{", *driven, "  }", ""]).encode()))
    order = ["localscheduler", *names]
    members.append((f"{NETWORK}.order", "\n".join([str(len(order)), *order, ""]).encode()))
    members += [(f"{NETWORK}.net", b"1\n"), ("tasks.net", b"1\n")]
    return Generated(packed(members, draw(st.booleans())), names, values)


def packed(members: list[tuple[str, bytes]], as_text: bool) -> bytes:
    """The members as a file: an archive, or a scene saved as text."""
    if not as_text:
        archive = cpio.Archive(tuple(cpio.Member(*one) for one in members))
        return cpio.encode(archive, repeats=True)
    parts = []
    for name, data in members:
        binary = b"\0" in data
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            binary = True
        kind = "application/octet-stream" if binary else "text/plain"
        parts.append(TextMember(name, data, kind=kind, base64=binary))
    return textscene.encode(TextArchive(tuple(parts)))
