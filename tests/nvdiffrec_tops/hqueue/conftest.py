"""The stand-in farm."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from standin import StandIn

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def standin_module() -> Any:
    """The module of the stand-in, which is no package's."""
    for name in ("standinjobs", "standinfarm", "standin"):
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
            assert spec is not None and spec.loader is not None
            sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])
    return sys.modules["standin"]


@pytest.fixture
def standin(standin_module: Any) -> Iterator[Callable[..., StandIn]]:
    """``standin(clients=2, instant=True)``: a farm that answers; ended with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *given, **named: stack.enter_context(standin_module.StandIn(*given, **named))
