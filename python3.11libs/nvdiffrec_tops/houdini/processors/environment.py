"""*nvdiffrec Environment*: the Python environment that each work item is trained in."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nvdiffrec_tops import attributes, environment, training
from nvdiffrec_tops.attributes import AttributesError
from nvdiffrec_tops.environment import Environment
from nvdiffrec_tops.houdini.parameters import AssetParameters
from nvdiffrec_tops.houdini.processors.attributes import item_name, text_of
from nvdiffrec_tops.houdini.processors.words import node_error, told_to_the_artist

if TYPE_CHECKING:
    from topcook import pdg

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def on_generate(
    self: Any,
    item_holder: pdg.WorkItemHolder,
    upstream_items: Sequence[pdg.WorkItem],
    generation_type: object,
) -> None:
    """One item per upstream item, with the environment's attributes and variables."""
    import pdg

    with told_to_the_artist():
        parameters = AssetParameters(self)
        for upstream in upstream_items:
            prefix, found = _chosen(parameters, upstream)
            in_process = parameters.toggle("checkwhencooking", upstream)
            kind = pdg.workItemCookType.InProcess if in_process else None
            item = item_holder.addWorkItem(
                name=item_name(parameters.name, upstream, 0),
                parent=upstream,
                index=-1,
                cloneOutputFiles=True,
                **({} if kind is None else {"cookType": kind}),
            )
            if parameters.toggle("reset", upstream):
                item.clearEnvironment()
            item.setStringAttrib(attributes.ENVIRONMENT, _with_slash(prefix))
            if parameters.toggle("describe", upstream):
                for name, value in _description(found or environment.describe(prefix)).items():
                    item.setStringAttrib(name, value)
            listed = variables(parameters, upstream)
            export = parameters.string("export", upstream)
            if export == "original":
                described = found or environment.describe(prefix)
                listed = {**environment.exports(described), **listed}
            handed = listed if export == "job" else {}
            _hand_over(item, upstream, handed, reset=parameters.toggle("reset", upstream))
            for name, value in listed.items() if export != "job" else ():
                _export(item, name, value)


def _hand_over(
    item: pdg.WorkItem, upstream: pdg.WorkItem, handed: Mapping[str, str], *, reset: bool
) -> None:
    """Give an item the variables for its training alone, beside those it has inherited."""
    text = text_of(upstream, attributes.VARIABLES)
    inherited = {} if reset else training.variables(text)
    if text or handed:
        value = json.dumps({**inherited, **handed}, ensure_ascii=True)
        item.setStringAttrib(attributes.VARIABLES, value)


def _chosen(parameters: AssetParameters, item: pdg.WorkItem) -> tuple[str, Environment | None]:
    """The environment's folder, and its description where one was looked up."""
    match parameters.string("source", item):
        case "prefix":
            prefix = parameters.string("prefix", item).strip()
            if not prefix:
                raise AttributesError("Folder is empty; it must name a conda environment or a venv")
            return prefix, None
        case "known":
            found = environment.find(parameters.string("known", item).strip())
            return found.prefix, found
        case "active":
            active = environment.active()
            if active is None:
                raise AttributesError(
                    "Environment: none is active where Houdini was started; choose another "
                    "source, or activate one before starting Houdini"
                )
            return active.prefix, active
        case _:
            prefix = text_of(item, attributes.ENVIRONMENT)
            if not prefix:
                raise AttributesError(
                    f"the work item has no attribute {attributes.ENVIRONMENT}; choose another "
                    "source of the environment, or put an nvdiffrec Attributes node upstream"
                )
            return prefix, None


def _description(found: Environment) -> dict[str, str]:
    version = ".".join(str(one) for one in found.version or ())
    return {
        "ENV_KIND": found.kind,
        "ENV_PYTHON": found.python,
        "ENV_VERSION": version,
        "ENV_SITE_PACKAGES": found.site_packages or "",
        "ENV_CUDA_HOME": found.cuda_home or "",
    }


def variables(parameters: AssetParameters, item: pdg.WorkItem | None) -> dict[str, str]:
    """The variables of the node's list.

    Raises:
        AttributesError: a name cannot be a variable's.
    """
    found: dict[str, str] = {}
    for number in parameters.instances("variables", item):
        if not parameters.toggle(f"varenable{number}", item):
            continue
        name = parameters.string(f"varname{number}", item).strip()
        if not _VARIABLE.fullmatch(name):
            raise AttributesError(
                f"Variables: '{name}' cannot be the name of a variable; use letters, digits and _"
            )
        found[name] = parameters.string(f"varvalue{number}", item)
    return found


def _export(item: pdg.WorkItem, name: str, value: str) -> None:
    import pdg

    item.setStringAttrib(name, value)
    item.setAttribFlag(name, pdg.attribFlag.EnvExport, True)


def _with_slash(folder: str) -> str:
    # An interpreter is named without one.
    plain = os.path.isfile(folder) or folder.endswith(("/", "\\"))
    return folder if plain else folder + "/"


def on_cook_task(self: Any, work_item: pdg.WorkItem) -> None:
    """Check When Cooking: fail the item when the doctor finds its environment broken."""
    from nvdiffrec_tops import doctor

    findings = doctor.examine(
        environment=text_of(work_item, attributes.ENVIRONMENT) or None,
        working_dir=text_of(work_item, attributes.WORKING_DIR) or None,
        config=text_of(work_item, attributes.CONFIG) or None,
        engine=text_of(work_item, attributes.ENGINE) or "diffrec",
        quick=True,
    )
    broken = [one for one in findings if one.severity == "error"]
    for one in findings:
        if one.severity == "warning":
            work_item.addWarning(f"{one.title}: {one.evidence}")
    if broken:
        raise node_error("\n".join(f"{one.title}: {one.evidence}. {one.cure}" for one in broken))
