"""The package of the same name in python3.11libs, for Houdini 22 and its Python 3.13."""

from pathlib import Path

__path__[:] = [str(Path(__file__).resolve().parents[2] / "python3.11libs" / __name__)]
__file__ = str(Path(__path__[0], "__init__.py"))
exec(compile(Path(__file__).read_bytes(), __file__, "exec"))
