"""The trainers. A folder here with an ``ENGINE`` is one; nothing else has to name it.

Both the cook, for menus and expected files, and the job ask the same object.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import pkgutil

from nvdiffrec_tops.job.engines.engine import Engine

DEFAULT = "diffrec"


class EngineError(Exception):
    """No engine has this name; the message lists them."""


def names() -> tuple[str, ...]:
    """The engines' names, the default first."""
    return _names(tuple(__path__))


@functools.lru_cache(maxsize=4)
def _names(folders: tuple[str, ...]) -> tuple[str, ...]:
    found = sorted(module.name for module in pkgutil.iter_modules(folders) if module.ispkg)
    return tuple(sorted(found, key=lambda name: name != DEFAULT))


def engine(name: str) -> Engine:
    """The engine called ``name``.

    Raises:
        EngineError: there is none.
    """
    known = names()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f' (did you mean "{near[0]}"?)' if near else ""
        raise EngineError(f"there is no engine {name!r}{hint}; engines: {', '.join(known)}")
    found = importlib.import_module(f"{__name__}.{name}").ENGINE
    assert isinstance(found, Engine)
    return found
