"""What pip is asked to install: every file by its SHA-256, and torch's build for this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from nvdiffrec_tops.environment.description import EnvironmentProblem
from nvdiffrec_tops.environment.reading import is_file, text_of

SHIPPED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "diffrec.lock.txt")
"""What the trainer needs, with the hashes of the files for every platform."""

CUDA_INDEX = "https://download.pytorch.org/whl/cu130"
"""PyTorch's own index. On Windows it alone has the CUDA build; its files have no hashes here, as
they are none of the package index's."""

_ENTRY = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)[^\n]*(?:\n[ \t]+--hash=\S+[^\n]*)*", re.M)
# torch and what only its CUDA builds bring.
_OF_TORCH = re.compile(r"torch|triton|(?:nvidia|cuda)-[\w-]+")
_CHOSEN = re.compile(
    r"^(?:global|install|:env:|user|site)\.(?:index-url|extra-index-url|find-links|no-index)=", re.M
)


@dataclass(frozen=True)
class Request:
    """One run of ``pip install``.

    ``lines`` go into a file of requirements, ``constraints`` into one of constraints; ``count``
    packages will be collected.
    """

    title: str
    options: tuple[str, ...]
    lines: str = ""
    constraints: str = ""
    arguments: tuple[str, ...] = ()
    count: int = 0
    unlocked: tuple[str, ...] = field(default=())


def requests(
    lock: str, *, index_chosen: bool, cuda_index: bool, project: str = ""
) -> list[Request]:
    """What to ask of pip, in this order.

    Args:
        lock: text of a list with hashes.
        index_chosen: the user has set where pip finds packages. torch comes from there, by version
            alone: builds for a processor alone, for example, have other hashes.
        cuda_index: torch comes from PyTorch's index of CUDA builds.
        project: a folder to be installed as it lies there, with what it needs installed before.
    """
    entries = [(match[1].lower(), match[2], match[0]) for match in _ENTRY.finditer(lock)]
    apart = index_chosen or cuda_index
    hashed = [text for name, _, text in entries if not (apart and _OF_TORCH.fullmatch(name))]
    found = [
        Request(
            "Installing packages, each checked by its hash",
            ("--require-hashes", "--no-deps", "--only-binary", ":all:"),
            lines="\n".join(hashed),
            count=len(hashed),
        )
    ]
    torch = [version for name, version, _ in entries if name == "torch"]
    if apart and torch:
        index = ("--index-url", CUDA_INDEX) if cuda_index and not index_chosen else ()
        title = "PyTorch's CUDA build" if index else "PyTorch from the index that pip is set to"
        found.append(
            Request(
                f"Installing {title}, by version",
                ("--only-binary", ":all:", *index),
                lines=f"torch=={torch[0]}",
                constraints="\n".join(f"{name}=={version}" for name, version, _ in entries),
                count=1,
                unlocked=("torch",),
            )
        )
    if project:
        found.append(
            Request(
                "Installing the toolkit itself",
                # Nothing is fetched for the build: setuptools is there, checked by its hash.
                ("--no-deps", "--no-build-isolation", "--no-index"),
                arguments=("--editable", project),
                count=1,
            )
        )
    return found


def lock_text(path: str) -> str:
    """A list of packages with hashes.

    Raises:
        EnvironmentProblem: it is not there.
    """
    text = text_of(path)
    if not text:
        raise EnvironmentProblem(
            f"the list of packages is missing: {path}", "get the toolkit again, whole"
        )
    return text.replace("\r\n", "\n")


def index_is_chosen(python: str, environ: Mapping[str, str]) -> bool:
    """Whether pip's settings or variables say where it finds packages."""
    try:
        done = subprocess.run(
            [python, "-I", "-m", "pip", "config", "list"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environ),
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return _CHOSEN.search(done.stdout.decode("utf-8", "replace")) is not None


def has_card(environ: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Whether an NVIDIA card's driver answers on this machine."""
    if platform == "darwin":
        return False
    if platform == "win32":
        root = environ.get("SYSTEMROOT", r"C:\Windows")
        usual = os.path.join(root, "System32", "nvidia-smi.exe")
    else:
        usual = "/usr/bin/nvidia-smi"
    program = shutil.which("nvidia-smi", path=environ.get("PATH", "")) or usual
    if not is_file(program):
        return False
    try:
        done = subprocess.run(
            [program, "--list-gpus"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=30,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0 and b"GPU" in done.stdout
