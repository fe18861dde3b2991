"""What the nodes that work on files share: one item each, done when the node says so.

*Cook (In-Process)* and *Cook (Out-of-Process)* are one here: the work runs on the cook's worker,
on the machine that cooks. *Generate* does it at once, and not in a dry run.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence

from topcook import pdg
from topcook.inprocess import Outcome, Stopped, Stopping, Task, sentence
from topcook.parameters.evaluation import NodeParameters

from .base import parms, set_priority
from .scheduling import set_label_and_priority

GENERATE, IN_PROCESS, OUT_OF_PROCESS = 0, 1, 2


class FileProcessor(pdg.PyProcessor):
    """One item per upstream item, or one without an input.

    A node overrides ``task``, and ``expected`` when it has a Cache Mode.
    """

    older_when = ""
    """The name under which older versions kept what is ``pdg_cooktype`` today."""

    def onGenerate(
        self,
        item_holder: pdg.WorkItemHolder,
        upstream_items: list[pdg.WorkItem],
        generation_type: pdg.generationType,
    ) -> pdg.result:
        parents: list[pdg.WorkItem | None] = list(upstream_items)
        if not parents and not self.node.inputs:
            parents = [None]
        for parent in parents:
            item = item_holder.addWorkItem(parent=parent, index=0 if parent is None else -1)
            self.fill(item)
        return pdg.result.Success

    def fill(self, item: pdg.WorkItem) -> None:
        parameters = parms(self)
        if parameters.has("pdg_workitemlabel"):
            set_label_and_priority(parameters, item)
        elif parameters.has("pdg_workitempriority"):
            set_priority(parameters, item)
        if self.when(item) != GENERATE:
            item.setCookType(pdg.workItemCookType.InProcess)
            self.beforehand(item, self._expect)
        elif self.context.cooking:
            self._now(item)

    def beforehand(self, item: pdg.WorkItem, evaluate: Callable[[pdg.WorkItem], None]) -> None:
        """Evaluate at generation what is evaluated again when the item cooks.

        As long as upstream items have not cooked, what they make is missing: that is no fault.
        """
        if all(one.isCooked for one in item.dependencies):
            evaluate(item)
            return
        with quiet(parms(self)), contextlib.suppress(pdg.CookError):
            evaluate(item)

    def when(self, item: pdg.WorkItem) -> int:
        """GENERATE, IN_PROCESS or OUT_OF_PROCESS."""
        parameters = parms(self)
        if not parameters.has("pdg_cooktype"):
            return IN_PROCESS
        older = self.older_when
        if older and not parameters.isSet("pdg_cooktype") and parameters.isSet(older):
            return parameters.menu(older, item)
        return parameters.menu("pdg_cooktype", item)

    def _now(self, item: pdg.WorkItem) -> None:
        try:
            self.task(item)(lambda: self.context.canceling).give(item)
        except Stopped:
            raise pdg.CookError(f"{self.node.path}: stopped") from None
        except OSError as error:
            raise pdg.CookError(f"{self.node.path}: {sentence(error)}") from None

    def _expect(self, item: pdg.WorkItem) -> None:
        item.clearExpectedOutputFiles()
        for file in self.expected(item):
            item.addExpectedOutputFile(file.path, file.tag, own=False)

    def prepareTask(self, work_item: pdg.WorkItem) -> Task | None:
        if not work_item.isInProcess:
            return None
        self._expect(work_item)
        task = self.task(work_item)
        path = self.node.path

        def run(stopping: Stopping) -> Outcome:
            try:
                return task(stopping)
            except OSError as error:
                raise pdg.CookError(f"{path}: {sentence(error)}") from None

        return run

    def expected(self, item: pdg.WorkItem) -> Sequence[pdg.File]:
        """The files that stand in for the item's cook when they exist, as far as is known."""
        return ()

    def task(self, item: pdg.WorkItem) -> Task:
        """Evaluate the node's parameters for the item; gives what is to be done.

        Raises CookError.
        """
        raise NotImplementedError


@contextlib.contextmanager
def quiet(parameters: NodeParameters) -> Iterator[None]:
    """While it lasts, the evaluation of parameters warns of nothing."""
    around = parameters.surroundings
    warn, around.warn = around.warn, lambda _message: None
    try:
        yield
    finally:
        around.warn = warn


def path_of(parameters: NodeParameters, name: str, item: pdg.WorkItem | None) -> str:
    """A parameter that names a file or folder; relative ones lie in the working directory.

    Raises CookError when it is empty or cannot be a path.
    """
    where = f"{parameters.path}, parameter '{name}'"
    text = parameters.string(name, item)
    if not text.strip():
        whose = f" for {item.name}" if item is not None else ""
        raise pdg.CookError(f"{where}: it names no file{whose}")
    return absolute(parameters, text, where)


def absolute(parameters: NodeParameters, text: str, where: str) -> str:
    """The path with ``__PDG_DIR__`` filled in, relative to the working directory."""
    if "\0" in text:
        raise pdg.CookError(f"{where}: a path cannot contain a null character")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise pdg.CookError(f"{where}: it has characters that no path can have") from None
    working = parameters.surroundings.variables.get("PDG_DIR", os.getcwd())
    return os.path.join(working, text.replace("__PDG_DIR__", working))


def incoming(parameters: NodeParameters, tag_name: str, item: pdg.WorkItem) -> list[pdg.File]:
    """The upstream output files with the tag that a parameter names. Raises CookError on none."""
    tag = parameters.string(tag_name, item)
    files = item.inputFilesForTag(tag)
    if not files:
        tags = ", ".join(sorted({file.tag for file in item.inputFiles})) or "no file at all"
        raise pdg.CookError(
            f"{parameters.path}, parameter '{tag_name}': no file with the tag '{tag}' comes in "
            f"for {item.name}, but {tags}"
        )
    return files


def made(path: str, tag: str) -> pdg.File:
    """A file that an item has made, as PDG notes it: with the time of its last change."""
    return pdg.File(path, tag or pdg.tag_of(path), hash=changed(path))


def changed(path: str) -> int:
    """The time of a file's last change, in seconds; 0 when it is not there."""
    try:
        return int(os.stat(path).st_mtime)
    except OSError:
        return 0
