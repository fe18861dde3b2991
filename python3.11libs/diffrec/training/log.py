"""The training log, line for line in nvdiffrec's form; every function returns text."""

from __future__ import annotations


def remaining(seconds: float) -> str:
    """Remaining time: ``9.52 s`` below a minute, ``3.05 m`` below an hour, else ``1.25 h``.

    Below a hundredth of a second, where two decimals of ``s`` say nothing, ``6.25 ms``.
    """
    if 0 < seconds < 0.01:
        return f"{seconds * 1000:.2f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    if seconds < 3600:
        return f"{seconds / 60:.2f} m"
    return f"{seconds / 3600:.2f} h"


def iteration_line(
    iteration: int, image_loss: float, reg_loss: float, rate: float, seconds: float, rest: float
) -> str:
    """One line of progress: ``seconds`` per iteration, ``rest`` seconds to the end of the pass."""
    return (
        f"iter={iteration:5d}, img_loss={image_loss:.6f}, reg_loss={reg_loss:.6f}, "
        f"lr={rate:.5f}, time={seconds * 1000:.1f} ms, rem={remaining(rest)}"
    )


def picture_line(name: str, psnr: float | None) -> str:
    """A progress picture was written; ``psnr`` in dB is that of its views."""
    figure = "" if psnr is None else f", PSNR {psnr:.3f}"
    return f"Progress picture: {name}{figure}"
