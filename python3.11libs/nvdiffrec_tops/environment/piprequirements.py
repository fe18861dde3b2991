"""The ``pip:`` part of an environment file: requirements, local folders, files of requirements."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from nvdiffrec_tops.environment.reading import is_file, is_folder, text_of
from nvdiffrec_tops.environment.yamltext import short

LARGEST = 1 << 20
DEEPEST = 8
MOST = 2000

_PACKAGE = re.compile(r"[A-Za-z0-9][^\x00-\x1f\x7f]*")
_SOURCE = re.compile(
    r"(?:-e |--editable )?(?:[\w.\[\],-]+\s*@\s*)?(?:(?:git|hg|svn|bzr)\+)\S+", re.IGNORECASE
)
# The options of pip that say where packages are, and in which form; the others are refused.
_PLACE = re.compile(
    r"(?P<name>--extra-index-url|--index-url|--find-links|--trusted-host|-i|-f)[ =]\s*"
    r"(?P<value>[^\s\x00-\x1f\x7f]+)"
)
_FORM = re.compile(
    r"--pre|--prefer-binary|--no-index|--(?:only-binary|no-binary)[ =][\w.,:-]+", re.ASCII
)
_FILE = re.compile(r"(?:-r|--requirement|-c|--constraint)[ =]?\s*(?P<path>[^\x00-\x1f\x7f]+)")
_EDITABLE = re.compile(r"(?:-e|--editable)[ =]\s*(?P<what>[^\x00-\x1f\x7f]+)")
_EXTRAS = re.compile(r"\[[\w.,\s-]*\]$")
_NAMED_FILE = re.compile(r"(?P<name>[\w.\[\],-]+)\s*@\s*file:(?P<path>[^/\\][^\x00-\x1f\x7f]*)")
_BUILT_FILE = re.compile(r"(?P<name>[\w.\[\],-]+)\s*@\s*(?P<address>file:/[^\s\x00-\x1f\x7f]+)")
_LONG = {"-i": "--index-url", "-f": "--find-links"}


class RequirementProblem(ValueError):
    """What is wrong with an entry, as the end of a sentence that names it in ``where``."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(what)
        self.where = where


def is_source(entry: str) -> bool:
    """Whether pip builds it from a repository, perhaps against packages installed before."""
    return _SOURCE.fullmatch(entry) is not None


def is_option(entry: str) -> bool:
    """Whether it says where pip looks for packages, and names none itself."""
    return bool(_PLACE.fullmatch(entry) or _FORM.fullmatch(entry))


def resolved(entries: list[str], source: str, gone: list[str]) -> list[str]:
    """The requirements of these entries, with files of requirements read in.

    Args:
        entries: what an environment file lists for pip.
        source: the file. What is relative in it starts from its folder, whoever reads it and from
            where; so does what is relative in a file of requirements.
        gone: receives the names of packages that were listed with the file or folder from which
            they were once installed, which is not there. ``pip freeze`` writes so in a conda
            environment; such a package comes from the index, in the newest version.

    Raises:
        RequirementProblem: an entry is none that is understood, or a file cannot be read.
    """
    found: list[str] = []
    for entry in entries:
        for one in _one(entry, os.path.dirname(source), (os.path.normcase(source),), gone):
            found.append(one)
            if len(found) > MOST:
                raise RequirementProblem("the list for pip", f"has more than {MOST} requirements")
    return found


def _one(entry: str, folder: str, above: tuple[str, ...], gone: list[str]) -> Iterator[str]:
    where = f"the pip requirement {short(entry)}"
    if match := _FILE.fullmatch(entry):
        if entry.startswith(("-c", "--constraint")):
            raise RequirementProblem(where, "is a file of constraints, which is not supported")
        yield from _file(_path(match["path"].strip().strip("\"'"), folder), above, where, gone)
    elif match := _PLACE.fullmatch(entry):
        value = match["value"]
        if match["name"] in ("--find-links", "-f") and "://" not in value:
            value = _address(_path(value, folder))
        yield f"{_LONG.get(match['name'], match['name'])} {value}"
    elif _FORM.fullmatch(entry):
        yield entry
    elif (match := _EDITABLE.fullmatch(entry)) and not is_source(entry):
        yield f"--editable {_local(match['what'].strip(), folder, where)}"
    elif (match := _BUILT_FILE.fullmatch(entry)) and not _is_there(match["address"]):
        gone.append(match["name"])
        yield match["name"]
    elif match := _NAMED_FILE.fullmatch(entry):
        yield f"{match['name']} @ {_address(_path(match['path'], folder))}"
    elif _looks_local(entry, folder):
        yield _local(entry, folder, where)
    elif is_source(entry) or _PACKAGE.fullmatch(entry):
        yield entry
    else:
        raise RequirementProblem(where, "is not a package")


def _file(path: str, above: tuple[str, ...], where: str, gone: list[str]) -> Iterator[str]:
    """The requirements of a file, with those of the files that it names."""
    if os.path.normcase(path) in above or len(above) > DEEPEST:
        raise RequirementProblem(where, "names a file that is being read already")
    text = text_of(path, LARGEST)
    if text is None:
        raise RequirementProblem(where, f"names a file that cannot be read: {path}")
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        # pip's rule: a comment begins at the start of a line or behind a space.
        entry = re.sub(r"(^|\s)#.*$", "", line).strip()
        if entry:
            yield from _one(entry, os.path.dirname(path), (*above, os.path.normcase(path)), gone)


def _looks_local(entry: str, folder: str) -> bool:
    if entry.startswith((".", "/", "\\", "~")) or re.match(r"[A-Za-z]:[/\\]", entry):
        return True
    if "://" in entry or re.search(r"[=<>!~;@]", entry):
        return False
    path = os.path.join(folder, _EXTRAS.sub("", entry))
    if entry.endswith((".whl", ".zip", ".tar.gz")):
        return True
    return ("/" in entry or "\\" in entry) and is_folder(path)


def _local(entry: str, folder: str, where: str) -> str:
    """A folder or a file on this disk: its address, or its path where extras are named."""
    extras = _EXTRAS.search(entry)
    path = _path(entry[: extras.start()] if extras else entry, folder)
    if not is_folder(path) and not is_file(path):
        raise RequirementProblem(where, f"names something that is not there: {path}")
    return path + extras[0] if extras else _address(path)


def _is_there(address: str) -> bool:
    """Whether the file or folder of a ``file:`` address is on this machine."""
    parts = urlsplit(address)
    path = url2pathname(f"//{parts.netloc}{parts.path}" if parts.netloc else parts.path)
    return is_file(path) or is_folder(path)


def _path(text: str, folder: str) -> str:
    text = text.strip()
    if text.startswith("file:"):
        text = text[5:]
    return os.path.normpath(os.path.join(folder, os.path.expanduser(text)))


def _address(path: str) -> str:
    """``file:`` with what has a meaning to pip written as percent codes, a space for example."""
    return Path(path).as_uri()
