"""FFmpeg Extract Images: one item per film, which writes its frames with the user's own ffmpeg."""

from __future__ import annotations

import os
from pathlib import Path

from topcook import jobsupport, pdg
from topcook.parameters.evaluation import NodeParameters
from topcook.parameters.table import button, floating, integer, layout, menu, string, table, toggle

from .base import GENERATE_WHEN, NodeType, parms
from .fileprocessor import FileProcessor, incoming, path_of
from .scheduling import LATER_COMMAND, OWN_COMMAND_REFUSED, SCHEDULING, set_label_and_priority

PARAMETERS = table(
    layout("toptabs3_2", "toptabs3_2_1", "toptabs3_2_2", "folder0", "folder1", "folder2"),
    layout("folder3", "sepparm", "sepparm4"),
    GENERATE_WHEN,
    menu("pdg_cooktype", "2", "1 2 3", by_token=True),
    menu("pdg_useserviceblock", "1", "0 1 2"),
    string("pdg_servicename", "pythonscript"),
    button("manageservices"),
    menu("inputsource", "0", "0 1"),
    string("inputfiletag", "file/video"),
    string("inputfilepath", "`@pdg_input`"),
    floating("fps", 24),
    string("outputfilepattern", "$HIP/images/`@pdg_name`/frame%06d.jpg"),
    string("outputfiletag", "file/image"),
    toggle("enablesize"),
    integer("width", 1920),
    integer("height", 1080),
    string("imageresolutions"),
    menu("ffmpegbinary", "3", "0 1 2 3"),
    string("customffmpegbinary"),
    toggle("enablecustomcommand"),
    string("ffmpegcommand"),
    SCHEDULING,
    string("inputvideo"),
    toggle("specifyimagesize"),
    integer("imgwidth"),
    integer("imgheight"),
    string("outputfilepath"),
    string("outputtag"),
    toggle("customcommand"),
    string("expr"),
    toggle("overridebin"),
    string("ffmpegbin"),
    LATER_COMMAND,
)

_OBSOLETE = (
    *("inputvideo", "specifyimagesize", "imgwidth", "imgheight", "outputfilepath"),
    *("outputtag", "customcommand", "expr", "overridebin", "ffmpegbin"),
)
_REFUSED = {
    **OWN_COMMAND_REFUSED,
    **dict.fromkeys(_OBSOLETE, "it belongs to an older version of this node"),
}


class FFmpegExtractImages(FileProcessor):
    jobFiles = jobsupport.files("ffmpeg.py")

    def fill(self, item: pdg.WorkItem) -> None:
        parameters = parms(self)
        set_label_and_priority(parameters, item)
        custom = " --as-it-is" if parameters.toggle("enablecustomcommand", item) else ""
        item.setCommand(f'"__PDG_PYTHON__" "__PDG_SCRIPTDIR__/ffmpeg.py"{custom}')
        self.beforehand(item, self._describe)

    def prepareTask(self, work_item: pdg.WorkItem) -> None:
        self._describe(work_item)

    def _describe(self, item: pdg.WorkItem) -> None:
        """Set the attributes that the job reads, by the names and flags that Houdini gives them."""
        parameters = parms(self)
        film = self._film(item)
        pattern = path_of(parameters, "outputfilepattern", item)
        if not os.path.basename(pattern):
            raise pdg.CookError(
                f"{self.node.path}, parameter 'outputfilepattern': {pattern} ends without a name"
            )
        fps = parameters.number("fps", item)
        if fps <= 0:
            raise pdg.CookError(f"{self.node.path}, parameter 'fps': {fps:g} is not possible")
        sized = parameters.toggle("enablesize", item)
        filters = f"fps={fps}"
        if sized:
            width, height = parameters.integer("width", item), parameters.integer("height", item)
            filters += f",scale={width}:{height}"
        if parameters.toggle("enablecustomcommand", item):
            command = parameters.string("ffmpegcommand", item)
        else:
            program = _quoted(self._program(item))
            command = f"{program} -i {_quoted(film)} -vf {filters} {_quoted(pattern)}"
        tag = parameters.string("inputfiletag", item)
        image_tag = parameters.string("outputfiletag", item)
        item.setFloatAttrib("fps", fps)
        item.setIntAttrib("inputsource", parameters.menu("inputsource", item))
        item.setIntAttrib("enablesize", int(sized))
        item.setStringAttrib("operation", "extract")
        item.setStringAttrib("ffmpegcommand", command)
        item.setStringAttrib("inputfiletag", tag)
        item.setFileAttrib("inputfilepath", pdg.File(film, tag))
        item.setStringAttrib("outputfilepattern", pattern)
        item.setStringAttrib("outputfiletag", image_tag)
        item.setFileAttrib("outputfiles", pdg.File(pattern, image_tag))
        for name in (
            *("inputsource", "enablesize", "operation", "ffmpegcommand", "inputfiletag"),
            *("inputfilepath", "outputfilepattern", "outputfiletag", "outputfiles"),
        ):
            item.setAttribFlag(name, pdg.attribFlag.NoCopy)

    def _film(self, item: pdg.WorkItem) -> str:
        parameters = parms(self)
        if parameters.menu("inputsource", item) == 1:
            film = path_of(parameters, "inputfilepath", item)
        else:
            files = incoming(parameters, "inputfiletag", item)
            if len(files) > 1:
                raise pdg.CookError(
                    f"{self.node.path}: {len(files)} films come in for {item.name}, and their "
                    "images would be written over each other; split them into items of their own"
                )
            film = files[0].path
        return os.path.abspath(film)

    def _program(self, item: pdg.WorkItem) -> str:
        """The program as the node says: Houdini's own where there is Houdini, else PATH's."""
        parameters = parms(self)
        variables = parameters.surroundings.variables
        match parameters.menu("ffmpegbinary", item):
            case 1:
                named = variables.get("PDG_FFMPEG", "")
                if not named:
                    raise pdg.CookError(
                        f"{self.node.path}, parameter 'ffmpegbinary': the environment variable "
                        "PDG_FFMPEG is not set"
                    )
                return named
            case 2:
                return path_of(parameters, "customffmpegbinary", item)
            case 3:
                own = Path(variables.get("HFS", ""), "bin", "hffmpeg")
                return str(own) if variables.get("HFS") and own.exists() else "ffmpeg"
        return "ffmpeg"


def _quoted(text: str) -> str:
    """One word between double quotes, as Houdini writes them; shlex reads it back as it was."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _check(parameters: NodeParameters) -> list[str]:
    if parameters.isSet("pdg_cooktype") and parameters.raw("pdg_cooktype") == "3":
        name = parameters.path.rsplit("/", 1)[-1]
        return [
            f"{parameters.path}, parameter 'pdg_cooktype': services exist only inside Houdini; "
            f"cook in a process of its own with --set {name}.pdg_cooktype=2"
        ]
    return []


TYPE = NodeType(
    "ffmpegextractimages",
    PARAMETERS,
    pdg.nodeType.Processor,
    FFmpegExtractImages,
    _REFUSED,
    _check,
)
