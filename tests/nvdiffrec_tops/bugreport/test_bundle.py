"""A bundle holds what mends a fault and nothing else; what is read cannot lead anywhere."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_contract import resultfile
from nvdiffrec_tops import cli
from nvdiffrec_tops.bugreport import bundle, contents


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    + _chunk(b"tEXt", b"Author\0annegret")
    + _chunk(b"IDAT", zlib.compress(bytes(4)))
    + _chunk(b"IEND", b"")
)
"""One black pixel, with the name of whoever made it."""


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    home = tmp_path / "home" / "annegret"
    home.mkdir(parents=True)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, "annegret")
    monkeypatch.setenv("FARM_TOKEN", "t0psecret-9")
    monkeypatch.chdir(tmp_path)
    return {"home": str(home), "user": "annegret", "token": "t0psecret-9", "host": "ws17xyz",
            "licence": "lic-4711-0815", "client": "AcmeFilm"}  # fmt: skip


@pytest.fixture
def result(private: dict[str, str]) -> Path:
    home = Path(private["home"])
    data = home / private["client"] / "shot 1"
    folder = data / "out"
    (folder / "validate").mkdir(parents=True)
    (data / "train.json").write_text(json.dumps({"ref_mesh": str(data / "photos"), "iter": 5}))
    document: dict[str, Any] = {
        "format": resultfile.FORMAT, "version": resultfile.VERSION, "status": "failed",
        "engine": "diffrec", "host": private["host"], "log": "job.log",
        "job": {
            "engine": "diffrec", "config": str(data / "train.json"), "output": str(folder),
            "python": str(home / "not-to-be-run"),
            "environment": {"set": {"STUDIO_LICENCE": private["licence"], "OMP_NUM_THREADS": "4"}},
        },
        "inputs": [{"field": "ref_mesh", "path": str(data / "photos"), "sha256": "0"}],
        "failure": {"id": "x", "cause": f"{data}/photos/a.png is missing", "cure": "put it there"},
    }  # fmt: skip
    (folder / "result.json").write_text(json.dumps(document))
    (folder / "failure.json").write_text(json.dumps({"cause": f"see {data}/b.png"}))
    (folder / "job.log").write_text(
        f"Job: on {private['host']} in {folder}\niter=10, token {private['token']} "
        f"licence {private['licence']}\n{data}/photos/a.png is missing\n"
    )
    (folder / "contact_sheet.png").write_bytes(PNG)
    return folder


def packed(*words: str) -> int:
    return cli.main(["bundle", *words, "--quick"])


def test_a_bundle_of_a_failure(
    result: Path, private: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("cv2", reason="OpenCV comes with the extra diffrec")
    assert packed(str(result), "--env", sys.executable) == 0
    target = tmp_path / "out-report.zip"
    said = capsys.readouterr().out
    assert str(target) in said
    with zipfile.ZipFile(target) as archive:
        held = {one: archive.read(one) for one in archive.namelist()}
    assert set(held) == {
        "result.json", "job.json", "configuration.json", "failure.json", "job.log",
        "version.json", "doctor.json", "pictures/contact_sheet.jpg",
    }  # fmt: skip
    assert all(name in said for name in held)
    for name, data in held.items():
        for kind, word in private.items():
            assert word.lower().encode() not in data.lower(), (name, kind)
    log = held["job.log"].decode()
    assert "Job: on <HOST> in <RESULT>\niter=10, token <SECRET>" in log
    assert "/a.png is missing" in log
    job = json.loads(held["job.json"])
    assert job["environment"]["set"] == {"STUDIO_LICENCE": "<SECRET>", "OMP_NUM_THREADS": "4"}
    assert json.loads(held["configuration.json"])["iter"] == 5
    assert json.loads(held["version.json"])["toolkit"]["version"]
    assert {"check", "severity", "evidence"} <= json.loads(held["doctor.json"])[0].keys()
    assert held["pictures/contact_sheet.jpg"][:2] == b"\xff\xd8"

    before = target.read_bytes()
    assert packed(str(result)) == 1 and "is there already" in capsys.readouterr().err
    assert target.read_bytes() == before
    other = tmp_path / "b.zip"
    assert packed(str(result), "--no-pictures", "--out", str(other)) == 0
    with zipfile.ZipFile(other) as archive:
        assert not [name for name in archive.namelist() if "pictures" in name]


def test_no_link_is_followed_and_no_other_file_is_read(
    result: Path, private: dict[str, str]
) -> None:
    outside = Path(private["home"]) / "diary.txt"
    outside.write_text("dear diary")
    for name in ("job.log", "contact_sheet.png", "failure.json"):
        (result / name).unlink()
        (result / name).symlink_to(outside)
    os.rmdir(result / "validate")
    (result / "validate").symlink_to(result.parent)
    (result.parent / "val_0_ref.png").write_bytes(PNG)
    document = json.loads((result / "result.json").read_text())
    for named in (str(outside), "../../diary.txt", "/dev/zero", "\0", {"iter": 1}):
        document["job"]["config"] = named
        document["log"] = "../../../diary.txt"
        (result / "result.json").write_text(json.dumps(document))
        found, _placeholders = contents.gather(str(result))
        assert "dear diary" not in json.dumps(found.texts)
        assert found.config is None and "configuration.json" not in found.texts
        assert any(one.startswith("job.log") for one in found.left_out)
        assert not any("validate" in one for one in found.pictures)


def test_a_huge_log_is_cut_at_lines(result: Path, private: dict[str, str]) -> None:
    line = f"iter, {private['token']} {private['home']}/x\n"
    count = (contents.LOG_BEGIN + contents.LOG_END) // len(line) * 3
    (result / "job.log").write_text("begin\n" + line * count + "the end\n")
    found, _ = contents.gather(str(result))
    log = found.texts["job.log"]
    assert log.startswith("begin\n") and log.endswith("the end\n")
    assert "bytes are left out here" in log and len(log) <= contents.LOG_BEGIN + contents.LOG_END
    assert all(word not in log for word in (private["token"], private["user"]))
    assert {one for one in log.splitlines() if one.startswith("iter")} == {
        "iter, <SECRET> <HOME>/x"
    }


def test_what_is_no_result_is_told(
    tmp_path: Path, private: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert packed(str(empty)) == 1
    assert "holds nothing that a training left" in capsys.readouterr().err
    (empty / "result.json").write_text("{" * 5000)
    assert packed(str(empty)) == 1
    assert "result.json" in capsys.readouterr().err
    assert packed(str(tmp_path / "none")) == 1
    assert not list(tmp_path.glob("*.zip"))


def test_a_bundle_stays_small() -> None:
    found = contents.Gathered()
    entries = {"a": os.urandom(bundle.MOST // 2), "b": os.urandom(bundle.MOST), "c": b"c" * 100}
    data = bundle._zipped(entries, found)
    assert len(data) <= bundle.MOST and sorted(entries) == ["a", "c"]
    assert found.left_out == ["b: the bundle would become too large"]


def test_versions_as_text_and_as_json(
    private: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["version", "--json", "--env", sys.executable]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"toolkit", "python", "system", "environment", "graphics", "houdini"}
    assert found["environment"]["packages"]["numpy"]
    assert cli.main(["version", "--env", str(Path(private["home"]) / "none")]) == 0
    said = capsys.readouterr().out
    assert "none that can be used" in said and private["user"] not in said
    assert found["toolkit"]["version"] in said


def test_the_commit_of_a_checkout(tmp_path: Path) -> None:
    from nvdiffrec_tops.bugreport import facts

    assert "commit" not in facts.toolkit(tmp_path)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@y.z"]
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "a").write_text("1")
    subprocess.run([*git, "add", "a"], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    found = facts.toolkit(tmp_path)
    assert len(found["commit"]) == 40 and found["changed"] is False
    (tmp_path / "a").write_text("2")
    assert facts.toolkit(tmp_path)["changed"] is True


def test_houdini_is_found_by_its_variables() -> None:
    from nvdiffrec_tops.bugreport import facts

    assert facts.houdini({"HOUDINI_VERSION": "21.0.512"})["running"] == "21.0.512"
    assert facts.houdini({"HFS": "/opt/hfs20.5.332"})["running"] == "20.5.332"
    assert facts.houdini({})["running"] is None
