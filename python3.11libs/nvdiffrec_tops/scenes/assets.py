"""The example scenes that use the toolkit's digital assets."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from houfiles.describe import (
    AssetDescription,
    NodeDescription,
    NoteDescription,
    SceneDescription,
    Token,
    Value,
)
from houfiles.libraries.expanded import read_expanded
from nvdiffrec_tops.assets import shipped
from nvdiffrec_tops.scenes import stock

OTLS = Path(__file__).resolve().parents[3] / "otls"
_NAMESPACE = "kartaverse"
_X = -0.25

_NOTE_STATIC = """TOPs nvdiffrec: photographs (or a mesh) in, mesh with PBR textures and HDR \
light out

attributes   names the engine, the Python environment, the configuration and the output folder. \
A pattern such as configs/*.json, or several values in Overrides, makes several work items.
environment   finds the Python environment and hands it to the training alone. Check Environment \
says what is wrong with it and what to do.
train   trains each work item in a process of its own. The mesh, its textures, the light and the \
measured figures go down the chain as output files and attributes.

HOW TO COOK

In Houdini: press the orange triangle in the Tasks toolbar.
In hython: hython scripts/batch_cook.py hip/TOPs_nvdiffrec_Static.hip
Without Houdini: nvdiffrec-tops cook TOPs_nvdiffrec_Static.hip

As it stands it trains the sample of this toolkit, which ./scripts/cook writes. Then Load Result \
on the nvdiffrec shelf brings the result into /obj.
"""
_NOTE_WEDGE = """TOPs nvdiffrec: a wedge

One nvdiffrec Static Scene node trains every configuration that matches the pattern, each with \
every combination of the values listed in Overrides (separated by ;). Each training gets a folder \
of its own below the output folder.

Compare the work items by their attributes psnr, faces and training_seconds.
"""
_NOTE_HQUEUE = """TOPs nvdiffrec: on an HQueue farm

The graph of TOPs_nvdiffrec_Static.hip on an HQueue scheduler. Set on hqueuescheduler: the \
server's address, and a working directory on shared storage. Set on attributes: folders that \
every farm machine sees under the same path.

Training takes no Houdini licence on the farm: the jobs are plain Python processes.
To try the graph on this machine, set TOP Scheduler of the network to localscheduler, or use \
nvdiffrec-tops cook --local. Without Houdini, nvdiffrec-tops submit hands it to the farm.
"""
_NOTE_PHOTOGRAPHS = """TOPs nvdiffrec: from photographs to a mesh

capture   finds the cameras of a folder of photographs or of a film, cuts the object out, and \
makes a data set with its configuration. Open Report shows what it did: look at it before a long \
training.
attributes   takes the data set over, and changes its configuration: here a short training that a \
laptop does in minutes. Delete the Overrides for full quality.
environment, train   as in TOPs_nvdiffrec_Static.hip.

YOUR OWN PHOTOGRAPHS

Set Photographs on capture to their folder, and Data Set Folder to an empty one. \
docs/photographs.md says how to photograph, and what to do when it fails. A pattern such as \
shoots/* makes several captures.

Without Houdini: ./scripts/cook photographs, or nvdiffrec-tops cook TOPs_nvdiffrec_Photographs.hip
"""


@cache
def _described(name: str) -> AssetDescription:
    """An asset as a scene names it, with the interface that stands in ``otls``."""
    asset = shipped.ASSETS[name]
    folder = f"{_NAMESPACE}.{name}.1.0.hda"
    type_name = _type(name)
    script = read_expanded(OTLS / folder).definition(type_name).dialog_script
    return AssetDescription(
        type_name,
        asset.label,
        f"otls/{folder}",
        script,
        min_inputs=asset.min_inputs,
        max_inputs=asset.max_inputs,
        icon=asset.icon,
        installed="/opt/tops-nvdiffrec",
    )


def _type(name: str) -> str:
    return f"{_NAMESPACE}::{name}::1.0"


def _asset(
    node: str,
    name: str,
    parms: Mapping[str, Value],
    position: tuple[float, float],
    inputs: tuple[str, ...] = (),
    flags: tuple[str, ...] = (),
) -> NodeDescription:
    return NodeDescription(
        node,
        _type(name),
        parms,
        inputs=inputs,
        position=position,
        flags=flags,
        locked=True,
        version="",
    )


def _sample(config: str, output: str) -> dict[str, Value]:
    given = stock.ATTRIBUTES
    return {
        "engine": given["ENGINE"],
        "miniconda_env": given["MINICONDA_ENV"],
        "working_dir": given["WORKING_DIR"],
        "script_name": given["SCRIPT_NAME"],
        "config_name": config,
        "output_dir": output,
    }


def _chain(config: str, output: str) -> tuple[NodeDescription, ...]:
    return (
        _asset("attributes", "nvdiffrec_attributes", _sample(config, output), (_X, 2.8)),
        _asset("environment", "nvdiffrec_environment", {}, (_X, 0.7), inputs=("attributes",)),
        _asset("train", "nvdiffrec_train", {}, (_X, -1.4), inputs=("environment",)),
        NodeDescription(
            "waitforall1", "waitforall", inputs=("train",), position=(_X, -3.5), flags=("display",)
        ),
    )


def _scene(
    name: str,
    children: tuple[NodeDescription, ...],
    note: str,
    used: tuple[str, ...],
    scheduler: str = "localscheduler",
) -> SceneDescription:
    network = NodeDescription(
        "topnet1",
        "topnet",
        {"topscheduler": scheduler},
        children=children,
        notes=(NoteDescription(note, position=(-13.5, -5.0), size=(11.0, 10.0)),),
        is_network=True,
    )
    return SceneDescription(name, (network,), assets=tuple(_described(one) for one in used))


_SHORT = (
    ("iter", "150"),
    ("dmtet_grid", "64"),
    ("texture_res", "[1024, 1024]"),
    ("save_interval", "50"),
)
"""Overrides of a training that a processor without a graphics card does in minutes."""
_THREE = ("nvdiffrec_attributes", "nvdiffrec_environment", "nvdiffrec_train")


def static() -> SceneDescription:
    """One static scene: attributes, environment, train, wait for all."""
    chain = _chain(stock.ATTRIBUTES["CONFIG_NAME"], stock.ATTRIBUTES["OUTPUT_DIR"])
    nodes = (stock.local_scheduler(), *chain)
    return _scene("TOPs_nvdiffrec_Static", nodes, _NOTE_STATIC, _THREE)


def photographs() -> SceneDescription:
    """From photographs to a mesh: capture, attributes, environment, train, wait for all."""
    capture: dict[str, Value] = {
        "photographs": "$TOPS_NVDIFFREC/examples/photographs",
        "dataset_dir": "$HIP/../out/photographs",
        "miniconda_env": stock.ATTRIBUTES["MINICONDA_ENV"],
        "longest": 480,
        "train_size": 256,
    }
    taken: dict[str, Value] = {
        "engine": "`@ENGINE`",
        "miniconda_env": "`@MINICONDA_ENV`",
        "working_dir": "`@WORKING_DIR`",
        "config_name": "`@CONFIG_NAME`",
        "output_dir": "`@OUTPUT_DIR`",
        "overrides": len(_SHORT),
    }
    for number, (name, value) in enumerate(_SHORT, 1):
        taken[f"overrideenable{number}"] = True
        taken[f"overridename{number}"] = name
        taken[f"overridevalue{number}"] = value
    nodes = (
        stock.local_scheduler(),
        _asset("capture", "nvdiffrec_capture", capture, (_X, 4.9)),
        _asset("attributes", "nvdiffrec_attributes", taken, (_X, 2.8), inputs=("capture",)),
        _asset("environment", "nvdiffrec_environment", {}, (_X, 0.7), inputs=("attributes",)),
        _asset("train", "nvdiffrec_train", {}, (_X, -1.4), inputs=("environment",)),
        NodeDescription(
            "waitforall1", "waitforall", inputs=("train",), position=(_X, -3.5), flags=("display",)
        ),
    )
    used = ("nvdiffrec_capture", *_THREE)
    return _scene("TOPs_nvdiffrec_Photographs", nodes, _NOTE_PHOTOGRAPHS, used)


def wedge() -> SceneDescription:
    """Several configurations with several values of an override, in one node."""
    parms = _sample("sample*.json", "$HIP/../out/wedge")
    parms |= {"overrides": 2}
    wedged = (("iter", "60; 120"), ("train_res", "[96, 96]"))
    for number, (name, value) in enumerate(wedged, 1):
        parms[f"overrideenable{number}"] = True
        parms[f"overridename{number}"] = name
        parms[f"overridevalue{number}"] = value
    nodes = (
        stock.local_scheduler(),
        _asset("static", "nvdiffrec_static", parms, (_X, 0.7)),
        NodeDescription(
            "waitforall1", "waitforall", inputs=("static",), position=(_X, -1.4), flags=("display",)
        ),
    )
    return _scene("TOPs_nvdiffrec_Wedge", nodes, _NOTE_WEDGE, ("nvdiffrec_static",))


def hqueue() -> SceneDescription:
    """The static graph on an HQueue scheduler, a configuration per work item."""
    scheduler = NodeDescription(
        "hqueuescheduler",
        "hqueuescheduler",
        {
            "address": "http://hqserver:5000",
            "jobname": "nvdiffrec: $HIPNAME",
            "pdg_workingdir": "$HIP",
            "hqueue_assign_to": Token("0"),
            "hqueue_inheritlocalenv": False,
            "hqueue_envunset": "PYTHONHOME PYTHONPATH",
        },
        position=(4.37, 3.6),
        color=(0.478, 0.478, 0.478),
        version="",
    )
    local = stock.local_scheduler()
    nodes = (scheduler, local, *_chain("sample*.json", "$HIP/../out/hqueue"))
    return _scene("TOPs_nvdiffrec_HQueue", nodes, _NOTE_HQUEUE, _THREE, "hqueuescheduler")
