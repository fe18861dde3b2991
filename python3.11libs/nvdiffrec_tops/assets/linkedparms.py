"""Parameters of an asset that the Python Processor inside it follows.

PDG makes a node's work items again when a parameter of that very node has changed, and a scheduler
looks for its job parameters on the node that made a work item. Both are the processor inside the
asset, so it has the asset's parameters as spare parameters that follow those of the same names. A
node with spare parameters is saved with its whole interface: new parameters complete, those of its
type as stubs, tab sets under new names.

A list (multiparm) follows in two parts: its number of entries by a channel, and each parameter of
an entry by a link that Houdini turns into a channel when the entry is made (``opmultiparm``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from houfiles.dialogscript import MULTIPARMS, Folder, Interface, ParmTemplate
from houfiles.quoting import quote

TAB_SETS = {"processor4": 3, "callbacks5": 5}
"""The renamed tab sets, with their numbers of tabs."""

Linked = ParmTemplate | Folder
"""A parameter that is followed; a list is a Folder."""

_TAG = "pdg::scheduler"
_TEXTS = ("string", "directory", "file")
_LAYOUT = ("button", "separator", "label")


def linked(interface: Interface, driven: Iterable[str] = ()) -> list[Linked]:
    """What a processor follows of an asset's interface, in order: every parameter and list.

    ``driven`` names parameters of the processor's own type that follow the asset's already. The
    parameters of a list's entries belong to their list.
    """
    left = set(driven)
    lists = {one.name: one for one in interface.folders if one.kind in MULTIPARMS}
    found: list[Linked] = []
    for one in interface.parms:
        entry: Linked = one if one.multiparm is None else lists[one.multiparm]
        if one.type not in _LAYOUT and one.name not in left and entry not in found:
            found.append(entry)
    return found


def expression(one: Linked) -> str:
    """How the processor's parameter follows the asset's."""
    function = "chs" if isinstance(one, ParmTemplate) and one.type in _TEXTS else "ch"
    return f'{function}("../{one.name}")'


def default(one: Linked) -> str | float | int:
    """The value that a parameter has before its expression is evaluated."""
    if isinstance(one, Folder):
        return one.default
    text = one.default[0]
    if one.type in _TEXTS:
        return text
    return float(text) if one.type == "float" else int(text)


def entry_links(interface: Interface, follows: Sequence[Linked]) -> list[tuple[str, str]]:
    """The links of lists' entries: each own parameter, and the asset's that it follows."""
    lists = {one.name for one in follows if isinstance(one, Folder)}
    names = [one.name for one in interface.parms if one.multiparm in lists]
    return [(name, f"../{name}") for name in names]


def spare_interface(interface: Interface, follows: Sequence[Linked]) -> str:
    """The processor's interface with these spare parameters in front."""
    lines: list[str] = []
    for one in follows:
        if isinstance(one, ParmTemplate):
            lines += _block(one, 4)
            continue
        entries = [
            line for two in interface.parms if two.multiparm == one.name for line in _block(two, 8)
        ]
        lines += _group(one.name, one.label, 4, entries, kind="multiparm", default=one.default)
    lines += _stubs(("savenodescript", "Save to Python Script", True), indent=4)
    lines += _stubs(("savenodehda", "Save to Digital Asset"), ("sepparm2", "Separator"), indent=4)
    inner = [
        *_stubs(
            ("pdg_workitemgeneration", "Generate When"),
            ("pdg_command", "Command"),
            ("sepparm", "Separator"),
            indent=8,
        ),
        *_group(
            "callbacks5", "Generate", 8, _stubs(("generate", "onGenerate Callback"), indent=12)
        ),
        *_group(
            "callbacks5_1",
            "Regenerate",
            8,
            _stubs(
                ("useregeneratestatic", "Use Custom Regenerate Implementation"),
                ("regeneratestatic", "onRegenerate Callback"),
                indent=12,
            ),
        ),
        *_group(
            "callbacks5_2",
            "Add Internal Dependencies",
            8,
            _stubs(("addinternaldependencies", "onAddInternalDependencies Callback"), indent=12),
        ),
        *_group(
            "callbacks5_3", "Cook Task", 8, _stubs(("cooktask", "onCookTask Callback"), indent=12)
        ),
        *_group("callbacks5_4", "Node Options", 8, _stubs(*_OPTIONS, indent=12)),
    ]
    lines += _group("processor4", "Processor", 4, inner)
    lines += _group("processor4_1", "Files", 4, [*_DEPENDENCIES, ""])
    lines += _group("processor4_2", "Schedulers", 4, _stubs(*_SCHEDULERS, indent=8))
    return "\n".join([*lines, ""])


_OPTIONS = (
    ("servicename", "Service Name"),
    ("sepparm3", "Separator"),
    ("alwaysregenerate", "Always Regenerate"),
    ("dirtyonregenerate", "Dirty on Regenerate"),
    ("dirtyonincomplete", "Dirty on Incomplete"),
    ("sepparm4", "Separator"),
    ("requiresgeneratedinputs", "Requires Generated Inputs"),
    ("requirescookedinputs", "Requires Cooked Inputs"),
    ("requiresscenefile", "Requires Scene File"),
    ("requiresinputdata", "Requires Input Data"),
)
_SCHEDULERS = (
    ("topscheduler", "TOP Scheduler Override"),
    ("addjobparms", "Add Job Parms"),
    ("pdg_useschedulewhen", "Use Schedule When", True),
    ("pdg_schedulewhen", "Schedule When"),
    ("sepparm5", "Separator"),
    ("pdg_workitemlabel", "Work Item Label"),
    ("pdg_workitemlabelexpr", "Label Expression"),
    ("pdg_workitempriority", "Work Item Priority"),
    ("pdg_workitempriorityexpr", "Priority Expression"),
)
_DEPENDENCIES = (
    "        multiparm {",
    '            name    "pdgnodedeps"',
    '            label    "File Dependencies"',
    "            baseparm",
    "            default 1",
    "",
    "            parm {",
    '                name    "pdgnodedep#"',
    "                baseparm",
    '                label   "File Path"',
    "                export  none",
    "            }",
    "        }",
)


def _block(parm: ParmTemplate, indent: int) -> list[str]:
    """A complete parameter. Nobody sees it: what only helps the artist to type is left out."""
    kind = "string" if parm.type in _TEXTS else parm.type
    inside = [f"name    {quote(parm.name)}", f"label   {quote(parm.label)}", f"type    {kind}"]
    inside.append(f"default {{ {' '.join(quote(one) for one in parm.default)} }}")
    if parm.type == "ordinal" and parm.menu is not None:
        items = [f"    {quote(token)} {quote(label)}" for token, label in parm.menu.items]
        inside += ["menu {", *items, "}"]
    if _TAG in parm.tags:
        inside.append(f'parmtag {{ {quote(_TAG)} "" }}')
    space = " " * indent
    return [f"{space}parm {{", *(f"{space}    {line}" for line in inside), f"{space}}}"]


def _stubs(*parms: tuple[str, str] | tuple[str, str, bool], indent: int) -> list[str]:
    """Parameters of the type itself; the third part: joined with the next."""
    lines: list[str] = []
    for name, label, *joined in parms:
        inside = [f"name    {quote(str(name))}", "baseparm", f"label   {quote(str(label))}"]
        inside += ["joinnext"] if joined and joined[0] else []
        inside.append("export  none")
        lines += ["parm {", *(f"    {line}" for line in inside), "}"]
    return [" " * indent + line for line in lines]


def _group(
    name: str,
    label: str,
    indent: int,
    inside: Iterable[str],
    *,
    kind: str = "group",
    default: int | None = None,
) -> list[str]:
    space = " " * indent
    head = [
        f"{space}{kind} {{",
        f"{space}    name    {quote(name)}",
        f"{space}    label   {quote(label)}",
    ]
    if default is not None:
        head.append(f"{space}    default {default}")
    return [*head, "", *inside, f"{space}}}", ""]
