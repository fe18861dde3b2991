#!/usr/bin/env python3
"""Builds the documentation as one site: the pages of docs, README and the API reference.

It is read from the disk, without a network, and searched there. A link that leads nowhere is an
error, and so is anything that a page would fetch from elsewhere.
"""

from __future__ import annotations

import argparse
import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ROOT / "python3.11libs"
SITE = ROOT / "dist" / "site"
MARKER = ".tops-nvdiffrec-site"
LEFT_OUT = re.compile(
    r"\.houdini(\.|$)"  # needs Houdini's own modules
    r"|\.jobsupport(\.|$)"  # scripts of a job, which find each other by their folder
    r"|\.__main__$"
)
MORE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "python3.11libs/houfiles/README.md": "houfiles.md",
    "python3.11libs/topcook/README.md": "topcook.md",
}
"""Pages that lie elsewhere than in docs, and what they are called on the site."""
SEARCH = "assets/offline-search.js"
# A page from the disk may start no worker: the search runs in a frame instead.
SEARCH_TEXT = """\
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(address) {
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.documentElement.append(this.frame);
      this.waiting = [];
      const inner = this.frame.contentWindow;
      inner.postMessage = (data) => this.hand(this, data);
      const script = inner.document.createElement("script");
      script.src = new URL(address, location.href).href;
      script.onload = () => {
        this.ready = true;
        for (const data of this.waiting.splice(0)) this.postMessage(data);
      };
      script.onerror = (error) => this.onerror && this.onerror(error);
      inner.document.documentElement.append(script);
    }
    hand(receiver, message) {
      const data = structuredClone(message);
      setTimeout(() => receiver.onmessage && receiver.onmessage({ data }));
    }
    postMessage(data) {
      if (!this.ready) this.waiting.push(data);
      else if (this.frame.contentWindow) this.hand(this.frame.contentWindow, data);
    }
    terminate() {
      this.frame.remove();
    }
  };
}
"""
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_FOREIGN_SCRIPT = re.compile(r'<script src="https://unpkg\.com/iframe-worker/shim"[^>]*>')


def modules() -> list[str]:
    """Every module that pages are written about, by its full name."""
    found = []
    for path in LIBRARIES.rglob("*.py"):
        parts = path.relative_to(LIBRARIES).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if not LEFT_OUT.search(name):
            found.append(name)
    return sorted(found)


def stage(folder: Path, names: list[str]) -> None:
    """Put together what the site is made of.

    Args:
        folder: an empty one.
        names: modules of the API reference.
    """
    pages = folder / "docs"
    shutil.copytree(ROOT / "docs", pages, ignore=shutil.ignore_patterns("api"))
    for source, name in MORE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        (pages / name).write_text(_relinked(text, Path(source).parent), encoding="utf-8")
    (pages / "examples.md").write_text(_examples(), encoding="utf-8")
    nodes = sorted((pages / "nodes").glob("*.md"))
    listed = "".join(f"- [{path.stem}]({path.name})\n" for path in nodes)
    (pages / "nodes" / "index.md").write_text(f"# Nodes\n\n{listed}", encoding="utf-8")
    api = pages / "api"
    api.mkdir()
    for name in names:
        (api / f"{name}.md").write_text(f"# {name}\n\n::: {name}\n", encoding="utf-8")
    listed = "".join(f"- [{name}]({name}.md)\n" for name in names)
    (api / "index.md").write_text(f"# Modules\n\n{listed}", encoding="utf-8")
    (folder / "zensical.toml").write_text(_settings(pages), encoding="utf-8")


def _relinked(text: str, base: Path) -> str:
    """A page's text with its links as they lead on the site."""

    def link(match: re.Match[str]) -> str:
        target = match[2]
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        path, hash_, anchor = target.partition("#")
        whole = os.path.normpath(base / path).replace(os.sep, "/")
        moved = MORE.get(whole) or {"docs/nodes": "nodes/index.md", "examples": "examples.md"}.get(
            whole
        )
        return f"{match[1]}{moved or whole.removeprefix('docs/')}{hash_}{anchor}{match[3]}"

    return _LINK.sub(link, text)


def _examples() -> str:
    parts = ["# Examples"]
    for path in sorted((ROOT / "examples").glob("*.py")):
        source = path.read_text(encoding="utf-8")
        parts.append(f"## {path.name}\n\n```python\n{source}```")
    return "\n\n".join(parts) + "\n"


def _settings(pages: Path) -> str:
    """The settings of the site's builder."""
    kept = {"index.md", *MORE.values()}
    guides = sorted(one.name for one in pages.glob("*.md") if one.name not in kept)
    nav = [
        {"Start": "index.md"},
        {"Guides": [*guides, "nodes/index.md", *_below(pages, "nodes")]},
        {"Taking part": ["CONTRIBUTING.md", "CHANGELOG.md", "houfiles.md", "topcook.md"]},
        {"Modules": ["api/index.md", *_below(pages, "api")]},
    ]
    options = {"docstring_style": "google", "show_source": False, "show_root_heading": False}
    handler = "project.plugins.mkdocstrings.handlers.python"
    return "\n".join(
        [
            "[project]",
            'site_name = "TOPs nvdiffrec"',
            'docs_dir = "docs"',
            'site_dir = "site"',
            "use_directory_urls = false",
            f"nav = {_toml(nav)}",
            "[project.theme]",
            "font = false",
            "[project.plugins.offline]",
            f"[{handler}]",
            f"paths = {_toml([str(LIBRARIES)])}",
            f"[{handler}.options]",
            *(f"{name} = {_toml(value)}" for name, value in options.items()),
            "",
        ]
    )


def _below(pages: Path, folder: str) -> list[str]:
    names = sorted(one.name for one in (pages / folder).glob("*.md") if one.name != "index.md")
    return [f"{folder}/{name}" for name in names]


def _toml(value: object) -> str:
    """Plain data as TOML writes it on one line."""
    if isinstance(value, dict):
        pairs = (f"{json.dumps(name)} = {_toml(one)}" for name, one in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)


class _Page(html.parser.HTMLParser):
    """What a page leads to, what it fetches, and the names that links may lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") not in ("canonical", "next", "prev"):
            self.fetched.append(given.get("href", ""))
        elif "src" in given:
            self.fetched.append(given["src"])


def faults(site: Path) -> Iterator[str]:
    """Links of a site that lead nowhere, and what its pages fetch from elsewhere."""
    pages = {}
    for path in sorted(site.rglob("*.html")):
        page = pages[path.resolve()] = _Page()
        page.feed(path.read_text(encoding="utf-8"))
    for path, page in pages.items():
        name = path.relative_to(site.resolve()).as_posix()
        # What is shown for an address that is not there has links from the root.
        if name == "404.html":
            continue
        for address in [*page.links, *page.fetched]:
            parts = urlsplit(address)
            if parts.scheme in ("http", "https") or address.startswith("//"):
                if address in page.fetched:
                    yield f"{name} fetches {address}"
                continue
            if parts.scheme:
                continue
            target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            if target.is_dir():
                target = target / "index.html"
            if not target.is_file():
                yield f"{name} leads to {address}, which is not there"
            elif parts.fragment and target in pages:
                anchors = pages[target].anchors
                if not {parts.fragment, unquote(parts.fragment)} & anchors:
                    yield f"{name} leads to {address}, and there is no such heading"


def build(site: Path, names: list[str]) -> list[str]:
    """Build the site; sentences on what is wrong with it.

    Args:
        site: where it goes; an earlier one is replaced.
        names: modules of the API reference.

    Raises:
        RuntimeError: the builder fails, or something else lies in the folder.
    """
    if site.exists() and not (site / MARKER).is_file() and any(site.iterdir()):
        raise RuntimeError(f"{site} holds something else than a site; name another folder")
    with tempfile.TemporaryDirectory(prefix="site-") as work:
        stage(Path(work), names)
        command = [sys.executable, "-m", "zensical", "build", "--strict"]
        done = subprocess.run(
            command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            raise RuntimeError(done.stdout.strip())
        made = Path(work) / "site"
        script = made / SEARCH
        script.write_text(SEARCH_TEXT, encoding="utf-8")
        for path in made.rglob("*.html"):
            up = "../" * (len(path.relative_to(made).parts) - 1)
            text = path.read_text(encoding="utf-8")
            ours = f'<script src="{up}{SEARCH}">'
            path.write_text(_FOREIGN_SCRIPT.sub(ours, text), encoding="utf-8")
        (made / MARKER).touch()
        shutil.rmtree(site, ignore_errors=True)
        site.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, site)
    return list(faults(site))


def main() -> int:
    """Build the site; returns the exit code."""
    parser = argparse.ArgumentParser(description="Build the documentation as one site.")
    parser.add_argument("modules", nargs="*", help="of the API reference (default: all)")
    parser.add_argument("--folder", type=Path, default=SITE, help="where the site goes")
    arguments = parser.parse_args()
    try:
        wrong = build(arguments.folder.resolve(), arguments.modules or modules())
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for sentence in wrong:
        print(f"error: {sentence}", file=sys.stderr)
    print(f"The site begins at {arguments.folder / 'index.html'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
