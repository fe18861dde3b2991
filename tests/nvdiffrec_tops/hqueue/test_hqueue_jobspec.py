"""Specifications of jobs hold names as data, commands as every shell reads them alike."""

from __future__ import annotations

import getpass
import json
import os
import sys
import xmlrpc.client

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_tops.hqueue import jobspec, quoting
from nvdiffrec_tops.hqueue.jobspec import FarmOptions, container_spec, job_spec, plain, resources
from nvdiffrec_tops.hqueue.paths import SharedFolders
from nvdiffrec_tops.hqueue.problem import HQueueProblem
from nvdiffrec_tops.job.commandline import unescape

HQ = {"linux": "/mnt/hq", "windows": "H:/", "macosx": "/Volumes/hq"}
FOLDERS = SharedFolders.of([HQ], "linux")
PYTHON, SCRIPT, FILE = (
    "/mnt/hq/env/bin/python",
    "/mnt/hq/tops/__main__.py",
    "/mnt/hq/t/bob.farm.json",
)
EVERYWHERE = FarmOptions(
    platforms=("windows", "linux", "macosx"),
    interpreters={"windows": "H:/env/python.exe", "macosx": "/Volumes/hq/mac/bin/python"},
)
anything = st.text()


def spec(
    name="bob", *, python=PYTHON, script=SCRIPT, file=FILE, folders=FOLDERS, token="t0", **options
):
    return job_spec(
        name, python, script, file,
        options=FarmOptions(**options), folders=folders, token=token,
    )  # fmt: skip


def test_a_plain_job():
    assert spec() == {
        "name": "bob",
        "command": {
            "linux": "'/mnt/hq/env/bin/python' -I -X utf8 /mnt/hq/tops/__main__.py "
            "--escaped --farm /mnt/hq/t/bob.farm.json"
        },
        "shell": "sh",
        "priority": 5,
        "triesLeft": 3,
        "tags": ["single"],
        "submittedBy": plain(getpass.getuser()),
        "description": "nvdiffrec (t0)",
        "environment": {},
        "conditions": [{"type": "client", "name": "os", "op": "==", "value": "linux"}],
    }


def test_every_option_has_its_key():
    found = spec(
        priority=10, groups=("gpu", "big"), clients=("node1:alpha",), gpu_resource="cards",
        tags=(), cpus=4, tries=2, description="sequence 12", environment={"A": "$(x) & 'y'\n"},
        jobs_per_client=2,
    )  # fmt: skip
    assert (found["priority"], found["cpus"], found["triesLeft"], found["tags"]) == (10, 4, 2, [])
    assert found["resources"] == {"cards": 1}
    assert found["environment"] == {"A": "$(x) & 'y'\n"}
    assert found["description"] == "sequence 12 (t0)"
    assert found["conditions"] == [
        {"type": "client", "name": "os", "op": "==", "value": "linux"},
        {"type": "client", "name": "group", "op": "any", "value": "gpu,big"},
        {"type": "client", "name": "hostname", "op": "==", "value": "node1:alpha"},
    ]
    assert "jobs_per_client" not in json.dumps(found)
    assert resources({"cards": 2}) == {"resources": {"cards": 2}}


def test_each_platform_gets_its_own_command():
    found = job_spec("bob", PYTHON, SCRIPT, FILE, options=EVERYWHERE, folders=FOLDERS, token="t0")
    assert found["command"] == {
        "linux": spec()["command"]["linux"],
        "windows": "H:\\env\\python.exe -I -X utf8 H:/tops/__main__.py --escaped --farm "
        "H:/t/bob.farm.json",
        "macosx": "'/Volumes/hq/mac/bin/python' -I -X utf8 /Volumes/hq/tops/__main__.py "
        "--escaped --farm /Volumes/hq/t/bob.farm.json",
    }
    # Every platform will do, and each takes its own shell.
    assert found["conditions"] == [] and "shell" not in found


def test_a_platform_without_an_interpreter_gets_no_job():
    found = spec(platforms=("linux", "windows", "macosx"), interpreters={"macosx": "/opt/py"})
    assert set(found["command"]) == {"linux", "macosx"}
    assert found["conditions"] == [
        {"type": "client", "name": "os", "op": "any", "value": "linux,macosx"}
    ]
    assert found["shell"] == "sh"
    with pytest.raises(HQueueProblem, match=r"no Python .*windows.*--python"):
        spec(platforms=("windows",))
    with pytest.raises(HQueueProblem, match="no Python"):
        spec(platforms=())


def test_this_platform_may_have_another_interpreter_on_the_farm():
    line = spec(python="/home/me/python", interpreters={"linux": "/opt/py 3/bin/python"})
    assert line["command"]["linux"].startswith("'/opt/py 3/bin/python' -I ")


@pytest.mark.parametrize("part", ["python", "script", "file"])
def test_what_the_farm_does_not_see_is_refused(part):
    with pytest.raises(HQueueProblem, match=r"/home/me/x is in no folder .*--share"):
        spec(**{part: "/home/me/x"})


NAMES = st.text(
    st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1
).filter(lambda name: name not in (".", ".."))


@given(NAMES)
def test_the_farm_file_may_have_any_name(name):
    file = f"/mnt/hq/{name}/{name}.farm.json"
    found = spec(file=file)
    word = found["command"]["linux"].partition(" --farm ")[2].strip("'")
    assert unescape(word) == file
    assert not set(word) & set("$`!%^&|;<>\"'\\\n*?")


@given(st.text(min_size=1), st.text(min_size=1))
def test_programs_are_quoted_for_their_platform_or_refused(python, script):
    script, windows = f"/mnt/hq/{script}/main.py", f"H:/{python}/python.exe"
    options = FarmOptions(platforms=("linux", "windows"), interpreters={"windows": windows})
    try:
        found = job_spec(
            "n", f"/mnt/hq/{python}", script, FILE, options=options, folders=FOLDERS, token="t"
        )
    except HQueueProblem as problem:
        assert problem.cure
        return
    begin, end = ["-I", "-X", "utf8"], ["--escaped", "--farm"]
    posix = [
        FOLDERS.to_farm(f"/mnt/hq/{python}", "linux"),
        *begin,
        FOLDERS.to_farm(script, "linux"),
        *end,
        FILE,
    ]
    cmd = [
        windows,
        *begin,
        FOLDERS.to_farm(script, "windows"),
        *end,
        FOLDERS.to_farm(FILE, "windows"),
    ]
    assert found["command"] == {"linux": quoting.posix(posix), "windows": quoting.windows_cmd(cmd)}
    assert sent(found) == found


def sent(document):
    """What the server reads of what it was sent."""
    [back], _method = xmlrpc.client.loads(xmlrpc.client.dumps((document,), allow_none=True))
    return back


@given(anything, anything)
def test_names_and_descriptions_are_one_bounded_line(name, description):
    for found in (
        spec(name, description=description),
        container_spec(name, "t0", FarmOptions(description=description)),
    ):
        for text in (found["name"], found["description"], found["submittedBy"]):
            assert 0 < len(text) <= 220 and len(text.splitlines()) == 1
        assert found["description"].endswith("(t0)")
        assert sent(found) == found
    assert found.keys() == {"name", "priority", "submittedBy", "description"}


def test_invisible_letters_are_shown():
    assert plain("a\nb\x1b[31m\u202e\t\0") == "a\\nb\\x1b[31m\\u202e\\t\\x00"
    assert plain("bob \ud800") == "bob \\ud800"
    assert plain("Grünes 雪 🦆 $(x)") == "Grünes 雪 🦆 $(x)"
    assert plain("\x20\u3000") == "unnamed"
    long = plain("x" * 300)
    assert len(long) == 200 and long.endswith("…")


@pytest.mark.parametrize(
    "wrong",
    [
        {"priority": 11}, {"priority": -1}, {"tries": -1}, {"cpus": 0}, {"groups": ("a,b",)},
        {"groups": ("",)}, {"clients": ("a\n",)}, {"clients": ("x" * 300,)}, {"tags": ("a,b",)},
        {"gpu_resource": "a\x1bb"}, {"platforms": ("linux", "plan9")}, {"python": "/mnt/hq/\x1bpy"},
        {"environment": {"A B": "x"}}, {"environment": {"A=B": "x"}}, {"environment": {"": "x"}},
        {"environment": {"A\n": "x"}}, {"environment": {"A": "x\0"}}, {"environment": {"A": "\r"}},
        {"environment": {"A": "\ud800"}}, {"token": ""}, {"token": "a b"}, {"token": "x" * 65},
        {"token": "a\n"},
    ],
)  # fmt: skip
def test_what_the_server_could_misread_is_refused(wrong):
    with pytest.raises(HQueueProblem) as caught:
        spec(**wrong)
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


def test_a_user_without_a_name_can_submit(monkeypatch):
    def nobody():
        raise KeyError("uid not found")

    monkeypatch.setattr(jobspec.getpass, "getuser", nobody)
    assert spec()["submittedBy"] == "unknown"


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in runs POSIX shells")
def test_a_job_with_hostile_names_runs_on_the_farm(tmp_path, standin):
    folder = tmp_path / 'it\'s $(touch x) `id` "&" %x% !y! ^\\ 雪'
    folder.mkdir()
    script, told = folder / "main.py", folder / "told.json"
    script.write_text(
        "import json, pathlib, sys\n"
        "pathlib.Path(__file__).with_name('told.json').write_text(json.dumps(sys.argv))\n"
    )
    python = folder / "py thon"
    python.symlink_to(os.path.realpath(sys.executable))
    file = folder / "a\nb.farm.json"
    with standin() as farm:
        server = xmlrpc.client.ServerProxy(farm.address, allow_none=True)
        found = spec(
            str(file), python=str(python), script=str(script), file=str(file),
            folders=SharedFolders.of([{"linux": "/", "macosx": "/"}]), platforms=("linux",),
        )  # fmt: skip
        [job] = server.newjob([found])
        ended = farm.wait(job, "succeeded", "failed", timeout=60)
        assert ended.status == "succeeded", list(ended.output)
    argv = json.loads(told.read_text())
    assert argv[0] == str(script) and [unescape(one) for one in argv[1:]] == [
        "--escaped", "--farm", str(file),
    ]  # fmt: skip
