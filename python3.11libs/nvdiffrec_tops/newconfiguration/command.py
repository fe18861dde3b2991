"""The command: looks, writes a file that was not there, and says what to type next."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nvdiffrec_contract.errors import ConfigError
from nvdiffrec_contract.preparation import CONFIGURATION
from nvdiffrec_tops import environment as environments
from nvdiffrec_tops import presets
from nvdiffrec_tops.doctor.inspection import InspectionError, inspect
from nvdiffrec_tops.environment import Environment, EnvironmentProblem
from nvdiffrec_tops.job import engines
from nvdiffrec_tops.job.failures import quoted
from nvdiffrec_tops.newconfiguration import document
from nvdiffrec_tops.newconfiguration.material import Material, NewProblem, look

FAILED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``new``."""
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        help="a folder with photographs, a data set, or a mesh and its light; or one such file",
    )
    parser.add_argument(
        "--name",
        metavar="FILE",
        default=CONFIGURATION,
        help="the configuration's name in that folder (%(default)s)",
    )
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help=f"how fine, and how long: {_listed(presets.names())} (as this machine can)",
    )
    parser.add_argument("--light", metavar="FILE.hdr", help="the panorama that lights a mesh")
    parser.add_argument(
        "--env", metavar="PREFIX", help="training environment's folder or Python (the active one)"
    )


def _listed(names: Iterable[str]) -> str:
    """Names for a help text, in which a percent sign means something."""
    return ", ".join(names).replace("%", "%%")


def main(arguments: argparse.Namespace) -> int:
    """Write a configuration; returns the exit code."""
    try:
        _write(arguments)
    except (NewProblem, EnvironmentProblem) as problem:
        print(f"error: {problem}\n  {problem.cure}", file=sys.stderr)
        return FAILED
    except presets.PresetError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return FAILED
    return 0


def _write(arguments: argparse.Namespace) -> None:
    path = os.path.abspath(os.path.expanduser(arguments.folder))
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    target = _target(folder, arguments.name)
    place = _place(arguments.env)
    variables: Mapping[str, str] = os.environ
    if place is not None:
        variables = environments.isolated(os.environ, place)[0]
    pythons = [place.python] if place is not None else []
    material = look(path, pythons, variables)
    _refuse(material)
    light = _light(material, arguments.light)
    preset, why = _preset(arguments.preset, pythons, variables)
    values = document.fields(material, preset, light)
    try:
        text = document.text(values, _head(why), _about(material))
    except UnicodeEncodeError:
        raise NewProblem(
            f"the name {path!a} holds what is no text", "rename it, then type this again"
        ) from None
    except ConfigError as error:
        raise NewProblem(str(error), "rename what it names, or choose another preset") from None
    _create(target, text)
    _tell(material, light, target, why)


def _target(folder: str, name: str) -> str:
    if os.path.basename(name) != name or name in ("", ".", ".."):
        raise NewProblem(f"{name} is no name of a file", "name it without a folder")
    target = os.path.join(folder, name)
    if os.path.lexists(target):
        raise NewProblem(
            f"there is a configuration already, {target}, which stays as it is",
            f"train with it: diffrec --config {quoted(target)}; or write another: --name FILE.json",
        )
    return target


def _place(named: str | None) -> Environment | None:
    """The environment to ask; None where there is none and none was named."""
    if named is not None:
        return environments.find(named)
    try:
        return environments.active() or environments.describe(sys.executable)
    except EnvironmentProblem:
        return None


def _refuse(material: Material) -> None:
    found = material.description
    if found is None:
        return
    refusal = found.refusal(engines.DEFAULT)
    if refusal is not None:
        raise NewProblem(refusal.cause, refusal.cure)
    if not found.kind:
        problem = found.problems[0]
        raise NewProblem(problem.cause, problem.cure)


def _light(material: Material, named: str | None) -> str | None:
    if material.description is None or not material.description.light:
        return None
    if named is not None:
        light = os.path.abspath(os.path.expanduser(named))
        if not os.path.isfile(light):
            raise NewProblem(f"there is no panorama {light}", "correct --light")
        return light
    if not material.lights:
        raise NewProblem(
            f"{material.path} has no light: a reference mesh is photographed under a panorama",
            f"put one (.hdr) into {material.folder}, or name it: --light FILE.hdr",
        )
    if len(material.lights) > 1:
        names = ", ".join(map(os.path.basename, material.lights[:8]))
        raise NewProblem(
            f"{material.folder} holds several panoramas: {names}",
            f"name one of them: --light {quoted(material.lights[0])}",
        )
    return material.lights[0]


def _preset(
    named: str | None, pythons: Sequence[str], variables: Mapping[str, str]
) -> tuple[Mapping[str, Any], str]:
    """The fields of a preset, and why these."""
    if named is not None:
        return presets.load(named).overrides, f'sizes of the preset "{named}", as asked'
    if not pythons or _has_card(pythons[0], variables):
        return (
            presets.load(document.DELIVERY).overrides,
            "sizes for delivery, on a graphics card; --preset draft gives a quick first look",
        )
    return (
        presets.load(document.WITHOUT_CARD).overrides,
        "sizes for a processor alone, as no graphics card was found that PyTorch can use; "
        "--preset final gives those for delivery",
    )


def _has_card(python: str, variables: Mapping[str, str]) -> bool:
    try:
        facts = inspect(python, ("packages", "driver"), variables)
    except (InspectionError, OSError):
        return False
    build = facts["packages"].get("torch_build", {})
    return bool(facts["driver"].get("cards")) and bool(build.get("cuda"))


def _head(why: str) -> list[str]:
    return [
        "Written by nvdiffrec-tops new. What begins with _ is a comment, which trainers pass over.",
        f"The numbers: {why}.",
        "A field that is left out has its default: docs/fields.md lists them all.",
    ]


def _about(material: Material) -> dict[str, str]:
    found = material.description
    if found is None:
        return {"ref_mesh": f"the data set that is prepared from {material.path}"}
    return {"ref_mesh": f"what to recover: {_said(material)}"}


def _said(material: Material) -> str:
    """What was found, in a few words."""
    found = material.description
    if found is None:
        count = material.photographs
        return f"{count} photographs without cameras" if count else "a film"
    words = [found.label]
    if found.pictures:
        words.append(f"{len(found.pictures)} pictures")
    if found.mesh is not None:
        words.append(f"{found.mesh.faces} faces")
    return ", ".join(words)


def _create(target: str, text: str) -> None:
    try:
        with open(target, "x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except OSError as error:
        raise NewProblem(
            f"{target} cannot be written: {error.strerror or error}",
            "check the folder's permissions",
        ) from None


def _tell(material: Material, light: str | None, target: str, why: str) -> None:
    print(f"found: {_said(material)} ({material.path})")
    if light is not None:
        print(f"light: {light}")
    found = material.description
    for one in found.told(engines.DEFAULT) if found is not None else []:
        if one.severity != "note":
            print(f"{one.severity}: {one.cause}" + (f" ({one.cure})" if one.cure else ""))
    print(f"wrote: {target}, with {why}")
    train = f"diffrec --config {quoted(target)}"
    if material.unsolved:
        out = quoted(os.path.join(material.folder, document.PREPARED))
        print(f"next:  nvdiffrec-tops prepare {quoted(material.path)} --out {out}")
        print(f"then:  {train}")
    else:
        print(f"next:  {train}")
