"""The page about a cook's scenes: what it says, whatever scenes and paths are called."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nvdiffrec_tops.cook import summary, webpage
from nvdiffrec_tops.cook.summary import SceneRow, rows_of_report, write_summary

PNG = b"\x89PNG\r\n\x1a\n"
TAGS = frozenset(
    {"html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "h3", "ul", "li", "b"}
    | {"p", "section", "a", "bdi", "div", "input", "label", "table", "thead", "tbody", "tr", "th"}
    | {"td", "span", "figure", "figcaption", "img"}
)
ATTRIBUTES = frozenset(
    {"lang", "charset", "name", "http-equiv", "content", "class", "href", "src", "alt", "title"}
    | {"type", "id", "for", "checked", "scope", "loading"}
)
VOID = {"meta", "input", "img"}


class Page(HTMLParser):
    """A page read back: every tag with its attributes, and the text in each kind of tag."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _value in attrs]
        assert len(set(names)) == len(names)
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((tuple(self._open), data))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data}")

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def said(self, inside: str) -> list[str]:
        return [text for where, text in self.texts if inside in where]

    def addresses(self) -> Iterator[str]:
        for _tag, attributes in self.tags:
            for name in ("href", "src"):
                if name in attributes:
                    yield attributes[name]


def _shown(text: str) -> str:
    return webpage._UNPRINTABLE.sub("\ufffd", text)


HOSTILE = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="<>&\"'/=! \\\x00\n-x", max_size=30),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "' onmouseover='alert(1)",
            "</title><script>",
            "</style><script>",
            "<!--",
            "--><!DOCTYPE x>",
            "<![CDATA[",
            "javascript:alert(1)",
            "@TITLE@",
            "\udcff\u202egpj.exe",
            "&lt;b&gt;",
            "a. Cure: <b>b</b>",
        ]
    ),
)
NUMBER = st.one_of(st.none(), st.floats())
FILE = st.text(alphabet=st.characters(exclude_characters="/\x00", codec="utf-8"), min_size=1).map(
    lambda text: text.strip(".") or "x"
)
PATHS = st.one_of(st.none(), FILE.map(lambda name: Path("/shows", name)), st.just(Path("rel/a b")))
ROWS = st.builds(
    SceneRow,
    name=HOSTILE,
    state=st.one_of(st.sampled_from(webpage.STATES), HOSTILE),
    psnr=NUMBER,
    psnr_pass1=NUMBER,
    faces=st.one_of(st.none(), st.integers()),
    seconds=st.one_of(st.none(), st.floats(min_value=0)),
    machine=HOSTILE,
    message=HOSTILE,
    cause=HOSTILE,
    cure=HOSTILE,
    result_folder=PATHS,
    log=PATHS,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ROWS, max_size=4), HOSTILE, st.lists(HOSTILE, max_size=2), FILE)
def test_no_name_becomes_markup(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[SceneRow],
    title: str,
    problems: list[str],
    folder: str,
) -> None:
    place = tmp_path_factory.mktemp("page")
    results = place / "sets" / folder[:40]
    try:
        results.mkdir(parents=True, exist_ok=True)
    except OSError:  # longer than a file name may be
        results = place
    sheet = results / "contact_sheet.png"
    sheet.write_bytes(PNG)
    given_rows = [
        *rows,
        SceneRow("hostile" + folder, "trained", result_folder=results, contact_sheet=sheet),
    ]
    page = Page(write_summary(place, given_rows, title=title, problems=problems))

    assert {tag for tag, _attributes in page.tags} <= TAGS
    assert {name for _tag, attributes in page.tags for name in attributes} <= ATTRIBUTES
    for address in page.addresses():
        assert address.startswith(("#scene", "./", "../", "file:///")), address
        assert not urlsplit(address).netloc
    [image] = page.of("img")
    assert os.path.normpath(place / os.fsdecode(unquote_to_bytes(image["src"]))) == str(sheet)
    assert "".join(page.said("title")) == _readable(title)
    assert "".join(page.said("h1")) == _readable(title)
    names = "".join(page.said("bdi"))
    for row in given_rows:
        assert _readable(row.name) in names


def _readable(text: str) -> str:
    """As a reader of the page sees it: Python writes line ends of all kinds as they are."""
    return _shown(text).replace("\r\n", "\n").replace("\r", "\n")


def test_the_page_allows_no_script(tmp_path: Path) -> None:
    page = Page(write_summary(tmp_path, [SceneRow("a", "trained")]))
    policies = [one["content"] for one in page.of("meta") if "http-equiv" in one]
    assert policies == ["default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'"]


@given(st.lists(ROWS, max_size=3), st.one_of(st.none(), st.floats()))
@settings(max_examples=60, deadline=None)
def test_the_data_beside_the_page_is_plain_json(
    tmp_path_factory: pytest.TempPathFactory, rows: list[SceneRow], seconds: float | None
) -> None:
    place = tmp_path_factory.mktemp("page")
    seconds = abs(seconds) if seconds is not None and math.isfinite(seconds) else None
    write_summary(place, rows, seconds=seconds)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    document = json.loads((place / "summary.json").read_text(), parse_constant=refuse)
    assert document["format"] == "tops-nvdiffrec-summary"
    assert [row["name"] for row in document["rows"]] == [row.name for row in rows]
    for row, read in zip(rows, document["rows"], strict=True):
        finite = row.psnr is not None and math.isfinite(row.psnr)
        assert read["psnr"] == (row.psnr if finite else None)


MEMORY = {"cause": "no memory is left: Cure: is the name of a band", "cure": "a smaller batch"}
ROWS_OF_A_WEDGE = [
    SceneRow("castle", "trained", 31.5, 29.25, 12345, 4000.0, "node7"),
    SceneRow("dragon", "reused", 24.0, 22.0, 900, 61.0, "node8"),
    SceneRow("bridge", "failed", message="exit code 1. ...", id="memory", **MEMORY),
    SceneRow("tower", "failed", message="exit code 3 on node9. ...", id="memory", **MEMORY),
    SceneRow("gate", "not trained", message="it waits for environment_1"),
]


def _body(page: Page, path: Path, order: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    start = text.index(f'<tbody class="by-{order}">')
    body = text[start : text.index("</tbody>", start)]
    return sorted((one.name for one in ROWS_OF_A_WEDGE), key=lambda name: body.index(name))


def test_what_the_page_says(tmp_path: Path) -> None:
    path = write_summary(
        tmp_path / "new" / "page", ROWS_OF_A_WEDGE, title="My wedge", seconds=4100.0
    )
    assert path == tmp_path / "new" / "page" / "index.html"
    page = Page(path)
    counts = "".join(page.said("header")).replace("\n", " ")
    for fact in ("1 trained", "2 failed", "1 reused", "1 not trained", "1 h 06 min of training"):
        assert fact in counts
    assert "1 h 08 min in all" in counts
    # One panel for what has one cause.
    assert page.said("section").count(MEMORY["cause"]) == 1
    assert "".join(page.said("section")).count("a smaller batch") == 1
    table = " ".join(page.said("td"))
    for fact in ("29.25 dB", "31.50 dB", "12,345", "node7", "it waits for environment_1"):
        assert fact in table
    assert _body(page, path, "state") == ["bridge", "tower", "gate", "castle", "dragon"]
    assert _body(page, path, "psnr") == ["dragon", "castle", "bridge", "tower", "gate"]
    document = json.loads((path.parent / "summary.json").read_text())
    assert document["counts"]["failed"] == 2
    assert document["rows"][0]["machine"] == "node7"


def test_an_empty_cook_has_a_page(tmp_path: Path) -> None:
    page = Page(write_summary(tmp_path, [], problems=["the network has no scenes"]))
    assert "No scene." in "".join(page.said("p"))
    assert "the network has no scenes" in page.said("section")


# -- where the sheets are -----------------------------------------------------------------------
def _sheet(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "contact_sheet.png").write_bytes(PNG)
    return folder / "contact_sheet.png"


def _image(page: Path) -> str:
    [image] = Page(page).of("img")
    return image["src"]


def test_a_sheet_nearby_is_linked(tmp_path: Path) -> None:
    below = _sheet(tmp_path / "out" / "my scene")
    row = SceneRow("a", "trained", contact_sheet=below)
    assert _image(write_summary(tmp_path / "out", [row])) == "./my%20scene/contact_sheet.png"
    assert _image(write_summary(tmp_path / "page", [row])) == "../out/my%20scene/contact_sheet.png"
    assert sorted(one.name for one in (tmp_path / "page").iterdir()) == [
        "index.html",
        "summary.json",
    ]


def test_a_sheet_elsewhere_is_copied_beside_the_page(tmp_path: Path) -> None:
    far = _sheet(tmp_path / "farm" / "out" / "a")
    place = tmp_path / "home" / "ana" / "pages" / "wedge"
    row = SceneRow("a", "trained", contact_sheet=far, result_folder=far.parent)
    page = write_summary(place, [row])
    source = _image(page)
    assert source.startswith("./contact_sheets/")
    assert (place / source).read_bytes() == PNG
    assert far.parent.as_uri() in list(Page(page).addresses())
    far.write_bytes(PNG + b"newer")
    write_summary(place, [row])
    assert (place / source).read_bytes() == PNG + b"newer"
    assert len(list((place / "contact_sheets").iterdir())) == 1


def test_a_sheet_that_is_gone_is_left_out(tmp_path: Path) -> None:
    row = SceneRow("a", "trained", contact_sheet=tmp_path / "gone.png")
    assert Page(write_summary(tmp_path, [row])).of("img") == []


def test_a_folder_called_like_an_address_stays_a_folder(tmp_path: Path) -> None:
    sheet = _sheet(tmp_path / "javascript:alert(1)")
    source = _image(write_summary(tmp_path, [SceneRow("a", "trained", contact_sheet=sheet)]))
    assert urlsplit(source).scheme == ""
    assert unquote(source) == "./javascript:alert(1)/contact_sheet.png"


def test_pages_of_others_are_left_alone(tmp_path: Path) -> None:
    write_summary(tmp_path, [SceneRow("first", "trained")])
    assert "second" in write_summary(tmp_path, [SceneRow("second", "trained")]).read_text()
    for name in ("index.html", "summary.json"):
        place = tmp_path / f"with {name}"
        place.mkdir()
        (place / name).write_text("mine")
        with pytest.raises(FileExistsError, match="name another folder"):
            write_summary(place, [])
        assert [one.name for one in place.iterdir()] == [name]
        assert (place / name).read_text() == "mine"


def test_a_page_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = write_summary(tmp_path, [SceneRow("first", "trained")])

    def full(*_paths: object, **_folders: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nvdiffrec_tops.cook.summary.os.replace", full)
    with pytest.raises(OSError, match="No space"):
        write_summary(tmp_path, [SceneRow("second", "trained")])
    assert "first" in page.read_text()
    assert len(list(tmp_path.iterdir())) == 2


# -- rows of a report ---------------------------------------------------------------------------
def _item(name: str, state: str, **members: Any) -> dict[str, Any]:
    return {
        "name": name,
        "node": "train",
        "stateName": state,
        "command": "python -I -X utf8 /clone/python3.11libs/nvdiffrec_tops/job/__main__.py --x=1",
        "attributes": {},
        "outputs": [],
        "expectedOutputs": [],
        "log": None,
        "warnings": [],
        "cause": "",
        **members,
    }


def _report(*items: dict[str, Any], **members: Any) -> dict[str, Any]:
    nodes = [{"name": "train", "type": "genericgenerator", "errors": []}]
    return {"version": 1, "errors": [], "nodes": nodes, "items": list(items), **members}


def _result(folder: Path, **members: Any) -> dict[str, list[str]]:
    folder.mkdir(parents=True)
    document = {
        "format": "tops-nvdiffrec-result",
        "version": 1,
        "status": "done",
        "host": "node3",
        "seconds": 95.5,
        "metrics": {"psnr": 32.0, "psnr_pass1": 29.5, "faces": 3550},
        "failure": None,
        **members,
    }
    (folder / "result.json").write_text(json.dumps(document))
    (folder / "contact_sheet.png").write_bytes(PNG)
    return {"OUTPUT_DIR": [str(folder)], "CONFIG_NAME": ["castle.json"]}


def test_a_training_with_its_figures(tmp_path: Path) -> None:
    attributes = _result(tmp_path / "castle")
    [row] = rows_of_report(_report(_item("train_1", "CookedSuccess", attributes=attributes)))
    assert row == SceneRow(
        "castle",
        "trained",
        32.0,
        29.5,
        3550,
        95.5,
        "node3",
        "",
        tmp_path / "castle",
        tmp_path / "castle" / "contact_sheet.png",
    )


def test_what_the_work_item_says_goes_before_the_file(tmp_path: Path) -> None:
    attributes: dict[str, list[Any]] = {**_result(tmp_path / "castle"), "machine": ["node9"]}
    attributes["psnr"] = [30.5]
    items = [
        _item("a", "CookedSuccess", attributes=attributes, warnings=["one", "two", "one"]),
        _item("b", "CookedCache", attributes=attributes),
    ]
    trained, reused = rows_of_report(_report(*items))
    assert (trained.psnr, trained.machine, trained.message) == (30.5, "node9", "one. two")
    # Where it was trained then, not what looked at the files now.
    assert (reused.state, reused.machine, reused.faces) == ("reused", "node3", 3550)


def test_a_job_that_found_its_results_in_place_has_trained_nothing(tmp_path: Path) -> None:
    log = tmp_path / "train_1.log"
    log.write_text("Job: up to date, outputs in /x\n")
    attributes = _result(tmp_path / "castle")
    item = _item("train_1", "CookedSuccess", attributes=attributes, log=str(log))
    [row] = rows_of_report(_report(item))
    assert (row.state, row.log) == ("reused", log)


def test_a_failure_shows_no_figures_of_an_earlier_training(tmp_path: Path) -> None:
    attributes = {**_result(tmp_path / "castle"), "psnr": [32.0], "machine": ["node2"]}
    failure = {"id": "memory", "cause": "no memory", "cure": "less"}
    item = _item("train_1", "CookedFail", attributes=attributes, cause="text", failure=failure)
    [row] = rows_of_report(_report(item))
    assert row == SceneRow(
        "castle",
        "failed",
        machine="node2",
        message="text",
        result_folder=tmp_path / "castle",
        id="memory",
        cause="no memory",
        cure="less",
    )


def test_a_failure_that_the_graph_goes_on_after_is_a_failure(tmp_path: Path) -> None:
    failure = {"id": "memory", "cause": "no memory is left.", "cure": "a smaller batch"}
    attributes = _result(tmp_path / "castle", status="failed", failure=failure)
    [row] = rows_of_report(_report(_item("train_1", "CookedSuccess", attributes=attributes)))
    assert row.state == "failed"
    assert row.message == "no memory is left. Cure: a smaller batch"
    assert (row.id, row.cause, row.cure) == ("memory", "no memory is left", "a smaller batch")
    assert (row.psnr, row.contact_sheet) == (None, None)


def test_what_has_not_begun(tmp_path: Path) -> None:
    rows = rows_of_report(
        _report(
            _item("a", "Waiting", cause="it waits for environment_1"),
            _item("b", "CookedCancel", cause="cancelled"),
        )
    )
    assert [(one.state, one.message) for one in rows] == [
        ("not trained", "it waits for environment_1"),
        ("stopped", ""),
    ]


def test_only_trainings_and_failures_have_rows(tmp_path: Path) -> None:
    files = [str(tmp_path / "castle" / name) for name in ("mesh/mesh.obj", "result.json")]
    nodes = [
        {"name": "train", "type": "genericgenerator"},
        {"name": "set", "type": "kartaverse::nvdiffrec_static::1.0"},
    ]
    rows = rows_of_report(
        _report(
            _item("attributes_1", "CookedSuccess", command=""),
            _item("environment_1", "CookedFail", command="", cause="torch is missing"),
            _item("declared", "CookedSuccess", command="", expectedOutputs=files),
            _item("by_type", "CookedFail", command="", node="set"),
            _item("all", "CookedSuccess", command="", outputs=[{"path": one} for one in files]),
            nodes=nodes,
        )
    )
    assert [(one.name, one.state) for one in rows] == [
        ("environment_1", "failed"),
        ("castle", "trained"),
        ("by_type", "failed"),
    ]
    assert rows[1].result_folder == tmp_path / "castle"


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["castle_iter=60", "castle_iter=90"], ["castle_iter=60", "castle_iter=90"]),
        (["1", "2"], ["castle (1)", "castle (2)"]),
        (["a/out", "b/out"], ["castle (train_0)", "castle (train_1)"]),
        (["a/castle", "b/castle"], ["castle (train_0)", "castle (train_1)"]),
        (["out"], ["castle"]),
    ],
)
def test_scenes_are_told_apart(folders: list[str], names: list[str]) -> None:
    items = [
        _item(
            f"train_{number}",
            "CookedFail",
            attributes={"OUTPUT_DIR": [f"/show/{folder}/"], "CONFIG_NAME": ["sets/castle.json"]},
        )
        for number, folder in enumerate(folders)
    ]
    assert [row.name for row in rows_of_report(_report(*items))] == names


def test_the_cooks_own_problems() -> None:
    nodes = [{"name": "train", "errors": ["no folder"]}, {"name": "b", "errors": []}]
    report = _report(nodes=nodes, errors=["first", "first"])
    assert summary.problems_of_report(report) == ["first", "train: no folder"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
ANY_ITEM = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(["name", "node", "outputs", "log", "warnings", "cause"], JSON),
        "stateName": st.sampled_from(["CookedSuccess", "CookedFail", "Waiting"]) | JSON,
        "command": st.just("/x/nvdiffrec_tops/job/__main__.py") | JSON,
        "expectedOutputs": st.just(["/none/castle/result.json"]) | JSON,
        "attributes": st.dictionaries(
            st.sampled_from(["OUTPUT_DIR", "CONFIG_NAME", "psnr", "faces", "machine"]),
            st.lists(JSON, max_size=2) | JSON,
        )
        | JSON,
    },
)


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries({"items": st.lists(ANY_ITEM | JSON, max_size=4) | JSON, "nodes": JSON})
)
def test_any_report_has_a_page(
    tmp_path_factory: pytest.TempPathFactory, report: dict[str, Any]
) -> None:
    rows = rows_of_report(report)
    place = tmp_path_factory.mktemp("page")
    Page(write_summary(place, rows, problems=summary.problems_of_report(report)))
    names = [row.name for row in rows]
    assert len(names) <= len(report["items"]) if isinstance(report["items"], list) else not names
