"""Mistakes in a scene become node errors in the artist's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nvdiffrec_tops.attributes import AttributesError
from nvdiffrec_tops.command import CommandError
from nvdiffrec_tops.environment import EnvironmentProblem
from nvdiffrec_tops.houdini.parameters import ParameterError, UnsavedSceneError
from nvdiffrec_tops.training import TrainingError

_MISTAKES = (AttributesError, CommandError, ParameterError, TrainingError, UnsavedSceneError)


@contextmanager
def told_to_the_artist() -> Iterator[None]:
    """Turn the package's own errors into ``hou.NodeError``, without a traceback of ours."""
    try:
        yield
    except _MISTAKES as error:
        raise _node_error(str(error)) from None
    except EnvironmentProblem as problem:
        raise _node_error(". ".join(one for one in (str(problem), problem.cure) if one)) from None


def _node_error(message: str) -> Exception:
    import hou

    return hou.NodeError(message)


def node_error(message: str) -> Exception:
    """A node error to raise."""
    return _node_error(message)
