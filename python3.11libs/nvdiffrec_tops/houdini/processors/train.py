"""*nvdiffrec Train*: the command of each work item's training, and what it will leave."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from nvdiffrec_tops import attributes
from nvdiffrec_tops.houdini.parameters import AssetParameters
from nvdiffrec_tops.houdini.processors.attributes import OutputFolders, item_name, text_of
from nvdiffrec_tops.houdini.processors.words import told_to_the_artist
from nvdiffrec_tops.job.outputs import result
from nvdiffrec_tops.training import TrainingPlan, TrainingSettings, plan

if TYPE_CHECKING:
    from topcook import pdg

_NAMES = (
    attributes.ENVIRONMENT,
    attributes.WORKING_DIR,
    attributes.SCRIPT,
    attributes.CONFIG,
    attributes.ENGINE,
    attributes.OUTPUT,
    attributes.OVERRIDES,
    attributes.VARIABLES,
    attributes.CAPTURE,
)


def on_generate(
    self: Any,
    item_holder: pdg.WorkItemHolder,
    upstream_items: Sequence[pdg.WorkItem],
    generation_type: object,
) -> None:
    """One item per upstream item: its command and its expected outputs."""
    with told_to_the_artist():
        parameters = AssetParameters(self)
        folders = OutputFolders()
        for upstream in upstream_items:
            values = {name: text_of(upstream, name) for name in _NAMES}
            settings = read(
                parameters,
                upstream,
                engine=parameters.string("engine", upstream),
                output_dir=_own_folder(parameters, upstream, values[attributes.OUTPUT]),
            )
            training = plan(values, upstream.index, settings)
            folders.claim(training.output, upstream.label or upstream.name)
            item = item_holder.addWorkItem(
                name=item_name(parameters.name, upstream, 0),
                parent=upstream,
                index=-1,
                **priority(parameters, upstream),
            )
            item.setLabel(upstream.label)
            write(item, training, parameters)


def _own_folder(parameters: AssetParameters, item: pdg.WorkItem, given: str) -> str:
    """The node's output folder, which stands in where an item has none."""
    name = "output_dir"
    return parameters.string(name, item) if given else parameters.folder(name, item)


def read(
    parameters: AssetParameters,
    item: pdg.WorkItem | None,
    *,
    engine: str = "",
    output_dir: str = "",
) -> TrainingSettings:
    """The training's settings, evaluated for a work item."""
    limited = parameters.toggle("usetimeout", item)
    halve = parameters.toggle("halvebatch", item)
    return TrainingSettings(
        engine=engine,
        output_dir=output_dir,
        device=parameters.string("device", item),
        gpu_mode=parameters.string("gpumode", item),
        gpus=parameters.string("gpus", item),
        seed=parameters.integer("seed", item) if parameters.toggle("useseed", item) else None,
        force=parameters.toggle("force", item),
        retries=parameters.integer("retries", item),
        timeout=60.0 * parameters.number("timeout", item) if limited else None,
        on_failure=parameters.string("onfailure", item),
        on_out_of_memory="halve_batch" if halve else "fail",
    )


def priority(parameters: AssetParameters, item: pdg.WorkItem | None) -> dict[str, Any]:
    """The option of a new work item, when the node sets priorities."""
    if not parameters.toggle("usepriority", item):
        return {}
    return {"priority": parameters.integer("priority", item)}


def write(item: pdg.WorkItem, training: TrainingPlan, parameters: AssetParameters) -> None:
    """Give an item its command, its expected outputs, and the figures of earlier results.

    Outputs are not declared when the results in place were made with other settings: Houdini
    would take the old files for the new ones.
    """
    item.setCommand(training.command.line())
    item.setStringAttrib(attributes.OUTPUT, training.output)
    current = result.same_settings(training.output, training.command.job())
    if current:
        for name, value in result.figures(training.output).items():
            if isinstance(value, int):
                item.setIntAttrib(name, value)
            else:
                item.setFloatAttrib(name, value)
    wanted = parameters.toggle("declareoutputs", item) and not training.command.force
    if wanted and current is not False:
        for output in training.outputs:
            item.addExpectedOutputFile(training.path(output), output.tag)


def on_add_internal_dependencies(
    self: Any,
    dependency_holder: pdg.DependencyHolder,
    internal_items: Sequence[pdg.WorkItem],
    is_static: bool,
) -> None:
    """One After Another: each training waits for the one before it on the same card.

    In a dynamic node this is called again for later items, which wait for the earlier ones.
    """
    with told_to_the_artist():
        parameters = AssetParameters(self)
        if not parameters.toggle("sequential"):
            return
        cards = 1
        if parameters.string("gpumode") == "turn":
            cards = max(len(parameters.string("gpus").replace(",", " ").split()), 1)
        new = {item.id for item in internal_items}
        earlier = [item for item in getattr(self, "workItems", ()) if item.id not in new]
        for card in range(cards):
            chain = [one for one in (*earlier, *internal_items) if one.index % cards == card]
            for first, second in pairwise(chain):
                if second.id in new:
                    dependency_holder.addDependency(second, first)
