"""*Create Environment*: a background process, and a window that shows how far it is.

The window may be closed, and Houdini ended: the process goes on. Asking again for the same folder
shows the process that runs; at the end the node's environment is set.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, cast

import hou

from nvdiffrec_tops.environment.setup import background, progress
from nvdiffrec_tops.environment.setup.progress import Report
from nvdiffrec_tops.houdini import messages
from nvdiffrec_tops.houdini.messages import ToolError

_SECONDS = 0.5
_QT = ("hutil.PySide", "hutil.Qt", "PySide6", "PySide2")

watches: dict[str, Watch] = {}
"""The set-ups that this session looks at, by folder."""


def create(node: hou.OpNode | None) -> None:
    """Ask for a folder and make an environment in it, for a node or for none.

    Raises:
        ToolError: this session has no windows.
        EnvironmentProblem: nothing can be made there.
    """
    if not hou.isUIAvailable():
        raise ToolError(
            "Create Environment needs a window to ask for a folder; on a command line: "
            "nvdiffrec-tops env create --path FOLDER"
        )
    for watch in watches.values():
        if node is not None and watch.node_path == node.path():
            watch.open()
            return
    chosen = hou.ui.selectFile(
        title="Folder for the Python environment (some 6 GB)", file_type=hou.fileType.Directory
    )
    if chosen:
        begin(hou.text.expandString(chosen), node)


def begin(chosen: str, node: hou.OpNode | None) -> Watch:
    """Make an environment in a folder that was chosen, or look at the process that does so."""
    folder = background.place_in(chosen)
    if folder in watches:
        watch = watches[folder]
        watch.node_path = node.path() if node is not None else watch.node_path
    else:
        process = background.start(folder, os.environ)
        watch = watches[folder] = Watch(folder, node.path() if node is not None else "", process)
        hou.ui.addEventLoopCallback(watch.look)
    watch.open()
    return watch


class Watch:
    """Looks at a set-up while Houdini is idle, and tells its end."""

    def __init__(
        self, folder: str, node_path: str, process: subprocess.Popen[bytes] | None
    ) -> None:
        self.folder, self.node_path = folder, node_path
        self._process = process
        self._window: Window | None = None
        self._next = 0.0

    def open(self) -> None:
        """Show the window, again if it was closed."""
        if self._window is None or not self._window.is_open():
            self._window = Window.opened(f"Creating the environment {self.folder}")
        self._next = 0.0

    def look(self) -> None:
        """Called by Houdini all the time; does something now and then."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SECONDS
        # Before the file is read: what it says at the end was written by then.
        ended = self._process is not None and self._process.poll() is not None
        report = progress.read(self.folder)
        if report is None:
            if not ended:
                return
            report = Report(
                progress.FAILED,
                message=f"The set-up of {self.folder} ended before it had begun",
                cure="the file .nvdiffrec-tops-pip.log there says why",
            )
        if report.state == progress.RUNNING:
            self._show(report)
        elif report.state != progress.STOPPED or ended or self._process is None:
            self._end(report)

    def _show(self, report: Report) -> None:
        if self._window is not None and self._window.is_open():
            self._window.show(report)
        percent = f"{round(100 * report.fraction)} %"
        hou.ui.setStatusMessage(f"nvdiffrec environment: {report.step} ({percent})")

    def _end(self, report: Report) -> None:
        hou.ui.removeEventLoopCallback(self.look)
        watches.pop(self.folder, None)
        if self._window is not None:
            self._window.close()
        hou.ui.setStatusMessage("")
        if report.state == progress.DONE:
            text = report.message
            if set_environment(self.node_path, self.folder):
                text += f". {self.node_path} uses it now"
            messages.tell(text, details=report.details)
        else:
            parts = (report.message, report.cure)
            text = ". ".join(part.rstrip(". ") for part in parts if part)
            messages.tell(text, details=report.line, problem=True)


def set_environment(node_path: str, folder: str) -> bool:
    """Have a node use an environment; whether there was such a node."""
    node = hou.node(node_path) if node_path else None
    if node is None:
        return False
    path = folder.replace("\\", "/").rstrip("/") + "/"
    with hou.undos.group("nvdiffrec Create Environment"):
        return _set(node, {"miniconda_env": path}) or _set(
            node, {"source": "prefix", "prefix": path}
        )


def _set(node: Any, values: Mapping[str, str]) -> bool:
    """Set parameters of a node that has them all."""
    parms = {name: node.parm(name) for name in values}
    if None in parms.values():
        return False
    for name, value in values.items():
        cast("hou.Parm", parms[name]).set(value)
    return True


class Window:
    """A small window with a bar; where there is no Qt the status line alone tells."""

    def __init__(self, dialog: Any, step: Any, bar: Any, line: Any) -> None:
        self._dialog, self._step, self._bar, self._line = dialog, step, bar, line

    @classmethod
    def opened(cls, title: str) -> Window | None:
        """The window, shown; None without Qt."""
        widgets = _qt_widgets()
        if widgets is None:
            return None
        dialog = widgets.QDialog(hou.qt.mainWindow())
        dialog.setWindowTitle(messages.TITLE)
        dialog.setMinimumWidth(520)
        column = widgets.QVBoxLayout(dialog)
        heading, step, line = (widgets.QLabel(text) for text in (title, "Starting", ""))
        bar = widgets.QProgressBar()
        bar.setRange(0, 1000)
        note = widgets.QLabel("It goes on when this window is closed, and when Houdini is.")
        close = widgets.QPushButton("Close")
        close.clicked.connect(dialog.hide)
        for one in (heading, step, bar, line, note, close):
            if one is not bar and one is not close:
                one.setWordWrap(True)
            column.addWidget(one)
        dialog.show()
        return cls(dialog, step, bar, line)

    def show(self, report: Report) -> None:
        self._step.setText(report.step)
        self._bar.setValue(round(1000 * report.fraction))
        self._line.setText(report.line[:200])

    def is_open(self) -> bool:
        return bool(self._dialog.isVisible())

    def close(self) -> None:
        self._dialog.hide()
        self._dialog.deleteLater()


def _qt_widgets() -> Any:
    """Qt as Houdini brings it: version 5 with 20.5, version 6 later."""
    for name in _QT:
        with suppress(ImportError):
            found = getattr(import_module(name), "QtWidgets", None)
            return found or import_module(f"{name}.QtWidgets")
    return None
