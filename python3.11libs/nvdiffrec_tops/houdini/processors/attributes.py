"""*nvdiffrec Attributes*: a work item for each configuration and combination of overrides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nvdiffrec_tops.attributes import AttributesError, SceneAttributes, SceneSettings, scenes
from nvdiffrec_tops.houdini.parameters import AssetParameters
from nvdiffrec_tops.houdini.processors.words import told_to_the_artist

if TYPE_CHECKING:
    from topcook import pdg


def on_generate(
    self: Any,
    item_holder: pdg.WorkItemHolder,
    upstream_items: Sequence[pdg.WorkItem],
    generation_type: object,
) -> None:
    """One item per upstream item (one without an input), configuration and combination."""
    with told_to_the_artist():
        parameters = AssetParameters(self)
        folders = OutputFolders()
        for parent in parents(parameters, upstream_items):
            made = scenes(read(parameters, parent))
            for number, scene in enumerate(made):
                folders.claim(scene.values["OUTPUT_DIR"], scene.label)
                item = add_item(item_holder, parameters, parent, number, len(made))
                write(item, scene)


def parents(
    parameters: AssetParameters, upstream_items: Sequence[pdg.WorkItem]
) -> list[pdg.WorkItem | None]:
    """The items to start from; without an input there is one start from nothing."""
    found: list[pdg.WorkItem | None] = list(upstream_items)
    if not found and not parameters.is_wired():
        return [None]
    return found


def item_name(node: str, parent: pdg.WorkItem | None, number: int) -> str:
    """A name that no other item of the graph has, over all calls: ids are never given twice."""
    return f"{node}_{number}" if parent is None else f"{node}_{parent.id}_{number}"


def item_index(parent: pdg.WorkItem | None, number: int, count: int) -> int:
    """Items are counted through over all upstream items."""
    return number if parent is None else parent.index * count + number


def add_item(
    item_holder: pdg.WorkItemHolder,
    parameters: AssetParameters,
    parent: pdg.WorkItem | None,
    number: int,
    count: int,
    **options: Any,
) -> pdg.WorkItem:
    """One of ``count`` items that are made from an upstream item; ``options`` go to PDG."""
    return item_holder.addWorkItem(
        name=item_name(parameters.name, parent, number),
        parent=parent,
        index=item_index(parent, number, count),
        **options,
    )


def text_of(item: pdg.WorkItem, name: str) -> str:
    """A string attribute's value, '' without such an attribute."""
    return item.stringAttribValue(name) or "" if item.hasAttrib(name) else ""


def read(parameters: AssetParameters, item: pdg.WorkItem | None) -> SceneSettings:
    """The scene's settings, evaluated for an upstream item."""
    overrides = []
    for number in parameters.instances("overrides", item):
        if parameters.toggle(f"overrideenable{number}", item):
            name = parameters.string(f"overridename{number}", item)
            overrides.append((name, parameters.string(f"overridevalue{number}", item)))
    return SceneSettings(
        engine=parameters.string("engine", item),
        miniconda_env=parameters.string("miniconda_env", item),
        working_dir=parameters.string("working_dir", item),
        config_name=parameters.string("config_name", item),
        output_dir=parameters.folder("output_dir", item),
        script_name=parameters.string("script_name", item),
        layout=parameters.string("output_layout", item),
        preset=parameters.string("preset", item),
        overrides=tuple(overrides),
    )


def write(item: pdg.WorkItem, scene: SceneAttributes) -> None:
    """Give an item the scene's attributes."""
    for name, value in scene.values.items():
        item.setStringAttrib(name, value)
    item.setLabel(scene.label)


class OutputFolders:
    """The output folders of one generation: two trainings must not share one."""

    def __init__(self) -> None:
        self._taken: dict[str, str] = {}

    def claim(self, folder: str, label: str) -> None:
        """Raises AttributesError when another item has the folder."""
        before = self._taken.setdefault(folder.rstrip("/\\"), label)
        if before is not label:
            raise AttributesError(
                f"Output Folder: '{before}' and '{label}' would both write to {folder}; put an "
                "attribute into the folder, for example $HIP/out/`@pdg_index`, or choose "
                "a folder per item"
            )
