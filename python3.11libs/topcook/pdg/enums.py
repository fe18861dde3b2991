"""Enumerations of the pdg module: the documented names, with the documented numbers where known.

Members whose number is not documented count on from the last known one; only their names matter.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag


class attribType(IntEnum):
    Undefined = -1
    Int = 0
    Float = 1
    String = 2
    File = 3
    PyObject = 4
    Geometry = 5
    Dict = 6


class attribFlag(IntFlag):
    NoFlags = 0
    NoCopy = 1
    EnvExport = 2
    ReadOnly = 4
    Internal = 8
    Operator = 0x10
    Transfer = 0x20
    Dependent = 0x40
    NoDirty = 0x80
    Transient = 0x100
    Bound = 0x200
    InputFile = 0x400
    All = 0xFFFF


class attribOverwrite(IntEnum):
    Match = 0
    Always = 1
    Never = 2


class attribErrorLevel(IntEnum):
    Error = 0
    Warn = 1
    Quiet = 2


class attribCollisionStrategy(IntEnum):
    Replace = 0
    Keep = 1
    Error = 2


class workItemState(IntEnum):
    Undefined = 0
    Dirty = 1
    Uncooked = 2
    Waiting = 3
    Scheduled = 4
    Cooking = 5
    CookedSuccess = 6
    CookedCache = 7
    CookedFail = 8
    CookedCancel = 9


class workItemType(IntEnum):
    Regular = 0
    Batch = 1
    Partition = 2


class workItemExecutionType(IntEnum):
    Regular = 0
    LongRunning = 1
    Cleanup = 2


class workItemCookType(IntEnum):
    Generate = 0
    InProcess = 1
    OutOfProcess = 2
    Service = 3
    Automatic = 4


class workItemLogType(IntEnum):
    Error = 0
    Warning = 1
    Message = 2
    Raw = 3


class workItemCacheState(IntEnum):
    Undefined = 0
    Clean = 1
    CleanPending = 2
    DirtyAlways = 3
    DirtyEmpty = 4
    DirtyMissing = 5
    DirtyNew = 6
    DirtyStale = 7


class workItemDataSource(IntEnum):
    JSONFile = 0
    RPCMessage = 1


class fileType(IntEnum):
    Generated = 0
    Expected = 1
    Runtime = 2
    RuntimeExpected = 3


class generateWhen(IntEnum):
    EachUpstreamCooked = 0
    AllUpstreamGenerated = 1
    Automatic = 2
    AllUpstreamCooked = 3


class generationType(IntEnum):
    Static = 0
    Dynamic = 1
    Regenerate = 2
    DynamicRegenerate = 3
    StaticGenerate = 0
    DynamicGenerate = 1
    StaticRegenerate = 2


class regenerateReason(IntEnum):
    Always = 1
    Full = 2
    Propagate = 3
    Dirty = 4
    DirtyInvalidate = 5


class result(IntEnum):
    All = 0
    Failure = 1
    Missing = 2
    Success = 3


# ``pdg.result.None`` exists; the name cannot be written as a class member.
setattr(result, "None", result.Missing)


# Not the order of the menu: Automatic (Ignore Upstream) came later. The dialog of Text Output shows
# that 2 writes: only there it offers to append to a file that exists.
class cacheMode(IntEnum):
    Automatic = 0
    AlwaysRead = 1
    AlwaysWrite = 2
    AutomaticIgnore = 3


class cloneMode(IntEnum):
    Default = 0
    Always = 1
    Never = 2


class nodeType(IntEnum):
    Processor = 0
    Partitioner = 1
    Mapper = 2


class platform(IntEnum):
    Unknown = 0
    Windows = 1
    Mac = 2
    Linux = 3


class EventType(IntEnum):
    Null = 0
    WorkItemAdd = 1
    WorkItemAddList = 2
    WorkItemRemove = 3
    WorkItemRemoveList = 4
    WorkItemStateChange = 5
    WorkItemCookPercentUpdate = 6
    WorkItemAddDep = 7
    WorkItemPriority = 11
    CookError = 12
    CookWarning = 13
    CookComplete = 14
    DirtyStart = 15
    DirtyStop = 16
    DirtyAll = 17
    NodeFirstCook = 24
    NodeGenerated = 25
    NodeCooked = 26
    WorkItemOutputFiles = 35
    WorkItemResult = 35
    CookStart = 38
    NodeProgressUpdate = 41
    All = 43
    Log = 44
    SchedulerAdded = 45
    SchedulerRemoved = 46
