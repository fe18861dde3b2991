"""Scenes for the reader: the shipped one, one with everything in it, and real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from houfiles.build import build
from houfiles.describe import (
    AssetDescription,
    NodeDescription,
    NoteDescription,
    SceneDescription,
    Token,
)
from houfiles.libraries.expanded import ExpandedLibrary, encode_expanded
from nvdiffrec_tops.scenes import stock

DIALOG = """# Dialog script for demo::step::1.0 automatically generated

{
    name\tdemo::step::1.0
    script\tdemo::step::1.0
    label\t"Demo Step"

    help {
\t""
    }

    inputlabel\t1\tinput
    group {
        name    "folder0"
        label   "Main"

        parm {
            name    "mode"
            label   "Mode"
            type    ordinal
            default { "1" }
            menu usetokenvalue {
                "1" "One"
                "4" "Four"
            }
        }
        multiparm {
            name    "rows"
            label    "Rows"
            default 2

            parm {
                name    "text#"
                label   "Text"
                type    string
                default { "a \\"b\\" \\\\ c\\nd" }
                parmtag { "script_callback" "hou.phm().go(kwargs)" }
            }
        }
    }
    group {
        name    "folder0_1"
        label   "More"

        parm {
            name    "size"
            label   "Size"
            type    vector
            size    3
            default { "0" "1" "2" }
            invisible
            joinnext
            range   { 0! 10 }
        }
        parm {
            name    "kind"
            label   "Kind"
            type    string
            default { "" }
            menureplace {
                [ "import pdg" ]
                [ "return pdg.kinds()" ]
                language python
            }
        }
    }
}
"""


def everything() -> SceneDescription:
    """A scene with every kind of member that can be described."""
    step = NodeDescription(
        "step1",
        "demo::step::1.0",
        {"mode": Token("4"), "size": (0.5, 2, -1e-07), "rows": 1, "text1": 'say "hi"\n\\ \t end'},
        inputs=("numbers",),
        flags=("display", "bypass"),
        comment='a "comment"\nof two lines',
        locked=True,
        version="",
    )
    numbers = NodeDescription(
        "numbers",
        "rangegenerate",
        {"count": 4, "label": "shot", "on": True, "off": False, "empty": "", "paren": ")"},
        expressions={"count": 'ch("../count")', "label": 'ifs(1, "a", "b c")'},
        color=(1.0, 0.0, 0.25),
    )
    local = NodeDescription("localscheduler", "localscheduler")
    gather = NodeDescription("gather", "waitforall", inputs=("numbers", "step1"))
    network = NodeDescription(
        "topnet1",
        "topnet",
        {"topscheduler": "localscheduler"},
        children=(local, gather, numbers, step),
        notes=(NoteDescription('a "note"\n{ } \\', (1.0, 2.0)), NoteDescription("")),
        is_network=True,
    )
    asset = AssetDescription("demo::step::1.0", "Demo Step", "otls/demo.step.1.0.hda", DIALOG)
    return SceneDescription("everything", (network,), assets=(asset,))


@pytest.fixture(scope="session")
def rich() -> bytes:
    return build(everything())


@pytest.fixture(scope="session")
def shipped() -> bytes:
    return build(stock.describe())


@pytest.fixture(scope="session")
def real(shared: Path) -> list[Path]:
    """Scenes that Houdini 20.5 saved; the original workflow comes last."""
    found = sorted((shared / "data/kartaverse").glob("*.hip"))
    assert len(found) >= 9
    return found


def write_library(library: ExpandedLibrary, folder: Path) -> None:
    """A library as the folder that Houdini's ``hotl -t`` would write."""
    for name, data in encode_expanded(library).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
