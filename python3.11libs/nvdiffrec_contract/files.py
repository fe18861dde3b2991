"""Files appear whole or not at all, and never through a link.

An output folder may be shared, and anybody who can write there can put a link in the place of a
file or folder of ours. So nothing below such a folder is reached through a symbolic link or a
junction, and no file is written over that may have a second name elsewhere. The folder itself may
lie behind links: it is whoever names it that decides where it is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Stamp = tuple[int, int, int]

# Windows: the bit of a reparse point's tag by which it stands for another name, as symbolic links
# and junctions do, but not files that wait in a cloud.
_NAME_SURROGATE = 0x20000000
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", 0) | getattr(os, "O_CLOEXEC", 0)
_BY_DESCRIPTOR = bool(_NO_FOLLOW) and os.open in os.supports_dir_fd
_LINK_ITSELF: dict[str, Any] = (
    {"follow_symlinks": False} if os.link in os.supports_follow_symlinks else {}
)


class LinkError(OSError):
    """A link or junction stands where a file or a folder is wanted.

    Args:
        path: the link.
    """

    def __init__(self, path: str) -> None:
        super().__init__(errno.ELOOP, "it is a link, and nothing is written through links", path)


def stamp(path: str) -> Stamp | None:
    """What changes with a file's content: its time in nanoseconds, its size in bytes and its number
    on the disk. None where there is no file. Renaming leaves all three as they are."""
    try:
        state = os.stat(path)
    except (OSError, ValueError):
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino


def is_link(path: str | os.PathLike[str]) -> bool:
    """Whether a path is itself a symbolic link or a junction, wherever it leads."""
    try:
        return _is_link(os.lstat(path))
    except (OSError, ValueError):
        return False


def _is_link(state: os.stat_result) -> bool:
    tag = getattr(state, "st_reparse_tag", 0)
    return stat.S_ISLNK(state.st_mode) or bool(tag & _NAME_SURROGATE)


class Place:
    """A name in a folder that was reached without following a link; see :func:`inside`.

    Attributes:
        name: the name, as functions of ``os`` take it together with ``folder``.
        folder: descriptor of the folder; None where the system has none, and ``name`` is a path.
        path: the whole path, for messages.
    """

    def __init__(self, name: str, folder: int | None, path: str) -> None:
        self.name, self.folder, self.path = name, folder, path

    def beside(self, ending: str) -> Place:
        """The place whose name is this one's with ``ending`` after it."""
        return Place(self.name + ending, self.folder, self.path + ending)

    def state(self) -> os.stat_result | None:
        """What stands there, a link being itself; None where nothing does."""
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def is_file(self) -> bool:
        """Whether a regular file stands there."""
        state = self.state()
        return state is not None and _is_file(state)

    def is_folder(self) -> bool:
        """Whether a folder stands there, not a link to one."""
        state = self.state()
        return state is not None and stat.S_ISDIR(state.st_mode) and not _is_link(state)

    def unlink(self) -> None:
        """Remove the name."""
        os.unlink(self.name, dir_fd=self.folder)

    def move(self, target: Place) -> None:
        """Rename onto ``target``, in place of what stands there."""
        os.replace(self.name, target.name, src_dir_fd=self.folder, dst_dir_fd=target.folder)

    def second_name(self, target: Place) -> None:
        """Give the file a second name; a copy where the disk knows no hard links."""
        try:
            os.link(
                self.name,
                target.name,
                src_dir_fd=self.folder,
                dst_dir_fd=target.folder,
                **_LINK_ITSELF,
            )
        except FileExistsError:
            raise
        except OSError:
            self.copy(target)

    def copy(self, target: Place) -> None:
        """Copy the file with its times; ``target`` must be free."""
        with open(self.open(os.O_RDONLY), "rb") as source:
            state = os.fstat(source.fileno())
            with open(target.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
        times = (state.st_atime_ns, state.st_mtime_ns)
        os.utime(target.name, ns=times, dir_fd=target.folder)

    def new(self) -> int:
        """Open an empty file, in place of a file or link that had the name; the descriptor.

        What a link led to, and other names of a former file, stay as they are.

        Raises:
            OSError: it cannot be made.
        """
        flags = os.O_WRONLY | os.O_CREAT
        for _attempt in range(8):  # somebody else may make one in between
            try:
                self.unlink()
            except FileNotFoundError:
                pass
            except PermissionError:
                # Windows: another program reads it. Then in place, if it has no second name.
                state = self.state()
                if os.name != "nt" or state is None or not _is_file(state) or state.st_nlink > 1:
                    raise
                return self.open(flags | os.O_TRUNC)
            try:
                return self.open(flags | os.O_EXCL)
            except FileExistsError:
                continue
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), self.path)

    def end(self) -> int:
        """Open the file, made where it is missing, to write at its end; the descriptor.

        One that has a second name elsewhere is copied first.

        Raises:
            LinkError: a link stands there.
            OSError: it cannot be opened, or is no regular file.
        """
        descriptor = self.open(os.O_RDWR | os.O_CREAT | os.O_APPEND)
        if os.fstat(descriptor).st_nlink <= 1:
            return descriptor
        with open(descriptor, "rb") as former:
            descriptor = self.new()
            with open(descriptor, "wb", closefd=False) as stream:
                shutil.copyfileobj(former, stream, 1 << 20)
        return descriptor

    def write(self, data: bytes, *, durable: bool = False) -> None:
        """Put a file of these bytes there, whole or not at all, in place of what had the name.

        A reader never sees half a file, and a failure leaves the old one. ``durable``: the data are
        on the disk before the name is theirs.

        Raises:
            OSError: it cannot be written.
        """
        head, name = os.path.split(self.name)
        ending = f".{os.getpid()}.part"
        part = Place(
            os.path.join(head, f".{name}{ending}"),
            self.folder,
            os.path.join(os.path.dirname(self.path), f".{name}{ending}"),
        )
        try:
            with open(part.new(), "wb") as stream:
                stream.write(data)
                if durable:
                    stream.flush()
                    os.fsync(stream.fileno())
            part.move(self)
        except BaseException as error:
            with contextlib.suppress(OSError):
                part.unlink()
            if isinstance(error, OSError):  # it is this name that people know
                raise OSError(error.errno, error.strerror, self.path) from None
            raise

    def open(self, flags: int) -> int:
        """Open the regular file; the descriptor. Never waits, as for a pipe it might."""
        state = self.state()
        if state is not None and _is_link(state):
            raise LinkError(self.path)
        if state is not None and not _is_file(state):
            raise OSError(errno.EINVAL, "it is no regular file", self.path)
        flags |= _NO_FOLLOW | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(self.name, flags, 0o666, dir_fd=self.folder)
        if not _is_file(os.fstat(descriptor)):  # it was exchanged in between
            os.close(descriptor)
            raise OSError(errno.EINVAL, "it is no regular file", self.path)
        return descriptor


def _is_file(state: os.stat_result) -> bool:
    return stat.S_ISREG(state.st_mode) and not _is_link(state)


@contextlib.contextmanager
def inside(folder: str, name: str, *, make: bool = False) -> Iterator[Place]:
    """The place ``name`` below ``folder``, reached without following a link.

    Args:
        folder: where everything is to stay; it may lie behind links itself.
        name: a path below it, with ``/`` between its parts.
        make: make the folders on the way where they are missing.

    Raises:
        LinkError: a part on the way is a link.
        OSError: the way cannot be gone, or ``name`` does not lead below ``folder``. An error of
            the ``with`` block that names the place comes with its whole path.
    """
    parts = name.split("/")
    folder = folder or os.curdir
    path = os.path.join(folder, *parts)
    if not all(_is_name(part) for part in parts):
        raise OSError(errno.EINVAL, f"it does not lie below {folder}", path)
    with contextlib.ExitStack() as stack:
        place = Place(folder, None, folder)
        if _BY_DESCRIPTOR:
            place.folder = os.open(folder, os.O_RDONLY | _FOLDER)
            stack.callback(os.close, place.folder)
        for number, part in enumerate(parts):
            if number:
                place = _entered(place, stack, make)
            place = Place(
                part if _BY_DESCRIPTOR else os.path.join(place.path, part),
                place.folder,
                os.path.join(place.path, part),
            )
        try:
            yield place
        except OSError as error:
            if error.filename == place.name:
                error.filename = place.path
            raise


def _entered(place: Place, stack: contextlib.ExitStack, make: bool) -> Place:
    """The folder at a place, opened where the system can, as the place of its own content."""
    state = place.state()
    if state is None:
        if not make:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), place.path)
        with contextlib.suppress(FileExistsError):
            os.mkdir(place.name, dir_fd=place.folder)
        state = place.state()
    if state is not None and _is_link(state):
        raise LinkError(place.path)
    if state is not None and not stat.S_ISDIR(state.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), place.path)
    if not _BY_DESCRIPTOR:
        return place
    flags = os.O_RDONLY | _FOLDER | _NO_FOLLOW
    descriptor = os.open(place.name, flags, dir_fd=place.folder)
    stack.callback(os.close, descriptor)
    return Place(place.name, descriptor, place.path)


def _is_name(part: str) -> bool:
    if part in ("", ".", "..") or "\0" in part:
        return False
    return os.name != "nt" or not any(character in part for character in "\\:")


@contextlib.contextmanager
def reached(
    path: str | os.PathLike[str], folder: str | os.PathLike[str], *, make: bool = False
) -> Iterator[Place]:
    """The place of a path, reached below ``folder`` without following a link where it lies there.

    Elsewhere whoever has named the path decides where its own folder is; see :func:`inside`.

    Raises:
        LinkError: a part on the way is a link.
        OSError: the way cannot be gone.
    """
    whole, top = os.path.abspath(path), os.path.abspath(folder)
    above = top if top.endswith(os.sep) else top + os.sep
    if not whole.startswith(above):
        top, name = os.path.split(whole)
    else:
        name = whole[len(above) :]
    if make:
        os.makedirs(top, exist_ok=True)
    with inside(top, name.replace(os.sep, "/"), make=make) as place:
        yield place


def new_file(path: str | os.PathLike[str]) -> int:
    """Open an empty file of that name; see :meth:`Place.new`. Raises OSError."""
    return Place(os.fspath(path), None, os.fspath(path)).new()


def replace_file(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write ``data`` under a temporary name beside ``path`` and rename it into place.

    Where ``path`` is a link, the link is replaced, not what it leads to; see :meth:`Place.write`.

    Raises:
        OSError: it cannot be written.
    """
    Place(str(path), None, str(path)).write(data, durable=durable)


def read_inside(folder: str, name: str, most: int) -> bytes:
    """The bytes of a regular file below a folder that others may write to: no link is followed.

    Raises:
        OSError: it cannot be read, is no regular file, or a link leads to it.
        ValueError: it is larger than ``most`` bytes.
    """
    with inside(folder, name) as place, open(place.open(os.O_RDONLY), "rb") as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it is larger than {most} bytes")
    return data
