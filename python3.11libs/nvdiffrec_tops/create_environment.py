"""Makes the environment of the embedded trainer and examines it: a process of its own.

Started by its path, by any Python from 3.9 on; the buttons in Houdini start it so. What it does
stands in the progress file of the folder (``environment.setup.progress``).
"""

from __future__ import annotations

import argparse
import os
import sys

if not __package__ and __name__ == "__main__":
    _here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [os.path.dirname(_here), *(one for one in sys.path if one != _here)]
    # An unpacked release may be read by many and written by none.
    sys.dont_write_bytecode = True

from nvdiffrec_tops import doctor
from nvdiffrec_tops.environment.description import EnvironmentProblem
from nvdiffrec_tops.environment.registry import register
from nvdiffrec_tops.environment.setup.build import build
from nvdiffrec_tops.environment.setup.packages import SHIPPED
from nvdiffrec_tops.environment.setup.progress import Spoken
from nvdiffrec_tops.environment.setup.readiness import Plan

ENGINE = "diffrec"
_WORDS = {"error": "Wrong", "warning": "Doubtful"}


def examined(folder: str) -> tuple[str, str]:
    """What the doctor says of an environment that was just made: a sentence, and the findings."""
    lines = []
    for one in doctor.examine(environment=folder, engine=ENGINE):
        if one.severity in _WORDS:
            lines.append(f"{_WORDS[one.severity]}: {one.title}. {one.evidence}")
            if one.cure:
                lines.append(f"    {one.cure}")
    count = sum(not line.startswith(" ") for line in lines)
    if not count:
        return "The doctor finds nothing wrong with it", ""
    return f"The doctor has {count} finding{'s' if count > 1 else ''}", "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Make the environment in a folder; returns the exit code."""
    parser = argparse.ArgumentParser(description="Make the environment of the embedded trainer.")
    parser.add_argument("folder", help="where; it is new, empty, or was begun by an earlier run")
    parser.add_argument("--lock", default=SHIPPED, help="another list of packages with hashes")
    arguments = parser.parse_args(argv)
    try:
        plan = Plan(ENGINE, os.path.abspath(arguments.lock))
        made = build(arguments.folder, plan, shown=Spoken(), examine=examined)
    except EnvironmentProblem as problem:
        print(f"error: {problem}\n  {problem.cure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    register(made.prefix, os.environ)
    return 0


if __name__ == "__main__":
    sys.exit(main())
