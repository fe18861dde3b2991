"""The command of a Generic Generator item: custom string, delay, or command builder."""

from __future__ import annotations

import re
import shlex

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.functions import number_text


def set_command(parameters: NodeParameters, item: pdg.WorkItem) -> None:
    """Evaluate the command for the item and set it; an empty command leaves the item without."""
    mode = parameters.menu("usedelay", item)
    if mode == 1:
        seconds = max(parameters.number("delay", item), 0.0)
        item.setCommand(f'__PDG_PYTHON__ -c "import time; time.sleep({number_text(seconds)})"')
        return
    item.setShouldRunInShell(parameters.toggle("shellcommand", item))
    if mode == 2:
        command = _built(parameters, item)
    elif parameters.toggle("platformcommand", item):
        commands = {
            pdg.platform.Linux: _text(parameters, "linuxcommand", item),
            pdg.platform.Mac: _text(parameters, "maccommand", item),
            pdg.platform.Windows: _text(parameters, "windowscommand", item),
        }
        if any(one.strip() for one in commands.values()):
            item.setPlatformCommands(commands)
        return
    else:
        command = _text(parameters, "pdg_command", item)
    if command.strip():
        item.setCommand(command)


_WINDOWS_PATH = re.compile(r"(?:[A-Za-z]:|\\)\\[^\"'<>|\n]*")


def _text(parameters: NodeParameters, name: str, item: pdg.WorkItem) -> str:
    """A command parameter with Windows paths written with forward slashes.

    The item recorded in a scene saved by Houdini 20.5 shows that: an attribute with backslashes
    stands in its command with slashes. shlex.split would also eat the backslashes.
    """
    command = parameters.string(name, item)
    return _WINDOWS_PATH.sub(lambda found: found[0].replace("\\", "/"), command)


def _built(parameters: NodeParameters, item: pdg.WorkItem) -> str:
    words = [_text(parameters, "basecommand", item)]
    for number in range(1, parameters.count("extraargs") + 1):
        if not parameters.toggle(f"argumentenable{number}", item):
            continue
        name = parameters.string(f"argumentname{number}", item)
        source = parameters.menu(f"valuetype{number}", item)
        if source == 3:
            words += [name] if name else []
            continue
        values = _values(parameters, item, number, source)
        for value in values:
            words += [name] if name else []
            words.append(shlex.quote(value))
        if parameters.toggle(f"writeoutput{number}", item):
            tag = (
                parameters.string(f"outputtag{number}", item)
                if parameters.toggle(f"useoutputtag{number}", item)
                else ""
            )
            own = parameters.toggle(f"ownoutput{number}", item)
            item.addExpectedOutputFiles(values, tag, own)
    return " ".join(word for word in words if word)


def _values(parameters: NodeParameters, item: pdg.WorkItem, number: int, source: int) -> list[str]:
    """The arguments of one entry: one string, or several under Multiple Arguments."""
    if source == 2:
        return [parameters.string(f"customvalue{number}", item)]
    if source == 0:
        tag = parameters.string(f"inputtag{number}", item)
        texts = [file.path for file in item.inputFilesForTag(tag)]
    else:
        name = parameters.string(f"attribname{number}", item)
        attribute = item.attrib(name)
        if attribute is None:
            raise pdg.CookError(
                f"{item.node.path}, parameter 'attribname{number}': the work item has no "
                f"attribute '{name}'"
            )
        texts = [attribute.asString(index) for index in range(attribute.size)]
    if not texts:
        return []
    match parameters.menu(f"collapsearray{number}", item):
        case 0:
            return [" ".join(texts)]
        case 1:
            return [",".join(texts)]
        case 2:
            return [parameters.string(f"argumentjoin{number}", item).join(texts)]
        case _:
            return texts
