class OutOfMemoryError(RuntimeError):
    pass


OutOfMemoryError.__module__ = "torch"


def allocate(needed, available):
    """Stands for every allocation of a training step."""
    if needed > available:
        raise OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
            "7.79 GiB of which 1.02 GiB is free."
        )
