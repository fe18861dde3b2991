"""What the job process knows of an nvdiffrec checkout: what must be there, what a run needs of it.

Everything here follows from how the training script is used: with the checkout as its current
directory it reads ``data/tets/<grid>_tets.npz``, ``data/irrmaps/bsdf_256_256.bin`` and the paths in
its configuration, and writes below ``out``.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from nvdiffrec_contract.configuration import NAMES, SECTION, hint
from nvdiffrec_contract.dataset import checks as datachecks
from nvdiffrec_contract.engines import NVDIFFREC
from nvdiffrec_contract.failure import EXIT_ENVIRONMENT
from nvdiffrec_contract.regularfiles import open_regular
from nvdiffrec_contract.wording import shown
from nvdiffrec_tops.job import dataset
from nvdiffrec_tops.job.engines.nvdiffrec.display import headless
from nvdiffrec_tops.job.failures import JobError
from nvdiffrec_tops.job.jobfile import JobFile, JobFileError, expand

LAUNCHER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launcher.py")
DEFAULT_GRID, DEFAULT_SCALE = 64, 2.1
GET_WHOLE = "get it whole: git clone --recursive https://github.com/NVlabs/nvdiffrec"

_COUNTS = ("iter", "batch", "spp", "layers")
_SIZES = ("train_res", "display_res", "texture_res")
_LFS = b"version https://git-lfs"
# What the folder dataset of NVlabs' own checkout holds.
_READERS = ("__init__.py", "dataset.py", "dataset_llff.py", "dataset_mesh.py", "dataset_nerf.py")
_PICTURES = (".png", ".jpg", ".jpeg", ".exr", ".tif", ".tiff", ".bmp", ".webp", ".heic", ".dng")
# Names that the run folder uses itself.
_NOT_LINKED = ("out", "previous", "__pycache__")


def script_of(job: JobFile) -> str:
    """The absolute path of the training script.

    Raises:
        JobFileError: there is no checkout, or no such script in it.
    """
    if not job.working_dir:
        raise JobFileError(
            "the engine nvdiffrec needs a working directory: the folder of its checkout",
            "set WORKING_DIR (working_dir)",
        )
    script = os.path.join(job.working_dir, expand(job.script or "train.py"))
    if not os.path.isfile(script):
        raise JobFileError(
            f"there is no training script {script}",
            "set WORKING_DIR (working_dir) to the nvdiffrec checkout and SCRIPT_NAME (script) to "
            "train.py, or get it: git clone --recursive https://github.com/NVlabs/nvdiffrec",
        )
    if not os.path.isdir(os.path.join(job.working_dir, "data")):
        raise JobFileError(
            f"{job.working_dir} is no complete nvdiffrec checkout: it has no folder data", GET_WHOLE
        )
    return os.path.abspath(script)


def check(
    config: Mapping[str, Any], checkout: str, pythons: Sequence[str] = (), fork: str = ""
) -> list[str]:
    """Refuse what is known to fail minutes later: values of another type, a missing grid, data that
    are only pointers, photographs without masks; notes on what only a fork may read.

    ``config`` has absolute paths; ``pythons`` are interpreters that may describe the data; ``fork``
    says why this is a fork's checkout.

    Raises:
        JobError: the sentence names the file or folder.
    """
    _check_values(config)
    if not config.get("base_mesh") and config.get("isosurface", "dmtet") == "dmtet":
        _check_grid(config.get("dmtet_grid", DEFAULT_GRID), os.path.join(checkout, "data", "tets"))
    _refuse_pointer(os.path.join(checkout, "data", "irrmaps", "bsdf_256_256.bin"))
    for name in ("ref_mesh", "base_mesh", "envmap"):
        if isinstance(config.get(name), str):
            _refuse_pointer(str(config[name]))
    reference = config.get("ref_mesh")
    if isinstance(reference, str) and os.path.isdir(reference):
        side = config.get("mesh_scale", DEFAULT_SCALE)
        good = type(side) in (int, float) and not config.get("base_mesh")
        return _check_views(reference, pythons, fork, side if good else None)
    return []


def fork(config: Mapping[str, Any], checkout: str, script: str | None = None) -> str:
    """What shows that a checkout is a fork of nvdiffrec with readers or fields of its own; ''
    where nothing does. Only names of files are looked at."""
    fields = [name for name in config if name not in NAMES and name != SECTION]
    fields = [name for name in fields if not hint(name)]
    if fields:
        return f"the configuration has the field {shown(fields[0])}, which nvdiffrec does not know"
    name = os.path.basename(expand(script)) if script else "train.py"
    if name != "train.py":
        return f"its training script is {name}"
    folder = os.path.join(checkout, "dataset")
    own = [one for one in _names(folder) if one.endswith(".py") and one not in _READERS]
    return f"it has a reader of its own, {os.path.join(folder, own[0])}" if own else ""


def own_data(folder: str) -> str:
    """What a folder without a known format holds beside pictures; '' for nothing."""
    known = (*_PICTURES, ".ds_store", "thumbs.db")
    for name in _names(folder):
        path = os.path.join(folder, name)
        if os.path.isfile(path) and not name.lower().endswith(known):
            return f"the data have a file of their own, {name}"
    return ""


def _check_values(config: Mapping[str, Any]) -> None:
    """Types alone: which words a field knows is the revision's own business."""
    for name in _COUNTS:
        value = config.get(name, 1)
        if type(value) is not int or value < 1:
            raise JobFileError(
                f'"{name}" in the configuration must be a whole number from 1, not {shown(value)}',
                "correct the configuration or the override",
            )
    for name in _SIZES:
        value = config.get(name)
        whole = isinstance(value, list) and len(value) == 2 and {type(x) for x in value} == {int}
        if value is not None and not (whole and min(value) > 0):
            raise JobFileError(
                f'"{name}" in the configuration must be two whole numbers such as [512, 512], not '
                f"{shown(value)}",
                "correct the configuration or the override",
            )


def _check_grid(grid: Any, folder: str) -> None:
    suffix = "_tets.npz"
    present = [name[: -len(suffix)] for name in _names(folder) if name.endswith(suffix)]
    if present and str(grid) not in present:
        sizes = ", ".join(sorted(present, key=lambda one: (len(one), one)))
        raise JobFileError(
            f'"dmtet_grid" is {shown(grid)}, and the checkout has grids of {sizes} only',
            f"set dmtet_grid to one of {sizes}, or use the diffrec engine, which makes its own",
        )
    _refuse_pointer(os.path.join(folder, f"{grid}{suffix}"))


def is_pointer(path: str) -> bool:
    """Whether a file is a Git LFS pointer in place of the file itself."""
    try:
        with open_regular(path) as stream:
            return stream.read(len(_LFS)) == _LFS
    except (OSError, ValueError):
        return False


def _refuse_pointer(path: str) -> None:
    if is_pointer(path):
        raise JobError(
            "git-lfs",
            f"{path} is a Git LFS pointer, not the file itself",
            f"in its checkout: git lfs install, then git lfs pull ({os.path.dirname(path)})",
            EXIT_ENVIRONMENT,
        )


def _check_views(folder: str, pythons: Sequence[str], fork: str, side: float | None) -> list[str]:
    try:
        found = dataset.describe(folder, pythons, os.environ, quick=True)
    except dataset.NotDescribedError:
        return []  # the doctor says so, and the training will tell
    examined = datachecks.examined(found, side, NVDIFFREC)
    wrong = (one for one in examined if one.severity == "error" and one.refused)
    problem = found.refusal(NVDIFFREC) or next(wrong, None)
    if problem is None:
        return [f"warning: {one.cause} ({one.cure})" for one in examined]
    why = fork or ("" if found.kind else own_data(folder))
    if not why:
        raise JobFileError(f'"ref_mesh": {problem.cause}', problem.cure)
    return [f"warning: {problem.cause}; trained all the same, as a fork may read them ({why})"]


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def without_preview(config: dict[str, Any], variables: Mapping[str, str]) -> list[str]:
    """Take the preview out of ``config`` where no window can open; a note of it for the log."""
    interval = config.get("display_interval")
    wanted = isinstance(interval, (int, float)) and interval > 0
    if not wanted or not headless({**os.environ, **variables}, sys.platform):
        return []
    config["display_interval"] = 0
    return [
        f"display_interval is {interval}, but this machine has no display (neither DISPLAY nor "
        "WAYLAND_DISPLAY is set): trained without the preview window"
    ]


def link(checkout: str, folder: str) -> None:
    """Show the checkout's folders in the run folder, where the script looks for them.

    ``data`` is needed; a revision may read others by relative paths, so they are shown too.

    Raises:
        JobError: the disk of the run folder takes no links.
    """
    link_folder(os.path.join(checkout, "data"), os.path.join(folder, "data"))
    for name in _names(checkout):
        source, shown_as = os.path.join(checkout, name), os.path.join(folder, name)
        hidden = name.startswith(".") or name in _NOT_LINKED
        if hidden or not os.path.isdir(source) or os.path.lexists(shown_as):
            continue
        with contextlib.suppress(JobError):
            link_folder(source, shown_as)


def link_folder(source: str, link: str) -> None:
    """Make ``link`` show ``source``: a symbolic link, on Windows else a junction."""
    try:
        os.symlink(source, link, target_is_directory=True)
        return
    except (OSError, NotImplementedError) as error:
        reason = str(error)
    if sys.platform == "win32":
        try:
            import _winapi

            _winapi.CreateJunction(source, link)
            return
        except OSError as error:
            reason = str(error)
    raise JobError(
        "no-link",
        f"the run folder cannot link to {source}: {reason}",
        "use an output folder on a disk that supports links",
        EXIT_ENVIRONMENT,
    )
