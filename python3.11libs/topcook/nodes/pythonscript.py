"""Python Script: items that run a script of the scene's own.

A scene's code is run only where the person who cooks allows it. It never runs in the cook's own
process: *Generate* and *Cook (In-Process)* run it in a child process of the cook that knows the
node and the parent item as well, *Cook (Out-of-Process)* as a job of the scheduler.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from topcook import jobsupport, pdg
from topcook.inprocess import Task
from topcook.jobs import scriptprocess
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import (
    button,
    integer,
    later,
    layout,
    menu,
    multiparm,
    string,
    table,
    toggle,
)

from .base import GENERATE_WHEN, NodeType, parms
from .fileprocessor import GENERATE, IN_PROCESS, OUT_OF_PROCESS, FileProcessor, path_of, quiet
from .genericgenerator import expected_outputs
from .scheduling import OWN_COMMAND, OWN_COMMAND_REFUSED, SCHEDULING, set_label_and_priority

_EXPLANATION = (
    "#\n# The following variables are available:\n"
    "# work_item    - the work item currently running \n"
    "# graph        - the graph attributes for the current work item\n#\n"
    "# In addition to the above, in-process scripts can also access:\n"
    "# self         - the current PDG node\n"
    "# parent_item  - the parent work item, if it exists\n"
)

PARAMETERS = table(
    layout("folder0", "folder0_1", "folder0_2", "evaluation", "exectuable", "batching"),
    layout("expansion", "sepparm", "sepparm2", "sepparm3", "sepparm4", "sepparm5", "sepparm6_#"),
    menu("inprocess", "1", "off on 2"),
    string("pdgservicename", "pythonscript"),
    GENERATE_WHEN,
    menu("pdg_cooktype", "0", "0 1 2 3"),
    menu("pdg_useserviceblock", "1", "0 1 2"),
    string("pdg_servicename", "pythonscript"),
    button("manageservices"),
    menu("pdg_servicereset", "0", "0 1 2"),
    menu("pdg_serviceresetwhen", "1", "1 2 3", by_token=True),
    menu("pythonbin", "0", "0 1 2 3"),
    string("python", "__PDG_PYTHON__"),
    string("pythonvenv", "`@venvroot`"),
    toggle("resetpython"),
    toggle("nativeworkitem"),
    string("pythonargs", "-u"),
    string("extraargs"),
    multiparm(
        "pythonpaths",
        menu("pathsource#", "0", "0 1"),
        string("custompath#"),
        string("venvpath#", "`@venvroot`"),
        *layout("sepparm6_#"),
    ),
    menu("batchtype", "0", "0 1 2 3"),
    menu("scripttype", "0", "0 1"),
    menu("batchactivation", "0", "0 1"),
    integer("batchsize", 1),
    string("prescript", "# Script code that runs once before a batch begins.\n" + _EXPLANATION),
    toggle("expandscript"),
    toggle("expandstrings"),
    string("script", "# Script code that runs for each task in the node.\n" + _EXPLANATION),
    menu("pdg_cachemode", "0", "0 1 2 3", by_token=True),
    menu("copyoutputs", "2", "off on 2"),
    menu("expectedoutputsfrom", "0", "0 1 2"),
    string("expectedoutputattr"),
    toggle("useexpectedoutputtag"),
    string("expectedoutputtag", "file"),
    multiparm(
        "expectedoutputfiles",
        string("expectedoutputfile#"),
        toggle("useexpectedoutputtag#"),
        string("expectedoutputtag#", "file"),
    ),
    SCHEDULING,
    OWN_COMMAND,
    later("21.0", menu("scriptsource", "0", "0 1"), string("scriptfile"), string("expectedscript")),
)

_REFUSED = {
    **OWN_COMMAND_REFUSED,
    "batchtype": "batches need Houdini's callback server",
    "nativeworkitem": "native work items exist only inside Houdini",
}
_SERVICE = 3
_HYTHON, _CUSTOM, _VENV = 0, 2, 3


class PythonScript(FileProcessor):
    jobFiles = jobsupport.files("pythonscript.py")

    def fill(self, item: pdg.WorkItem) -> None:
        parameters = parms(self)
        set_label_and_priority(parameters, item)
        when = self.when(item)
        if when != GENERATE:
            expected_outputs(parameters, item)
        item.script = self._script(item)
        item.isPostCook = when == GENERATE
        if when == OUT_OF_PROCESS:
            item.setCommand(self._command(item))
        elif when == IN_PROCESS:
            item.setCookType(pdg.workItemCookType.InProcess)
        elif self.context.cooking:
            self._now(item)
        else:
            parameters.surroundings.warn(
                f"{self.node.path}: its script runs while work items are generated, and not in a "
                "dry run; what it sets is missing here"
            )

    def when(self, item: pdg.WorkItem) -> int:
        parameters = parms(self)
        if not parameters.isSet("pdg_cooktype") and parameters.isSet("inprocess"):
            return (OUT_OF_PROCESS, IN_PROCESS, GENERATE)[parameters.menu("inprocess", item)]
        return parameters.menu("pdg_cooktype", item)

    def prepareTask(self, work_item: pdg.WorkItem) -> Task | None:
        when = self.when(work_item)
        if when != GENERATE:
            work_item.script = self._script(work_item)
        if when == OUT_OF_PROCESS:
            work_item.setCommand(self._command(work_item))
        return self.task(work_item) if when == IN_PROCESS else None

    def task(self, item: pdg.WorkItem) -> Task:
        parameters = parms(self)
        values: dict[str, str] = {}
        for name in parameters.names():
            # A parameter that cannot be evaluated here is one that the script cannot ask for.
            with quiet(parameters), contextlib.suppress(pdg.CookError):
                values[name] = parameters.string(name, item)
        node = {"name": self.node.name, "path": self.node.path, "parameters": values}
        return scriptprocess.task(
            item,
            node,
            copy_inputs=parameters.menu("copyoutputs", item),
            module_paths=self._module_paths(item),
            variables=parameters.surroundings.variables,
        )

    def _script(self, item: pdg.WorkItem) -> str:
        parameters = parms(self)
        if parameters.menu("scriptsource", item) == 1:
            path = path_of(parameters, "scriptfile", item)
            try:
                return Path(path).read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise pdg.CookError(
                    f"{self.node.path}, parameter 'scriptfile': {path} cannot be read: {error}"
                ) from None
        expand = parameters.toggle("expandscript", item)
        driven = any(one.expression is not None for one in parameters.components("script"))
        return parameters.string("script", item) if expand or driven else parameters.raw("script")

    def _module_paths(self, item: pdg.WorkItem) -> list[str]:
        parameters = parms(self)
        found: list[str] = []
        for number in range(1, parameters.count("pythonpaths") + 1):
            if parameters.menu(f"pathsource{number}", item) == 0:
                if parameters.string(f"custompath{number}", item):
                    found.append(path_of(parameters, f"custompath{number}", item))
                continue
            folder = Path(path_of(parameters, f"venvpath{number}", item))
            packages = [*folder.glob("lib/python3*/site-packages"), folder / "Lib/site-packages"]
            found += [str(one) for one in packages if one.is_dir()]
        return found

    def _command(self, item: pdg.WorkItem) -> str:
        """The job's command, each word quoted."""
        parameters = parms(self)
        choice = parameters.menu("pythonbin", item)
        program = "__PDG_PYTHON__"
        if choice == _HYTHON:
            parameters.surroundings.warn(
                f"{self.node.path}: there is no hython here; the script runs in the Python of this "
                "cook, and 'import hou' fails in it"
            )
        elif choice == _CUSTOM:
            program = parameters.string("python", item)
        elif choice == _VENV:
            program = _interpreter(path_of(parameters, "pythonvenv", item), self.node.path)
        if not program.strip():
            raise pdg.CookError(f"{self.node.path}, parameter 'python': it names no program")
        words = [program, *_words(parameters, "pythonargs", item)]
        reset = choice in (_CUSTOM, _VENV) and parameters.toggle("resetpython", item)
        words += ["-E"] if reset else []
        words.append("__PDG_SCRIPTDIR__/pythonscript.py")
        words += ["--reset"] if reset else []
        if parameters.toggle("expandstrings", item):
            words.append("--expand-strings")
        words += ["--copy-inputs", str(parameters.menu("copyoutputs", item))]
        for path in self._module_paths(item):
            words += ["--module-path", path]
        words += ["--", *_words(parameters, "extraargs", item)]
        return shlex.join(words)


def _words(parameters: NodeParameters, name: str, item: pdg.WorkItem) -> Sequence[str]:
    try:
        return shlex.split(parameters.string(name, item))
    except ValueError as error:
        raise pdg.CookError(
            f"{parameters.path}, parameter '{name}': it cannot be split into words: {error}"
        ) from None


def _interpreter(folder: str, where: str) -> str:
    for inner in ("bin/python", "Scripts/python.exe"):
        path = os.path.join(folder, inner)
        if os.path.exists(path):
            return path
    raise pdg.CookError(
        f"{where}, parameter 'pythonvenv': {folder} is no virtual environment; it has no bin/python"
    )


def _check(parameters: NodeParameters) -> list[str]:
    found: list[str] = []
    if not parameters.surroundings.scene_python:
        found.append(
            f"{parameters.path} is a Python Script node: it runs code that the scene brings, with "
            "your rights. Read the code; if you trust it, run it with --allow-scene-python. "
            "Otherwise bypass the node, or cook up to another one with --node"
        )
    if parameters.isSet("pdg_cooktype") and parameters.raw("pdg_cooktype") == str(_SERVICE):
        name = parameters.path.rsplit("/", 1)[-1]
        found.append(
            f"{parameters.path}, parameter 'pdg_cooktype': services exist only inside Houdini; "
            f"cook in a process of its own with --set {name}.pdg_cooktype=2"
        )
    return found


TYPE = NodeType("pythonscript", PARAMETERS, pdg.nodeType.Processor, PythonScript, _REFUSED, _check)
