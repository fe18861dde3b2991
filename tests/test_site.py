"""The documentation as a site: built whole, and nothing in it leads nowhere or elsewhere."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def builder(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_site", root / "scripts" / "build_site.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_site_is_built(root: Path, tmp_path: Path) -> None:
    """With the pages of one module in place of all, which take a minute."""
    for name in ("zensical", "mkdocstrings"):
        pytest.importorskip(name, reason=f"{name} comes with the extra dev")
    site = tmp_path / "site"
    command = [sys.executable, root / "scripts" / "build_site.py", "--folder", site]
    done = subprocess.run([*command, "nvdiffrec_tops.cook.scene"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for page in (root / "docs").rglob("*.md"):
        assert (site / page.relative_to(root / "docs").with_suffix(".html")).is_file()
    page = (site / "api" / "nvdiffrec_tops.cook.scene.html").read_text(encoding="utf-8")
    for said in ("cook_scene", "CookProblem", "on_progress", "Raises"):
        assert said in page
    # What the search looks through, which is read as a script where no server is.
    index = json.loads((site / "search.json").read_text(encoding="utf-8"))
    found = {item["location"]: item["text"] for item in index["items"]}
    assert "fields.html#dmtet_grid" in found
    assert any(one.startswith("api/nvdiffrec_tops.cook.scene.html") for one in found)
    assert (site / "search.js").is_file() and (site / "assets" / "offline-search.js").is_file()
    assert not list((root / "docs").rglob("*.html"))


def test_what_leads_nowhere_is_found(builder: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "index.html").write_text(
        '<h1 id="here">x</h1><a href="sub/a.html">1</a><a href="sub/a.html#there">2</a>'
        '<a href="#here">3</a><a href="https://example.com">4</a><a href="mailto:a@b.c">5</a>'
        '<a href="none.html">6</a><a href="sub/a.html#gone">7</a><a href="#gone">8</a>'
        '<script src="https://example.com/x.js"></script><img src="//example.com/a.png">'
        '<img src="no.png"><link rel="stylesheet" href="https://example.com/x.css">'
    )
    (tmp_path / "sub" / "a.html").write_text('<p id="there"><a href="../index.html#here">x</a>')
    assert list(builder.faults(tmp_path)) == [
        "index.html leads to none.html, which is not there",
        "index.html leads to sub/a.html#gone, and there is no such heading",
        "index.html leads to #gone, and there is no such heading",
        "index.html fetches https://example.com/x.js",
        "index.html fetches //example.com/a.png",
        "index.html leads to no.png, which is not there",
        "index.html fetches https://example.com/x.css",
    ]


def test_every_module_has_a_page_but_those_that_need_houdini(builder: ModuleType) -> None:
    names = builder.modules()
    assert {"diffrec.render", "nvdiffrec_contract", "nvdiffrec_tops.cli"} <= set(names)
    assert not [one for one in names if ".houdini." in f"{one}." or "jobsupport" in one]


def test_another_folder_is_left_alone(builder: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RuntimeError, match="something else"):
        builder.build(tmp_path, [])
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_links_lead_to_pages_of_the_site(builder: ModuleType) -> None:
    text = "[a](docs/x.md#y) [b](docs/nodes) [c](CONTRIBUTING.md) [d](https://e.f/g) [h](#i)"
    assert builder._relinked(text, Path(".")) == (
        "[a](x.md#y) [b](nodes/index.md) [c](CONTRIBUTING.md) [d](https://e.f/g) [h](#i)"
    )
