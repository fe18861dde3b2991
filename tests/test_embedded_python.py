"""The Python inside assets and the shelf, and the entry scripts: ruff and mypy, as for any code."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest

from houfiles.libraries.expanded import read_expanded
from nvdiffrec_tops.assets import shipped

ROOT = Path(__file__).resolve().parents[1]
# The names that Houdini binds for each snippet of a Python Processor.
BOUND = {
    "generate": ("self", "item_holder", "upstream_items", "generation_type"),
    "regeneratestatic": (
        *("self", "item_holder", "existing_items", "upstream_items", "generation_type"),
    ),
    "addinternaldependencies": ("self", "dependency_holder", "internal_items", "is_static"),
    "cooktask": ("self", "work_item"),
}


def snippets() -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Name, bound names and text of every piece of Python that is not a file of its own."""
    for name, asset in shipped.ASSETS.items():
        definition = read_expanded(ROOT / "otls" / asset.library).definition(asset.type)
        for parm in definition.interface.parms:
            callback = parm.tags.get("script_callback", "")
            if callback:
                assert parm.tags.get("script_callback_language") == "python"
                yield f"{name}_{parm.name}_callback", ("kwargs",), callback
            if parm.menu is not None and parm.menu.script:
                assert parm.menu.language == "python"
                plain = parm.name.replace("#", "")
                yield f"{name}_{plain}_menu", ("kwargs",), parm.menu.script
        for node in definition.contents.children:
            for snippet, bound in BOUND.items():
                if node.type == "pythonprocessor" and snippet in node.parms:
                    text = node.parms[snippet].values[0].text
                    yield f"{name}_{snippet}", bound, text
    shelf = ElementTree.parse(ROOT / "toolbar" / "nvdiffrec.shelf").getroot()
    for tool in shelf.iter("tool"):
        script = tool.find("script")
        assert script is not None and script.text
        yield tool.attrib["name"], ("kwargs",), script.text


def test_there_is_something_to_check() -> None:
    names = [name for name, _bound, _text in snippets()]
    assert len(names) == len(set(names))
    assert {"nvdiffrec_train_generate", "nvdiffrec_environment_cooktask"} <= set(names)
    assert {"nvdiffrec_attributes_preset_menu", "nvdiffrec_load_result"} <= set(names)


def test_each_snippet_is_one_line_that_calls_the_package() -> None:
    for name, _bound, text in snippets():
        assert "\n" not in text.strip(), name
        assert "nvdiffrec_tops.houdini" in text or "hou.phm().callbacks." in text, name


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedded")
    parts = ["from __future__ import annotations\n\nfrom typing import Any\n\nimport hou\n"]
    for name, bound, text in snippets():
        arguments = ", ".join(f"{one}: Any" for one in bound)
        body = textwrap.indent(text.strip(), "    ")
        parts.append(f"\n\ndef {name}({arguments}) -> Any:\n{body}\n")
    parts.append("\n\nVERSION = hou.applicationVersionString()\n")
    (folder / "snippets.py").write_text("".join(parts), encoding="utf-8")
    for name, asset in shipped.ASSETS.items():
        definition = read_expanded(ROOT / "otls" / asset.library).definition(asset.type)
        path = folder / f"module_{name}.py"
        path.write_text(definition.text("PythonModule"), encoding="utf-8")
    return folder


def test_ruff(extracted: Path) -> None:
    # E702, E501: a snippet is one line. F401: an asset's module offers what it imports.
    options = ["--config", str(ROOT / "pyproject.toml"), "--ignore", "E702,E501,F401,I001"]
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *options, extracted], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_mypy(extracted: Path) -> None:
    folders = (ROOT / "scripts", ROOT / "scripts" / "benchmarks")
    scripts = sorted(path for folder in folders for path in folder.glob("*.py"))
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--no-error-summary"]
    files = [*sorted(extracted.glob("*.py")), *scripts]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *map(str, files)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
