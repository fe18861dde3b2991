"""What Houdini loads, on the bare Python of each version: no package of anybody else is there."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from houfiles.libraries.expanded import read_expanded
from nvdiffrec_tops.assets import shipped

Run = Callable[..., subprocess.CompletedProcess[str]]
VERSIONS = ("3.11", "3.13")  # of Houdini 20.5 and 21, and of Houdini 22
PROVIDED = {"hou", "pdg", "pxr"}  # by Houdini
OURS = {"diffrec", "houfiles", "nvdiffrec_contract", "nvdiffrec_tops", "topcook"}
ROOT = Path(__file__).resolve().parents[3]
SOURCES = ROOT / "python3.11libs"

STUBS = """
import json, sys
from types import ModuleType

root, libraries = sys.argv[1:3]
if libraries:
    sys.path.insert(0, libraries)


class Anything(ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {})


hou = sys.modules["hou"] = Anything("hou")
sys.modules["pdg"] = Anything("pdg")
hou.isUIAvailable = lambda: False
"""


@pytest.fixture(params=VERSIONS)
def bare(request: pytest.FixtureRequest, root: Path, interpreter: Callable[[str], str]) -> Run:
    """Runs code with the standard library and Houdini's folder for that version of Python."""
    python = interpreter(request.param)

    def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        libraries = root / f"python{request.param}libs"
        argv = [python, "-I", "-S", "-B", "-X", "utf8", "-c", STUBS + code]
        return subprocess.run(
            [*argv, str(root), str(libraries), *arguments], capture_output=True, text=True
        )

    return run


def _module(path: Path) -> str:
    parts = path.relative_to(SOURCES).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path) -> Iterator[tuple[str, ...]]:
    """What a file imports anywhere in it, inside its functions too: (module, names from it).

    What stands under ``if TYPE_CHECKING`` is read by type checkers alone.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unread = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in unread:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name,) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = _module(path).split(".")
            if path.name != "__init__.py":
                package.pop()
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join((*base, *([node.module] if node.module else [])))
            yield (stem, *(alias.name for alias in node.names))


def _reached() -> dict[str, set[str]]:
    """The toolkit's modules that Houdini can come to load, and what of others each imports."""
    files = {_module(path): path for path in SOURCES.rglob("*.py")}
    found: dict[str, set[str]] = {}
    waiting = [name for name in files if name.startswith("nvdiffrec_tops.houdini")]
    while waiting:
        name = waiting.pop()
        if name in found or name not in files:
            continue
        foreign = found[name] = set()
        waiting.append(name.rpartition(".")[0])
        for stem, *names in _imports(files[name]):
            if stem.split(".")[0] in OURS:
                waiting += [stem, *(f"{stem}.{one}" for one in names)]
            else:
                foreign.add(stem.split(".")[0])
    return found


def test_each_package_is_there_for_each_python(root: Path) -> None:
    listed = [
        sorted(path.parent.name for path in (root / f"python{one}libs").glob("*/__init__.py"))
        for one in VERSIONS
    ]
    assert listed[0] == listed[1]


def test_every_module_that_houdini_can_load_loads(bare: Run) -> None:
    ours = _reached().keys()
    assert {"nvdiffrec_tops.houdini.callbacks", "nvdiffrec_tops.doctor"} <= ours
    code = """
import importlib
for name in json.loads(sys.argv[3]):
    importlib.import_module(name)
ours = set(json.loads(sys.argv[4]))
own = {name for name in sys.modules if name.split(".")[0] in ours}
files = [sys.modules[name].__file__ for name in own]
allowed = set(sys.stdlib_module_names) | ours | {"hou", "pdg", "__main__"}
print(json.dumps([files, sorted({name.split(".")[0] for name in sys.modules} - allowed)]))
"""
    done = bare(code, json.dumps(sorted(ours)), json.dumps(sorted(OURS)))
    assert done.returncode == 0, done.stderr
    files, others = json.loads(done.stdout)
    assert others == [] and "Warning" not in done.stderr
    assert all(Path(one).is_relative_to(SOURCES) for one in files)


def test_what_nodes_and_tools_run_does_without_the_cook_of_our_own(bare: Run) -> None:
    """Houdini's script for whole graphs, ``topcook.py``, would be found in our package's place."""
    code = """
from nvdiffrec_tops.houdini import callbacks, load_result, processors, shelf, training_monitor
print(json.dumps(sorted(name for name in sys.modules if name.split(".")[0] == "topcook")))
"""
    done = bare(code)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_no_module_that_houdini_can_load_imports_anybody_elses_package() -> None:
    """Inside its functions neither: an import there fails only when the function is called."""
    for name, foreign in _reached().items():
        # Called in a training's process only.
        if not name.startswith("nvdiffrec_tops.job.engines.nvdiffrec.shims"):
            assert foreign - set(sys.stdlib_module_names) - PROVIDED == set(), name


def test_the_modules_of_the_assets_their_menus_and_the_shelf(bare: Run) -> None:
    modules, menus = {}, []
    for name, asset in shipped.ASSETS.items():
        definition = read_expanded(ROOT / "otls" / asset.library).definition(asset.type)
        modules[name] = definition.text("PythonModule")
        menus += [one.menu.script for one in definition.interface.parms if one.menu]
    code = """
from types import SimpleNamespace
for text in json.loads(sys.argv[3]).values():
    names = {}
    exec(text, names)
    hou.phm = lambda names=names: SimpleNamespace(**names)
    for script in filter(None, json.loads(sys.argv[4])):
        menu = {"hou": hou, "kwargs": {}}
        exec("def script():\\n    " + script.strip(), menu)
        assert len(menu["script"]()) % 2 == 0
menu = names["callbacks"].preset_menu()
assert "Draft (a first look)" in menu, menu
from nvdiffrec_tops.houdini import batch, shelf
"""
    done = bare(code, json.dumps(modules), json.dumps(menus))
    assert done.returncode == 0, done.stderr


def test_the_shipped_scene_makes_its_work_items(bare: Run, root: Path) -> None:
    """The snippets of the shipped assets run as in a cook, and say what they say on any Python."""
    code = """
del sys.modules["hou"], sys.modules["pdg"]
from nvdiffrec_tops.cook.command import add_arguments, main
import argparse
parser = argparse.ArgumentParser()
add_arguments(parser)
scene = root + "/hip/TOPs_nvdiffrec_Static.hip"
sys.exit(main(parser.parse_args([scene, "--dry-run", "--json"])))
"""
    done = bare(code)
    assert done.returncode == 0, done.stderr
    names = [one["workitem"]["nodeName"] for one in json.loads(done.stdout)]
    assert {"attributes", "environment", "train"} <= set(names)
    assert f"{root}/python3.11libs/nvdiffrec_tops/job/__main__.py" in done.stdout


# -- a Houdini that the toolkit is not made for ---------------------------------------------------
START = """
import os
hou.applicationVersion = lambda: tuple(json.loads(sys.argv[3]))
hou.getenv = {"TOPS_NVDIFFREC": root}.get
sys.version_info = (*json.loads(sys.argv[4]), 0, "final", 0)
before = list(sys.path)
names = {}
exec(compile(open(root + "/scripts/python/pythonrc.py").read(), "pythonrc.py", "exec"), names)
added = [one for one in sys.path if one not in before]
print(json.dumps([added, sorted(set(names) - {"__builtins__", "__doc__"})]))
if not libraries:
    import nvdiffrec_tops.houdini
"""


def _start(
    root: Path, python: str, houdini: list[int], version: list[int], libraries: str
) -> tuple[list[str], str]:
    argv = [python, "-I", "-S", "-B", "-c", STUBS + START, str(root), libraries]
    argv += [json.dumps(houdini), json.dumps(version)]
    done = subprocess.run(argv, capture_output=True, text=True)
    added, names = json.loads(done.stdout)
    assert names == []
    return added, done.stderr


@pytest.mark.parametrize(
    ("houdini", "python"),
    [([20, 5, 445], [3, 11]), ([21, 0, 671], [3, 11]), ([22, 0, 368], [3, 13])],
)
def test_a_version_that_is_served_starts_without_a_word(
    root: Path, interpreter: Callable[[str], str], houdini: list[int], python: list[int]
) -> None:
    found = interpreter(f"{python[0]}.{python[1]}")
    libraries = str(root / f"python{python[0]}.{python[1]}libs")
    assert _start(root, found, houdini, python, libraries) == ([], "")


@pytest.mark.parametrize(
    ("houdini", "python", "words"),
    [
        ([23, 0, 120], [3, 14], "Houdini 23.0.120 with Python 3.14: its nodes are loaded all the"),
        ([23, 0, 120], [3, 13], "Houdini 23.0.120 with Python 3.13: its nodes are loaded all the"),
        ([20, 5, 445], [3, 10], "Houdini 20.5.445 with Python 3.10: its nodes do not work here"),
        ([20, 0, 653], [3, 10], "Houdini 20.0.653 with Python 3.10: its nodes do not work here"),
    ],
)
def test_another_version_gets_a_sentence_and_never_a_missing_module(
    root: Path,
    interpreter: Callable[[str], str],
    houdini: list[int],
    python: list[int],
    words: str,
) -> None:
    version = f"{python[0]}.{python[1]}"
    folder = root / f"python{version}libs"
    libraries = str(folder) if folder.is_dir() else ""
    added, said = _start(root, interpreter("3.11"), houdini, python, libraries)
    assert words in said and "made for Houdini 20.5 to 22 with Python 3.11 or 3.13" in said
    assert added == ([] if libraries else [f"{root}/python3.13libs"])
    assert ("nvdiffrec needs Houdini 20.5 or newer" in said) is (python < [3, 11])
    assert "No module named" not in said
