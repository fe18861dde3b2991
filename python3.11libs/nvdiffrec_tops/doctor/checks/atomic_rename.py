"""Whether the disk of the output folder renames over existing files, and locks them.

Results are written under a temporary name and renamed, so that nobody ever reads half a file.
"""

from __future__ import annotations

import contextlib
import os
import tempfile

from nvdiffrec_tops.doctor.check import Check
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.doctor.finding import Finding
from nvdiffrec_tops.doctor.outputplace import existing_folder


def run(context: Context) -> list[Finding]:
    folder = existing_folder(str(context.output))
    if context.output is None or folder is None:
        return CHECK.skipped("no output folder is named")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".doctor-") as own:
        problem = _renames(own) or _locks(own)
    if problem:
        return [
            CHECK.warning(
                f"the disk of {folder} {problem}",
                "choose an output folder on a local disk, or on NFS 4 or SMB 3",
            )
        ]
    return CHECK.ok(f"the disk of {folder} renames and locks files")


def _renames(folder: str) -> str:
    old, new = os.path.join(folder, "old"), os.path.join(folder, "new")
    try:
        for path, text in ((old, b"old"), (new, b"new")):
            with open(path, "wb") as stream:
                stream.write(text)
        os.replace(new, old)
        with open(old, "rb") as stream:
            if stream.read() != b"new" or os.path.exists(new):
                return "does not replace a file by renaming another"
        os.mkdir(os.path.join(folder, "one"))
        os.rename(os.path.join(folder, "one"), os.path.join(folder, "two"))
    except OSError as error:
        return f"does not replace a file by renaming another ({error.strerror or error})"
    return ""


def _locks(folder: str) -> str:
    with contextlib.suppress(ImportError):
        import fcntl

        with open(os.path.join(folder, "lock"), "wb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                return f"takes no locks ({error.strerror or error}): two jobs could write at once"
    return ""


CHECK = Check("atomic_rename", "Shared folder", "output", run, needs=("output_writable",))
