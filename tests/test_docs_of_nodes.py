"""Pictures and tables of the nodes are those of the shipped interfaces."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from nvdiffrec_tops.assets.resultassets import RESULTS
from nvdiffrec_tops.assets.shipped import ASSETS
from nvdiffrec_tops.job import engines

SCRIPT = "scripts/picture_parameters.py"
NODES = [*ASSETS, *(f"{one.name}_{context}" for context, one in RESULTS.items())]
PAGES = [f"docs/nodes/{name}.md" for name in NODES]
NAMES = pytest.mark.parametrize("name", sorted(NODES))


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(root / SCRIPT), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120)


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """What the script reads and writes, to be changed at will."""
    for name in (
        "otls",
        "docs",
        "scripts",
        "python3.11libs/houfiles",
        "python3.11libs/nvdiffrec_tops/assets",
    ):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / name, tmp_path / name, ignore=ignored)
    package = "python3.11libs/nvdiffrec_tops/__init__.py"
    shutil.copy(root / package, tmp_path / package)
    return tmp_path


def test_pages_and_pictures_are_up_to_date(root: Path) -> None:
    done = run(root, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("is up to date\n") == 2 * len(NODES)


def test_a_changed_interface_is_noticed_and_the_table_renewed(copy: Path) -> None:
    (dialog,) = copy.glob("otls/*nvdiffrec_train*/*/DialogScript")
    dialog.write_text(dialog.read_text().replace('"Train Again"', '"Train | Once <More>"'))
    done = run(copy, "--check")
    assert done.returncode == 1
    assert "docs/nodes/nvdiffrec_train.md is NOT up to date" in done.stdout
    assert "docs/pictures/nvdiffrec_train.png is NOT up to date" in done.stdout
    assert "docs/nodes/nvdiffrec_static.md is up to date" in done.stdout

    page = copy / "docs/nodes/nvdiffrec_train.md"
    before = page.read_text(encoding="utf-8")
    done = run(copy, "--tables")
    assert done.returncode == 0, done.stderr
    after = page.read_text(encoding="utf-8")
    assert after == before.replace("| Train Again |", r"| Train \| Once &lt;More> |")
    assert not list(copy.glob("docs/**/.*.partial"))


def test_a_page_without_its_markers_is_named(copy: Path) -> None:
    page = copy / "docs/nodes/nvdiffrec_static.md"
    page.write_text("# By hand\n")
    done = run(copy, "--tables")
    assert done.returncode == 1 and page.read_text() == "# By hand\n"
    assert "nvdiffrec_static.md lacks the lines <!-- parameters -->" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_drawing_package_is_named(root: Path) -> None:
    code = (
        "import runpy, sys; sys.modules['weasyprint'] = None; sys.argv = sys.argv[1:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    argv = [sys.executable, "-c", code, str(root / SCRIPT)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "(weasyprint); install them with: pip install weasyprint pypdfium2" in done.stderr


@NAMES
def test_pictures_are_small_and_of_one_width(root: Path, name: str) -> None:
    data = (root / "docs/pictures" / f"{name}.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) < 200_000
    width, height = struct.unpack(">II", data[16:24])
    assert 700 < width < 1100 and 200 < height < 2000


def anchors(text: str) -> set[str]:
    """The anchors that headings make, as code hosts write them."""
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in found}


@pytest.mark.parametrize("page", ["docs/houdini.md", *PAGES])
def test_links_lead_somewhere(root: Path, page: str) -> None:
    text = (root / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert links
    for link in links:
        path, _hash, anchor = link.partition("#")
        target = (root / page).parent / path if path else root / page
        assert target.is_file(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", ["docs/houdini.md", *PAGES])
def test_named_parameters_and_files_exist(root: Path, page: str) -> None:
    text = (root / page).read_text(encoding="utf-8")
    for path in re.findall(r"\b(?:hip|scripts)/\w+(?:\.\w+)?", text):
        if path != "scripts/python":
            assert (root / path).exists(), path
    labels = set()
    for name in NODES:
        card = (root / "docs/nodes" / f"{name}.md").read_text(encoding="utf-8")
        labels |= set(re.findall(r"^\| (?:&nbsp;)*([^|]+?) \| `[\w#]+` \|", card, re.MULTILINE))
    stock = {"File Pattern", "JSON Input", "Attribute Create", "Environment Edit", "Single"}
    stock |= {"Geometry Import", "ImageMagick", "Filter by Expression", "Wedge"}
    stock |= {"Local scheduler.", "Skip Loading Packages", "HQueue."}
    bold = set(re.findall(r"\*\*(.+?)\*\*", text))
    assert bold <= labels | stock, bold - labels - stock


def test_the_page_of_the_training_lists_every_output_with_its_tag(root: Path) -> None:
    text = (root / "docs/nodes/nvdiffrec_train.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(file/[a-z/]+)` \| (.+) \|$", text, re.MULTILINE))
    outputs = engines.engine("diffrec").outputs({"validate": True})
    assert set(rows) == {one.tag for one in outputs}
    for one in outputs:
        assert Path(one.path).name in rows[one.tag], one.path


def test_package_examples_are_json_with_forward_slashes(root: Path) -> None:
    text = (root / "docs/houdini.md").read_text(encoding="utf-8")
    blocks = [json.loads(one) for one in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    assert [sorted(one) for one in blocks[:2]] == [["package_path"], ["package_path"]]
    package = json.loads((root / "package.json").read_text(encoding="utf-8"))
    whole = blocks[2]
    assert "enable" not in whole and whole["hpath"] == package["hpath"]
    assert list(whole["env"][0]) == list(package["env"][0])
    assert "\\" not in json.dumps(blocks)
