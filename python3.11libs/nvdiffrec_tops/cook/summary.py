"""One page about the scenes of a cook or of a farm submission: how good they came out, what failed
and why, and their contact sheets side by side.

``summary.json`` beside the page says the same for programs: ``format``, ``version``, ``title``,
``counts``, ``seconds`` and ``rows``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nvdiffrec_contract import failurefile, layout
from nvdiffrec_contract.failure import Failure
from nvdiffrec_contract.files import replace_file
from nvdiffrec_tops.job.outputs import result as training

from . import reporting, webpage
from .webpage import FAILED, NOT_TRAINED, REUSED, STATES, STOPPED, TRAINED, Scene

FORMAT = "tops-nvdiffrec-summary"
VERSION = 1
PAGE = "index.html"
DATA = "summary.json"
SHEET = layout.CONTACT_SHEET
COPIES = "contact_sheets"

_STATES = {
    "CookedSuccess": TRAINED,
    "CookedCache": REUSED,
    "CookedFail": FAILED,
    "CookedCancel": STOPPED,
}
_RESULTS = (training.NAME, "mesh/mesh.obj")
_TRAINS = re.compile(r"(^|::)nvdiffrec_(train|static)(::|$)")
_JOB = re.compile(r"nvdiffrec_tops[/\\]job[/\\]__main__\.py['\"]?(?! (?:--escaped )?--prepare\b)")
_UPWARDS = 2
"""Folders above the page's that are taken to move together with it."""


@dataclass(frozen=True)
class SceneRow:
    """One scene. ``state``: ``trained``, ``reused``, ``failed``, ``stopped`` or ``not trained``.

    ``psnr`` and ``psnr_pass1`` are dB, ``seconds`` the time of the training. ``message`` is what a
    person reads of it; of a failure that the job explained, ``id``, ``cause`` and ``cure`` say the
    same as fields. Paths are as this machine sees them.
    """

    name: str
    state: str
    psnr: float | None = None
    psnr_pass1: float | None = None
    faces: int | None = None
    seconds: float | None = None
    machine: str = ""
    message: str = ""
    result_folder: Path | None = None
    contact_sheet: Path | None = None
    log: Path | None = None
    id: str = ""
    cause: str = ""
    cure: str = ""


# -- rows of a report ---------------------------------------------------------------------------
def rows_of_report(report: Mapping[str, Any]) -> list[SceneRow]:
    """The trainings of a cook's JSON report (see ``reporting``), in the report's order.

    A work item that is no training has a row only when it failed. Reads the result file of each
    training, and the log's last lines; anything in the report that is not as expected is skipped.
    """
    nodes = {
        str(node.get("name")): str(node.get("type", "")) for node in _dicts(report.get("nodes"))
    }
    rows: list[tuple[SceneRow, str]] = []
    for item in _dicts(report.get("items")):
        state = _STATES.get(str(item.get("stateName")), NOT_TRAINED)
        if _trains(item, nodes.get(str(item.get("node")), "")):
            rows.append((_training_row(item, state), _text(item.get("name"))))
        elif state == FAILED:
            name = _text(item.get("name"))
            row = SceneRow(
                name,
                state,
                message=_text(item.get("cause")),
                log=_path(item.get("log")),
                **_fields(_failure(item)),
            )
            rows.append((row, name))
    return _told_apart(rows)


def problems_of_report(report: Mapping[str, Any]) -> list[str]:
    """What the report says of the cook as a whole and of its nodes, each once."""
    found = _texts(report.get("errors"))
    for node in _dicts(report.get("nodes")):
        found += [f"{_text(node.get('name'))}: {text}" for text in _texts(node.get("errors"))]
    return list(dict.fromkeys(found))


def _trains(item: Mapping[str, Any], node_type: str) -> bool:
    if _TRAINS.search(node_type) or _JOB.search(_text(item.get("command"))):
        return True
    # A partition carries the files of the items in it, but declares none.
    made = [_slashed(path) for path in _texts(item.get("expectedOutputs"))]
    return any(path.endswith(f"/{_RESULTS[0]}") for path in made)


def _training_row(item: Mapping[str, Any], state: str) -> SceneRow:
    folder = _folder(item)
    document = (training.read(str(folder)) if folder else None) or {}
    message = _text(item.get("cause"))
    failure = _failure(item) if state == FAILED else None
    figures: dict[str, float | int] = {}
    machine = _attribute(item, "machine")
    log = _path(item.get("log"))
    if state == TRAINED and document.get("status") == "failed":
        # Warn and Go On: cooked, as far as the graph is concerned.
        state, failure = FAILED, _failure(document)
        message = failure.sentence() if failure else ""
    if state == TRAINED and any(
        line.startswith("Job: up to date") for line in reporting.tail(log, 50)
    ):
        state = REUSED
    if state in (TRAINED, REUSED):
        # Of a failure they would be those of an earlier training.
        figures = {**training.figures_of(document), **_figures(item)}
        machine = _text(document.get("host")) if state == REUSED else machine
        machine = machine or _text(document.get("host"))
        message = ". ".join(dict.fromkeys(_texts(item.get("warnings"))))
    elif state != FAILED and not message.startswith("it waits"):
        message = ""  # nothing but the state's name once more
    sheet = folder / SHEET if folder and state in (TRAINED, REUSED) else None
    faces = figures.get("faces")
    return SceneRow(
        name=_name(item, folder),
        state=state,
        psnr=figures.get("psnr"),
        psnr_pass1=figures.get("psnr_pass1"),
        faces=None if faces is None else int(faces),
        seconds=figures.get("training_seconds"),
        machine=machine,
        message=message,
        result_folder=folder,
        contact_sheet=sheet if sheet and os.path.isfile(sheet) else None,
        log=log,
        **_fields(failure),
    )


def _failure(document: Mapping[str, Any]) -> Failure | None:
    """The failure in a report's item or a result file."""
    found = document.get("failure")
    return failurefile.of(found) if isinstance(found, dict) else None


def _fields(failure: Failure | None) -> dict[str, Any]:
    if failure is None:
        return {}
    return {"id": failure.id, "cause": failure.cause.rstrip("."), "cure": failure.cure}


def _folder(item: Mapping[str, Any]) -> Path | None:
    named = _attribute(item, "OUTPUT_DIR")
    if named:
        return _path(named)
    outputs = [one.get("path") for one in _dicts(item.get("outputs"))]
    for path in _texts([*_texts(item.get("expectedOutputs")), *outputs]):
        for known in _RESULTS:
            if _slashed(path).endswith(f"/{known}"):
                return _path(path[: -len(known)])
    return None


def _name(item: Mapping[str, Any], folder: Path | None) -> str:
    """The folder's name where the configuration's begins it, else the configuration's."""
    config = _slashed(_attribute(item, "CONFIG_NAME")).rpartition("/")[2]
    stem = config.rpartition(".")[0] or config
    base = folder.name if folder else ""
    name = base if base and (not stem or base.startswith(stem)) else stem
    return name or _text(item.get("name")) or "scene"


def _told_apart(rows: Sequence[tuple[SceneRow, str]]) -> list[SceneRow]:
    """Rows of one name get the folder's name as well, and where that is no help the item's."""
    found = [row for row, _item in rows]
    for attempt in range(2):
        counts = Counter(row.name for row in found)
        for place, (row, item) in enumerate(rows):
            if counts[found[place].name] > 1:
                folder = row.result_folder.name if row.result_folder else ""
                extra = folder if attempt == 0 and folder not in ("", row.name) else item
                found[place] = replace(row, name=f"{row.name} ({extra})")
    return found


def _figures(item: Mapping[str, Any]) -> dict[str, float | int]:
    given = {name: _first(item, name) for name in training.FIGURES}
    return training.figures_of({"metrics": given, "seconds": given["training_seconds"]})


def _first(item: Mapping[str, Any], name: str) -> Any:
    attributes = item.get("attributes")
    values = attributes.get(name) if isinstance(attributes, dict) else None
    return values[0] if isinstance(values, list) and values else None


def _attribute(item: Mapping[str, Any], name: str) -> str:
    return _text(_first(item, name))


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _slashed(path: str) -> str:
    return path.replace("\\", "/")


def _path(value: Any) -> Path | None:
    """An absolute path without ``..``; None for anything else."""
    if not isinstance(value, str) or "\0" in value or not os.path.isabs(value):
        return None
    return Path(os.path.normpath(value))


# -- the page -----------------------------------------------------------------------------------
def write_summary(
    folder: Path,
    rows: Sequence[SceneRow],
    *,
    title: str = "Scenes",
    seconds: float | None = None,
    problems: Iterable[str] = (),
) -> Path:
    """Write ``index.html`` and ``summary.json`` into ``folder``; the page's path.

    ``seconds``: time of the whole cook; None leaves it out. ``problems``: what is wrong with the
    cook as a whole. Contact sheets near the page are linked, others are copied into
    ``contact_sheets``.

    Raises:
        FileExistsError: another program's page is in that place.
        OSError: the folder cannot be written to.
    """
    folder = Path(os.path.abspath(folder))
    folder.mkdir(parents=True, exist_ok=True)
    page, data = folder / PAGE, folder / DATA
    _refuse_foreign(page, webpage.MARK)
    _refuse_foreign(data, FORMAT)
    scenes = [_scene(folder, row) for row in rows]
    _write(
        data,
        json.dumps(_document(rows, title, seconds, problems), indent=1, allow_nan=False) + "\n",
    )
    _write(page, webpage.page(scenes, title=title, seconds=seconds, problems=problems))
    return page


def _refuse_foreign(path: Path, mark: str) -> None:
    try:
        with path.open("rb") as stream:
            start = stream.read(4096)
    except FileNotFoundError:
        return
    if mark.encode() not in start:
        raise FileExistsError(
            f"{path} was not written by this toolkit and is left alone; name another folder"
        )


def _document(
    rows: Sequence[SceneRow], title: str, seconds: float | None, problems: Iterable[str]
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "title": title,
        "seconds": _finite(seconds),
        "counts": {state: sum(row.state == state for row in rows) for state in STATES},
        "problems": list(problems),
        "rows": [{name: _plain(value) for name, value in asdict(row).items()} for row in rows],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return value.as_posix()
    return _finite(value) if isinstance(value, float) else value


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _scene(page_folder: Path, row: SceneRow) -> Scene:
    sheet = ""
    if row.contact_sheet is not None and row.contact_sheet.is_file():
        path = row.contact_sheet.absolute()
        sheet = _relative(page_folder, path) or _copied(page_folder, path)
    return Scene(
        name=row.name,
        state=row.state,
        psnr=_finite(row.psnr),
        psnr_pass1=_finite(row.psnr_pass1),
        faces=row.faces,
        seconds=_finite(row.seconds),
        machine=row.machine,
        message=row.message,
        cause=row.cause,
        cure=row.cure,
        folder=_address(page_folder, row.result_folder),
        sheet=sheet,
        log=_address(page_folder, row.log),
    )


def _address(page_folder: Path, path: Path | None) -> str:
    """The address of a file or folder, relative where page and file move together."""
    if path is None:
        return ""
    path = Path(os.path.abspath(path))
    return _relative(page_folder, path) or path.as_uri()


def _relative(page_folder: Path, path: Path) -> str:
    """A path's address as seen from the page; '' when they have little in common."""
    path = Path(os.path.abspath(path))
    try:
        relative = os.path.relpath(path, page_folder).replace(os.sep, "/")
    except ValueError:  # another drive
        return ""
    upwards = relative.split("/").count("..")
    top = page_folder.parents[upwards - 1] if 0 < upwards <= _UPWARDS else page_folder
    if upwards > _UPWARDS or top == Path(top.anchor):
        return ""
    return webpage.address(relative)


def _copied(page_folder: Path, sheet: Path) -> str:
    """A copy of a contact sheet beside the page; the original's address when that fails."""
    digest = hashlib.sha256(os.fsencode(sheet)).hexdigest()[:12]
    copy = page_folder / COPIES / f"{digest}.png"
    part = copy.with_name(f".{copy.name}.{os.getpid()}.part")
    try:
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(sheet, part)
        os.replace(part, copy)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        return sheet.as_uri()
    return webpage.address(f"{COPIES}/{copy.name}")


def _write(path: Path, text: str) -> None:
    replace_file(path, text.encode("utf-8", "replace"))
