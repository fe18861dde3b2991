"""Names that NumPy had when the checkout was written, such as ``np.bool`` and ``np.float_``.

NumPy 1.24 dropped the aliases of Python's own types, NumPy 2.0 further names. Each is replaced by
what NumPy's own release notes name in its place.
"""

from __future__ import annotations

import builtins
from types import ModuleType
from typing import Any

from nvdiffrec_tops.job.engines.nvdiffrec.shims.imports import after_import
from nvdiffrec_tops.job.engines.nvdiffrec.shims.start import Shim, Start

NAME = "numpy-names"

_BUILTIN = {name: name for name in ("bool", "int", "float", "complex", "object", "str")} | {
    "long": "int",
    "unicode": "str",
}
_RENAMED = {
    "bool8": "bool_",
    "float_": "float64",
    "complex_": "complex128",
    "longfloat": "longdouble",
    "singlecomplex": "complex64",
    "cfloat": "complex128",
    "string_": "bytes_",
    "unicode_": "str_",
    "object0": "object_",
    "int0": "intp",
    "uint0": "uintp",
    "Inf": "inf",
    "Infinity": "inf",
    "infty": "inf",
    "NaN": "nan",
    "NAN": "nan",
    "product": "prod",
    "cumproduct": "cumprod",
    "sometrue": "any",
    "alltrue": "all",
    "round_": "round",
    "row_stack": "vstack",
    "in1d": "isin",
    "trapz": "trapezoid",
}


def install(start: Start) -> None:
    """Answer for a name only when NumPy itself does not know it any more."""

    def change(numpy: ModuleType) -> None:
        own = getattr(numpy, "__getattr__", None)
        said: set[str] = set()

        def answer(name: str) -> Any:
            if own is not None:
                try:
                    return own(name)
                except AttributeError:
                    if name not in _BUILTIN and name not in _RENAMED:
                        raise
            if name in _BUILTIN:
                found: Any = getattr(builtins, _BUILTIN[name])
            elif name in _RENAMED and _RENAMED[name] in vars(numpy):
                found = vars(numpy)[_RENAMED[name]]
            else:
                raise AttributeError(f"module {numpy.__name__!r} has no attribute {name!r}")
            if name not in said:
                said.add(name)
                version = vars(numpy).get("__version__", "")
                start.say(NAME, f"numpy.{name}, which NumPy {version} dropped, is there again")
            return found

        numpy.__getattr__ = answer  # type: ignore[method-assign]

    after_import("numpy", change)


SHIM = Shim(
    NAME,
    "the checkout uses a name that NumPy 1.24 or 2.0 dropped (np.bool, np.float, np.Inf ...)",
    "answers such a name with what NumPy's release notes put in its place",
    install,
)
