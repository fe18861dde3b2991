"""The tables of the nodes that work on files and scripts, against the dialogs of Houdini's."""

from __future__ import annotations

from pathlib import Path

import pytest

from topcook import nodes
from topcook.parameters.table import Kind

from .test_parameter_tables import Dialog, _expected

NAMES = [
    *("filepattern", "filecopy", "filerename", "fileremove", "makedir", "textoutput"),
    *("filecompress", "jsoninput", "ffmpegextractimages", "pythonscript"),
]
# Their entries were still spelled out in the dialogs of 18.5, in another order.
SCRIPTED = {"pdg_workitemgeneration", "pdg_cachemode"}


@pytest.mark.parametrize("name", NAMES)
def test_a_table_has_what_the_dialog_has(name: str, shared: Path) -> None:
    (file,) = (shared / "data/stock_dialogscripts").glob(f"{name}__*.ds")
    entries = Dialog(file.read_text("utf-8")).entries
    ours = {spec.name: spec for spec in nodes.TYPES[name].table if not spec.since}
    assert set(ours) == {entry.name for entry in entries}
    for entry in entries:
        spec = ours[entry.name]
        kind, default = _expected(entry)
        assert spec.kind is kind, entry.name
        if default is not None and kind is Kind.STRING:
            assert spec.default == (entry.default[0].replace("\\n", "\n"),), entry.name
        elif default is not None and entry.name not in SCRIPTED:
            assert spec.normal(spec.default) == default, entry.name
        if kind is Kind.MENU and entry.tokens and entry.name not in SCRIPTED:
            # A later version may have added entries at the end.
            assert list(spec.tokens)[: len(entry.tokens)] == entry.tokens, entry.name
            assert spec.by_token == entry.by_token, entry.name
        if kind is not Kind.LAYOUT:
            assert spec.owner == entry.owner, entry.name
