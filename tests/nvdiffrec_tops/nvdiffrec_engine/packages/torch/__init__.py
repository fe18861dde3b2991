"""Behaves as PyTorch of the version in its metadata does where the chain can tell."""

import importlib.metadata

__version__ = importlib.metadata.version("torch")


class OutOfMemoryError(RuntimeError):
    pass


class Tensor:
    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        import numpy

        major, minor = (int(part) for part in __version__.split(".")[:2])
        if (major, minor) < (2, 3) and int(numpy.__version__.split(".")[0]) >= 2:
            raise RuntimeError("Numpy is not available")
        return numpy.zeros(3)
