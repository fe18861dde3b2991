"""Runs ffmpeg for a work item of FFmpeg Extract Images, and reports the images that it wrote.

The command is the item's attribute ``ffmpegcommand``; it is split into words and no shell sees it.
With ``--as-it-is`` it is an artist's own command. Runs on its own in a job's Python, 3.7 or newer.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import Any

import pdgcmd
import pdgjson


def _expression(part: str) -> str:
    """The regular expression of a piece of a pattern."""
    if re.fullmatch(r"%0?\d*d", part):
        return r"\d+"
    return "%" if part == "%%" else re.escape(part)


def images(pattern: str) -> dict[str, Any]:
    """The files that ffmpeg's numbered pattern names, with what tells a changed one."""
    folder, name = os.path.split(pattern)
    numbered = re.compile("".join(map(_expression, re.split(r"(%0?\d*d|%%)", name))))
    found = {}
    for one in sorted(os.listdir(folder)):
        path = os.path.join(folder, one)
        if numbered.fullmatch(one) and os.path.isfile(path):
            stat = os.stat(path)
            found[path] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    return found


def main() -> int:
    item = pdgjson.WorkItem.fromJobEnvironment()
    pattern = item.stringAttribValue("outputfilepattern")
    words = shlex.split(item.stringAttribValue("ffmpegcommand"))
    program = shutil.which(words[0]) if words else None
    if program is None:
        shown = words[0] if words else "(empty command)"
        print(
            f"error: the program {shown} is not there, or in no folder of PATH. Install ffmpeg, "
            "or name it on the node: FFmpeg Binary = Custom Path",
            flush=True,
        )
        return 1
    if "--as-it-is" not in sys.argv:
        words[1:1] = ["-nostdin", "-y"]
    os.makedirs(os.path.dirname(pattern), exist_ok=True)
    before = images(pattern)
    try:
        code = subprocess.call([program, *words[1:]], stdin=subprocess.DEVNULL)
    except OSError as error:
        print(
            f"error: {program} cannot be started: {error.strerror or error}. Name another ffmpeg "
            "on the node: FFmpeg Binary = Custom Path",
            flush=True,
        )
        return 1
    if code != 0:
        print(f"error: ffmpeg ended with exit code {code}; its own words are above", flush=True)
        return 1
    written = [path for path, mark in images(pattern).items() if before.get(path) != mark]
    if not written:
        print(f"error: ffmpeg wrote no image called {pattern}", flush=True)
        return 1
    tag = item.stringAttribValue("outputfiletag") or ""
    for path in written:
        pdgcmd.addOutputFile(
            path, item.id, result_data_tag=tag, hash_code=int(os.stat(path).st_mtime)
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
