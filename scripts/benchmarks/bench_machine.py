"""What stands above a table: date, machine, versions, the command; and how cells are written."""

from __future__ import annotations

import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

LIBRARIES = Path(__file__).resolve().parents[2] / "python3.11libs"

_ASK = """
import json, torch
cuda = torch.cuda.is_available()
names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if cuda else []
print(json.dumps([names, torch.get_num_threads(), torch.__version__, torch.version.cuda]))
"""


def machine() -> tuple[str, str]:
    """Device and versions in words. Asked of a process of its own: this one leaves a GPU alone."""
    asked = subprocess.run(
        [sys.executable, "-c", _ASK], stdout=subprocess.PIPE, text=True, check=False
    )
    try:
        names, threads, torch_version, cuda = json.loads(asked.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return "a device that PyTorch cannot name", f"Python {platform.python_version()}"
    device = f"CPU, {threads} threads"
    if names:
        device = names[0] if len(names) == 1 else f"{len(names)} x {names[0]}"
    versions = f"Python {platform.python_version()}, PyTorch {torch_version}"
    if cuda:
        versions += f" (CUDA {cuda})"
    return device, f"{versions}, Warp {_version('warp-lang')}"


def cards(device: str) -> int:
    """How many GPUs `machine` speaks of; 1 where it speaks of a CPU."""
    count, found, _ = device.partition(" x ")
    return int(count) if found and count.isdigit() else 1


def heading(name: str, notes: Sequence[str], *, described: tuple[str, str] | None = None) -> str:
    """Date, machine, versions, command, then notes, each a paragraph. `name`: of the benchmark."""
    device, versions = machine() if described is None else described
    command = shlex.join(["./scripts/bench", name, *sys.argv[1:]])
    head = f"{time.strftime('%Y-%m-%d')}, {device}, {platform.platform()},\n{versions}\n\n"
    return head + "\n\n".join([f"`{command}`", *notes]) + "\n"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown; a bar inside a cell does not end it."""
    lines = [_line(heads), "|---" * len(heads) + "|", *map(_line, rows)]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def environment() -> dict[str, str]:
    """This process's, with the product to be found from every folder."""
    result = dict(os.environ)
    given = [
        str(Path(one).absolute()) for one in result.get("PYTHONPATH", "").split(os.pathsep) if one
    ]
    result["PYTHONPATH"] = os.pathsep.join([*given, str(LIBRARIES)])
    return result


def end(process: subprocess.Popen[str], patience: float = 5.0) -> None:
    """Ends a process that was started with `start_new_session`, and what it has started: it is
    asked to, and made to after `patience` seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(patience)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _version(package: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        import warp  # unpacked beside others; not started, which would take a GPU

        return str(warp.config.version)
