"""A stock node is one file: a toy one, put beside the others, cooks."""

from __future__ import annotations

from pathlib import Path

import pytest

from nvdiffrec_tops import cook_scene
from topcook import nodes

TOY = """
from topcook import pdg
from topcook.nodes.base import NodeType, parms
from topcook.parameters.table import integer, table

class Toy(pdg.PyProcessor):
    def onGenerate(self, item_holder, upstream_items, generation_type):
        for index in range(parms(self).integer("count")):
            item_holder.addWorkItem(index=index).setStringAttrib("toy", f"number {index}")
        return pdg.result.Success

TYPE = NodeType("toynode", table(integer("count", 2)), pdg.nodeType.Processor, Toy)
"""


def test_one_more_file_is_one_more_node(
    scene, top, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "nodes"
    folder.mkdir()
    (folder / "toynode.py").write_text(TOY)
    monkeypatch.setattr(nodes, "__path__", [*nodes.__path__, str(folder)])
    monkeypatch.setitem(nodes.TYPES, "toynode", nodes._found()["toynode"])
    cooked = cook_scene(scene(top("toys", "toynode", {"count": 3})))
    assert cooked.successful
    assert [one.attributes["toy"] for one in cooked.of("toys")] == [
        ["number 0"], ["number 1"], ["number 2"],
    ]  # fmt: skip
