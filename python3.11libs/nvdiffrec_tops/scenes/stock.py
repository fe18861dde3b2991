"""The original workflow's graph: one static object, trained by one chain of stock TOP nodes.

Attribute Create names the environment, the data and the engine; Environment Edit is for variables
that every later item shall have; Generic Generator runs the job process once; Wait for All gathers
the results.
"""

from __future__ import annotations

from collections.abc import Mapping

from houfiles.describe import NodeDescription, NoteDescription, SceneDescription, Token, Value
from nvdiffrec_tops.job import engines
from nvdiffrec_tops.job.commandline import ESCAPED, escape_all

NAME = "TOPs_nvdiffrec_Static_Stock"

ATTRIBUTES: Mapping[str, str] = {
    "MINICONDA_ENV": "$HIP/../.venv/",
    "WORKING_DIR": "$HIP/../sample/",
    "SCRIPT_NAME": "train.py",
    "CONFIG_NAME": "sample.json",
    "ENGINE": "diffrec",
    "OUTPUT_DIR": "$HIP/../out/sample",
}
"""The attributes of the work item. The first four are the original workflow's."""

ENVIRONMENT: Mapping[str, str] = {}
"""The variables that are exported to every later work item: none. The job process sets up the
trainer's environment alone, so that items which run Houdini's own Python keep theirs; ``CUDA_HOME``
in particular would hide the machine's CUDA toolkit wherever the environment has no nvcc."""

OUTPUTS = engines.engine("diffrec").outputs({"validate": True})
"""Files below OUTPUT_DIR that the training of CONFIG_NAME makes, with their tags: two passes, views
held out. Declared as expected outputs they flow downstream, and an item whose files all exist is
not trained again."""

JOB_SCRIPT = "$HIP/../python3.11libs/nvdiffrec_tops/job/__main__.py"
"""The job process of this toolkit, seen from the scene."""

NOTE = """TOPs nvdiffrec: the original workflow's graph of stock nodes

The same work as TOPs_nvdiffrec_Static.hip, without our digital assets.

WHAT TO SET, in shell_tokens (Attribute Create)

MINICONDA_ENV   the Python environment, with a slash at the end. A conda environment such as \
$HOME/miniconda3/envs/nvdiffrec/ or the .venv of this toolkit. (A .venv on Windows keeps its \
python.exe in Scripts: end the path with .venv/Scripts/)
ENGINE   diffrec: the trainer that comes with this toolkit. nvdiffrec: your own checkout of \
NVlabs nvdiffrec.
WORKING_DIR   the folder that the configuration's paths start from. For nvdiffrec: the checkout.
SCRIPT_NAME   the training script in WORKING_DIR; only the nvdiffrec engine uses it.
CONFIG_NAME   the JSON configuration, relative to WORKING_DIR.
OUTPUT_DIR   where mesh, textures, light and result.json are put.

HOW TO COOK

In Houdini: press the orange triangle in the Tasks toolbar. The log of the work item shows the \
training.
Without Houdini: nvdiffrec-tops cook TOPs_nvdiffrec_Static_Stock.hip

GOOD TO KNOW

Houdini need not be started from an activated environment.
environmentedit exports nothing as it stands. The job sets up the environment for the trainer \
alone, so other work items keep Houdini's own Python, and the machine's CUDA toolkit is found \
where the environment has none. Variables that every later work item shall have go there.
Quotation marks and other marks in the attributes stay part of the value: the command writes them \
as ~ and two digits, which the job reads back.
A work item whose result files all exist counts as cooked, whatever the settings say. Give every \
configuration its own OUTPUT_DIR; to train once more, delete that folder (without Houdini: \
cook --force). The nvdiffrec Train node knows when the settings have changed.
One training runs at a time on a machine (Single on localscheduler).
"""

_OPTIONS: Mapping[str, str] = {
    "engine": "ENGINE",
    "working-dir": "WORKING_DIR",
    "script": "SCRIPT_NAME",
    "config": "CONFIG_NAME",
    "output": "OUTPUT_DIR",
}
# The escape's own mark, the quotation's, and what a scheduler or Windows fills in.
_POSIX_MARKS = ("~", "'", "$", "__")
_WINDOWS_MARKS = ("~", '"', "$", "%", "__")


def _replaced(expression: str, old: str, new: str) -> str:
    """HScript's strreplace() of one text. Single quotes keep HScript from filling in ``$``."""
    quote = '"' if "'" in old else "'"
    return f"strreplace({expression}, {quote}{old}{quote}, {quote}{new}{quote})"


def _command(python: str, *, windows: bool) -> str:
    """The command of a work item: each value is one word, whatever stands in its attribute.

    Values travel escaped, as those of the assets do (see ``job.commandline``). The program cannot:
    a quotation mark is taken out of its path.
    """
    program = _replaced("@MINICONDA_ENV", '"', "")
    words = [f'"`{program}`{python}"', *("-I", "-X", "utf8"), f'"{JOB_SCRIPT}"', ESCAPED]
    for option, name in _OPTIONS.items():
        value = f"@{name}"
        if windows:
            # A backslash at the end would quote the quotation mark.
            value = _replaced(value, "\\\\", "/")
        for mark in _WINDOWS_MARKS if windows else _POSIX_MARKS:
            value = _replaced(value, mark, escape_all(mark))
        quote = '"' if windows else "'"
        words.append(f"{quote}--{option}=`{value}`{quote}")
    return " ".join(words)


_POSIX = _command("bin/python3", windows=False)
_WINDOWS = _command("python.exe", windows=True)
_REPLACE = Token("0")
_AUTOMATIC = Token("2")
_STRING = Token("2")
_FILE_LIST = Token("2")
_X = -0.25


def _attributes() -> dict[str, Value]:
    values: dict[str, Value] = {
        "pdg_workitemgeneration": _AUTOMATIC,
        "stringattribs": len(ATTRIBUTES),
    }
    for number, (name, value) in enumerate(ATTRIBUTES.items(), 1):
        values[f"stringenable{number}"] = True
        values[f"stringname{number}"] = name
        values[f"stringconflict{number}"] = _REPLACE
        values[f"stringvalue{number}"] = value
    return values


def _environment() -> dict[str, Value]:
    values: dict[str, Value] = {
        "pdg_workitemgeneration": _AUTOMATIC,
        "environment": len(ENVIRONMENT),
    }
    for number, (name, value) in enumerate(ENVIRONMENT.items(), 1):
        values[f"varenable{number}"] = True
        values[f"varname{number}"] = name
        values[f"vartype{number}"] = _STRING
        values[f"varconflict{number}"] = _REPLACE
        values[f"strvarvalue{number}"] = value
    return values


def _training() -> dict[str, Value]:
    values: dict[str, Value] = {
        "pdg_workitemgeneration": _AUTOMATIC,
        "pdg_cachemode": Token("0"),
        "sequential": True,
        "itemcount": 1,
        "usedelay": Token("off"),
        "platformcommand": True,
        "linuxcommand": _POSIX,
        "maccommand": _POSIX,
        "windowscommand": _WINDOWS,
        "shellcommand": False,
        "expectedoutputsfrom": _FILE_LIST,
        "expectedoutputfiles": len(OUTPUTS),
    }
    for number, output in enumerate(OUTPUTS, 1):
        values[f"expectedoutputfile{number}"] = f"`@OUTPUT_DIR`/{output.path}"
        values[f"useexpectedoutputtag{number}"] = True
        values[f"expectedoutputtag{number}"] = output.tag
    # Lets the job tell PDG its percentage, its files and its figures while it runs.
    values["pdgnodedeps"] = 1
    values["pdgnodedep1"] = "$HHP/pdgjob/pdgcmd.py"
    return values


def local_scheduler() -> NodeDescription:
    """The local scheduler of the shipped scenes: one training at a time."""
    return NodeDescription(
        "localscheduler",
        "localscheduler",
        {
            "maxprocsmenu": Token("0"),
            "pdg_workingdir": "$HIP",
            "local_single": True,
            "local_envunset": "PYTHONHOME PYTHONPATH",
        },
        position=(4.37, 1.52),
        color=(0.478, 0.478, 0.478),
        flags=("render",),
    )


def describe() -> SceneDescription:
    """The description of the scene."""
    attributes = NodeDescription(
        "shell_tokens", "attributecreate", _attributes(), position=(_X, 2.8)
    )
    environment = NodeDescription(
        "environmentedit",
        "environmentedit",
        _environment(),
        inputs=("shell_tokens",),
        position=(_X, 0.7),
    )
    training = NodeDescription(
        "train_genericgenerator1",
        "genericgenerator",
        _training(),
        inputs=("environmentedit",),
        position=(_X, -1.4),
    )
    gather = NodeDescription(
        "waitforall1",
        "waitforall",
        inputs=("train_genericgenerator1",),
        position=(_X, -3.5),
        flags=("display",),
    )
    network = NodeDescription(
        "topnet1",
        "topnet",
        {"topscheduler": "localscheduler"},
        children=(local_scheduler(), attributes, environment, training, gather),
        notes=(NoteDescription(NOTE, position=(-13.5, -6.5), size=(11.0, 12.0)),),
        is_network=True,
    )
    return SceneDescription(NAME, (network,))
