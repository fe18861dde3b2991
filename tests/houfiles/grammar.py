"""Scenes over the whole grammar that Houdini writes, for property tests.

One TOP network is well-formed; what stands outside it may hold anything. A scene is made from a
number, since a thousand of them would take too long if each choice in them were drawn.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random

from hypothesis import strategies as st

from houfiles.containers import cpio, textscene
from houfiles.containers.textscene import TextArchive, TextMember
from houfiles.members import options
from houfiles.quoting import escape, needs_quotes, quote

NETWORK = "tasks/topnet1"
WORDS = ("a", "b_2", "Chapters/Sections", "shot", "value", "end_", "inputs1", "_x")
TEXTS = (
    *("", "x", 'say "hi"', "\\", "two words", "{ }", "{", "}", ")", "(", "[", "[ x", "]"),
    *('`chs("../a")`', "end", "inputs", "flags =  lock off", "$HIP/x y", "#", "\t", "é"),
    *("it's", "a = b", "set -g A = 'b'", "C:\\a\\b.exe", '"', '\\"', "0", "-1", "on", "()"),
)
NUMBERS = ("0", "1", "-17", "0.5", "1e-07", "-2.25", "1e+06")
STATES = ("on", "off", "hard", "soft", "0", "4294967295")
BYTES = (b"", b"\0", b"\xff" * 9, b"end\n", b"{", b"{\nversion 0.8\n", b"9\nx\n", b"INDX", b"1\n")


@dataclass
class Generated:
    """A scene: its bytes, the names of its nodes in wired order, and a parameter of each."""

    data: bytes
    nodes: tuple[str, ...]
    values: dict[str, str]


def scenes() -> st.SearchStrategy[Generated]:
    """Scenes with a chain of nodes in one TOP network, wired directly or through dots."""
    return st.integers(0, 2**64 - 1).map(lambda seed: _scene(Random(seed)))


def packed(members: list[tuple[str, bytes]], as_text: bool) -> bytes:
    """The members as a file: an archive, or a scene saved as text."""
    if not as_text:
        archive = cpio.Archive(tuple(cpio.Member(*one) for one in members))
        return cpio.encode(archive, repeats=True)
    parts = []
    for name, data in members:
        binary = b"\0" in data or b"\xff" in data
        kind = "application/octet-stream" if binary else "text/plain"
        parts.append(TextMember(name, data, kind=kind, base64=binary))
    return textscene.encode(TextArchive(tuple(parts)))


def _spelled(text: str) -> str:
    """A word as Houdini writes it."""
    return quote(text) if needs_quotes(text) else escape(text)


def _lines(rng: Random) -> str:
    return "\n".join(rng.choices(TEXTS, k=rng.randint(1, 3)))


def _channel(rng: Random, name: str, expression: str) -> str:
    """A channel: an expression, or keyframes whose segments may carry options."""
    lines = [f"    channel {name} {{", "      lefttype = extend", "      righttype = extend"]
    if rng.random() < 0.5:
        lines.append(f"      default = {rng.choice(NUMBERS)}")
    lines.append("      flags = 0")
    if expression:
        language = rng.choice(["", " language = hscript"])
        lines.append(f"      segment {{ length = 0 expr = {_spelled(expression)}{language} }}")
    else:
        for _ in range(rng.randint(1, 3)):
            words = " ".join(rng.choices(["autoslope", "ai", "ao"], k=rng.randint(0, 3)))
            blank = rng.choice([f"options = {{\t {words} }}\n\n\t ", ""])
            extra = rng.choice(["", "slope = 0 0 ", "accel = 0.5 0.5 "])
            shape = rng.choice(["bezier()", "linear()", "constant()"])
            lines.append(
                f"      segment {{ {blank}length = {rng.choice(NUMBERS)} value = 4 4 {extra}"
                f"expr = {shape} }}"
            )
    return "\n".join([*lines, "    }"])


def _definition(rng: Random, wires: str = "", named: str = "", shown: bool = False) -> bytes:
    comment = rng.choice([quote(_lines(rng)), '""', rng.choice(WORDS)])
    state = f"flags =  lock {rng.choice(STATES)} display {'on' if shown else 'off'} bypass off"
    extra = rng.choice(["", " outputforview 4294967295", " debug off", " lowdetail on"])
    before = rng.choice(["", "sopflags sopflags = \n", "unknown line of a new version\n"])
    place = f"position {rng.choice(NUMBERS)} {rng.choice(NUMBERS)}"
    return (
        f"{before}comment {comment}\n{place}\nconnectornextid 9\n"
        f'{state}{extra}\noutputsNamed3\n{{\n0 "output1"\n}}\ninputsNamed3\n{{\n{named}}}\n'
        f"inputs\n{{\n{wires}}}\nstat\n{{\n  create 1\n  modify 2\n  author a@b c\n"
        f'  access 0777\n}}\ncolor UT_Color RGB 0.8 0.8 0.8 \ndelscript ""\n'
        "exprlanguage hscript\nend\n"
    ).encode()


def _note(rng: Random) -> bytes:
    """A sticky note, also as 12.5 to 15.5 wrote them: words without quotes, empty flags."""
    text = rng.choice([quote(_lines(rng)), rng.choice(WORDS)])
    flags = rng.choice(["flags =", "flags = ", "flags = minimize off", "flags =  minimize on"])
    return (
        f"text {text}\nposition {rng.choice(NUMBERS)} 0\nsize 3 4\n{flags}\n"
        "stat\n{\n  create 1\n  modify 2\n  author a@b\n  access 0777\n}\n"
        "color UT_Color RGB 1 0.969 0.522 \nend\n"
    ).encode()


def _parms(rng: Random, known: dict[str, str]) -> bytes:
    """Known parameters with what else Houdini may write beside them."""
    lines = [f"{name}\t[ 0\tlocks=0 ]\t(\t{value}\t)" for name, value in known.items()]
    lines += rng.choice([[], ["sepparm\t[ 0\tlocks=0 ]\t(\t)"]])
    lines += rng.choice([[], ["sepparm5"], ["labelparm\t[ 0\tlocks=0 ]"]])
    for number in range(rng.randint(0, 2)):
        state = rng.choice(["0\tlocks=0", "8\tlocks=3\tautoscope=0\tautosel=4294967295"])
        lines.append(f"later{number}\t[ {state} ]\t(\t{_spelled(_lines(rng))}\t)")
    return "\n".join(["{", "version 0.8", *lines, "}", ""]).encode()


def _variables(rng: Random) -> bytes:
    lines = "".join(
        f"set -{rng.choice('gl')} V{rng.randint(0, 3)} = '{_lines(rng)}'\n"
        for _ in range(rng.randint(0, 3))
    )
    return f"set -g HIP = '/elsewhere'\n{lines}set -g _HIP_SAVEVERSION = '20.5.445'\n".encode()


def _elsewhere(rng: Random) -> list[tuple[str, bytes]]:
    """Members outside the network: of any content, also damaged and twice there."""
    kinds = ("init", "def", "parm", "chn", "userdata", "order", "net", "inp", "postitdef", "other")
    places = ("obj/geo1", "obj/geo1/box1", "out/mantra1", "stage/lop1", "obj")
    types = (b"type = geo\nmatchesdef = 0\n", b"type = topnet\nmatchesdef = 0\n")
    found = []
    for _ in range(rng.randint(0, 6)):
        name = f"{rng.choice(places)}.{rng.choice((*kinds, 'networkdotinit'))}"
        name = rng.choice([name, name, name, ".OPlibraries", ".OPfallbacks", ".OPdummydefs"])
        found.append((name, rng.choice((*types, *BYTES))))
    return found


def _dots(rng: Random, source: str, number: int) -> tuple[str, list[tuple[str, bytes]]]:
    """What a wire from a node names, and the dots that it runs through."""
    members = []
    for dot in range(rng.choice([0, 0, 1, 2])):
        given = {"version": 1, "posx": 1.5, "color": "FROMOUTPUT", "input": f"{source} 0 1"}
        source = f"(__dot{number}{dot})"
        name = f"{NETWORK}/__dot{number}{dot}.networkdotinit"
        members.append((name, json.dumps(given, indent="\t").encode() + b"\n"))
    return source, members


def _node(rng: Random, name: str, text: str, wires: str, named: str) -> list[tuple[str, bytes]]:
    base = f"{NETWORK}/{name}"
    known = {"stringattribs": "1", "stringname1": "s", "stringvalue1": _spelled(text)}
    known["usecondition"] = '"off"'
    driven = b""
    if rng.random() < 0.5:
        known["indexvalue"] = "[ indexvalue\t4 ] "
        channel = _channel(rng, "indexvalue", rng.choice(["", "2 + 2"]))
        driven = f"{{\n{channel}\n  }}\n".encode()
    return [
        (f"{base}.init", b"type = attributecreate\nmatchesdef = 0\n"),
        (f"{base}.def", _definition(rng, wires, named, shown=True)),
        *([(f"{base}.chn", driven)] if driven else []),
        (f"{base}.parm", _parms(rng, known)),
        (f"{base}.userdata", options.encode({"___Version___": "2"})),
    ]


def _scene(rng: Random) -> Generated:
    names = tuple(f"n{number}" for number in range(rng.randint(1, 3)))
    type_name = rng.choice(["topnet", "topnetmgr"])
    members: list[tuple[str, bytes]] = [
        (".start", b"tcur 0\nfps 24\n"),
        (".variables", _variables(rng)),
        *_elsewhere(rng),
        ("tasks.def", _definition(rng)),
        (f"{NETWORK}.init", f"type = {type_name}\nmatchesdef = 0\n".encode()),
        (f"{NETWORK}.def", _definition(rng)),
        (f"{NETWORK}.parm", _parms(rng, {"topscheduler": "localscheduler"})),
    ]
    if rng.random() < 0.5:
        members.append((f"{NETWORK}/__stickynote1.postitinit", b"type = postitnote\n"))
        members.append((f"{NETWORK}/__stickynote1.postitdef", _note(rng)))
    members.append((f"{NETWORK}/localscheduler.init", b"type = localscheduler\nmatchesdef = 0\n"))
    members.append((f"{NETWORK}/localscheduler.def", _definition(rng)))
    values = {name: rng.choice(WORDS) for name in names}
    for number, name in enumerate(names):
        wires = named = ""
        if number:
            source, dots = _dots(rng, names[number - 1], number)
            members += dots
            wires = f"0 \t{source} 0 1\n" + rng.choice(["", '1 \t"" 0 1\n'])
            identity = '""' if dots else "0"
            named = f'1 \t{source} {identity} 1 "input1"\n'
        members += _node(rng, name, values[name], wires, named)
    order = ["localscheduler", *names]
    members.append((f"{NETWORK}.order", "\n".join([str(len(order)), *order, ""]).encode()))
    members += [(f"{NETWORK}.net", b"1\n"), ("tasks.net", b"1\n")]
    return Generated(packed(members, rng.random() < 0.5), names, values)
