"""``nvdiffrec-tops version``: what a bug report needs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

from nvdiffrec_tops.bugreport import facts, privacy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``version``."""
    parser.add_argument(
        "--env", metavar="PREFIX", help="training environment's folder or Python (the active one)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON on standard output")


def main(arguments: argparse.Namespace) -> int:
    """Print the versions; always 0."""
    found = privacy.of_this_machine().document(facts.gathered(arguments.env))
    print(json.dumps(found, indent=1) if arguments.json else "\n".join(lines(found)))
    return 0


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The facts as text, one line each."""
    toolkit, system = found["toolkit"], found["system"]
    commit = toolkit.get("commit", "")
    changed = ", with changes of its own" if toolkit.get("changed") else ""
    yield (
        "TOPs nvdiffrec  " + toolkit["version"] + (f", commit {commit}{changed}" if commit else "")
    )
    yield f"Python          {found['python']['version']} ({found['python']['implementation']})"
    words = (system["name"], system["release"], system["machine"], system["distribution"])
    yield "System          " + ", ".join(one for one in words if one)
    environment = found["environment"]
    if "problem" in environment:
        yield f"Environment     none that can be used: {environment['problem']}"
    else:
        yield f"Environment     {environment['kind']}, Python {environment['python']}"
        cuda = environment["torch_cuda"] or environment["torch_hip"] or "none"
        yield f"PyTorch's CUDA  {cuda}"
        for name in ("nvcc", "compiler"):
            yield f"{name:<15} {environment[name] or 'none'}"
        for name, version in environment["packages"].items():
            yield f"  {name} {version}"
    graphics = found["graphics"]
    yield f"NVIDIA driver   {graphics['driver'] or 'none'}"
    for card in graphics["cards"]:
        yield f"  {card['name']}, {card['memory_mib']} MiB, compute {card['capability']}"
    houdini = found["houdini"]
    installed = ", ".join(houdini["installed"]) or "none found"
    yield f"Houdini         {houdini['running'] or 'not running in it'}; installed: {installed}"
