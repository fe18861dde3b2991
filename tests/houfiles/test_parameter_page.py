"""The picture of a parameter pane: complete, in order, and safe with any text."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from houfiles import parameterpage
from houfiles.dialogscript import Folder, Interface, Menu, ParmTemplate, decode
from houfiles.libraries import sections
from nvdiffrec_tops.assets.shipped import ASSETS

ELEMENTS = {"html", "head", "meta", "title", "style", "body", "div", "table", "tr", "td", "span"}


class Seen(HTMLParser):
    """The elements and the texts of a page's body; every element closed where it must be."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes |= {name for name, _value in attrs}
        if tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "b":
            assert "b" in self._open
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open and data.strip():
            self.texts.append(data.strip())


def dialog(root: Path, name: str) -> str:
    asset = ASSETS[name]
    folder = root / "otls" / asset.library / sections.mangle(asset.section)
    return (folder / "DialogScript").read_text(encoding="ascii")


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_every_label_and_default_of_the_assets_appears(root: Path, name: str) -> None:
    text = dialog(root, name)
    interface, joined = decode(text), parameterpage.joined(text)
    page = parameterpage.page(interface, joined)
    texts = Seen(page).texts
    words = [*texts]
    for parm in interface.parms:
        if parm.name in joined:
            assert parm.label not in words
            continue
        assert parm.label in words, parm.label
        words = words[words.index(parm.label) :]
        if parm.menu is None and parm.type not in ("toggle", "button") and parm.default[0]:
            assert parm.default[0] in words[:4]
    for folder in interface.folders:
        assert folder.label in texts
    assert interface.label in texts and "Automatic" in texts
    assert parameterpage.page(decode(text), joined) == page


def test_toggles_that_share_a_row_are_found(root: Path) -> None:
    assert parameterpage.joined(dialog(root, "nvdiffrec_train")) == {
        "useseed",
        "usetimeout",
        "usepriority",
        "local_is_CPU_number_set",
        "hqueue_is_CPU_number_set",
    }


def row(page: str, label: str) -> str:
    (found,) = [
        one for one in re.findall(r"<tr.*?</tr>", page, re.DOTALL) if f"{label}</td>" in one
    ]
    return str(found)


def test_conditions_grey_what_does_not_apply(root: Path) -> None:
    text = dialog(root, "nvdiffrec_static")
    page = parameterpage.page(decode(text), parameterpage.joined(text))
    assert "class=off" in row(page, "Seed") and "class=box" in row(page, "Seed")
    assert "class=off" in row(page, "Card Numbers")
    assert "class=off" not in row(page, "Graphics Cards")
    script = row(page, "Training Script")
    assert "class=off" in script and "with Engine: nvdiffrec (your checkout)" in script
    assert "A Folder per Item when there are Several" in row(page, "Folders")


def test_menus_show_the_label_of_their_default() -> None:
    items = (("1", "One"), ("4", "Four"))
    parms = (
        ParmTemplate("a", "A", "ordinal", default=("1",), menu=Menu("menu", items, True)),
        ParmTemplate("b", "B", "ordinal", default=("1",), menu=Menu("menu", (("x", "X"), *items))),
        ParmTemplate("c", "C", "ordinal", default=("2",), menu=Menu("menu", (("x", "X"), *items))),
        ParmTemplate("d", "D", "string", default=("other",), menu=Menu("menureplace", items)),
        ParmTemplate("e", "E", "vector", 3, ("0", "1", "2")),
        ParmTemplate("f", "F", "label", default=("as text",)),
        ParmTemplate("g", "Gone", "string", invisible=True),
    )
    page = parameterpage.page(Interface("t", "T", parms, ()))
    assert ">One<" in row(page, "A") and ">One<" in row(page, "B")
    assert ">Four<" in row(page, "C") and ">other<" in row(page, "D")
    assert row(page, "E").count("class='field number'") == 3
    assert "<td>as text</td>" in row(page, "F") and "Gone" not in page


ANY = st.text(max_size=40) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "\"'><img src=x onerror=1>",
        "</style>",
        "&lt;",
        "]]>",
        "{ a == b",
    ]
)
MENUS = st.none() | st.builds(
    Menu,
    st.sampled_from(["menu", "menureplace"]),
    st.lists(st.tuples(ANY, ANY), max_size=3).map(tuple),
    st.booleans(),
    st.just("") | ANY,
)
PARMS = st.builds(
    ParmTemplate,
    name=ANY,
    label=ANY,
    type=st.sampled_from(["toggle", "string", "ordinal", "float", "file", "button", "label"]) | ANY,
    size=st.integers(0, 99_999),
    default=st.lists(ANY, max_size=3).map(tuple),
    menu=MENUS,
    hide_when=ANY | st.just("{ a != b }"),
    disable_when=ANY,
    folders=st.lists(ANY, max_size=3).map(tuple),
)
FOLDERS = st.builds(Folder, st.sampled_from(["group", "multiparm"]), ANY, ANY)


@settings(max_examples=60)
@given(ANY, st.lists(PARMS, max_size=4), st.lists(FOLDERS, max_size=3))
def test_hostile_texts_stay_texts(
    title: str, parms: list[ParmTemplate], found: list[Folder]
) -> None:
    page = parameterpage.page(Interface("n", title, tuple(parms), tuple(found)))
    page.encode("utf-8")
    seen = Seen(page)
    assert set(seen.elements) <= ELEMENTS | {"b"}
    assert seen.attributes <= {"class", "lang", "charset"}
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", page)


def test_markup_in_a_label_is_shown_as_it_is() -> None:
    label = '<b onclick="x">&amp; "quoted"</b>'
    parm = ParmTemplate("p", label, "string", default=("<i>",))
    page = parameterpage.page(Interface("n", label, (parm,), ()))
    assert label not in page and unescape(page).count(label) == 3
    assert "&lt;i&gt;" in page and "<i>" not in page
