"""``nvdiffrec-tops bundle``: one ZIP file of a result that can be sent with a bug report."""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from dataclasses import asdict
from pathlib import Path

from nvdiffrec_contract import files, jsonfiles
from nvdiffrec_tops import doctor
from nvdiffrec_tops.bugreport import facts
from nvdiffrec_tops.bugreport.contents import Gathered, gather
from nvdiffrec_tops.doctor.context import Context
from nvdiffrec_tops.environment import EnvironmentProblem
from nvdiffrec_tops.job import engines

FAILED = 1
MOST = 8 << 20
"""Bytes of a bundle, at most."""
MOST_PICTURE, MOST_SMALL = 64 << 20, 512 << 10
"""Bytes of a picture that is read, and of one that is packed."""
SECONDS = 60.0
# The same content always makes the same file, and no clock is told.
_TIME = (1980, 1, 1, 0, 0, 0)


class BundleProblem(Exception):
    """No bundle can be made: why, and the next thing to do."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(message)
        self.cure = cure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``bundle``."""
    parser.add_argument("result", metavar="RESULT", help="the output folder of a training")
    parser.add_argument(
        "--out", metavar="FILE.zip", help="the bundle (NAME-report.zip in the current folder)"
    )
    parser.add_argument(
        "--env", metavar="PREFIX", help="training environment's folder or Python (the active one)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="examine only what takes less than a second"
    )
    parser.add_argument("--no-pictures", action="store_true", help="leave out all pictures")


def main(arguments: argparse.Namespace) -> int:
    """Make a bundle; returns the exit code."""
    try:
        _bundle(arguments)
    except BundleProblem as problem:
        print(f"error: {problem}\n  {problem.cure}", file=sys.stderr)
        return FAILED
    return 0


def _bundle(arguments: argparse.Namespace) -> None:
    folder = os.path.abspath(os.path.expanduser(arguments.result))
    if not os.path.isdir(folder):
        raise BundleProblem(f"{folder} is no folder", "name the output folder of a training")
    named = arguments.out or f"{os.path.basename(folder) or 'result'}-report.zip"
    target = os.path.abspath(os.path.expanduser(named))
    if os.path.lexists(target):
        raise BundleProblem(f"{target} is there already", "name another file: --out FILE.zip")
    found, placeholders = gather(folder)
    if not found.texts:
        why = f" ({'; '.join(found.left_out)})" if found.left_out else ""
        raise BundleProblem(
            f"{folder} holds nothing that a training left{why}",
            "name the folder that holds job.log or result.json",
        )
    found.texts["version.json"] = jsonfiles.text_of(
        placeholders.document(facts.gathered(arguments.env))
    )
    findings = _findings(arguments, folder, found)
    found.texts["doctor.json"] = jsonfiles.text_of(placeholders.document(findings))
    entries = {name: text.encode("utf-8", "replace") for name, text in found.texts.items()}
    if not arguments.no_pictures:
        entries.update(_pictures(arguments.env, folder, found))
    _write(target, _zipped(entries, found))
    _tell(target, found, entries)


def _findings(
    arguments: argparse.Namespace, folder: str, found: Gathered
) -> list[dict[str, object]]:
    """What the doctor says. The environment is the caller's: what a result names is not run."""
    engine = found.job.get("engine")
    working_dir = found.job.get("working_dir")
    examined = doctor.examine(
        environment=arguments.env,
        working_dir=working_dir if isinstance(working_dir, str) else None,
        config=found.config,
        engine=engine if engine in engines.names() else engines.DEFAULT,
        output=folder,
        quick=arguments.quick,
    )
    return [asdict(one) for one in doctor.worst_first(examined)]


def _pictures(environment: str | None, folder: str, found: Gathered) -> dict[str, bytes]:
    """The pictures, small, by their names in the bundle."""
    if not found.pictures:
        return {}
    context = Context(environment)
    made = {}
    try:
        python, variables = context.place.python, context.variables
    except EnvironmentProblem as problem:
        found.left_out.append(f"pictures: {problem}")
        return {}
    script = Path(__file__).with_name("smallpicture.py")
    with tempfile.TemporaryDirectory() as work:
        source, target = os.path.join(work, "picture.png"), os.path.join(work, "small.jpg")
        for name in found.pictures:
            try:
                Path(source).write_bytes(files.read_inside(folder, name, MOST_PICTURE))
                command = [python, "-I", str(script), source, target]
                done = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=SECONDS,
                    env=variables,
                )
                if done.returncode:
                    raise ValueError("the training environment cannot read it")
                data = Path(target).read_bytes()
                if len(data) > MOST_SMALL:
                    raise ValueError("it does not become small")
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                reason = getattr(error, "strerror", None) or error
                found.left_out.append(f"{name}: {reason}")
                continue
            made[f"pictures/{os.path.splitext(name)[0].replace('/', '_')}.jpg"] = data
    return made


def _zipped(entries: dict[str, bytes], found: Gathered) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in list(entries.items()):
            if held.tell() + len(zlib.compress(data)) > MOST:
                found.left_out.append(f"{name}: the bundle would become too large")
                del entries[name]
                continue
            archive.writestr(zipfile.ZipInfo(name, _TIME), data, zipfile.ZIP_DEFLATED)
    return held.getvalue()


def _write(target: str, data: bytes) -> None:
    try:
        with open(target, "xb") as stream:
            stream.write(data)
    except OSError as error:
        raise BundleProblem(
            f"{target} cannot be written: {error.strerror or error}",
            "name another file: --out FILE.zip",
        ) from None


def _tell(target: str, found: Gathered, entries: dict[str, bytes]) -> None:
    print(f"wrote {target} ({os.path.getsize(target) / 1024:.0f} KB):")
    for name, data in entries.items():
        print(f"  {name}, {len(data) / 1024:.0f} KB")
    for sentence in found.left_out:
        print(f"  left out: {sentence}")
    print(
        "Folders, names and secrets that could be recognised are placeholders such as <HOME>. "
        "Look into it before you send it."
    )
