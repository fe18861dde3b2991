"""Scheduler parameters of an asset, handed to the Python Processor inside it.

A scheduler looks for its job parameters on the node that made a work item, which is the processor
inside the asset. There they are spare parameters that follow the asset's own of the same names. A
node with spare parameters is saved with its whole interface: new parameters complete, those of its
type as stubs, tab sets under new names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .dialogscript import Interface, ParmTemplate
from .quoting import quote

PREFIXES = ("local_", "hqueue_")
"""Names of job parameters begin with their scheduler's prefix."""

TAB_SETS = {"processor4": 3, "callbacks5": 5}
"""The renamed tab sets, with their numbers of tabs."""

_TAG = "pdg::scheduler"


def job_parms(interface: Interface) -> list[ParmTemplate]:
    """The job parameters of an asset's interface, in order."""
    return [one for one in interface.parms if one.name.startswith(PREFIXES) and _TAG in one.tags]


def expression(parm: ParmTemplate) -> str:
    """How the processor's parameter follows the asset's."""
    function = "chs" if parm.type == "string" else "ch"
    return f'{function}("../{parm.name}")'


def spare_interface(parms: Sequence[ParmTemplate]) -> str:
    """The processor's interface with these spare parameters in front."""
    lines: list[str] = []
    for one in parms:
        lines += _block(one)
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


def _block(parm: ParmTemplate) -> list[str]:
    """A complete parameter."""
    inside = [f"name    {quote(parm.name)}", f"label   {quote(parm.label)}", f"type    {parm.type}"]
    inside.append(f"default {{ {' '.join(quote(one) for one in parm.default)} }}")
    if parm.menu is not None:
        items = [f"    {quote(token)} {quote(label)}" for token, label in parm.menu.items]
        inside += ["menu {", *items, "}"]
    inside.append(f'parmtag {{ {quote(_TAG)} "" }}')
    return ["    parm {", *(f"        {line}" for line in inside), "    }"]


def _stubs(*parms: tuple[str, str] | tuple[str, str, bool], indent: int) -> list[str]:
    """Parameters of the type itself; the third part: joined with the next."""
    lines: list[str] = []
    for name, label, *joined in parms:
        inside = [f"name    {quote(str(name))}", "baseparm", f"label   {quote(str(label))}"]
        inside += ["joinnext"] if joined and joined[0] else []
        inside.append("export  none")
        lines += ["parm {", *(f"    {line}" for line in inside), "}"]
    return [" " * indent + line for line in lines]


def _group(name: str, label: str, indent: int, inside: Iterable[str]) -> list[str]:
    space = " " * indent
    head = [
        f"{space}group {{",
        f"{space}    name    {quote(name)}",
        f"{space}    label   {quote(label)}",
    ]
    return [*head, "", *inside, f"{space}}}", ""]
