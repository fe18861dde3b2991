"""Runs the script of a Python Script work item, in a process of its own.

    pythonscript.py [--expand-strings] [--copy-inputs WHEN] [--module-path FOLDER]... [-- WORD...]
        a job: the item is the one of the job's environment; changes go to standard output
    pythonscript.py --request FILE
        in place of Houdini's own process: everything is in FILE, which gets the changes as well

Runs on its own in a job's Python, 3.7 or newer: standard library only.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from typing import Any, NoReturn

import pdgjson

NEVER, ALWAYS, IF_NONE = range(3)


class Port:
    """A parameter of the node: ``self['name']``."""

    def __init__(self, text: str) -> None:
        self._text = text

    def evaluateString(self, *_item: Any) -> str:
        return self._text

    evaluate = evaluateRawString = evaluateString

    def evaluateFloat(self, *_item: Any) -> float:
        return float({"on": "1", "off": "0", "": "0"}.get(self._text, self._text))

    def evaluateInt(self, *_item: Any) -> int:
        return int(self.evaluateFloat())

    def evaluateBool(self, *_item: Any) -> bool:
        return bool(self.evaluateFloat())


class Node:
    """The node as a script sees it: its name, and its parameters evaluated for the item."""

    def __init__(self, saved: Any) -> None:
        self.name: str = saved["name"]
        self._path, self._parameters = saved["path"], saved["parameters"]

    def __getitem__(self, name: str) -> Port:
        return Port(self._parameters[name])

    def parameter(self, name: str) -> Port | None:
        return Port(self._parameters[name]) if name in self._parameters else None

    @property
    def parameterNames(self) -> list[str]:
        return sorted(self._parameters)

    def topNode(self) -> Node:
        return self

    def path(self) -> str:
        return str(self._path)

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"self.{name} needs Houdini: this node belongs to a cook without Houdini"
        )


def run(script: str, names: dict[str, Any]) -> str:
    """Run a script; gives why it failed, or ''. Its traceback goes to the log."""
    name = "<Python Code>"
    try:
        exec(compile(script, name, "exec"), {"__name__": "__main__", **names})
    except SystemExit as error:
        return "" if not error.code else f"the script ended with sys.exit({error.code})"
    except BaseException as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename != name:
            trace = trace.tb_next
        traceback.print_exception(type(error), error, trace)
        lines = [one.lineno for one in traceback.extract_tb(trace) if one.filename == name]
        if isinstance(error, SyntaxError) and not lines:
            lines = [error.lineno]
        where = f", line {lines[-1]}" if lines else ""
        return f"the script failed{where}: {type(error).__name__}: {error}"
    return ""


def ended(item: pdgjson.WorkItem, failure: str) -> str:
    """The failure, be it raised or said by the script."""
    errors = [message for kind, message in item.said if kind == 0]
    return failure or (errors[-1] if item.failed and errors else "")


def copy_inputs(item: pdgjson.WorkItem, when: int) -> None:
    if when == ALWAYS or (when == IF_NONE and not item.madeFiles):
        for file in item.inputFiles:
            item.addOutputFile(file.path, file.tag, file.hash, file.owned)


def job(options: Any) -> int:
    item = pdgjson.WorkItem.fromJobEnvironment(expand_strings=options.expand_strings)
    sys.path[:0] = options.module_path
    sys.argv = ["pythonscript", *options.arguments]
    if options.reset:
        for name in ("PYTHONPATH", "PYTHONHOME"):
            os.environ.pop(name, None)
    failure = ended(item, run(item.script, {"work_item": item, "graph": pdgjson.Attributes()}))
    if failure:
        print("error: " + failure, flush=True)
        return 1
    copy_inputs(item, options.copy_inputs)
    return 0


def request(path: str) -> int:
    with open(path, encoding="utf-8") as file:
        asked = json.load(file)
    item = pdgjson.WorkItem(asked["item"], reports=False)
    parent = asked["parent"] and pdgjson.WorkItem(asked["parent"], reports=False)
    sys.path[:0] = asked["paths"]
    sys.argv = ["pythonscript"]
    names = {
        "work_item": item,
        "parent_item": parent,
        "self": Node(asked["node"]),
        "graph": pdgjson.Attributes(),
    }
    failure = ended(item, run(item.script, names))
    if not failure:
        copy_inputs(item, asked["copy"])
    text = json.dumps({"failure": failure, "item": item.saved()})
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".part", path)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--request")
    parser.add_argument("--expand-strings", action="store_true")
    parser.add_argument("--reset", action="store_true")
    parser.add_argument("--copy-inputs", type=int, default=NEVER)
    parser.add_argument("--module-path", action="append", default=[])
    parser.add_argument("arguments", nargs="*")
    options = parser.parse_args()
    return request(options.request) if options.request else job(options)


if __name__ == "__main__":
    sys.exit(main())
