"""The bundle of three.js is the one that was built from what lies in scripts/viewer."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

PAGE = "python3.11libs/nvdiffrec_tops/monitor/page"


def test_the_bundle_is_what_its_record_says(root: Path) -> None:
    record = json.loads((root / PAGE / "three.json").read_text())
    bundle = (root / PAGE / "three.min.js").read_bytes()
    assert len(bundle) < 1_500_000
    assert record.pop("sha256") == hashlib.sha256(bundle).hexdigest()
    version = record.pop("three")
    lock = json.loads((root / "scripts/viewer/package-lock.json").read_text())
    assert lock["packages"]["node_modules/three"]["version"] == version
    for name, digest in record.items():
        data = (root / "scripts/viewer" / name).read_bytes()
        assert digest == hashlib.sha256(data).hexdigest(), f"{name}: run scripts/build_viewer.py"
    assert "MIT License" in (root / PAGE / "three.LICENSE.txt").read_text()


def test_the_page_uses_only_what_the_bundle_holds(root: Path) -> None:
    entry = (root / "scripts/viewer/entry.js").read_text()
    exported = set(re.findall(r"\b[A-Z]\w+\b", re.sub(r"//.*|from \"[^\"]*\"", "", entry)))
    own = [path for path in (root / PAGE).glob("*.js") if path.name != "three.min.js"]
    used = {name for path in own for name in re.findall(r"THREE\.(\w+)", path.read_text())}
    assert used == exported


def test_no_part_of_the_page_makes_html_of_texts(root: Path) -> None:
    for path in (root / PAGE).glob("*.js"):
        if path.name != "three.min.js":
            text = path.read_text()
            for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
                assert word not in text, (path.name, word)
            assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), path.name
