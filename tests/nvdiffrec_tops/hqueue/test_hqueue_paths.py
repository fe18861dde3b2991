"""Paths of this machine as the farm's machines see them, and what they cannot see."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.hqueue.paths import SharedFolders
from nvdiffrec_tops.hqueue.problem import HQueueProblem
from nvdiffrec_tops.hqueue.quoting import FromRoot
from nvdiffrec_tops.job.farmfile import Mounts

HQ = {"linux": "/mnt/hq", "windows": "H:/", "macosx": "/Volumes/hq"}
SHOW = {"linux": "/mnt/hq/show", "windows": "\\\\nas\\show", "macosx": "/Volumes/show"}
LINUX_ALONE = {"linux": "/scratch"}
FOLDERS = (HQ, SHOW, LINUX_ALONE)


@pytest.mark.parametrize(
    ("here", "path", "system", "expected"),
    [
        ("linux", "/mnt/hq/a/b", "windows", "H:/a/b"),
        ("linux", "/mnt/hq/a/b", "macosx", "/Volumes/hq/a/b"),
        ("linux", "/mnt/hq", "windows", "H:/"),
        ("linux", "/mnt/hq/", "macosx", "/Volumes/hq"),
        ("linux", "/mnt/hq//a/./b/../c/", "macosx", "/Volumes/hq/a/c"),
        ("linux", "//mnt/hq/a", "linux", "/mnt/hq/a"),
        ("linux", "/mnt/hq/show/a", "windows", "//nas/show/a"),
        ("linux", "/mnt/hq/show", "macosx", "/Volumes/show"),
        ("linux", "/mnt/hq/shows/a", "macosx", "/Volumes/hq/shows/a"),
        ("linux", "/mnt/hq/show/../a", "macosx", "/Volumes/hq/a"),
        ("linux", "/scratch/a", "linux", "/scratch/a"),
        ("windows", "H:/a/b", "linux", "/mnt/hq/a/b"),
        ("windows", "h:\\A\\b c", "linux", "/mnt/hq/A/b c"),
        ("windows", "h:\\a", "windows", "H:/a"),
        ("windows", "\\\\NAS\\Show\\a", "linux", "/mnt/hq/show/a"),
        ("windows", "//nas/show", "macosx", "/Volumes/show"),
        ("windows", "H:/a/../../b", "linux", "/mnt/hq/b"),
        ("macosx", "/Volumes/hq/a:b", "linux", "/mnt/hq/a:b"),
    ],
)
def test_a_path_is_mapped_by_the_deepest_shared_folder(here, path, system, expected):
    assert SharedFolders.of(FOLDERS, here).to_farm(path, system) == expected


@pytest.mark.parametrize(
    ("here", "path"),
    [
        ("linux", "/mnt/hq2/a"),
        ("linux", "/mnt/h"),
        ("linux", "/mnt"),
        ("linux", "/MNT/hq/a"),
        ("linux", "/mnt/hq/../a"),
        ("linux", "/mnt/hq/show/../../../etc/passwd"),
        ("linux", "mnt/hq/a"),
        ("linux", "H:/a"),
        ("linux", "$HQROOT/a"),
        ("linux", "~/a"),
        ("linux", ""),
        ("linux", "/mnt/hq/a\0b"),
        ("windows", "HH:/a"),
        ("windows", "H:a"),
        ("windows", "/mnt/hq/a"),
        ("windows", "//nas/show2/a"),
        ("windows", "//nas/other/../show/a"),
        ("windows", "//?/H:/a"),
        ("windows", "\\\\.\\H:\\a"),
        ("macosx", "/scratch/a"),
    ],
)
def test_a_path_elsewhere_is_refused_by_name(here, path):
    with pytest.raises(HQueueProblem) as caught:
        SharedFolders.of(FOLDERS, here).to_farm(path, "linux")
    assert caught.value.cure
    assert path in str(caught.value) or repr(path) in str(caught.value)


def test_a_platform_without_the_folder_is_named_with_the_cure():
    with pytest.raises(HQueueProblem, match=r"/scratch has no path on windows; .*windows=PATH"):
        SharedFolders.of(FOLDERS, "linux").to_farm("/scratch/a", "windows")
    with pytest.raises(HQueueProblem, match="none on this one"):
        SharedFolders.of([], "linux").to_farm("/a", "linux")


@pytest.mark.parametrize(
    "name",
    ["a\\b", "a:b", 'say "hi"', "a?", "a|b", "a\nb", "nul", "COM1.json", "dot.", "space ", "<"],
)
def test_names_that_windows_cannot_have_are_refused_there_alone(name):
    folders = SharedFolders.of(FOLDERS, "linux")
    path = f"/mnt/hq/{name}/c.json"
    assert folders.to_farm(path, "macosx") == f"/Volumes/hq/{name}/c.json"
    with pytest.raises(HQueueProblem, match="Windows cannot have"):
        folders.to_farm(path, "windows")


@pytest.mark.parametrize(
    "mount",
    [{"linux": "mnt/hq"}, {"linux": "~/hq"}, {"windows": "hq"}, {"windows": "H:hq"},
     {"windows": "//nas"}, {"windows": "/mnt/hq"}, {"macosx": "H:/"}, {"linux": "$HOME"},
     {"linux": "/mnt/\0"}],
)  # fmt: skip
def test_a_shared_folder_has_an_absolute_path(mount):
    with pytest.raises(HQueueProblem, match="no absolute path"):
        SharedFolders.of([mount])


def test_the_mounts_are_as_jobs_take_them():
    folders = SharedFolders.of(
        [*FOLDERS, {"linux": "/", "windows": "C:\\all\\", "plan9": "/n"}], "linux"
    )
    assert folders.mounts() == [
        ("/mnt/hq", "H:/", "/Volumes/hq"),
        ("/mnt/hq/show", "//nas/show", "/Volumes/show"),
        ("/scratch", "", ""),
        ("/", "C:/all", ""),
    ]
    assert folders.local() == ["/mnt/hq", "/mnt/hq/show", "/scratch", "/"]
    assert folders.to_farm("/etc/hosts", "linux") == "/etc/hosts"
    assert folders.to_farm("/etc/hosts", "windows") == "C:/all/etc/hosts"
    assert folders.to_farm("/", "windows") == "C:/all"


names = st.text(
    st.characters(categories=["L", "N", "S", "P"], exclude_characters='/\\<>:"|?*.'), min_size=1
).filter(lambda name: not re.fullmatch("(?i)con|prn|aux|nul|(com|lpt)[0-9]", name))


@given(st.lists(names, min_size=1, max_size=4), st.sampled_from(["windows", "macosx"]))
def test_a_job_finds_the_way_back(parts, system):
    path = "/mnt/hq/" + "/".join(parts)
    folders = SharedFolders.of([HQ], "linux")
    there = folders.to_farm(path, system)
    assert Mounts(folders.mounts(), "linux").here(there) == path
    assert SharedFolders.of([HQ], system).to_farm(there, "linux") == path


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["linux", "windows"]))
def test_no_path_makes_a_traceback_or_leaves_the_shared_folder(path, here):
    folders = SharedFolders.of([HQ], here)
    try:
        found = folders.to_farm(path, "linux")
    except HQueueProblem as problem:
        assert problem.cure
        return
    assert found == "/mnt/hq" or found.startswith("/mnt/hq/")
    assert ".." not in found.split("/")


def test_hqroot_stands_for_the_first_folder_alone():
    folders = SharedFolders.of(FOLDERS, "linux")
    posix = folders.to_farm("/mnt/hq/a b", "linux", via_hqroot=True)
    windows = folders.to_farm("/mnt/hq/a b", "windows", via_hqroot=True)
    assert (posix, windows) == ("$HQROOT/a b", "!HQROOT!/a b")
    assert isinstance(posix, FromRoot) and isinstance(windows, FromRoot)
    assert str(folders.to_farm("/mnt/hq", "linux", via_hqroot=True)) == "$HQROOT/"
    assert folders.to_farm("/mnt/hq/show/a", "linux", via_hqroot=True) == "/mnt/hq/show/a"


# -- what is really there -----------------------------------------------------------------------
@pytest.fixture
def share(tmp_path):
    folder = tmp_path / "share"
    folder.mkdir()
    return folder


def shared(folder):
    return SharedFolders.of([{"linux": str(folder), "macosx": str(folder)}])


def test_a_file_below_a_shared_folder_is_no_problem(share):
    file = share / "it's $(here).json"
    file.touch()
    assert shared(share).check([str(file), str(share), str(file)]) == []


def test_each_problem_names_the_file_and_the_cure(share, tmp_path):
    outside = tmp_path / "share2"
    outside.mkdir()
    (outside / "a.json").touch()
    (share / "away.json").symlink_to(outside / "a.json")
    (share / "folder").symlink_to(outside)
    (share / "broken").symlink_to("nowhere")
    (share / "loop").symlink_to("loop")
    cases = {
        str(share / "missing.json"): "No such file",
        str(outside / "a.json"): "in no folder that the farm shares",
        str(share / "away.json"): f"link to {outside / 'a.json'}",
        str(share / "folder" / "a.json"): f"link to {outside / 'a.json'}",
        str(share / "broken"): "No such file",
        str(share / "loop"): "cannot be read",
        "relative.json": "not an absolute path",
        str(share / "a") + "\0": "cannot be read",
    }
    found = shared(share).check([*cases, *cases])
    assert len(found) == len(cases)
    for (path, said), problem in zip(cases.items(), found, strict=True):
        assert path in problem and said in problem and "; " in problem


def test_a_link_into_the_shared_folder_is_to_be_named_by_its_end(share, tmp_path):
    (share / "a.json").touch()
    (tmp_path / "project").symlink_to(share)
    [problem] = shared(share).check([str(tmp_path / "project" / "a.json")])
    assert str(share / "a.json") in problem and problem.endswith("name that path")


def test_the_shared_folder_itself_may_be_a_link(share, tmp_path):
    (share / "a.json").touch()
    (share / "b.json").symlink_to(share / "a.json")
    (tmp_path / "hq").symlink_to(share)
    found = shared(tmp_path / "hq").check(
        [str(tmp_path / "hq" / name) for name in ("a.json", "b.json")]
    )
    assert found == []


@pytest.mark.skipif(not os.path.exists("/usr/bin/env"), reason="there is no /usr/bin/env")
def test_a_link_to_what_every_system_has_is_no_problem(share):
    (share / "python").symlink_to("/usr/bin/env")
    assert shared(share).check([str(share / "python")]) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_must_not_be_read_is_a_problem(share):
    file = share / "a.json"
    file.touch(0)
    [problem] = shared(share).check([str(file)])
    assert str(file) in problem and "permissions" in problem


def test_a_file_that_must_not_be_read_is_a_problem_for_root_too(share, monkeypatch):
    file = share / "a.json"
    file.touch()
    monkeypatch.setattr(
        os, "access", lambda path, mode: not (path == str(file) and mode == os.R_OK)
    )
    [problem] = shared(share).check([str(file)])
    assert str(file) in problem and "permissions" in problem
