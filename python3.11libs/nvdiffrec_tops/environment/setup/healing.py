"""What a killed pip leaves behind: found by its records, and taken out to be installed again."""

from __future__ import annotations

import csv
import os
import shutil

from nvdiffrec_tops.environment.reading import is_file, names_in, text_of


def heal(site_packages: str) -> list[str]:
    """Remove the records of packages that are not whole; the names of their folders.

    pip takes a package for installed once its record begins to exist, so that one of which half was
    copied would stay as it is for ever. Without its record it is installed again over its files.
    """
    removed = []
    for name in names_in(site_packages):
        path = os.path.join(site_packages, name)
        if name.startswith("~"):
            # An old version that pip had put aside until the new one is there.
            shutil.rmtree(path, ignore_errors=True)
        elif name.endswith(".dist-info") and not is_whole(path):
            shutil.rmtree(path)
            removed.append(name)
    return removed


def is_whole(record_folder: str) -> bool:
    """Whether every file that a package's record names is there, at the size that it names."""
    # The last file that pip writes before it renews the record.
    if not is_file(os.path.join(record_folder, "INSTALLER")):
        return False
    text = text_of(os.path.join(record_folder, "RECORD"))
    if not text:
        return False
    site_packages = os.path.dirname(record_folder)
    try:
        for path, _hash, size in csv.reader(text.splitlines()):
            if path.endswith(".pyc"):
                continue
            found = os.stat(os.path.join(site_packages, path)).st_size
            # A command's first line names the venv's folder, which may be another one by now.
            if size and found != int(size) and not path.startswith(".."):
                return False
    except (OSError, ValueError):
        return False
    return True
