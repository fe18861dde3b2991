"""Where things lie in an environment's folder, on each platform."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass

from nvdiffrec_tops.environment.reading import is_file, is_folder, names_in, object_of

PLATFORMS = ("linux", "darwin", "win32")
Version = tuple[int, ...]

# Names that an interpreter goes by; hython is Houdini's.
INTERPRETER = re.compile(r"(python|pypy|graalpy|hython)[\d.]*[tdw]?(\.exe)?", re.IGNORECASE)
_LIBRARY = re.compile(r"(?:python|pypy|graalpy)(\d+)\.(\d+)t?")
_NUMBERED = re.compile(r"(?:python|pypy)(\d+)\.(\d+)t?")
_WINDOWS_DLL = re.compile(r"python(\d)(\d+)t?\.dll", re.IGNORECASE)
_RECORD = re.compile(r"python-\d[^/\\]*\.json")


@dataclass(frozen=True)
class Layout:
    """The folders of one platform: ``linux``, ``darwin`` or ``win32``, as in ``sys.platform``."""

    platform: str

    @property
    def windows(self) -> bool:
        return self.platform == "win32"

    def interpreter(self, prefix: str) -> str | None:
        """The path of the environment's interpreter; None when it has none."""
        for parts in self.interpreter_places():
            path = os.path.join(prefix, *parts)
            if is_file(path) and self.executable(path):
                return path
        if not self.windows:
            for name in names_in(os.path.join(prefix, "bin")):
                path = os.path.join(prefix, "bin", name)
                if _NUMBERED.fullmatch(name) and is_file(path) and self.executable(path):
                    return path
        return None

    def interpreter_places(self) -> tuple[tuple[str, ...], ...]:
        """Where interpreters lie under a prefix, the best first."""
        if self.windows:
            return ("python.exe",), ("Scripts", "python.exe"), ("bin", "python.exe")
        return ("bin", "python3"), ("bin", "python")

    def executable(self, path: str) -> bool:
        """Whether the file may be started, as far as this machine can tell for that platform."""
        if self.windows:
            return path.lower().endswith(".exe")
        return os.name == "nt" or os.access(path, os.X_OK)

    def libraries(self, prefix: str) -> dict[Version, str]:
        """The ``lib/pythonX.Y`` folders, by version, the one with a standard library first."""
        found = []
        for library in ("lib", "lib64"):
            for name in names_in(os.path.join(prefix, library)):
                match = _LIBRARY.fullmatch(name)
                folder = os.path.join(prefix, library, name)
                if match and is_folder(folder):
                    found.append(((int(match[1]), int(match[2])), folder))
        # Stable: lib comes before lib64, which a venv links to it.
        found.sort(key=lambda item: item[0], reverse=True)
        whole = [item for item in found if is_file(os.path.join(item[1], "os.py"))]
        libraries: dict[Version, str] = {}
        for version, folder in whole + found:
            libraries.setdefault(version, folder)
        return libraries

    def listed_version(self, prefix: str, python: str) -> Version | None:
        """The version that file names tell: the interpreter's own, a library's, or a DLL's."""
        if self.windows:
            for folder in (os.path.dirname(python), prefix):
                for name in names_in(folder):
                    match = _WINDOWS_DLL.fullmatch(name)
                    if match:
                        return int(match[1]), int(match[2])
            return None
        for path in (python, os.path.realpath(python)):
            match = _NUMBERED.fullmatch(os.path.basename(path))
            if match:
                return int(match[1]), int(match[2])
        return next(iter(self.libraries(prefix)), None)

    def site_packages(
        self, prefix: str, version: Version | None, recorded: str | None = None
    ) -> str | None:
        """The folder that packages are installed in; None when there is none.

        ``recorded`` is the relative folder that conda's record of Python names, if it does.
        """
        places = []
        if recorded:
            places.append(os.path.join(prefix, *recorded.split("/")))
        if self.windows:
            places += [os.path.join(prefix, name, "site-packages") for name in ("Lib", "lib")]
        else:
            libraries = self.libraries(prefix)
            if version and version[:2] in libraries:
                places.append(os.path.join(libraries[version[:2]], "site-packages"))
            if version:  # Debian's Python installs into dist-packages
                numbered = f"python{version[0]}.{version[1]}" if len(version) > 1 else "python3"
                places.append(os.path.join(prefix, "local", "lib", numbered, "dist-packages"))
                places.append(os.path.join(prefix, "lib", "python3", "dist-packages"))
        return next((os.path.normpath(place) for place in places if is_folder(place)), None)


def layout(platform: str | None = None) -> Layout:
    """The layout of ``platform``, or of this machine."""
    name = platform or sys.platform
    if name.startswith(("win", "cygwin", "msys")):
        return Layout("win32")
    return Layout("darwin" if name == "darwin" else "linux")


def numbers(text: object) -> Version | None:
    """``3.11.9.final.0`` -> (3, 11, 9); None for what begins with no two numbers."""
    match = (
        re.match(r"v?(\d{1,4})\.(\d{1,6})(?:\.(\d{1,9}))?", text.strip(), re.ASCII)
        if (isinstance(text, str))
        else None
    )
    return tuple(int(part) for part in match.groups() if part is not None) if match else None


def conda_python(prefix: str) -> tuple[Version | None, str | None]:
    """Version and site-packages (relative) of Python as conda's own records state them."""
    folder = os.path.join(prefix, "conda-meta")
    for name in names_in(folder):
        if not _RECORD.fullmatch(name):
            continue
        record = object_of(os.path.join(folder, name))
        if record.get("name", "python") != "python":
            continue
        version = numbers(record.get("version")) or numbers(name[len("python-") :])
        site = record.get("python_site_packages_path")
        inside = isinstance(site, str) and not os.path.isabs(site) and ".." not in site.split("/")
        if version:
            return version, site if isinstance(site, str) and inside else None
    return None, None
