"""*nvdiffrec Capture*: the command that prepares each capture, and what it hands on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nvdiffrec_tops.attributes import ENVIRONMENT, VARIABLES
from nvdiffrec_tops.capture import CapturePlan, CaptureSettings, plans
from nvdiffrec_tops.houdini.parameters import AssetParameters
from nvdiffrec_tops.houdini.processors.attributes import (
    OutputFolders,
    add_item,
    parents,
    text_of,
)
from nvdiffrec_tops.houdini.processors.train import priority
from nvdiffrec_tops.houdini.processors.words import told_to_the_artist
from nvdiffrec_tops.training import variables

if TYPE_CHECKING:
    from topcook import pdg


def on_generate(
    self: Any,
    item_holder: pdg.WorkItemHolder,
    upstream_items: Sequence[pdg.WorkItem],
    generation_type: object,
) -> None:
    """One item per upstream item (one without an input) and capture."""
    with told_to_the_artist():
        parameters = AssetParameters(self)
        folders = OutputFolders()
        for parent in parents(parameters, upstream_items):
            made = plans(read(parameters, parent))
            for number, plan in enumerate(made):
                folders.claim(plan.dataset, plan.label)
                options = priority(parameters, parent)
                item = add_item(item_holder, parameters, parent, number, len(made), **options)
                write(item, plan)


def read(parameters: AssetParameters, item: pdg.WorkItem | None) -> CaptureSettings:
    """The captures' settings, evaluated for an upstream item."""
    given = parameters.string("miniconda_env", item)
    inherited = "" if item is None else text_of(item, ENVIRONMENT)
    return CaptureSettings(
        photographs=parameters.string("photographs", item),
        dataset_dir=parameters.folder("dataset_dir", item),
        output_dir=parameters.folder("output_dir", item),
        miniconda_env=given if given.strip() else inherited,
        layout=parameters.string("output_layout", item),
        photographs_dir=parameters.string("photographs_dir", item),
        masks=parameters.string("masks", item),
        mask_model=parameters.string("mask_model", item),
        most=parameters.integer("most", item),
        longest=parameters.integer("longest", item),
        train_size=parameters.integer("train_size", item),
        matching=parameters.string("matching", item),
        threads=parameters.integer("threads", item),
        marker=parameters.number("marker", item),
        height=parameters.number("height", item),
        variables={} if item is None else variables(text_of(item, VARIABLES)),
    )


def write(item: pdg.WorkItem, plan: CapturePlan) -> None:
    """Give an item its command, its attributes and its expected outputs.

    Outputs are not declared when the data set in place is of other photographs or settings:
    Houdini would take the old files for the new ones.
    """
    item.setLabel(plan.label)
    item.setCommand(plan.command)
    for name, value in plan.values.items():
        item.setStringAttrib(name, value)
    if plan.current:
        for name, figure in plan.figures.items():
            item.setIntAttrib(name, figure)
    if plan.current is not False:
        for output in plan.outputs:
            item.addExpectedOutputFile(plan.path(output), output.tag)
