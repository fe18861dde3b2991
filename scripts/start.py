r"""Sets the project up in .venv and starts one of its commands; any Python from 3.9 on runs it.

python scripts/start.py cook [SCENE.hip] [options]    what scripts/cook and scripts\cook.bat do
python scripts/start.py ensure diffrec|development     only the set-up

Started with -I -S: nothing but the standard library is needed, and nothing else gets in.
"""

from __future__ import annotations

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SETUP = os.path.join(ROOT, "python3.11libs", "nvdiffrec_tops", "environment", "setup")
sys.path.insert(0, os.path.join(ROOT, "python3.11libs"))
sys.dont_write_bytecode = not os.access(ROOT, os.W_OK)

# By its bare name, without the packages around it: a second start takes no longer than this.
sys.path.insert(0, SETUP)
from readiness import (  # type: ignore[import-not-found]  # noqa: E402
    Plan,
    interpreter,
    is_complete,
)

sys.path.remove(SETUP)

VENV = os.path.join(ROOT, ".venv")
SAMPLE_SCENE = os.path.join(ROOT, "hip", "TOPs_nvdiffrec_Static.hip")
PHOTOGRAPHS = "photographs"
"""The word for the scene that begins with photographs."""
PHOTOGRAPHS_SCENE = os.path.join(ROOT, "hip", "TOPs_nvdiffrec_Photographs.hip")
_LISTS = {
    "diffrec": os.path.join(SETUP, "diffrec.lock.txt"),
    "development": os.path.join(ROOT, "development.lock.txt"),
}
# What an own venv, Houdini or a shell would have our Python load.
_UNSET = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
_HELP = r"""Sets the project up and cooks a TOP scene without Houdini.
  scripts/cook                      the sample scene: hip/TOPs_nvdiffrec_Static.hip
  scripts/cook photographs          from photographs to a mesh: hip/TOPs_nvdiffrec_Photographs.hip
  scripts/cook SCENE.hip [options]  any scene; options as in: nvdiffrec-tops cook --help
Nothing is installed yet; the first start without --help does that, in .venv beside the project."""


def plan(name: str) -> Plan:
    """What .venv is to hold: ``diffrec`` to train, ``development`` for tests as well."""
    return Plan(name, _LISTS[name], ROOT, (os.path.join(ROOT, "pyproject.toml"),))


def is_ready(name: str) -> bool:
    """Whether nothing has to be done. What is complete for development is so for training."""
    return any(is_complete(VENV, plan(one)) for one in {name, "development"})


def ensure(name: str) -> None:
    """.venv holds what ``name`` stands for; quick when it does already."""
    if is_ready(name):
        return
    # Not before: what is imported here takes longer than all the rest of a second start.
    from nvdiffrec_tops.environment import EnvironmentProblem
    from nvdiffrec_tops.environment.setup.build import build
    from nvdiffrec_tops.environment.setup.progress import Spoken

    say("Setting up .venv with the toolkit and what it needs (once; minutes on a slow connection)")
    try:
        build(VENV, plan(name), shown=Spoken(), wait=True, ours=True)
    except EnvironmentProblem as problem:
        say(f"Error: {problem}\n  {problem.cure}")
        sys.exit(1)


def cook(words: list[str]) -> int:
    """Cook a scene, the sample's without one."""
    if {"-h", "--help"} & set(words):
        if not is_ready("diffrec"):
            print(_HELP)
            return 0
        return replaced("-m", "nvdiffrec_tops", "cook", "--help")
    ensure("diffrec")
    if words[:1] == [PHOTOGRAPHS]:
        scene, words = PHOTOGRAPHS_SCENE, words[1:]
    elif words and not words[0].startswith("-"):
        scene, words = words[0], words[1:]
    else:
        scene = SAMPLE_SCENE
        say("Writing the sample scene (a mesh, its textures and an HDR sky) into sample/")
        code = called("-m", "diffrec.sample", os.path.join(ROOT, "sample"))
        if code:
            return code
    say(f"Cooking {scene}")
    return replaced("-m", "nvdiffrec_tops", "cook", scene, *words)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def called(*words: str) -> int:
    """Run the environment's Python and wait for it."""
    import subprocess

    environ = {name: value for name, value in os.environ.items() if name not in _UNSET}
    with subprocess.Popen([interpreter(VENV), *words], env=environ) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                # The process got it too, and says itself how it ends.
                continue


def replaced(*words: str) -> int:
    """Run the environment's Python in the place of this one."""
    if os.name == "nt":  # where it would be another process, for which no shell waits
        return called(*words)
    for name in _UNSET:
        os.environ.pop(name, None)
    sys.stdout.flush()
    os.execv(interpreter(VENV), [interpreter(VENV), *words])


def main(words: list[str]) -> int:
    try:
        if words[:1] == ["cook"]:
            return cook(words[1:])
        if len(words) == 2 and words[0] == "ensure" and words[1] in ("diffrec", "development"):
            ensure(words[1])
            return 0
    except KeyboardInterrupt:
        print("stopped; the next start goes on where this one ended", file=sys.stderr)
        return 130
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
