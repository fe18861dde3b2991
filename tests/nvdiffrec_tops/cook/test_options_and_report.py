"""What both cooks share: their options, and the report from documented members of PDG."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvdiffrec_contract import failureline
from nvdiffrec_contract.failure import Failure
from nvdiffrec_tops.cook import options, reporting
from nvdiffrec_tops.cook.options import CookCommandError
from topcook.network.overrides import Override, OverrideError

PART = st.text(min_size=1).filter(lambda text: "=" not in text and "." not in text)


@given(PART, PART, st.text())
def test_an_override_keeps_its_value_whole(node: str, parm: str, value: str) -> None:
    assert Override.parse(f"{node}.{parm}={value}") == Override(node, parm, value)


@given(st.text())
def test_any_text_is_an_override_or_a_sentence(text: str) -> None:
    try:
        override = Override.parse(text)
    except OverrideError as error:
        assert "write it as NODE.PARM=VALUE" in str(error)
    else:
        assert f"{override.node}.{override.parm}={override.value}" == text


def _parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    options.add_arguments(parser)
    return parser.parse_args(["scene.hip", *words])


@pytest.mark.parametrize("words", [("--jobs", "0"), ("--grace", "-1"), ("--grace", "inf")])
def test_numbers_that_mean_nothing_are_refused(words: tuple[str, str]) -> None:
    with pytest.raises(argparse.ArgumentError):
        _parse(*words)


def test_the_reports_place_is_checked_before_the_cook(tmp_path: Path) -> None:
    options.check(_parse())
    options.check(_parse("--report", str(tmp_path / "report.json")))
    with pytest.raises(CookCommandError, match="make it first"):
        options.check(_parse("--report", str(tmp_path / "none" / "report.json")))
    with pytest.raises(CookCommandError, match="name a file in it"):
        options.check(_parse("--report", str(tmp_path)))


def test_a_report_replaces_the_last_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    options.write_report(path, {"version": 1})
    assert json.loads(path.read_text()) == {"version": 1}
    assert list(tmp_path.iterdir()) == [path]
    blocked = tmp_path / "folder"
    (blocked / "full").mkdir(parents=True)
    with pytest.raises(CookCommandError, match="cannot be written"):
        options.write_report(blocked, {})
    assert sorted(tmp_path.iterdir()) == [blocked, path]


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///tmp/logs/train_1.log", "/tmp/logs/train_1.log"),
        ("file:///tmp/my logs/a#1?.log", "/tmp/my logs/a#1?.log"),
        ("file:///tmp/my%20logs/a.log", "/tmp/my logs/a.log"),
        ("file:///C:/Users/Ana Maria/a.log", "C:/Users/Ana Maria/a.log"),
        ("file://localhost/tmp/a.log", "/tmp/a.log"),
        ("file://server/share/a.log", "//server/share/a.log"),
        ("http://farm:5000/jobs/7", None),
        ("", None),
        (None, None),
    ],
)
def test_the_log_of_an_item(uri: str | None, path: str | None) -> None:
    assert reporting.log_path(SimpleNamespace(logURI=uri)) == path


def test_a_log_whose_name_looks_escaped_is_found(tmp_path: Path) -> None:
    log = tmp_path / "100%25.log"
    log.write_text("x")
    assert reporting.log_path(SimpleNamespace(logURI=f"file://{log.as_posix()}")) == str(log)


@given(st.one_of(st.none(), st.text()))
def test_any_log_address_is_read(uri: str | None) -> None:
    found = reporting.log_path(SimpleNamespace(logURI=uri))
    assert found is None or (uri is not None and uri.startswith("file://"))


def _item(**members: Any) -> Any:
    standing = {"logURI": "", "logMessages": "", "dependencies": [], "name": "train_1"}
    return SimpleNamespace(**{**standing, "state": SimpleNamespace(name="CookedFail"), **members})


def test_why_an_item_is_not_cooked(tmp_path: Path) -> None:
    assert reporting.cause(_item()) == "CookedFail"
    assert reporting.cause(_item(logMessages="one\n\ntwo\n")) == "two"
    above = [_item(name=f"a{number}") for number in range(5)]
    waits = reporting.cause(_item(dependencies=above))
    assert waits == "it waits for a0, a1, a2 and others"
    log = tmp_path / "train.log"
    told = Failure("memory", "out of memory.", "a smaller batch")
    log.write_text(f"...\n{failureline.text('7', told)}\nJob: failed: anything\nmore\n")
    uri = f"file://{log.as_posix()}"
    assert reporting.cause(_item(logURI=uri, id=7)) == "out of memory. Cure: a smaller batch"
    assert reporting.cause(_item(logURI=uri, id=8)) == "CookedFail", "of another item"


@given(st.binary(max_size=4096))
def test_any_log_has_a_tail(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    log = tmp_path_factory.getbasetemp() / "any.log"
    log.write_bytes(data)
    assert len(reporting.tail(log, 3)) <= 3
    reporting.explained(_item(id=1, logURI=f"file://{log}"))
