"""``nvdiffrec-tops doctor``: what is wrong with an environment, a configuration and its data."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections import Counter
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from nvdiffrec_contract.terminal import plain, raw
from nvdiffrec_tops.doctor import Finding, examine, repair, worst_first
from nvdiffrec_tops.job import engines

FAILED = 1
COLOURS = {
    "error": "bold red",
    "warning": "yellow",
    "note": "cyan",
    "skipped": "dim",
    "ok": "green",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``doctor``."""
    parser.add_argument(
        "--env", metavar="PREFIX", help="environment's folder or Python (the active one)"
    )
    parser.add_argument(
        "--engine",
        choices=engines.names(),
        default=engines.DEFAULT,
        help="for which trainer (%(default)s)",
    )
    parser.add_argument(
        "--working-dir", metavar="DIR", help="nvdiffrec's checkout, or the configuration's folder"
    )
    parser.add_argument("--config", metavar="FILE", help="training configuration")
    parser.add_argument("--output", metavar="DIR", help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="only what takes less than a second")
    parser.add_argument("--fix", action="store_true", help="mend what can be mended safely")
    parser.add_argument(
        "--all", action="store_true", help="also show what was skipped as not concerned"
    )
    parser.add_argument("--json", action="store_true", help="print JSON on standard output")


def main(arguments: argparse.Namespace) -> int:
    """Examine, mend if asked, and tell; 0 unless an error is left."""
    stream = raw(sys.stdout)
    if isinstance(stream, io.TextIOWrapper):
        # A folder's name may hold bytes that are no text.
        stream.reconfigure(errors="backslashreplace")
    asked = {
        "environment": arguments.env,
        "working_dir": arguments.working_dir,
        "config": arguments.config,
        "engine": arguments.engine,
        "output": arguments.output,
    }
    findings = examine(**asked, quick=arguments.quick)
    mended: list[str] = []
    broken = [one.check for one in findings if one.repair]
    if arguments.fix and broken:
        mended = repair(**asked, checks=broken)
        findings = examine(**asked, quick=arguments.quick)
    if arguments.json:
        document = {
            "engine": arguments.engine,
            "repaired": mended,
            "findings": [asdict(one) for one in worst_first(findings)],
        }
        print(json.dumps(document, indent=1))
    else:
        _print(findings, mended, arguments)
    return FAILED if any(one.severity == "error" for one in findings) else 0


def _print(findings: list[Finding], mended: list[str], arguments: argparse.Namespace) -> None:
    console = Console(file=raw(sys.stdout), highlight=False, soft_wrap=True)
    for sentence in mended:
        console.print(Text(f"mended   {_plain(sentence)}"))
    for one in worst_first(findings):
        if one.severity == "skipped" and not arguments.all:
            continue
        console.print(
            Text.assemble(
                (f"{one.severity:<8} ", COLOURS[one.severity]), (one.title, "bold"),
                f"  {_plain(one.evidence)}",
            )
        )  # fmt: skip
        if one.cure:
            console.print(Text(f"         → {_plain(one.cure)}"))
    count = Counter(one.severity for one in findings)
    listed = [f"{count[name]} {name}" for name in COLOURS if count[name]]
    console.print(Text(", ".join(listed)))
    if any(one.repair for one in findings):
        console.print(Text("--fix mends what can be mended safely"))


def _plain(text: str) -> str:
    """On one line, without characters that would steer a terminal."""
    return plain(" ".join(text.split()))
