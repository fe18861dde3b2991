"""Placeholders for what is private: folders, names of persons and machines, passwords and keys.

A text is gone through once, from its begin to its end; whatever the first rule that fits takes is
replaced whole. So nothing that was put in is read again.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
import re
import socket
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

SECRET, HOME, USER, HOST, ELSEWHERE = "<SECRET>", "<HOME>", "<USER>", "<HOST>", "<PATH>"
MAIL, TEMPORARY = "<MAIL>", "<TEMPORARY>"
_WITHOUT_FOLDERS = (HOME, TEMPORARY)

SECRET_NAME = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|PWD$|KEY|CREDENTIAL|AUTH|COOKIE|SIGNATURE", re.IGNORECASE
)
"""Names of variables whose values are nobody's business."""
_SHORTEST_SECRET, _SHORTEST_NAME = 6, 2
# Of these everybody has one.
_COMMON = {"root", "user", "admin", "administrator", "localhost", "home", "users"}
_SYSTEM = (
    r"(?:usr|opt|bin|sbin|lib\w*|etc|proc|sys|dev|run|var|tmp|nix|snap|Library|System|"
    r"Applications)(?![\w.-])"
)
_PART = r"[^\\/\s\"'<>|:,;()\[\]{}=*?]+"
_SLASH = r"(?:\\{1,4}|/+)"
_DEEPER = rf"(?:{_SLASH}(?!site-packages){_PART}(?=[\\/]))*"
_SECRET_WORD = (
    r"(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|AUTHORIZATION|COOKIE|"
    r"[_-]KEY|APIKEY)(?![A-Za-z])"
)
_RULES = (
    ("credentials", r"(?<=://)[^\s/@]*:[^\s/@]+@"),
    (
        "assigned",
        rf"(?P<kept>(?<![^\W_])(?=[\w.-]*{_SECRET_WORD})[\w.-]+[\"']?[ \t]*[=:][ \t]*[\"']?)"
        r"(?:(?:Bearer|Basic)[ \t]+)?[^\s\"',;]+",
    ),
    ("bearer", r"(?<![^\W_])(?:Bearer|Basic)[ \t]+[\w.~+/=-]{8,}"),
    (
        "shaped",
        r"(?<![^\W_])(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|sk-[\w-]{16,}|"
        r"hf_\w{16,}|xox[abprs]-[\w-]{10,}|AKIA[A-Z0-9]{16}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)",
    ),
    ("mail", r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    (
        "home",
        rf"(?:(?:[A-Za-z]:)?{_SLASH}(?:Users|home){_SLASH}"
        r"(?:[^\\/:*?\"<>|\r\n]{1,64}(?=\\)|[^\\/\s:*?\"'<>|,;()]+)|(?<![\w./])/root(?![\w.-]))"
        + _DEEPER,
    ),
    (
        "elsewhere",
        rf"(?:(?:(?<=\bfile://)|(?<![\w.>~:/]))/(?!{_SYSTEM})(?:(?!site-packages){_PART}/+)+"
        rf"|(?<![^\W_])[A-Za-z]:(?:\\{{1,4}}|/)(?!Windows|Program)(?:{_PART}{_SLASH})*"
        rf"|(?<![\w\\:])\\{{2,4}}{_PART}{_SLASH}(?:{_PART}{_SLASH})*)",
    ),
)
_INSTEAD = {
    "secret": SECRET,
    "credentials": f"{SECRET}@",
    "bearer": SECRET,
    "shaped": SECRET,
    "mail": MAIL,
    "home": HOME,
    "elsewhere": f"{ELSEWHERE}/",
    "user": USER,
    "host": HOST,
}


class Placeholders:
    """What is replaced, and by what.

    Args:
        places: folders and files with their placeholders; the longest path that fits is taken.
        users: names of persons.
        hosts: names of machines.
        secrets: texts that must not appear.
    """

    def __init__(
        self,
        places: Iterable[tuple[str, str]] = (),
        users: Iterable[str] = (),
        hosts: Iterable[str] = (),
        secrets: Iterable[str] = (),
    ) -> None:
        self._places = {word.lower(): name for path, name in places for word in _spellings(path)}
        self._users, self._hosts, self._secrets = set(users), set(hosts), set(secrets)
        self._pattern = self._compiled()

    def text(self, text: str) -> str:
        """A text without what is private."""
        return self._pattern.sub(self._instead, text)

    def document(self, value: Any) -> Any:
        """The same for every text in plain data, names included."""
        if isinstance(value, str):
            return self._path(value) if _is_path(value) else self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self._of(name, one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.document(one) for one in value]
        return value

    def _of(self, name: object, value: Any) -> Any:
        if isinstance(value, str) and value and SECRET_NAME.search(str(name)):
            return SECRET
        return self.document(value)

    def _path(self, value: str) -> str:
        """A text that is a path and nothing else: blanks in it are parts of names."""
        known = self._place(value)
        if not re.search(r"\s", value) or (known and known not in _WITHOUT_FOLDERS):
            return self.text(value)
        last = re.split(r"[\\/]+", value.rstrip("\\/"))[-1]
        return f"{known or ELSEWHERE}/{self.text(last)}"

    def _place(self, text: str) -> str:
        """The placeholder of the longest known path that a text begins with."""
        low = text.lower()
        fitting = [one for one in self._places if low.startswith(one)]
        return self._places[max(fitting, key=len)] if fitting else ""

    def _compiled(self) -> re.Pattern[str]:
        secrets = {one for one in self._secrets if len(one) >= _SHORTEST_SECRET}
        places = [
            re.escape(one) + r"(?![\w-])" + (_DEEPER if name in _WITHOUT_FOLDERS else "")
            for one, name in sorted(self._places.items(), key=lambda item: -len(item[0]))
        ]
        rules = [
            ("secret", _any([*secrets, *map(_escaped, secrets)])),
            ("place", f"(?:{'|'.join(places)})" if places else ""),
            *_RULES,
            ("user", _named(self._users)),
            ("host", _named(self._hosts)),
        ]
        joined = "|".join(f"(?P<{rule}>{pattern})" for rule, pattern in rules if pattern)
        return re.compile(joined, re.IGNORECASE)

    def _instead(self, match: re.Match[str]) -> str:
        rule = str(match.lastgroup)
        if rule == "place":
            return self._place(match[0])
        if rule == "assigned":
            return f"{self.text(match['kept'])}{SECRET}"
        return _INSTEAD[rule]


def _is_path(value: str) -> bool:
    return bool(re.match(r"/(?!/)|[A-Za-z]:[\\/]|\\\\", value)) and not re.search("[\r\n]", value)


def _any(words: Iterable[str]) -> str:
    listed = sorted({one for one in words if one}, key=lambda one: (-len(one), one))
    return f"(?:{'|'.join(map(re.escape, listed))})" if listed else ""


def _named(words: Iterable[str]) -> str:
    """Names, where they stand as words; an underscore parts words."""
    kept = [one for one in words if len(one) >= _SHORTEST_NAME and one.lower() not in _COMMON]
    return rf"(?<![^\W_]){_any(kept)}(?![^\W_])" if kept else ""


def _escaped(text: str) -> str:
    """As it stands inside a JSON text."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _spellings(path: str) -> list[str]:
    """How a path may be written: with either slash, escaped, as part of an address."""
    path = path.rstrip("\\/")
    if len(path) < 2:
        return []
    forward = path.replace("\\", "/")
    return list(dict.fromkeys([path, forward, _escaped(path), quote(forward, errors="replace")]))


def of_this_machine(
    environ: Mapping[str, str] | None = None,
    *,
    places: Iterable[tuple[str, str]] = (),
    hosts: Iterable[str] = (),
    secrets: Iterable[str] = (),
) -> Placeholders:
    """What is private on this machine: the home folder, the user, the host, secret variables.

    Args:
        environ: the variables; those of this process by default.
        places: further folders and files with their placeholders.
        hosts: names of further machines.
        secrets: further texts that must not appear.
    """
    environ = os.environ if environ is None else environ
    homes = {environ.get(name, "") for name in ("HOME", "USERPROFILE")}
    homes.add(os.path.expanduser("~"))
    homes |= {os.path.realpath(one) for one in homes if one}
    users = {environ.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER")}
    users |= {os.path.basename(one) for one in homes}
    with contextlib.suppress(KeyError, OSError):
        users.add(getpass.getuser())
    machines = {*hosts, platform.node(), socket.gethostname(), environ.get("COMPUTERNAME", "")}
    machines |= {one.partition(".")[0] for one in machines}
    secrets = [
        *secrets, *(value for name, value in environ.items() if SECRET_NAME.search(name))
    ]  # fmt: skip
    known = [*places, *((one, HOME) for one in homes), (tempfile.gettempdir(), TEMPORARY)]
    return Placeholders(known, users, machines, secrets)
