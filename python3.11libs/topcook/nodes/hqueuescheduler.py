"""Parameters of the HQueue scheduler; what hands jobs to the farm is elsewhere."""

from __future__ import annotations

from dataclasses import replace

from topcook import pdg
from topcook.parameters.table import (
    ParmTable,
    button,
    floating,
    integer,
    layout,
    menu,
    multiparm,
    string,
    table,
    toggle,
)

from .base import NodeType
from .localscheduler import PARAMETERS as LOCAL

JOB_PARAMETERS: ParmTable = table(
    integer("hqueue_priority", 5),
    menu("hqueue_assign_to", "0", "0 1 2"),
    string("hqueue_clients"),
    string("hqueue_client_groups"),
    menu("hqueue_createcontainerjob", "0", "0 1 2"),
    string("hqueue_containerjobname"),
    string("hqueue_description"),
    string("hqueue_tags"),
    string("hqueue_host"),
    string("hqueue_conditions"),
    toggle("hqueue_is_CPU_number_set"),
    integer("hqueue_CPUs_to_use", 1),
    toggle("hqueue_usehoudinimaxthreads"),
    integer("hqueue_houdinimaxthreads"),
    toggle("hqueue_usemaxtime"),
    integer("hqueue_maxtime"),
    menu("hqueue_echandleby", "0", "0 1 2 3"),
    toggle("hqueue_echandleall", True),
    integer("hqueue_eccustomcode", 1),
    integer("hqueue_triesleft", 1),
    toggle("hqueue_inheritlocalenv"),
    string("hqueue_envunset"),
    string("hqueue_env_file"),
    # The names of the blocks that hold the numbered ones are in no public file.
    multiparm("hqueue_resources", string("hqueue_resname#"), integer("hqueue_resqty#", 1)),
    multiparm("hqueue_envmulti", string("hqueue_envname#"), string("hqueue_envvalue#")),
)
"""Those tagged for override per node and item."""

_OWN = table(
    layout("folder0", "folder1", "folder2", "folder3", "folder4", "folder5", "folder6"),
    string("address", "http://localhost:5000"),
    button("queryhq"),
    string("jobname", "$HIPNAME"),
    string("description"),
    toggle("uselocalsharedroot"),
    string("localsharedroot_linux"),
    string("localsharedroot_macosx"),
    string("localsharedroot_win"),
    menu("mqusage", "0", "0 1 2"),
    string("hqueue_preshell"),
    string("hqueue_postshell"),
    string("hqueue_prepy"),
    string("hqueue_postpy"),
)

_SUBMIT_GRAPH = table(
    button("submitjob"),
    string("submitjobname", "$HIPNAME"),
    toggle("usesubmitjobnode"),
    string("submitjobnode"),
    toggle("submitjobfile"),
    menu("submitjobverbosity", "0", "0 1 2"),
    menu("submitjobassign", "0", "0 1 2"),
    string("submitjobclients"),
    button("submitjobselectclients"),
    string("submitjobgroups"),
    button("submitjobselectgroups"),
    toggle("submitjobsetcpus"),
    integer("submitjobcpus", 1),
    menu("submitjobwhenfinished", "0", "0 1 2"),
    toggle("enabledatalayerserver"),
    menu("usedatalayerport", "0", "0 1"),
    integer("datalayerserverport"),
    toggle("createremotegraph"),
    string("remotegraphname"),
)
"""Submit Graph As Job: for the button in Houdini alone."""

_UNUSED = table(
    menu("pythonbin", "0", "0 1 2"),
    string("pythonbincustomuniversal"),
    toggle("useuniversalhfs"),
    string("hfspathuniversal"),
    string("hfs_linux_path"),
    string("hfs_macosx_path"),
    string("hfs_windows_path"),
    string("mqaddr"),
    toggle("usetaskcallbackport"),
    integer("taskcallbackport"),
    toggle("usemqrelayport"),
    integer("mqrelayport"),
    floating("pdg_tickperiod", 0.5),
    integer("pdg_maxitems"),
    button("loadpathmap"),
    button("select_clients"),
    button("select_client_groups"),
    toggle("tractor_debug"),
)
"""Houdini on the clients, its message queue and its polling, none of which a job here needs."""

# What a cook asks of any scheduler (folders, formats, limits) has the local scheduler's names.
_COMMON = [
    replace(spec, default=("0",)) if spec.name in ("tempdirmenu", "tempdirappendpid") else spec
    for spec in LOCAL
]
PARAMETERS = ParmTable([*_COMMON, *_OWN, *_SUBMIT_GRAPH, *_UNUSED, *JOB_PARAMETERS])

_SCRIPTS = "scripts before and after a job run in Houdini's own cook only"
REFUSED = {
    "pdg_waitforfailures": "nobody is there to retry failed items while the cook waits",
    "pdg_workitemdatasource": "there is no callback server that jobs could ask for item data",
    "hqueue_conditions": "its form is not documented; use client groups",
    **dict.fromkeys(
        ("hqueue_preshell", "hqueue_postshell", "hqueue_prepy", "hqueue_postpy"), _SCRIPTS
    ),
}

TYPE = NodeType("hqueuescheduler", PARAMETERS, pdg.nodeType.Mapper, None, REFUSED)
