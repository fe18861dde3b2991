"""Scenes over the whole grammar open and generate their work items, as in a dry run."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from topcook.network.opening import open_network
from topcook.planning import generate_all

from ..houfiles import grammar


@pytest.fixture(scope="module")
def hip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("generated") / "shot.hip"


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=grammar.scenes())
def test_every_scene_generates(hip: Path, made: grammar.Generated) -> None:
    hip.write_bytes(made.data)
    network = open_network(hip, top=f"/{grammar.NETWORK}")
    assert all("not known here and passed over: later" in note for note in network.notes)
    items = generate_all(network, lambda _message: None)
    assert [one.node.name for one in items] == list(made.nodes)
    for item in items:
        attribute = item.attrib("s")
        assert attribute is not None and attribute.asString() == made.values[item.node.name]
