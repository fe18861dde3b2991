"""*nvdiffrec Static Scene*: attributes, environment and training in one node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nvdiffrec_tops.attributes import CAPTURE, VARIABLES, scenes
from nvdiffrec_tops.houdini.parameters import AssetParameters
from nvdiffrec_tops.houdini.processors import attributes, environment, train
from nvdiffrec_tops.houdini.processors.words import told_to_the_artist
from nvdiffrec_tops.training import plan

if TYPE_CHECKING:
    from topcook import pdg

on_add_internal_dependencies = train.on_add_internal_dependencies


def on_generate(
    self: Any,
    item_holder: pdg.WorkItemHolder,
    upstream_items: Sequence[pdg.WorkItem],
    generation_type: object,
) -> None:
    """One training per upstream item (one without an input), configuration and combination."""
    with told_to_the_artist():
        parameters = AssetParameters(self)
        folders = attributes.OutputFolders()
        for parent in attributes.parents(parameters, upstream_items):
            made = scenes(attributes.read(parameters, parent))
            settings = train.read(parameters, parent)
            settings = replace(settings, variables=environment.variables(parameters, parent))
            handed = {
                name: attributes.text_of(parent, name)
                for name in (VARIABLES, CAPTURE)
                if parent is not None
            }
            for number, scene in enumerate(made):
                index = attributes.item_index(parent, number, len(made))
                training = plan({**scene.values, **handed}, index, settings)
                folders.claim(training.output, scene.label)
                options = train.priority(parameters, parent)
                item = attributes.add_item(
                    item_holder, parameters, parent, number, len(made), **options
                )
                attributes.write(item, scene)
                train.write(item, training, parameters)
