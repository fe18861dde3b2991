"""MTL material libraries, as statements.

Sources: the MTL specification of Alias Wavefront (1995) and its PBR extension (Exocortex 2015,
written by Blender): ``Pr``, ``Pm``, ``map_Pr``, ``map_Pm``, ``norm``. nvdiffrec's own files say
``bsdf pbr``; in them ``Ks`` and ``map_Ks`` are occlusion, roughness and metalness.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from diffrec.reference.errors import MtlError
from diffrec.reference.lines import lines, text, without_comment

MOST_MATERIALS = 10_000
COLOURS = ("kd", "ks", "ke")
VALUES = ("pr", "pm", "ns", "d", "tr", "illum")
MAPS = {
    "map_kd": "kd",
    "map_ks": "ks",
    "map_orm": "ks",
    "map_pr": "pr",
    "map_pm": "pm",
    "norm": "norm",
    "map_norm": "norm",
    "map_kn": "norm",
    "bump": "bump",
    "map_bump": "bump",
}
"""What the maps that are read are of."""
UNUSED = (
    "map_ke", "map_d", "map_tr", "map_opacity", "map_ns", "map_ps", "disp", "map_disp", "decal",
    "refl", "map_refl", "map_ao",
)  # fmt: skip
"""Maps that would change the look, and are not read."""
_CLASSIC = ("ns", "illum")
_AT_MOST_THREE = ("-s", "-o", "-t")
_ONE_WORD = (
    "-blendu", "-blendv", "-cc", "-clamp", "-imfchan", "-texres", "-type", "-boost", "-bm",
    "-colorspace",
)  # fmt: skip


@dataclass(frozen=True)
class Map:
    """A map statement.

    Attributes:
        names: what may be the picture's name, the likeliest first: names hold spaces and ``#``.
        options: values of each option by its name, such as ``-s``.
    """

    names: tuple[str, ...]
    options: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def numbers(self, option: str, default: tuple[float, ...]) -> tuple[float, ...]:
        """An option's numbers; the rest of ``default`` where it has fewer."""
        given = [float(one) for one in self.options.get(option, ())]
        return (*given, *default[len(given) :])


@dataclass
class Statements:
    """One material as it stands in the file.

    Attributes:
        name: the whole rest of its ``newmtl`` line.
        bsdf: the shading model that it names, in lower case; '' for none.
        colours: ``kd``, ``ks``, ``ke`` by name.
        values: single numbers by name.
        maps: by what they are of, see ``MAPS``.
        unused: statements that would change the look and are not read.
    """

    name: str
    bsdf: str = ""
    colours: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    maps: dict[str, Map] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)

    @property
    def physical(self) -> bool:
        """Whether ``Ks`` means occlusion, roughness, metalness: the material says ``bsdf pbr``,
        or nothing that only a classic one says."""
        return self.bsdf == "pbr" or not any(name in self.values for name in _CLASSIC)


def read_mtl(path: Path) -> dict[str, Statements]:
    """The materials of a file by name, in file order; of two of one name the first.

    Raises:
        MtlError: it cannot be read, or a number is none.
    """
    materials: dict[str, Statements] = {}
    current: Statements | None = None
    try:
        for number, line in lines(path):
            words = line.split(None, 1)
            if not words or words[0].startswith(b"#"):
                continue
            keyword = text(words[0]).lower()
            rest = text(words[1]).strip() if len(words) > 1 else ""
            if keyword == "newmtl":
                current = Statements(rest or "unnamed")
                if materials.setdefault(current.name, current) is current:
                    _refuse_many(materials, path)
            elif current is not None:
                _statement(current, keyword, rest, f"{path}, line {number}")
    except OSError as error:
        reason = error.strerror or error
        raise MtlError(f"{path}: cannot read the material library: {reason}") from None
    except ValueError as error:
        raise MtlError(f"{path}: cannot read the material library: {error}") from None
    return materials


def _refuse_many(materials: dict[str, Statements], path: Path) -> None:
    if len(materials) > MOST_MATERIALS:
        raise MtlError(f"{path}: more than {MOST_MATERIALS} materials; is this the right file?")


def _statement(material: Statements, keyword: str, rest: str, where: str) -> None:
    if keyword in MAPS:
        found = _map(rest)
        if found.names:
            # Of norm and bump, of map_Ks and map_ORM, the last one counts.
            material.maps[MAPS[keyword]] = found
    elif keyword in UNUSED:
        if rest:
            material.unused.append(keyword)
    elif keyword == "bsdf":
        material.bsdf = rest.split()[0].lower() if rest else ""
    elif keyword in COLOURS:
        words = rest.split("#", 1)[0].split()
        if words and words[0].lower() in ("spectral", "xyz"):
            material.unused.append(f"{keyword} {words[0]}")
        else:
            material.colours[keyword] = _colour(words, where)
    elif keyword in VALUES:
        words = rest.split("#", 1)[0].split()
        if words and words[0] == "-halo":
            words = words[1:]
        material.values[keyword] = _colour(words[:1], where)[0]


def _colour(words: list[str], where: str) -> tuple[float, float, float]:
    try:
        numbers = [float(word) for word in words[:3]]
    except ValueError:
        numbers = []
    if not numbers or not all(math.isfinite(one) for one in numbers):
        said = " ".join(words)[:60]
        comma = " with decimal points" if "," in said else ""
        raise MtlError(f"{where}: a colour needs one or three numbers{comma}, not {said!r}")
    # One number means a grey, as the specification says.
    red, green, blue = numbers if len(numbers) == 3 else (numbers[0],) * 3
    return (red, green, blue)


def _map(rest: str) -> Map:
    """Options, then a name of one or more words; an option takes numbers as long as some come."""
    options: dict[str, tuple[str, ...]] = {}
    given: tuple[str, ...] = ()
    while True:
        words = rest.split(None, 1)
        option = words[0].lower() if len(words) == 2 else ""
        if option in _AT_MOST_THREE or option == "-mm":
            most = 2 if option == "-mm" else 3
            given, rest = _leading_numbers(words[1], most)
            options[option] = given
        elif option in _ONE_WORD:
            value, after = _first(words[1])
            if option in ("-bm", "-boost", "-texres") and not _is_number(value):
                rest = words[1]  # its number is missing: this is the name
                continue
            options[option] = (value,)
            rest, given = after, ()
        else:
            break
    whole = rest.strip()
    unquoted = whole.strip('"')
    names = [whole, unquoted, without_comment(whole).strip('"')]
    # The last numbers may have been the name's own: "-s 2 1 0.png" of a picture "1 0.png".
    names += [" ".join((*given[at:], whole)) for at in range(len(given) - 1, -1, -1)]
    return Map(tuple(dict.fromkeys(name for name in names if name and "\0" not in name)), options)


def _leading_numbers(rest: str, most: int) -> tuple[tuple[str, ...], str]:
    """At most so many numbers, and what follows; the last word is a name, whatever it is."""
    found: list[str] = []
    while len(found) < most:
        word, after = _first(rest)
        if not after or not _is_number(word):
            break
        found.append(word)
        rest = after
    return tuple(found), rest


def _first(rest: str) -> tuple[str, str]:
    word, *after = rest.split(None, 1)
    return word, after[0].strip() if after else ""


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False
