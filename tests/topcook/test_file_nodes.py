"""The stock nodes that work on files: whole cooks with real files, and hostile names."""

from __future__ import annotations

import json
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nvdiffrec_tops.cli import main
from topcook import pdg
from topcook.network.opening import open_network
from topcook.network.overrides import Override
from topcook.planning import generate_all

from .conftest import TopNode, write_scene

Cook = Callable[..., dict[str, Any]]


@pytest.fixture
def cook(capsys: pytest.CaptureFixture[str]) -> Cook:
    """Cook a scene; returns the JSON report with the exit code and what was said added."""

    def run(scene: Path, *arguments: str) -> dict[str, Any]:
        code = main(["cook", str(scene), "--json", *arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        report: dict[str, Any] = json.loads(captured.out) if captured.out else {}
        return {**report, "code": code, "said": captured.err}

    return run


def outputs(report: dict[str, Any], node: str) -> list[tuple[str, str]]:
    return [
        (file["path"], file["tag"])
        for item in report["items"]
        if item["node"] == node
        for file in item["outputs"]
    ]


def causes(report: dict[str, Any], node: str) -> str:
    return " ".join(str(one.get("cause", "")) for one in report["items"] if one["node"] == node)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "below").mkdir(parents=True)
    for name in ("b.png", "a 1.png", "c.txt", ".hidden.png", "below/d.png"):
        (folder / name).write_text(name)
    return folder


def pattern(**parms: Any) -> TopNode:
    return TopNode("find", "filepattern", {"pattern": "$HIP/images/*.png", **parms})


def dry(capsys: pytest.CaptureFixture[str], scene: Path, node: str) -> list[dict[str, Any]]:
    assert main(["cook", str(scene), "--dry-run", "--json"]) == 0
    found = [one["workitem"] for one in json.loads(capsys.readouterr().out)]
    return [one for one in found if one["nodeName"] == node]


def values(item: dict[str, Any], name: str) -> Any:
    return item["attributes"][name]["value"]


# -- File Pattern ---------------------------------------------------------------------------
def test_a_pattern_makes_an_item_for_each_file(scene, images, capsys) -> None:
    hip = scene(pattern(usesizeattrib="on", usemtimeattrib="on"))
    first, second = dry(capsys, hip, "find")
    assert (first["index"], second["index"]) == (0, 1)
    assert values(first, "filename") == ["a 1"] and values(first, "extension") == [".png"]
    (folder,) = values(first, "directory")
    assert folder["data"] == str(images) and folder["tag"] == "file/dir" and not folder["own"]
    stat = (images / "a 1.png").stat()
    assert values(first, "filesize") == [stat.st_size]
    assert values(first, "filemtime") == [int(stat.st_mtime)]
    (file,) = values(first, "__pdg_outputfiles")
    assert file["data"] == str(images / "a 1.png") and file["tag"] == "file/image"
    assert file["hash"] == int(stat.st_mtime) and file["size"] == stat.st_size


def test_the_record_of_a_pattern_is_reproduced(scene, images, top, capsys) -> None:
    """Attributes as in a scene saved by Houdini 20.5: one of files in place of outputs."""
    (images / "Under the Bridge PTGui.pts").write_text("{}")
    find = pattern(
        pattern="$HIP/images/*.pts",
        includeextensions="on",
        useoutputattrib="on",
        outputattrib="filesPTS",
        overrideresultdatatag="on",
        resultdatatag="file/json",
    )
    (item,) = dry(capsys, scene(find), "find")
    attributes = item["attributes"]
    assert {name: (one["type"], one["flag"]) for name, one in attributes.items()} == {
        "directory": (3, 0),
        "extension": (2, 0),
        "filename": (2, 0),
        "filesPTS": (3, 0),
    }
    assert attributes["filename"]["value"] == ["Under the Bridge PTGui.pts"]
    assert attributes["filesPTS"]["value"][0]["tag"] == "file/json"


def test_types_recursion_and_one_item_for_all(scene, images, capsys) -> None:
    every = dry(capsys, scene(pattern(recursive="on", split="off")), "find")
    assert [one["data"] for one in values(every[0], "__pdg_outputfiles")] == [
        str(images / "a 1.png"),
        str(images / "b.png"),
        str(images / "below/d.png"),
    ]
    assert "filename" not in every[0]["attributes"]
    (folder,) = dry(capsys, scene(pattern(pattern="$HIP/images/*", filetypes=2)), "find")
    assert values(folder, "directory")[0]["data"] == str(images / "below")
    assert "filename" not in folder["attributes"]
    assert len(dry(capsys, scene(pattern(pattern="$HIP/images/*", filetypes=0)), "find")) == 4


def test_links_are_followed_only_where_that_is_wanted(scene, images, tmp_path, capsys) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/far.png").write_text("x")
    (images / "link").symlink_to(tmp_path / "elsewhere")
    (images / "loop").symlink_to(images)
    near = dry(capsys, scene(pattern(recursive="on")), "find")
    assert [values(one, "filename") for one in near] == [["a 1"], ["b"], ["d"]]
    far = dry(capsys, scene(pattern(recursive="on", followlinks="on")), "find")
    assert [values(one, "filename") for one in far] == [["a 1"], ["b"], ["d"], ["far"]]


@pytest.mark.parametrize(("parms", "items"), [({}, 0), ({"nomatchbehavior": "createattr"}, 1)])
def test_no_match(scene, images, capsys, parms, items) -> None:
    found = dry(capsys, scene(pattern(pattern="$HIP/none/*.png", **parms)), "find")
    assert len(found) == items
    assert all(values(one, "exists") == [0] for one in found)


@pytest.mark.parametrize("parms", [{"nomatchbehavior": "error"}, {"errornomatch": "on"}])
def test_no_match_as_an_error(scene, images, cook, parms) -> None:
    report = cook(scene(pattern(pattern="$HIP/images/*.exr", **parms)))
    assert report["code"] == 1 and "nothing matches" in report["said"]


def test_items_below_others_and_copies(scene, images, top, cook, tmp_path) -> None:
    make = top("make", "genericgenerator", {"itemcount": 2})
    work = {"pdg_workingdir": str(tmp_path / "work")}
    parms = {"pattern": "$HIP/images/*.png", "copyfiles": "on"}
    hip = scene(make, top("find", "filepattern", parms, ["make"]), scheduler=work)
    report = cook(hip)
    items = [one for one in report["items"] if one["node"] == "find"]
    assert [one["index"] for one in items] == [0, 1, 2, 3]
    assert (tmp_path / "work/b.png").read_text() == "b.png"
    kept = scene(
        make,
        top("find", "filepattern", {**parms, "inheritupstreamindex": "on"}, ["make"]),
        scheduler=work,
    )
    items = [one for one in cook(kept)["items"] if one["node"] == "find"]
    assert [one["index"] for one in items] == [0, 0, 1, 1]


# -- File Copy, File Rename, File Remove ----------------------------------------------------
def test_a_chain_from_pattern_to_archive(scene, images, top, cook, tmp_path) -> None:
    hip = scene(
        pattern(),
        top("dir", "makedir", {"dirname": "$HIP/out/`@filename`", "outputfiles": "1"}, ["find"]),
        top(
            "copy",
            "filecopy",
            {
                "filesource": "0",
                "filetag": "file/image",
                "copyto": "0",
                "destfolder": "$HIP/out/`@filename`",
                "resultdatatag": "file/image",
            },
            ["dir"],
        ),
        top(
            "rename",
            "filerename",
            {
                "originalpath": "`@pdg_input`",
                "newpath": "$HIP/out/`@filename`/renamed.png",
                "resultdatatag": "file/image",
            },
            ["copy"],
        ),
        top("zip", "filecompress", {"output_filename": "$HIP/out/all"}, ["rename"]),
        top(
            "text",
            "textoutput",
            {"filepath": "$HIP/out/`@pdg_index`.txt", "text": "`@pdg_input` \\`\n"},
            ["zip"],
        ),
    )
    report = cook(hip)
    assert report["code"] == 0, report
    out = tmp_path / "out"
    assert outputs(report, "dir")[1] == (str(out / "a 1"), "file/dir")
    assert (out / "b/renamed.png").read_text() == "b.png"
    assert not (out / "b/b.png").exists() and (images / "b.png").exists()
    assert outputs(report, "rename")[0] == (str(out / "a 1/renamed.png"), "file/image")
    assert outputs(report, "zip") == [(str(out / "all.zip"), "file/archive")] * 2
    with zipfile.ZipFile(out / "all.zip") as archive:
        # Both items add a file of the same name: the second takes the first one's place.
        assert archive.namelist() == ["renamed.png"]
        assert archive.read("renamed.png") == b"b.png"
    assert (out / "1.txt").read_text() == f"{out / 'all.zip'} `\n"


def test_a_copy_is_cached_and_forced(scene, images, top, cook, tmp_path) -> None:
    parms = {"filepath": "$HIP/images/b.png", "destfile": "$HIP/copy.png"}
    hip = scene(top("copy", "filecopy", parms))
    assert [one["stateName"] for one in cook(hip)["items"]] == ["CookedSuccess"]
    (tmp_path / "copy.png").write_text("changed")
    assert [one["stateName"] for one in cook(hip)["items"]] == ["CookedCache"]
    assert (tmp_path / "copy.png").read_text() == "changed"
    cook(hip, "--force")
    assert (tmp_path / "copy.png").read_text() == "b.png"
    (images / "b.png").unlink()
    assert [one["stateName"] for one in cook(hip)["items"]] == ["CookedCache"]


@pytest.mark.parametrize(
    ("parms", "sentence"),
    [
        ({"filepath": "$HIP/none.png"}, "none.png does not exist"),
        ({"filepath": "$HIP/images"}, "images is a folder"),
        ({"filepath": ""}, "'filepath': it names no file"),
        ({"destfile": "$HIP/images"}, "images is a folder"),
        ({"destfile": "$HIP/images/b.png/x"}, "images/b.png"),
    ],
)
def test_a_copy_that_cannot_be_made_damages_nothing(
    scene, images, top, cook, parms, sentence
) -> None:
    base = {"filepath": "$HIP/images/b.png", "destfile": "$HIP/copy.png"}
    report = cook(scene(top("copy", "filecopy", {**base, **parms})))
    assert report["code"] != 0
    assert sentence in causes(report, "copy") if report.get("items") else report["said"]
    assert (images / "b.png").read_text() == "b.png"


def test_a_copy_onto_itself_or_a_link_follows_nothing(scene, images, top, cook, tmp_path) -> None:
    same = {"filepath": "$HIP/images/b.png", "destfile": "$HIP/images/../images/b.png"}
    assert cook(scene(top("copy", "filecopy", {**same, "pdg_cachemode": "2"})))["code"] == 0
    assert (images / "b.png").read_text() == "b.png"
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "copy.png").symlink_to(tmp_path / "secret")
    parms = {"filepath": "$HIP/images/b.png", "destfile": "$HIP/copy.png", "pdg_cachemode": "2"}
    assert cook(scene(top("copy", "filecopy", parms)))["code"] == 0
    assert (tmp_path / "secret").read_text() == "secret"
    assert not (tmp_path / "copy.png").is_symlink()


def test_files_are_not_copied_over_each_other(scene, images, top, cook, tmp_path) -> None:
    parms = {"filesource": "0", "copyto": "1", "destfile": "$HIP/one.png"}
    report = cook(scene(pattern(split="off"), top("copy", "filecopy", parms, ["find"])))
    assert "2 files would be copied to one path" in causes(report, "copy") + report["said"]
    assert not (tmp_path / "one.png").exists()


def test_a_rename_says_that_it_was_done_before(scene, images, top, cook, tmp_path) -> None:
    hip = scene(
        top("r", "filerename", {"originalpath": "$HIP/images/b.png", "newpath": "$HIP/new/b.png"})
    )
    assert cook(hip)["code"] == 0 and (tmp_path / "new/b.png").read_text() == "b.png"
    again = cook(hip)
    assert again["code"] == 1 and "it was renamed before" in causes(again, "r")
    assert (tmp_path / "new/b.png").read_text() == "b.png"


def test_a_folder_is_never_moved_over_another(scene, images, top, cook, tmp_path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/keep").write_text("keep")
    parms = {"originalpath": "$HIP/images", "newpath": "$HIP/new"}
    report = cook(scene(top("r", "filerename", parms)))
    assert report["code"] == 1 and (tmp_path / "new/keep").exists() and images.is_dir()
    moved = cook(scene(top("r", "filerename", {**parms, "newpath": "$HIP/moved"})))
    assert moved["code"] == 0 and (tmp_path / "moved/b.png").exists()


@pytest.mark.parametrize(("mode", "left"), [("0", 0), ("1", 2), ("2", 1), ("3", 0)])
def test_files_are_removed_and_told(scene, images, top, cook, mode, left) -> None:
    remove = top(
        "remove",
        "fileremove",
        {"mode": "2", "sourcetag": "file/image", "workitemoutputs": mode},
        ["find"],
    )
    hip = scene(pattern(pattern="$HIP/images/*", split="off"), remove)
    report = cook(hip)
    assert report["code"] == 0 and sorted(p.name for p in images.iterdir()) == [
        ".hidden.png",
        "below",
        "c.txt",
    ]
    assert len(outputs(report, "remove")) == (3 if mode == "0" else left)


def test_removing_stops_at_folders_and_links(scene, images, top, cook, tmp_path) -> None:
    report = cook(scene(top("remove", "fileremove", {"filepath": "$HIP/images"})))
    assert report["code"] == 1 and "only files are removed" in causes(report, "remove")
    (tmp_path / "link").symlink_to(images)
    assert cook(scene(top("remove", "fileremove", {"filepath": "$HIP/link"})))["code"] == 0
    assert (images / "b.png").exists() and not (tmp_path / "link").is_symlink()
    for path in ("/", "$HIP", "$HIP/", "$HIP/images/..", ""):
        assert cook(scene(top("remove", "fileremove", {"filepath": path})))["code"] != 0
    assert (images / "b.png").exists()


def test_a_cook_without_work_items_says_so(scene, top, capsys) -> None:
    empty = scene(top("find", "filepattern", {"pattern": "$HIP/none/*.png"}))
    for more in ([], ["--dry-run"]):
        assert main(["cook", str(empty), *more]) == 0
        assert "no node has made a work item" in "".join(capsys.readouterr())


def test_dry_run_and_ignored_errors_of_a_removal(scene, images, top, cook) -> None:
    dry = {"filepath": "$HIP/images/b.png", "dryrun": "on", "workitemoutputs": "1"}
    report = cook(scene(top("remove", "fileremove", dry)))
    assert outputs(report, "remove") == [(str(images / "b.png"), "file/image")]
    assert (images / "b.png").exists()
    gone = {"filepath": "$HIP/none", "ignoreerrors": "on"}
    report = cook(scene(top("remove", "fileremove", gone)))
    assert report["code"] == 0 and "does not exist" in report["items"][0]["warnings"][0]


# -- Generate, dry runs, schedule when --------------------------------------------------------
@pytest.mark.parametrize("older", [False, True])
def test_during_generation_and_not_in_a_dry_run(scene, top, cook, capsys, tmp_path, older) -> None:
    when = "writeduring" if older else "pdg_cooktype"
    parms = {"filepath": "$HIP/x.txt", "text": "hello", when: "0"}
    hip = scene(top("text", "textoutput", parms))
    dry(capsys, hip, "text")
    assert not (tmp_path / "x.txt").exists()
    report = cook(hip)
    assert (tmp_path / "x.txt").read_text() == "hello"
    assert outputs(report, "text") == [(str(tmp_path / "x.txt"), "file/text")]


def test_a_file_is_renamed_once_during_generation(scene, images, top, cook, tmp_path) -> None:
    parms = {"originalpath": "$HIP/images/b.png", "newpath": "$HIP/c.png", "pdg_cooktype": "0"}
    report = cook(scene(top("r", "filerename", parms)))
    assert report["code"] == 0 and outputs(report, "r") == [(str(tmp_path / "c.png"), "file")]


def test_schedule_when_leaves_the_file_alone(scene, top, cook, tmp_path) -> None:
    parms = {"filepath": "$HIP/x.txt", "pdg_useschedulewhen": "on", "pdg_schedulewhen": 0}
    report = cook(scene(top("text", "textoutput", parms)))
    assert report["code"] == 0 and not (tmp_path / "x.txt").exists()


def test_text_is_appended_under_write_files_alone(scene, top, cook, tmp_path) -> None:
    parms = {"filepath": "$HIP/x.txt", "text": "a", "append": "1", "pdg_cachemode": "2"}
    hip = scene(top("text", "textoutput", parms))
    cook(hip)
    cook(hip)
    assert (tmp_path / "x.txt").read_text() == "aa"


# -- File Compress --------------------------------------------------------------------------
def test_tar_zip_folders_and_equal_names(scene, images, top, cook, tmp_path) -> None:
    (images / "below/b.png").write_text("other")
    find = pattern(recursive="on", split="off")
    tar = {"method": 1, "output_filename": "$HIP/out.tar.gz", "tarcompression": 1}
    report = cook(scene(find, top("tar", "filecompress", tar, ["find"])))
    assert report["code"] == 0, report
    with tarfile.open(tmp_path / "out.tar.gz") as archive:
        names = ["a 1.png", "b.png", "below/b.png", "below/d.png"]
        assert sorted(archive.getnames()) == names
    folder = {"mode": "0", "filepath": "$HIP/images", "output_filename": "$HIP/images/all.zip"}
    for _ in range(2):
        assert cook(scene(top("zip", "filecompress", folder)))["code"] == 0
    with zipfile.ZipFile(images / "all.zip") as archive:
        assert "images/below/d.png" in archive.namelist()
        assert not any("all.zip" in name for name in archive.namelist())


def test_an_archive_that_is_none_is_left_alone(scene, images, top, cook, tmp_path) -> None:
    (tmp_path / "out.zip").write_text("precious")
    parms = {"mode": "0", "filepath": "$HIP/images/b.png", "output_filename": "$HIP/out.zip"}
    report = cook(scene(top("zip", "filecompress", parms)))
    assert report["code"] == 1 and "turn off Append" in causes(report, "zip")
    assert (tmp_path / "out.zip").read_text() == "precious"
    again = cook(scene(top("zip", "filecompress", {**parms, "zipappend": "off"})))
    assert again["code"] == 0 and zipfile.is_zipfile(tmp_path / "out.zip")


def test_items_add_to_one_archive(scene, images, top, cook, tmp_path) -> None:
    """The recorded attributes of Houdini 20.5: method, compression, appendarchive and files."""
    report = cook(
        scene(pattern(), top("zip", "filecompress", {"output_filename": "$HIP/o.zip"}, ["find"]))
    )
    with zipfile.ZipFile(tmp_path / "o.zip") as archive:
        assert sorted(archive.namelist()) == ["a 1.png", "b.png"]
    attributes = next(one for one in report["items"] if one["node"] == "zip")["attributes"]
    assert attributes["method"] == ["zip"] and attributes["appendarchive"] == [1]


# -- names ----------------------------------------------------------------------------------
SIGNS = [*"ab '\"$`@;&|*?[]{}()~#!%-=\n\t", "é", "日", "..", "$HOME", "${HIP}", "`1`", ".png"]
NAMES = (
    st.lists(st.sampled_from(SIGNS), min_size=1, max_size=12)
    .map("".join)
    .filter(lambda name: name.strip() and not name.startswith("."))
)


def _literal(name: str) -> str:
    """A name as an artist writes it in a parameter so that nothing in it is evaluated."""
    return name.replace("$", "\\$").replace("`", "\\`")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES)
def test_any_name_goes_through_copy_rename_archive_and_removal(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    folder = tmp_path_factory.mktemp("names")
    (folder / "in").mkdir()
    (folder / "in" / name).write_bytes(name.encode())
    find = TopNode("find", "filepattern", {"pattern": "$HIP/in/*"})
    copy = TopNode(
        "copy",
        "filecopy",
        {"filesource": "0", "copyto": "0", "destfolder": "$HIP/copied"},
        ["find"],
    )
    rename = TopNode(
        "rename",
        "filerename",
        {"originalpath": "`@pdg_input`", "newpath": f"$HIP/new/{_literal(name)}"},
        ["copy"],
    )
    pack = TopNode("zip", "filecompress", {"output_filename": "$HIP/o.zip"}, ["rename"])
    remove = TopNode("remove", "fileremove", {"mode": "0", "filepath": "`@output_file`"}, ["zip"])
    scheduler = {"tempdirmenu": "2", "tempdircustom": str(folder / "temp")}
    hip = write_scene(folder / "s.hip", [find, copy, rename, pack, remove], scheduler)
    assert main(["cook", str(hip), "--node", "zip", "--report", str(folder / "r.json")]) == 0
    assert os.listdir(folder / "copied") == []
    assert (folder / "new" / name).read_bytes() == name.encode()
    with zipfile.ZipFile(folder / "o.zip") as archive:
        assert [archive.read(one) for one in archive.namelist()] == [name.encode()]
    assert sorted(os.listdir(folder)) == ["copied", "in", "new", "o.zip", "r.json", "s.hip"]


HOSTILE = [
    "find.pattern",
    "find.filetypes",
    "find.outputattrib",
    "copy.filepath",
    "copy.destfile",
    "copy.pdg_workitemlabelexpr",
    "rename.newpath",
    "remove.filepath",
    "dir.dirname",
    "text.filepath",
    "text.text",
    "zip.output_filename",
    "zip.method",
    "frames.outputfilepattern",
    "frames.fps",
    "frames.ffmpegcommand",
    "py.script",
    "py.extraargs",
    "py.python",
    "py.custompath1",
    "json.query1",
    "json.valindex1",
]
PIECES = [*SIGNS, "\0", "\ud800", "../", "/", "-", "9" * 30, "@pdg_index", "__import__", "\\"]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene of every node, without anything that could be worked on."""
    folder = tmp_path_factory.mktemp("hostile")
    script = {"pdg_cooktype": "2", "pythonbin": "2", "pythonpaths": 1}
    (folder / "data.json").write_text("{}")
    read = {"jsonsource": "1", "filepath": "$HIP/data.json", "extractmult": 1, "keyerrormode": 0}
    nodes = [
        TopNode("find", "filepattern", {"useoutputattrib": "on"}),
        TopNode("copy", "filecopy", {"pdg_workitemlabel": "2", "filepath": "x", "destfile": "y"}),
        TopNode("rename", "filerename"),
        TopNode("remove", "fileremove", {"filepath": "$HIP/data.json"}),
        TopNode("dir", "makedir", {"dirname": "d"}),
        TopNode("text", "textoutput"),
        TopNode("zip", "filecompress", {"mode": "0", "filepath": "$HIP/data.json"}),
        TopNode("frames", "ffmpegextractimages", {"inputsource": "1", "inputfilepath": "f.mp4"}),
        TopNode("py", "pythonscript", script),
        TopNode("json", "jsoninput", read | {"attributename1": "x", "query1": "a"}),
    ]
    return write_scene(folder / "s.hip", nodes, {"tempdirmenu": "2", "tempdircustom": "t"})


@settings(max_examples=200)
@given(name=st.sampled_from(HOSTILE), pieces=st.lists(st.sampled_from(PIECES), max_size=6))
def test_any_text_in_any_parameter_makes_items_or_one_sentence(
    everything: Path, name: str, pieces: list[str]
) -> None:
    before = sorted(everything.parent.iterdir())
    try:
        network = open_network(
            everything,
            ends=[name.partition(".")[0]],
            overrides=[Override.parse(f"{name}={''.join(pieces)}")],
            scene_python=True,
        )
        generate_all(network, lambda _message: None)
    except pdg.CookError as error:
        assert str(error) and "Error:" not in str(error)
    assert sorted(everything.parent.iterdir()) == before


# -- what needs Houdini ---------------------------------------------------------------------
@pytest.mark.parametrize(
    "kind", ["ropfetch", "hdaprocessor", "geometryimport", "ropgeometry", "ropkarma::2.0"]
)
def test_nodes_of_houdini_are_refused_with_what_to_type(scene, top, cook, kind) -> None:
    hip = scene(top("node", kind, {"anything": 1}))
    report = cook(hip)
    assert report["code"] == 1
    assert f"hython scripts/batch_cook.py {hip}" in report["said"]
    assert f"is of type '{kind}'" in report["said"]
