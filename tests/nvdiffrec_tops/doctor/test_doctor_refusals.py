"""What the trainer says of a configuration, asked in a process of its own, and said once."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nvdiffrec_tops.doctor import Finding
from nvdiffrec_tops.doctor.context import TOOLKIT, Context
from nvdiffrec_tops.doctor.inspection import inspect

Look = Callable[[Context, str], Finding]
Healthy = Callable[..., Context]

pytest.importorskip("torch", reason="the trainer is not installed")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (json.dumps({"iter": 0}), '"iter": found 0'),
        (json.dumps({"itre": 5}), "itre"),
        ("{", "not JSON"),
        ("[" * 1000, "nested more than"),
    ],
)
def test_a_refused_configuration_is_no_fault_of_the_trainer(
    tmp_path: Path, text: str, word: str
) -> None:
    path = tmp_path / "job.json"
    path.write_text(text, encoding="utf-8")
    options = {"toolkit": TOOLKIT, "config": str(path)}
    facts: dict[str, Any] = inspect(sys.executable, ["diffrec"], os.environ, options=options)
    assert "problem" not in facts["diffrec"]
    assert word in facts["diffrec"]["refused"]


@pytest.mark.parametrize("text", ['{"iter": 0}', '{"itre": 5}', "{", "[" * 1000])
def test_a_refusal_is_told_once(healthy: Healthy, look: Look, tmp_path: Path, text: str) -> None:
    path = tmp_path / "job.json"
    path.write_text(text, encoding="utf-8")
    context = healthy(
        lambda light, heavy: heavy.update(diffrec={"refused": "as above"}),
        engine="diffrec",
        config=str(path),
    )
    checks = ("configuration_reads", "configuration_fields", "configuration_values")
    found = [look(context, one).severity for one in (*checks, "diffrec_trainer")]
    assert found.count("error") == 1
    assert found[-1] == "ok"
