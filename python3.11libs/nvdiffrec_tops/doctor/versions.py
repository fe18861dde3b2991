"""Which versions of CUDA, its driver and C++ compilers go together."""

from __future__ import annotations

import re

# The oldest driver (Linux, Windows) of each generation of CUDA; within a generation an older driver
# serves newer builds. Source: CUDA release notes, "CUDA minor version compatibility".
DRIVERS = {
    10: ((410, 48), (411, 31)),
    11: ((450, 80), (452, 39)),
    12: ((525, 60), (528, 33)),
    13: ((580, 0), (580, 0)),
}
# The newest GCC that each release of nvcc takes. Source: CUDA installation guide for Linux, "host
# compiler support policy", and nvcc's own check in host_config.h.
NEWEST_GCC = (
    ((10, 0), 7),
    ((10, 1), 8),
    ((11, 0), 9),
    ((11, 1), 10),
    ((11, 4), 11),
    ((12, 0), 12),
    ((12, 4), 13),
    ((12, 8), 14),
    ((13, 0), 15),
)


def numbers(text: object) -> tuple[int, ...]:
    """``12.8.93`` -> (12, 8, 93); empty for what is no version."""
    match = re.match(r"\s*v?(\d{1,6}(?:\.\d{1,6})*)", text) if isinstance(text, str) else None
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def oldest_driver(cuda: tuple[int, ...], windows: bool) -> tuple[int, int] | None:
    """The oldest driver for a build of this CUDA version; None when unknown."""
    known = DRIVERS.get(cuda[0]) if cuda else None
    return known[1 if windows else 0] if known else None


def pytorch_index(driver: object) -> str:
    """PyTorch's own index of wheels, of the newest CUDA that this driver takes."""
    version = numbers(driver)
    builds = ((DRIVERS[13][0], "cu130"), (DRIVERS[12][0], "cu128"), (DRIVERS[11][0], "cu118"))
    tag = next(
        (tag for oldest, tag in builds if version >= oldest), "cu128" if not version else "cu118"
    )
    return f"https://download.pytorch.org/whl/{tag}"


def newest_gcc(nvcc: tuple[int, ...]) -> int | None:
    """The newest GCC (its first number) that this nvcc takes; None when unknown."""
    if len(nvcc) < 2 or nvcc[0] > NEWEST_GCC[-1][0][0]:
        return None
    found = None
    for version, newest in NEWEST_GCC:
        if nvcc[:2] >= version:
            found = newest
    return found


def serves(built: str, capability: tuple[int, int]) -> bool:
    """Whether code built for an architecture (``sm_86``, ``compute_90``) runs on a card.

    Machine code serves cards of the same first number and an equal or higher second one;
    ``compute`` code is compiled when it is loaded, for equal or newer cards. Architectures with a
    letter (``sm_90a``) serve exactly that card. Source: CUDA programming guide, "compute
    capability" and "binary compatibility".
    """
    match = re.fullmatch(r"(sm|compute)_(\d+)(\d)([a-z]?)", built)
    if match is None:
        return False
    target = int(match[2]), int(match[3])
    if match[4] == "a":
        return target == capability
    if match[1] == "compute":
        return capability >= target
    return capability[0] == target[0] and capability[1] >= target[1]
