"""Parameters of the local scheduler and of the TOP network; what runs jobs is elsewhere."""

from __future__ import annotations

import sys

from topcook import pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import (
    ParmTable,
    button,
    floating,
    integer,
    later,
    layout,
    menu,
    multiparm,
    string,
    table,
    toggle,
)

from .base import NodeType

_SCHEDULING = (
    toggle("local_single"),
    toggle("local_is_CPU_number_set"),
    integer("local_CPUs_to_use", 1),
    menu("local_useminfreemem", "0", "0 1 2"),
    floating("local_minfreemem"),
    floating("local_minfreemempct"),
    menu("local_echandleby", "0", "0 1 2 3"),
    toggle("local_echandleall", True),
    integer("local_eccustomcode", 1),
    integer("local_maximumretries", 3),
    toggle("local_addfailcountattr"),
    string("local_failcountattr", "failurecount"),
    toggle("local_usehoudinimaxthreads"),
    integer("local_houdinimaxthreads"),
    toggle("local_requireswindow"),
    string("local_envunset"),
)
_ENVIRONMENT = multiparm("local_envmulti", string("local_envname#"), string("local_envvalue#"))

PARAMETERS = table(
    layout("folder0", "folder1", "folder2", "folder3", "folder4", "folder5", "folder6"),
    layout("folder0_1", "folder0_2", "folder0_3"),
    layout("sepparm", "sepparm2", "sepparm4", "sepparm5"),
    menu("maxprocsmenu", "0", "0 -1 1", by_token=True),
    integer("maxprocs", 1),
    toggle("pdg_usemaxtasks"),
    integer("pdg_maxtasks"),
    toggle("verbose"),
    toggle("pdg_waitforfailures"),
    string("pdg_workingdir", "$HIP"),
    toggle("uselogfilename"),
    string("logfilename", "`@pdg_name`.log"),
    menu("hythonbin", "0", "0 1"),
    string("hythonbincustomuniversal"),
    menu("pdg_workitemdatasource", "0", "0 1"),
    toggle("pdg_compressworkitemdata", True),
    toggle("pdg_validateoutputs", True),
    toggle("pdg_checkexpectedoutputs", True),
    menu("pdg_mapmode", "0", "0 1"),
    toggle("pdg_usemapzone"),
    string("pdg_mapzone", "$PDG_PATHMAP_ZONE"),
    menu("tempdirmenu", "1", "0 1 2"),
    toggle("tempdirappendpid", True),
    string("tempdircustom", "$HOUDINI_TEMP_DIR/$HIPNAME/pdgtemp"),
    menu("pdg_deletetempdir", "0", "0 1 2"),
    integer("socketcallbacks", 1),
    menu("pdg_rpcignoreerrors", "0", "0 1 2"),
    integer("pdg_rpcmaxerrors", 5),
    integer("pdg_rpctimeout", 4),
    integer("pdg_rpcretries", 2),
    integer("pdg_rpcbackoff", 2),
    floating("pdg_rpcbatch", 1),
    toggle("pdg_rpcrelease", True),
    _SCHEDULING,
    toggle("local_enabletimeout"),
    floating("local_maxtime"),
    menu("local_handletimeout", "0", "0 1"),
    toggle("local_enablemaxmemory"),
    floating("local_maxmemory"),
    menu("local_handlememory", "0", "0 1"),
    toggle("local_skippackages", True),
    string("local_env_file"),
    _ENVIRONMENT,
    later("21.0", menu("pdg_transfertype", "0", "0 1"), string("pdg_transferroot")),
)

JOB_PARAMETERS: ParmTable = table(_SCHEDULING, _ENVIRONMENT)
"""What Add Job Parms puts on a processor: the parameters tagged for override per node and item."""

REFUSED = {
    "pdg_waitforfailures": "nobody is there to retry failed items while the cook waits",
    "pdg_workitemdatasource": "there is no callback server that jobs could ask for item data",
    "local_enablemaxmemory": "the memory of jobs is not watched",
    "pdg_transfertype": "files are not transferred by a local cook",
    "pdg_transferroot": "files are not transferred by a local cook",
}


def _check(parameters: NodeParameters) -> list[str]:
    if sys.platform != "linux" and parameters.menu("local_useminfreemem"):
        return [
            f"{parameters.path}, parameter 'local_useminfreemem': free memory is only watched on "
            "Linux; set it to 0 (No Minimum)"
        ]
    return []


TYPE = NodeType("localscheduler", PARAMETERS, pdg.nodeType.Mapper, None, REFUSED, _check)

TOPNET = NodeType(
    "topnet",
    table(
        layout("cookcontrolssection", "taskgraphsection", "schedulersection", "sep1", "sep2"),
        *map(button, ("generatestatic", "cookbutton", "dirtybutton", "cancelbutton")),
        *map(button, ("savetaskgraph", "loadtaskgraph", "loadcheckpoint")),
        menu("checkpointformat", "1", "0 1"),
        string("taskgraphfile", "$HIP/$HIPNAME.taskgraph.$F.py"),
        toggle("taskgraphautosave"),
        integer("taskgraphsaverate", 10),
        string("checkpointfile", "$HIP/$HIPNAME.checkpoint.json"),
        menu("checkpointload", "0", "0 1"),
        toggle("checkpointenabled"),
        integer("checkpointrate", 10),
        toggle("savegraphattribs", True),
        string("topscheduler", "localscheduler"),
        toggle("usedefaultlabel"),
        string("defaultlabel", "$OS.`@pdg_index`"),
        menu("regenerationtype", "0", "0 1 2"),
        menu("evaluationtime", "0", "0 1 2"),
        floating("customtime"),
        toggle("savescenefile", True),
    ),
    pdg.nodeType.Mapper,
    None,
    {
        "taskgraphautosave": "task graph files are not written",
        "checkpointload": "checkpoint files of the task graph are not read",
        "checkpointenabled": "checkpoint files of the task graph are not written; finished "
        "outputs are found again through Expected Outputs",
        "evaluationtime": "expressions are evaluated at the scene's current frame",
    },
)
